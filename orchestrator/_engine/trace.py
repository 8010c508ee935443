"""Where things happen in a request's trace, and what a sink is told of a crossing beside what guards record.

Nothing here is paid for where nobody takes notes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import getrandbits
from typing import TYPE_CHECKING, Any, TypeAlias

from guards._errors import GuardError
from guards._types import UNUSED, After, Call, Ended, Event, Reply, Run, SpanContext, Steps, Usage, new_event
from guards._value import maker, replace
from guards._wishes import NOW, Record

if TYPE_CHECKING:
    from orchestrator._engine.clock import Clock
    from orchestrator._engine.drive import Hands, World

Sink: TypeAlias = Callable[[Event], None]
Ending: TypeAlias = Callable[[BaseException | None], None]
new_context = maker(SpanContext)

DRIVEN = frozenset({"call", "crossed", "lost", "reviewed", "session", "streamed", "waited"})
"""What the drivers tell of themselves; all else is told by guards."""
BESIDE_AUDIT = (DRIVEN - {"call"}) | {"reserved"}
"""What an audit log has other records for, or no need of, unless a crossing failed."""

HEADER = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def new_id() -> str:
    """16 hex digits, never all 0."""
    return f"{getrandbits(64) or 1:016x}"


def traceparent(run: Run) -> str:
    """The W3C `traceparent` header for what is sent inside this run's call; empty if nobody takes notes."""
    within = run.within
    return f"00-{within.trace}-{within.span}-01" if within is not None and within.span else ""


def continued(header: str) -> SpanContext | None:
    """Where the caller is whose `traceparent` header this is; None for one that is not valid."""
    found = HEADER.fullmatch(header.strip())
    return found and SpanContext(trace=found[1], span=found[2], steps=Steps())


def arriving(run: Run, header: str) -> Run:
    """A run that goes on with its caller's trace, if it stands in none."""
    within = continued(header) if header and run.within is None else None
    return run if within is None else replace(run, within=within)


def rooted(run: Run) -> SpanContext:
    """Where a run happens: one that is new, in the program's own OpenTelemetry span, if there is one."""
    return run.within or _ambient() or new_context(trace=_trace_of(run), steps=Steps())


