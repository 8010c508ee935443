"""The third driver: replies come from a script, time is virtual, chance is seeded, nothing leaves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

from guards._errors import GuardError
from guards._flow import Flow, Guard
from guards._stream import Pipe
from guards._types import Call, Ended, Event, Part, Reply
from guards._value import replace
from guards._wishes import Decision, Review, Wish
from orchestrator._engine.chain import Chain, Used, chain
from orchestrator._engine.clock import VirtualClock
from orchestrator._engine.drive import AsyncHands, Hands, SyncHands, World, cross, settle, unsuspended
from orchestrator._engine.orchestrator import Orchestrator
from orchestrator.stores.memory import Memory

if TYPE_CHECKING:
    from orchestrator.testing._plan import Plan
    from policies import Policy

R = TypeVar("R")
Answer: TypeAlias = "Reply | BaseException | Late"
Script: TypeAlias = Iterable[Answer] | Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Late:
    """An answer that takes `seconds` to come."""

    seconds: float
    answer: Reply | BaseException


@dataclass(slots=True)
class Outcome:
    """What a played call came to: the calls that left, every wish that was granted, and how it ended.

    Exactly one of `reply` and `error` is set.  `seconds` is the virtual time that passed, until `ended` on
    the clock, and `times` when each call left; `cost` is in US dollars, `chunks` is what a live reply let
    through.
    """

    calls: list[Call] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reply: Reply | None = None
    error: BaseException | None = None
    seconds: float = 0.0
    ended: float = 0.0
    attempts: int = 0
    cost: float | None = None
    chunks: list[str] = field(default_factory=list)

    @property
    def own(self) -> list[Call]:
        """The calls to the guarded thing itself, and not to a helper."""
        return [call for call in self.calls if not call.via]

    @property
    def text(self) -> str:
        """What the program got to read."""
        if self.reply is None:
            return ""
        return "".join(self.chunks) if self.reply.live else self.reply.text

    def over(self, hands: Hands[Any], started: float) -> Outcome:
        """The same, with when it ended and what its driver has spent."""
        self.ended = hands.world.clock.now()
        self.seconds = self.ended - started
        self.attempts, self.cost = hands.attempts, hands.cost
        return self


def play(
    guard: Guard | Iterable[Guard] | Policy,
    call: Call,
    script: Script | Plan = (),
    *,
    seed: int = 0,
    world: World | None = None,
    chunks: Iterable[str] | Callable[[Reply], Iterable[str]] = (),
    decide: Callable[[Review], Decision] | None = None,
    driver: Literal["sync", "async"] = "sync",
) -> Outcome:
    """Drive a guard, several in a row, or a policy's, through a script of replies and faults.

    Each call that gets through meets the script's next answer: a reply, an exception, or either of them
    `Late`; a function is asked for it, and a plan has its steps.  When a script is over, everything times
    out.  If the reply is live, `chunks` (or what they are for that reply) flow through its filters.  A given
    `world` keeps its store and clock from play to play.  The `driver` may be the async one, on an event
    loop of its own.
    """
    outcome = Outcome()
    gate = Orchestrator(cast("Policy", guard)) if hasattr(guard, "digest") else None
    clock = world.clock if world is not None else VirtualClock()
    if not isinstance(clock, VirtualClock):
        raise TypeError("a played world needs a VirtualClock: nothing may sleep")
    world = World(
        store=world.store if world is not None else Memory(),
        clock=clock,
        reviewer=decide or (world.reviewer if world is not None else World().reviewer),
        price=world.price if world is not None else gate.world.price if gate else None,
        random=Random(seed).random,  # noqa: S311 - chance that can be repeated is the point
        sink=outcome.events.append,
        traced=world is not None and world.traced,
    )
    if (plan := _plan(script)) is not None:
        script, chunks = plan.script(), chunks or plan.chunks(call, clock)
    answers = _answers(cast("Script", script))

    def perform(call: Call) -> Reply:
        outcome.calls.append(call)
        outcome.times.append(clock.now())
        answer = answers(call)
        if isinstance(answer, Late):
            clock.advance(answer.seconds)
            answer = answer.answer
        if isinstance(answer, BaseException):
            raise answer.with_traceback(None)  # a script may be played again, and its faults with it
        return answer

    async def aperform(call: Call) -> Reply:
        return perform(call)

    whole = _chain(gate or cast("Guard", guard), call)
    noted = cast("Chain", Noted(whole, outcome.wishes))
    hands: Hands[Any] = SyncHands(world, perform) if driver == "sync" else AsyncHands(world, aperform)
    started = clock.now()
    try:
        driven = cross(noted, call, hands)
        outcome.reply = unsuspended(driven) if driver == "sync" else _on_a_loop(driven)
        if outcome.reply.live:
            pieces = chunks(outcome.reply) if callable(chunks) else chunks
            settling = stream(outcome, pieces, hands)
            failure = unsuspended(settling) if driver == "sync" else _on_a_loop(settling)
            if failure is not None:
                raise failure
    except BaseException as error:
        outcome.reply, outcome.error = None, error
    return outcome.over(hands, started)


def _on_a_loop(driven: Coroutine[Any, Any, R]) -> R:
    import asyncio

    return asyncio.run(driven)


async def stream(outcome: Outcome, chunks: Iterable[str], hands: Hands[Any]) -> BaseException | None:
    """Let chunks through a live reply's filters, and its guards settle when they have stopped, or why."""
    reply, came, stopped = cast("Reply", outcome.reply), list[str](), cast("BaseException | None", None)

    def coming() -> Iterator[str]:
        for chunk in chunks:
            came.append(chunk)
            yield chunk

    try:
        for out in flow(reply, coming(), hands.world):
            outcome.chunks.append(out)
    except BaseException as error:
        stopped = error
        if isinstance(error, GuardError) and error.partial is None:
            error.partial = "".join(outcome.chunks)
    ended = Ended(size=len("".join(came).encode(errors="replace")), usage=reply.usage, error=stopped)
    unsettled = await settle(reply, ended, cast("Call", reply.call), hands)
    return stopped or unsettled


