"""relay: a live reply on its way from upstream to the program, through the filters of the guards.

It does no I/O of its own; what pulls the chunks is given to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from guards._body import leaves, put
from guards._errors import Denied, Exhausted, GuardError, UpstreamError
from guards._stream import Pipe
from guards._types import UNUSED, Call, Ended, Filter, Part, Path, Reply, Usage
from orchestrator._engine.clock import Expired
from orchestrator._engine.drive import AsyncHands, SyncHands, World, settle, unsuspended
from orchestrator._engine.session import inside
from orchestrator._engine.upstream import upstream_error
from orchestrator.boundaries import _shapes

END = object()


def _no_more(call: Call) -> Any:
    raise Denied("a stream that has stopped asks nothing more")


class Relay:
    """A live reply on its way: each channel of the stream (choice, content block) has its own filters."""

    def __init__(
        self, reply: Reply, call: Call, world: World, own: Callable[[UpstreamError], BaseException]
    ) -> None:
        self._reply, self._asked, self._world, self._own = reply, call, world, own
        self._pipes: dict[Any, Filter] = {}
        self._last: dict[Any, tuple[Any, Path]] = {}
        self._passed: list[str] = []
        self._size, self._usage = 0, UNUSED
        # As it left, with the bounds that guards have set on the way.
        self._call = reply.call or call

    @property
    def target(self) -> str:
        return self._call.target

    def settle(self, stopped: BaseException | None) -> GuardError | None:
        """Have the guards settle what they left for the end of the stream."""
        hands = SyncHands(self._world, _no_more)
        return unsuspended(settle(self._reply, self._ended(stopped), self._call, hands))

    async def asettle(self, stopped: BaseException | None) -> GuardError | None:
        hands = AsyncHands(self._world, _no_more)
        return await settle(self._reply, self._ended(stopped), self._call, hands)

    def _ended(self, stopped: BaseException | None) -> Ended:
        return Ended(size=self._size, usage=self._usage, error=stopped)

    def pulled(self, chunks: Iterator[Any]) -> Iterator[Any]:
        """Chunks from upstream until its end."""
        while (chunk := self.pull(chunks)) is not END:
            yield chunk

    def pull(self, chunks: Iterator[Any]) -> Any:
        """The next chunk, or `END`, within the idle time and what is left of the run's deadline."""
        bound = self._bound()
        try:
            with inside(self._call.run):
                if bound is None:
                    return next(chunks, END)
                return self._world.clock.within(bound, lambda: next(chunks, END))
        except Expired:
            raise self._expired() from None

    async def apull(self, chunks: AsyncIterator[Any]) -> Any:
        """The same, awaited."""
        bound = self._bound()
        try:
            with inside(self._call.run):
                if bound is None:
                    return await anext(chunks, END)
                return await self._world.clock.awithin(bound, lambda: anext(chunks, END))
        except Expired:
            raise self._expired() from None

    def _bound(self) -> float | None:
        left, idle = self._left(), self._call.idle
        return idle if left is None else left if idle is None else min(left, idle)

    def _expired(self) -> GuardError:
        left, idle = self._left(), self._call.idle
        if left == 0 or idle is None:
            return Exhausted("deadline")
        return UpstreamError(self._call.target, kind="timeout")

    def _left(self) -> float | None:
        deadline = self._call.run.deadline
        return None if deadline is None else max(0.0, deadline - self._world.clock.now())

    def feed(self, chunk: Any) -> Iterator[Any]:
        """What may go on now, for one chunk from upstream."""
        if self._left() == 0:
            raise Exhausted("deadline")
        if self._reply.after:
            self._count(chunk)
        if not self._reply.filters:
            yield chunk
            return
        texts, closing = self._texts(chunk), _shapes.closes(chunk)
        for closed in closing:
            # A client that stops reading at the end of a choice must have had all of it by then.
            mine = [channel for channel, _, _ in texts if channel[:2] == closed]
            yield from self._flush([c for c in self._pipes if c[:2] == closed and c not in mine])
        edits = self._aside(chunk)
        for channel, at, text in texts:
            self._last[channel] = chunk, at
            passed = self._pipe(channel).feed(text)
            if channel[:2] in closing:
                passed += self._pipes.pop(channel).end()
            edits.append((at, passed))
        yield from self._out(chunk, edits)

    def _count(self, chunk: Any) -> None:
        self._size += sum(len(text.encode(errors="replace")) for _, _, text in _shapes.deltas(chunk) or ())
        told = _shapes.streamed_usage(chunk)
        self._usage = Usage(
            input=max(self._usage.input, told.input),
            output=max(self._usage.output, told.output),
            cached=max(self._usage.cached, told.cached),
        )

    def end(self) -> Iterator[Any]:
        """What was held back, in the shape of the last chunk of its channel."""
        yield from self._flush(list(self._pipes))

    def _flush(self, channels: list[Any]) -> Iterator[Any]:
        for channel in channels:
            tail = self._pipes.pop(channel).end()
            if not tail:
                continue
            chunk, place = self._last[channel]
            silent: list[tuple[Path, Any]] = [
                (at, tail if at == place else "") for _, at, _ in self._texts(chunk)
            ]
            silent += self._aside(chunk)
            if _shapes.field(chunk, "usage") is not None:
                silent.append((("usage",), None))  # it was told with the chunk itself
            yield from self._out(chunk, silent)

    def _aside(self, chunk: Any) -> list[tuple[Path, Any]]:
        """The edits of a chunk beside what flows in it."""
        if isinstance(chunk, str):
            return []
        found = list(leaves(chunk))
        whole = [(at, self._at_once(at, text)) for at, text in _shapes.whole(chunk, found)]
        return [*_shapes.odds(chunk, found), *whole]

    def _at_once(self, at: Path, text: str) -> str:
        pipe = self._fresh(json=at[-1] == "arguments")
        return pipe.feed(text) + pipe.end()

    def failed(self, error: Exception) -> BaseException:
        """What a failure in mid-stream means to the caller, with the text that had passed by then."""
        if not isinstance(error, GuardError):
            error = upstream_error(self._asked.target, error)
        error.locate(self._asked, 1, None)
        if error.partial is None:
            error.partial = "".join(self._passed)
        return self._own(error) if isinstance(error, UpstreamError) else error

    @staticmethod
    def _texts(chunk: Any) -> list[tuple[Any, Path, str]]:
        found = _shapes.deltas(chunk)
        if found is None:
            raise Denied(
                f"a chunk of type {type(chunk).__name__} cannot be read; yield strings or provider chunks"
            )
        return found

    def _pipe(self, channel: Any) -> Filter:
        if channel not in self._pipes:
            self._pipes[channel] = self._fresh(json=_shapes.is_arguments(channel))
        return self._pipes[channel]

    def _fresh(self, *, json: bool = False) -> Filter:
        if json:
            from guards._strings import Strings

            return Strings(self._fresh)
        return Pipe(make(self._world.note) for make in self._reply.filters)

    def _out(self, chunk: Any, edits: list[tuple[Path, Any]]) -> Iterator[Any]:
        self._passed.extend(text for _, text in edits if text)
        if (out := put(chunk, edits)) != "":
            yield out

    @staticmethod
    def collect(chunks: list[Any]) -> Reply:
        """A stream that a guard asked to have whole: a part for each of its channels."""
        texts: dict[Any, list[str]] = {}
        for number, chunk in enumerate(chunks):
            for channel, _, text in Relay._all_texts(number, chunk):
                texts.setdefault(channel, []).append(text)
        parts = tuple(
            Part(text="".join(said), role="assistant", at=(index,), origin="untrusted")
            for index, said in enumerate(texts.values())
        )
        return Reply(parts=parts, raw=chunks)

    @staticmethod
    def replay(reply: Reply) -> Iterator[Any]:
        """A whole reply as a stream again: each channel's text goes out with its first chunk."""
        if reply.raw is None:
            yield reply.text
            return
        texts = {part.at[0]: part.text for part in reply.parts if part.at}
        order: dict[Any, int] = {}
        for number, chunk in enumerate(reply.raw):
            edits = _shapes.without_odds(chunk)
            for channel, at, _ in Relay._all_texts(number, chunk):
                fresh = channel not in order
                index = order.setdefault(channel, len(order))
                edits.append((at, texts.get(index, "") if fresh else ""))
            if (out := put(chunk, edits)) != "":
                yield out

    @staticmethod
    def _all_texts(number: int, chunk: Any) -> list[tuple[Any, Path, str]]:
        once = [(("whole", number, at), at, text) for at, text in _shapes.wholes(chunk)]
        return [*Relay._texts(chunk), *once]
