"""exchange: one HTTP request to a model, and its answer, through a policy.

There is no I/O here: `send` is given, and whatever came is read through it.  The logic is written once, as
coroutines; those of the sync line never suspend.  The transport and the gateway are both thin shells of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from guards._errors import Denied, GuardError, GuardFailed, UpstreamError
from guards._flow import bare, guard_name
from guards._types import Call, Reply
from guards._value import maker
from orchestrator._engine.chain import Chain, chain
from orchestrator._engine.drive import unsuspended
from orchestrator._engine.session import CURRENT, current, inside
from orchestrator._engine.trace import arriving, traceparent
from orchestrator._engine.upstream import upstream_error
from orchestrator.boundaries import _coding, _shapes, _sse
from orchestrator.boundaries._flowing import DONE, Flowing, Live, Reading, event, event_value
from orchestrator.boundaries._json import Unreadable, parse, spell, write
from orchestrator.boundaries._line import Here, Line, There
from orchestrator.boundaries._messages import HOPS, SIZED, Answer, Ask, Garbled, Headers, Status, travelling
from orchestrator.boundaries._refusal import refusal
from orchestrator.boundaries._relay import END
from orchestrator.boundaries._wire import Wire, find, spoken, winding

if TYPE_CHECKING:
    from orchestrator._engine.orchestrator import Orchestrator

Unknown: TypeAlias = Literal["pass", "refuse"]
new_call = maker(Call)

JSON: Headers = [(b"content-type", b"application/json")]
EVENTS: Headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
ELSEWHERE = frozenset({"schema", "route", "fallback", "degrade", "hedge", "cache", "canary", "context"})
"""Guards that choose the model or judge the reply's text, and so have no say where there is none."""


BLIND = frozenset({
    "breaker", "budget", "cache", "concurrency", "deadline", "degrade", "fallback", "hedge", "iterations",
    "permit", "rate_limit", "residency", "retry", "route", "timeout",
})  # fmt: skip
"""Guards that work alike whatever a request says."""

Send: TypeAlias = Callable[[Ask], Answer]
ASend: TypeAlias = Callable[[Ask], Awaitable[Answer]]


def exchange(gate: Orchestrator, ask: Ask, send: Send, *, unknown: Unknown = "pass") -> Answer:
    """Ask through the policy.  Every refusal and failure is an answer; `unknown` is for other paths."""
    return unsuspended(_exchanged(gate, ask, send, unknown, Here()))


async def aexchange(gate: Orchestrator, ask: Ask, send: ASend, *, unknown: Unknown = "pass") -> Answer:
    """The same for an async `send`."""
    return await _exchanged(gate, ask, send, unknown, There())


async def _exchanged(gate: Orchestrator, ask: Ask, send: Any, unknown: Unknown, line: Line) -> Answer:
    if not touches(gate, ask.method, ask.path, unknown):
        return await line.send(send, ask)
    wire = find(ask.method, ask.path)
    if wire is None:
        return refused(spoken(ask.headers), Denied("no policy is known for this path"), 404)
    try:
        return await Exchange(gate, wire, ask, send, line).answer()
    except Wrong as wrong:
        return refused(wire, Denied(str(wrong)), wrong.status)
    except GuardError as error:
        return refused(wire, error)
    except Exception as accident:
        return refused(wire, GuardFailed.of("http", accident))


def touches(gate: Orchestrator, method: str, path: str, unknown: Unknown = "pass") -> bool:
    """Whether a request is looked at; any other goes through as it is, body unread."""
    if winding(path):
        return True
    if find(method, path) is not None:
        return not (gate.open and ((run := CURRENT.get()) is None or run.deadline is None))
    # A question about the models there are carries no content either way.
    return unknown == "refuse" and not (method in ("GET", "HEAD") and "/models" in path.partition("?")[0])


def refused(wire: Wire, error: GuardError, status: int | None = None) -> Answer:
    """An error as the provider would tell it; the upstream's own is told as it came."""
    if isinstance(error, UpstreamError) and isinstance(cause := error.__cause__, Status) and cause.whole:
        return cause.answer
    told = refusal(error, status)
    body = write(wire.error(told.status, told.message, error.code, told.detail))
    return Answer(told.status, [*JSON, *told.headers], body)


TOKENS = (
    "the text is given as numbers of tokens, which no guard can read; send it as text"
    " (LangChain's OpenAIEmbeddings does with check_embedding_ctx_length=False)"
)