@dataclass(frozen=True, slots=True)
class Noted:
    """A chain whose wishes are written down on their way to the driver."""

    chain: Chain
    wishes: list[Wish]

    @property
    def heavy(self) -> int:
        return self.chain.heavy

    @property
    def used(self) -> Used:
        return self.chain.used

    def __call__(self, call: Call) -> Flow:
        return overheard(self.chain(call), self.wishes.append)


def overheard(flow: Flow, hear: Callable[[Wish], None]) -> Flow:
    """A flow whose every wish is heard on its way to the driver."""
    resume: Callable[[Any], Wish] = flow.send
    value: Any = None
    while True:
        try:
            wish = resume(value)
        except StopIteration as done:
            return cast("Reply", done.value)
        hear(wish)
        try:
            value, resume = (yield wish), flow.send
        except GeneratorExit:
            flow.close()
            raise
        except BaseException as thrown:
            value, resume = thrown, flow.throw


def _chain(guard: Guard | Iterable[Guard] | Orchestrator, call: Call) -> Chain:
    if callable(guard):
        return chain((guard,))
    return guard.chain(call.kind, call.target) if isinstance(guard, Orchestrator) else chain(guard)


def _plan(script: Script | Plan) -> Plan | None:
    return cast("Plan", script) if hasattr(script, "steps") else None


def _answers(script: Script) -> Callable[[Call], Answer]:
    if callable(script):
        return script
    remaining: Iterator[Answer] = iter(script)
    return lambda call: next(remaining, TimeoutError("the script is over"))


def flow(reply: Reply, chunks: Iterable[str], world: World) -> Iterator[str]:
    """Text through a live reply's filters, piece by piece."""
    pipe = Pipe(make(world.note) for make in reply.filters)
    for chunk in chunks:
        if out := pipe.feed(chunk):
            yield out
    if tail := pipe.end():
        yield tail


def say(text: str, **more: Any) -> Reply:
    """A model's reply of one text; more of `Reply`'s fields by name."""
    part = Part(text=text, role="assistant", origin="untrusted")
    return replace(Reply(parts=(part,), raw=text), **more)