def _trace_of(run: Run) -> str:
    """The same trace for the same request, whoever goes on with it; nobody does with a call alone."""
    if run.lone is not None:
        return f"{getrandbits(128) or 1:032x}"
    from hashlib import blake2b

    return blake2b(run.request_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _ambient() -> SpanContext | None:
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    span = api.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return SpanContext(trace=f"{span.trace_id:032x}", span=f"{span.span_id:016x}", steps=Steps())


def shown(within: SpanContext) -> Callable[[], None] | None:
    """Let the program's own OpenTelemetry spans be children of ours until what is returned is called."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None or not within.span:
        return None
    from opentelemetry.context import attach, detach

    sampled = api.TraceFlags(api.TraceFlags.SAMPLED)
    place = api.SpanContext(int(within.trace, 16), int(within.span, 16), is_remote=False, trace_flags=sampled)
    token = attach(api.set_span_in_context(api.NonRecordingSpan(place)))
    return lambda: detach(token)


def deeper(run: Run, span: str) -> Run:
    """The run of what happens inside of one more span."""
    return replace(run, within=replace(run.within or rooted(run), span=span))


# A session, which the crossings of one request stand in


def begun(run: Run, header: str, clock: Clock, sink: Sink) -> tuple[Run, Ending]:
    """A run with a span of its own around all its crossings, and what ends that."""
    above = continued(header) or replace(rooted(run), step=0, steps=Steps())
    around, started, span = replace(run, within=above), clock.now(), new_id()

    def end(error: BaseException | None) -> None:
        data = {"seconds": clock.now() - started, "error": _code(error)}
        sink(Event(what="session", boundary="session", target="", run=around, data=data, id=span))

    return deeper(around, span), end


# A crossing: a call with everything that its guards make of it


def entered(call: Call) -> tuple[Run, Call]:
    """The next step of a request: where it stands, and the call as what happens inside of it."""
    outer = rooted(call.run)
    step = outer.steps.take()
    here = new_context(trace=outer.trace, span=outer.span, step=step, steps=outer.steps)
    inside = new_context(trace=outer.trace, span=new_id(), step=step, steps=outer.steps)
    run = call.run
    return replace(run, within=here), replace(call, run=replace(run, within=inside))


async def watched(driven: Coroutine[Any, Any, Reply], around: Run, inside: Call, hands: Hands[Any]) -> Reply:
    """Tell the sink how a crossing ended: when its reply is there, or its stream has stopped."""
    clock, account = hands.world.clock, Account(around, inside, hands)
    try:
        reply = await driven
    except BaseException as error:
        account.close(clock.now(), error)
        raise
    if reply.live:
        return replace(reply, after=(*reply.after, account.after(reply, clock.now())))
    account.close(clock.now(), None, reply)
    return reply


class Account:
    """What one crossing has come to."""

    __slots__ = ("_call", "_hands", "_run", "_started")

    def __init__(self, run: Run, call: Call, hands: Hands[Any]) -> None:
        self._run, self._call, self._hands = run, call, hands
        self._started = hands.world.clock.now()

    def close(self, now: float, error: BaseException | None, reply: Reply | None = None) -> None:
        self._hands.world.note(self._crossed(now, error, reply, UNUSED, None))

    def after(self, reply: Reply, opened: float) -> After:
        """What is told once a stream has stopped: what it took beyond its opening, and the whole crossing."""

        def stopped(ended: Ended) -> Any:
            call = reply.call or self._call
            more = _beyond(ended.usage, reply.usage)
            cost = None if more is UNUSED else _dearer(call, reply, ended.usage, self._hands.world)
            now = yield NOW
            data = {
                "seconds": now - opened,
                "usage": more,
                "cost": cost,
                "size": ended.size,
                "error": _code(ended.error),
            }
            yield Record(call.event("streamed", **data))
            yield Record(self._crossed(now, ended.error, reply, more, cost))

        return stopped

    def _crossed(
        self, now: float, error: BaseException | None, reply: Reply | None, usage: Usage, cost: float | None
    ) -> Event:
        hands, call = self._hands, self._call
        data = {
            "seconds": now - self._started,
            "attempts": hands.attempts,
            "usage": hands.usage if usage is UNUSED else hands.usage + usage,
            "cost": hands.cost if cost is None else (hands.cost or 0.0) + cost,
            "error": _code(error),
            "source": reply.source if reply is not None else "",
        }
        return new_event(
            what="crossed",
            boundary=call.kind,
            target=call.target,
            run=self._run,
            guard=getattr(error, "guard", ""),
            findings=getattr(error, "findings", ()),
            data=data,
            id=call.run.within.span if call.run.within is not None else "",
        )


def _code(error: BaseException | None) -> str:
    """How something ended, in a word; whoever leaves, as by a cancellation, is no error."""
    if error is None or isinstance(error, GuardError):
        return "" if error is None else error.code
    return "error" if isinstance(error, Exception) else "cancelled"


def _beyond(usage: Usage, told: Usage) -> Usage:
    """The tokens that were not told before."""
    more = Usage(
        input=max(0, usage.input - told.input),
        output=max(0, usage.output - told.output),
        cached=max(0, usage.cached - told.cached),
    )
    return UNUSED if more == UNUSED else more


def _dearer(call: Call, reply: Reply, usage: Usage, world: World) -> float | None:
    """What a stream's tokens cost beyond what its opening did."""
    if world.price is None:
        return None
    with suppress(Exception):  # a price that is not known ends no stream that has been read
        whole, opening = world.price(call, replace(reply, usage=usage)), world.price(call, reply)
        return None if whole is None else whole - (opening or 0.0)
    return None