class Wrong(Exception):
    """A request that cannot be read; it is refused before anybody is asked."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Received:
    """A whole reply as it came: the answer with its bytes, the text in them, and its value."""

    answer: Answer
    text: bytes
    value: Any


class Exchange:
    """One request on its way, with all its attempts."""

    def __init__(self, gate: Orchestrator, wire: Wire, ask: Ask, send: Any, line: Line) -> None:
        self.gate, self.wire, self.ask, self._send, self.line = gate, wire, ask, send, line
        self.text = _text_of(ask)
        self.value = _value_of(ask, self.text)
        self.asked_model = wire.model(ask.path, self.value)
        self.streaming = wire.streams(ask.path, self.value)
        self.call = new_call(
            kind="model",
            target=self._target(),
            parts=wire.asked(self.value),
            options=_options(ask),
            stream=self.streaming,
            run=arriving(current(), _header(ask, b"traceparent")) if gate.world.sink else current(),
            raw=self.value,
        )
        self._came: dict[int, Received] = {}

    def _target(self) -> str:
        """What the policy calls the model that is asked."""
        known, said = self.gate.policy.models or {}, self.asked_model
        if said in known:
            return said
        return next((name for name, model in known.items() if model.id == said), said or "model")

    async def answer(self) -> Answer:
        reply = await self.line.run(self._chain(), self.call, self._perform, self.gate.world)
        if reply.live:
            return self._flowing(reply)
        return self._whole(reply)

    def _chain(self) -> Chain:
        whole = self.gate.chain("model", self.call.target)
        if _numbers(self.value.get(self.wire.talk)) and not BLIND.issuperset(map(_name, whole.guards)):
            raise Wrong(400, TOKENS)
        if not self.wire.deaf:
            return whole
        return chain(guard for guard in whole.guards if _name(guard) not in ELSEWHERE)

    async def _perform(self, call: Call) -> Reply:
        """One attempt: what the guards made of the request goes out, and what came back is read."""
        ask, started = self._departing(call), self.gate.world.clock.now()
        with inside(call.run):
            answer = await self.line.send(self._send, ask)
            kept = False
            try:
                reply = await self._heard(answer, call)
                kept = reply.live and not self._late(call, started)
                return reply
            finally:
                if not kept:
                    await self.line.close(answer)

    def _late(self, call: Call, started: float) -> bool:
        """Whether an attempt took longer than anybody waits for it, as one may in a thread left behind."""
        now, deadline = self.gate.world.clock.now(), call.run.deadline
        spent = call.timeout is not None and now - started > call.timeout
        return spent or (deadline is not None and now > deadline)

    def _departing(self, call: Call) -> Ask:
        if call.via:
            raise Denied(f"{call.via} is asked by no HTTP request; guard a function for it")
        path, value = self.ask.path, self.wire.rebuilt(self.value, call, self.call.parts)
        if (model := self._model(call.target)) != self.asked_model:
            path, value = self.wire.with_model(path, value, model)
        if self.streaming and not call.stream:
            path, value = self.wire.whole(path, value)
        elif self.streaming and call.meters:
            value = self.wire.metered(value)
        body = self.ask.body if value is self.value else spell(self.text, self.value, value)
        changed = body is not self.ask.body
        return Ask(self.ask.method, path, self._headers(call, changed), body, value, model)

    def _model(self, target: str) -> str:
        """The provider's name for a model of the policy."""
        model = (self.gate.policy.models or {}).get(target)
        if model is not None:
            return model.id
        return self.asked_model if target == self.call.target else target

    def _headers(self, call: Call, changed: bool) -> Headers:
        gone = HOPS | SIZED if changed else HOPS
        kept = [(name, value) for name, value in self.ask.headers if name.lower() not in gone]
        kept = [
            (name, _coding.understood(value)) if name.lower() == b"accept-encoding" else (name, value)
            for name, value in kept
        ]
        key = call.options.get("idempotency_key")
        if isinstance(key, str) and all(name.lower() != b"idempotency-key" for name, _ in kept):
            kept.append((b"idempotency-key", key.encode()))
        if place := traceparent(call.run):
            kept = [(name, value) for name, value in kept if name.lower() != b"traceparent"]
            kept.append((b"traceparent", place.encode()))
        return kept

    async def _heard(self, answer: Answer, call: Call) -> Reply:
        if not 200 <= answer.status < 300:
            raise upstream_error(call.target, await self._status(answer))
        kind = answer.header(b"content-type").partition(b";")[0].strip().lower()
        if self.streaming and call.stream and kind == b"text/event-stream":
            return await self._begun(answer, call)
        body = await self._read(answer)
        try:
            text = _coding.decoded(body, answer.header(b"content-encoding").decode("latin-1"))
            value = parse(text)
        except ValueError as error:
            raise Garbled(f"the upstream's answer cannot be read: {error}") from None
        if not isinstance(value, dict):
            raise Garbled("the upstream's answer is no JSON object")
        reply = (
            Reply(usage=_shapes.streamed_usage(value), raw=value)
            if self.wire.deaf
            else self.wire.heard(value)
        )
        self._came[id(value)] = Received(answer, text, value)
        answer.body, answer.chunks = body, None
        return reply

    async def _status(self, answer: Answer) -> Status:
        answer.body, answer.chunks = await self._read(answer), None
        try:
            coding = answer.header(b"content-encoding").decode("latin-1")
            body = parse(_coding.decoded(answer.body, coding, 1_000_000))
        except ValueError:
            body = None
        answer.headers = travelling(answer.headers)
        return Status(answer, body)

    async def _read(self, answer: Answer) -> bytes:
        """The whole body.  Raises `Garbled` for one that is far too large."""
        if answer.chunks is None:
            return answer.body
        pieces, size = [], 0
        while (piece := await self.line.next(answer.chunks)) is not END:
            size += len(piece)
            if size > _coding.LARGEST_BODY:
                raise Garbled("the upstream's answer is far too large")
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _begun(self, answer: Answer, call: Call) -> Reply:
        """A stream, read until it commits itself: before its first text, another attempt is possible."""
        reading = Reading(answer)
        opening: list[_sse.Event] = []
        while (data := await self.line.next(answer.chunks)) is not END:
            events = reading.feed(data)
            opening += events
            if any(self._commits(event, answer) for event in events):
                break
        else:
            if not opening:
                raise UpstreamError(call.target, kind="connection")
        return Reply(live=True, raw=Live(answer, opening, reading))

    def _commits(self, event: _sse.Event, answer: Answer) -> bool:
        if event.data is None:
            return False
        if event.data == DONE:
            return True
        value = event_value(event)
        if self.wire.failed(value):
            answer.body, answer.chunks = event.raw, None
            answer.headers = [pair for pair in travelling(answer.headers) if pair[0].lower() not in SIZED]
            raise Status(answer, value)
        return _shapes.speaks(value) or self.wire.last(value)

    def _flowing(self, reply: Reply) -> Answer:
        flowing = Flowing(self, reply)
        headers = [pair for pair in travelling(reply.raw.answer.headers) if pair[0].lower() not in SIZED]
        return Answer(reply.raw.answer.status, headers, chunks=flowing, close=flowing.closer(self.line))

    def _whole(self, reply: Reply) -> Answer:
        came = self._came.get(id(reply.raw))
        value = (
            reply.raw if isinstance(reply.raw, dict) else self.wire.told(reply, self._model(self.call.target))
        )
        made = self.wire.retold(value, reply) if value is reply.raw and not self.wire.deaf else value
        status, headers = (came.answer.status, travelling(came.answer.headers)) if came else (200, JSON)
        if self.streaming:
            kept = [pair for pair in headers if pair[0].lower() not in SIZED | {b"content-type"}]
            return Answer(status, [*EVENTS, *kept], self._replayed(made))
        if came is not None and made is came.value:
            return Answer(status, headers, came.answer.body, extra=came.answer.extra)
        body = write(made) if came is None else spell(came.text, came.value, made)
        return Answer(status, [pair for pair in headers if pair[0].lower() not in SIZED], body)

    def _replayed(self, value: Mapping[str, Any]) -> bytes:
        """A whole reply as the events of a stream."""
        return b"".join(
            _sse.written("", value.encode()) if isinstance(value, str) else event(self.wire, value)
            for value in self.wire.events(value, self.value)
        )


