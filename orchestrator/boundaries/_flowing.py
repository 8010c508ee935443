"""flowing: a streamed answer on its way to the client, event by event, through the filters of the guards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guards._errors import GuardError, GuardFailed, UpstreamError
from guards._types import Reply
from orchestrator._engine.drive import unsuspended
from orchestrator.boundaries import _coding, _sse
from orchestrator.boundaries._json import Unreadable, parse, write
from orchestrator.boundaries._line import Here, Line
from orchestrator.boundaries._messages import Answer, Garbled
from orchestrator.boundaries._refusal import refusal
from orchestrator.boundaries._relay import END, Relay
from orchestrator.boundaries._wire import Wire

if TYPE_CHECKING:
    from orchestrator.boundaries._exchange import Exchange

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Live:
    """A stream that has begun: the answer, the events that are not yet told, and what reads more."""

    answer: Answer
    opening: list[_sse.Event]
    reading: Reading


def event(wire: Wire, value: Any) -> bytes:
    return _sse.written(wire.event_name(value), write(value))


def event_value(one: _sse.Event) -> Any:
    try:
        return parse((one.data or "").encode("utf-8", "surrogatepass"))
    except Unreadable as error:
        raise Garbled(f"an event of the upstream's stream is no JSON: {error}") from None


class Reading:
    """The bytes of a streamed answer, decoded, as events."""

    def __init__(self, answer: Answer) -> None:
        coding = answer.header(b"content-encoding").decode("latin-1")
        try:
            self._decoder = _coding.decoder(coding)
        except _coding.Uncodable as error:
            raise Garbled(str(error)) from None
        self._reader = _sse.Reader()

    def feed(self, data: bytes) -> list[_sse.Event]:
        try:
            return self._reader.feed(data if self._decoder is None else self._decoder.feed(data))
        except _sse.TooLong:
            raise Garbled("an event of the upstream's stream does not end") from None
        except ValueError as error:
            raise Garbled(f"the upstream's stream cannot be read: {type(error).__name__}") from None

    def end(self) -> list[_sse.Event]:
        return self._reader.end()


class Flowing:
    """A live reply as bytes for the client, an iterator of either kind; one event after the other, none kept.

    A refusal or a failure in mid-stream is the provider's own error event, after which nothing comes.
    """

    def __init__(self, exchange: Exchange, reply: Reply) -> None:
        self._wire, self._line, self._live = exchange.wire, exchange.line, reply.raw
        self._relay = Relay(reply, exchange.call, exchange.gate.world, lambda error: error)
        self._looked = bool(reply.filters or reply.after)
        self._silent = bool(reply.filters)
        self._meter = bool((reply.call or exchange.call).meters) and exchange.wire.metered(exchange.value)
        self._hides = self._meter is not False and self._meter is not exchange.value
        self._over = self._ended = False

    def __iter__(self) -> Flowing:
        return self

    def __next__(self) -> bytes:
        if (data := unsuspended(self.step())) is None:
            raise StopIteration
        return data

    def __aiter__(self) -> Flowing:
        return self

    async def __anext__(self) -> bytes:
        if (data := await self.step()) is None:
            raise StopAsyncIteration
        return data

    def closer(self, line: Line) -> Callable[[], Any]:
        """What closes it before its end, as a reader does who leaves."""
        return (
            (lambda: unsuspended(self.stop(GeneratorExit())))
            if isinstance(line, Here)
            else (lambda: self.stop(GeneratorExit()))
        )

    async def step(self) -> bytes | None:
        """The next bytes for the client; None when there are no more."""
        out: list[bytes] = []
        while not (out or self._over):
            try:
                events = await self._events()
                for one in events if events is not None else self._live.reading.end():
                    self._pass(one, out)
                if events is None:
                    await self._finish(out)
            except Exception as error:
                await self._fail(error, out)
            except BaseException as left:
                await self.stop(left)
                raise
        return b"".join(out) if out else None

    async def _events(self) -> list[_sse.Event] | None:
        """The next events of the upstream; None at its end."""
        opening = list(self._live.opening)
        if opening:
            self._live.opening.clear()
            return opening
        data = await self._line.pull(self._relay, self._live.answer.chunks)
        return None if data is END else self._live.reading.feed(data)

    def _pass(self, one: _sse.Event, out: list[bytes]) -> None:
        """What may go on of one event."""
        if one.data is None:
            out.append(b":\n\n" if self._silent else one.raw)
            return
        if one.data == DONE:
            self._ended = True
            out.extend(event(self._wire, value) for value in self._relay.end())
            out.append(one.raw)
            return
        if not self._looked and not self._hides:
            out.append(one.raw)
            return
        value = event_value(one)
        if self._wire.failed(value):
            out.append(one.raw)
            raise Told
        self._ended = self._ended or self._wire.last(value)
        for made in self._relay.feed(value):
            if self._hides and (made := _unmetered(made)) is None:
                continue
            out.append(one.raw if made is value else event(self._wire, made))

    async def _finish(self, out: list[bytes]) -> None:
        """The upstream has closed the stream: all is told, or it was cut off."""
        out.extend(event(self._wire, value) for value in self._relay.end())
        if not self._ended and self._looked:
            raise UpstreamError(self._relay.target, kind="connection")
        if (unsettled := await self.stop(None)) is not None:
            out.append(self._told(unsettled))

    async def _fail(self, error: Exception, out: list[bytes]) -> None:
        failure = self._relay.failed(error)
        if not isinstance(error, Told):
            out.append(self._told(failure))
        await self.stop(failure)

    def _told(self, failure: BaseException) -> bytes:
        error = failure if isinstance(failure, GuardError) else GuardFailed.of("http", failure)
        told = refusal(error)
        return event(self._wire, self._wire.error_event(told.status, told.message, error.code, told.detail))

    async def stop(self, stopped: BaseException | None) -> GuardError | None:
        """Close the upstream and let the guards settle; once, whoever comes first."""
        if self._over:
            return None
        self._over = True
        left = stopped
        if self._ended and isinstance(stopped, GeneratorExit):
            left = None  # a client that has had the end may well leave before it is told so
        try:
            await self._line.close(self._live.answer)
        finally:
            unsettled: GuardError | None = await self._line.settle(self._relay, left)
        return unsettled


class Told(Exception):
    """The upstream told its own error in mid-stream, and the client has it."""


def _unmetered(value: Any) -> Any:
    """A streamed value without the tokens that the client did not ask for; None where it has nothing else."""
    if not isinstance(value, dict) or "usage" not in value:
        return value
    if value.get("choices") == [] and value["usage"] is not None:
        return None
    return {name: one for name, one in value.items() if name != "usage"}