def _name(guard: Any) -> str:
    return guard_name(bare(guard))


def _numbers(talk: Any) -> bool:
    """Whether what is asked is given as the numbers of its tokens, some of it or all."""
    if not isinstance(talk, list):
        return False
    return any(isinstance(one, (int, float)) or (one and _numbers(one)) for one in talk)


def _text_of(ask: Ask) -> bytes:
    """The request's body, decoded; raises `Wrong` for one that is not what it says it is."""
    kinds = [value for name, value in ask.headers if name.lower() == b"content-type"]
    kind = kinds[-1].partition(b";")[0].strip().lower() if kinds else b"application/json"
    if kind != b"application/json" and not kind.endswith(b"+json"):
        raise Wrong(415, "the body is not JSON by its content type; send application/json")
    coding = next((value for name, value in ask.headers if name.lower() == b"content-encoding"), b"")
    try:
        return _coding.decoded(ask.body, coding.decode("latin-1"))
    except _coding.Uncodable as error:
        raise Wrong(400, f"the body cannot be read: {error}") from None


def _value_of(ask: Ask, text: bytes) -> dict[str, Any]:
    try:
        value = parse(text)
    except Unreadable as error:
        raise Wrong(400, f"the body is not JSON that everybody reads alike: {error}") from None
    if not isinstance(value, dict):
        raise Wrong(400, "the body is not a JSON object")
    return value


def _options(ask: Ask) -> dict[str, Any]:
    """What guards may ask of a call beside its content."""
    key = _header(ask, b"idempotency-key")
    return {"idempotency_key": key} if key else {}


def _header(ask: Ask, wanted: bytes) -> str:
    """The first header of a name; empty if there is none."""
    found = next((value for name, value in ask.headers if name.lower() == wanted), b"")
    return found.decode("latin-1")
