"""The drivers: what grants a flow's wishes.

There is one loop, `drive`.  It is written once, as a coroutine; its hands differ.  The hands of the sync
driver never suspend, so its coroutine runs to the end in a single step.  `orchestrator.testing.play` is
the sync driver in a world where time is virtual and the replies come from a script.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from random import random
from threading import TIMEOUT_MAX
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar, cast

from guards._errors import Exhausted, GuardError, GuardFailed, UpstreamError
from guards._flow import Flow, Guard
from guards._types import UNUSED, After, Call, Content, Ended, Event, Lone, Reply, Usage, new_event
from guards._value import maker, replace
from guards._wishes import (
    All,
    Decision,
    Draw,
    Lost,
    Now,
    Record,
    Review,
    Search,
    Turn,
    Update,
    Wait,
    Wake,
    Wish,
)
from orchestrator._engine.chain import Chain, chain
from orchestrator._engine.clock import Clock, Expired, RealClock, VirtualClock
from orchestrator._engine.trace import deeper, entered, new_id, watched
from orchestrator._engine.upstream import upstream_error
from orchestrator._engine.workers import Spans, Workers, shared
from orchestrator.stores import Store
from orchestrator.stores.memory import Memory

Perform: TypeAlias = Callable[[Call], Reply]
APerform: TypeAlias = Callable[[Call], Awaitable[Reply]]
new_chain = maker(Chain)
P = TypeVar("P")
T = TypeVar("T")


def nobody(question: Review, /) -> Decision:
    return Decision("waiting", by="nobody", reason="no reviewer is set up")


class Asked(Protocol):
    """Who answers calls that ask a helper."""

    def ask(self, call: Call, /) -> Reply: ...
    async def aask(self, call: Call, /) -> Reply: ...


@dataclass(frozen=True, slots=True)
class World:
    """What the drivers' hands reach: state, time, people, prices, chance, who takes notes, workers, helpers.

    Without `helpers`, calls that ask one go where all calls go, as they do in a test.  What is
    noted knows its place in the request's trace, unless it is not to be `traced`.
    """

    store: Store = field(default_factory=Memory)
    clock: Clock = field(default_factory=RealClock)
    reviewer: Callable[[Review], Decision | Awaitable[Decision]] = nobody
    price: Callable[[Call, Reply], float | None] | None = None
    random: Callable[[], float] = random
    sink: Callable[[Event], None] | None = None
    workers: Workers = field(default_factory=shared)
    helpers: Asked | None = None
    traced: bool = True

    def note(self, event: Event) -> None:
        if self.sink is not None:
            self.sink(event)

    def draw(self) -> float:
        return self.random()


FIRST_PAUSE = 0.001
LONGEST_PAUSE = 0.25
"""How long a waiter lets pass, in seconds, before it looks at a shared state again."""


class Deaf:
    """The bell of those who look for themselves."""

    def set(self) -> None: ...


class Chime:
    """A bell that tasks wait for, rung from any thread."""

    def __init__(self) -> None:
        import asyncio

        self.event, self._loop = asyncio.Event(), asyncio.get_running_loop()

    def set(self) -> None:
        with suppress(RuntimeError):  # a loop that is closed has nobody left to wake
            self._loop.call_soon_threadsafe(self.event.set)


class Hands(ABC, Generic[P]):
    """What one call's driver can do, and what the call has taken so far.

    `attempts` counts innermost calls, `usage` their tokens, `cost` their price in US dollars; `flying`
    holds the innermost calls that are under way, or that were cut off.
    """

    aside: ClassVar[bool] = False
    """Whether heavy guards are stepped in a worker thread."""

    __slots__ = ("_perform", "attempts", "cost", "direct", "flying", "usage", "world")

    def __init__(self, world: World, perform: P) -> None:
        self.world, self._perform = world, perform
        # Whether the store itself is asked, at once: one in memory waits for no more than another change.
        self.direct = not self.aside or type(world.store) is Memory
        self.attempts, self.usage, self.cost = 0, UNUSED, cast("float | None", None)
        self.flying: dict[Any, Call] = {}

    def charge(self, usage: Usage, cost: float | None) -> None:
        if usage is not UNUSED:
            self.usage += usage
        if cost is not None:
            self.cost = (self.cost or 0.0) + cost

    @abstractmethod
    def perform(self, call: Call, seconds: float | None) -> Reply | Awaitable[Reply]:
        """Make the call itself, within some seconds if there is a bound; raises `Expired`."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None: ...

    @abstractmethod
    async def update(self, wish: Update) -> Any: ...

    async def turn(self, wish: Turn) -> Any:
        """Try until the change answers: when woken, when time is up, else at growing intervals."""
        world, bell = self.world, self.bell()
        turns, ends = world.store.turns, world.clock.now() + wish.seconds
        pause = FIRST_PAUSE
        turns.wait(wish.name, bell)
        try:
            while True:
                left = ends - world.clock.now()
                answer = await self.update(Update(wish.key, wish.change))
                if isinstance(answer, Applied):
                    raise answer.stop
                if answer is not None or left <= 0:
                    return answer
                often = world.store.shared or isinstance(world.clock, VirtualClock)
                await self.pause(bell, min(left, pause) if often else left)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            turns.leave(wish.name)

    def bell(self) -> Any:
        """Something to wake these hands by, where anybody can while they wait."""
        return Deaf()

    async def pause(self, bell: Any, seconds: float) -> None:
        """Wait until the bell rings, at most so long."""
        await self.sleep(seconds)

    @abstractmethod
    async def review(self, wish: Review) -> Decision: ...

    async def search(self, wish: Search) -> Spans:
        return self.world.workers.search(wish)

    @abstractmethod
    async def all(self, wish: All) -> tuple[Reply | GuardError, ...]: ...

    @abstractmethod
    async def race(self, wish: All) -> tuple[Reply | GuardError | Lost, ...]: ...


class Done(Exception):
    """A flow that was stepped in a worker thread ended: `StopIteration` cannot leave a thread."""

    def __init__(self, value: Reply) -> None:
        self.value = value


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A cancellation came while the flow was being stepped in a worker thread."""

    stop: BaseException


@dataclass(frozen=True, slots=True)
class Applied:
    """An update during which a cancellation came: the flow learns the answer, and so what it holds."""

    answer: Any
    stop: BaseException


def run(guard: Guard, call: Call, perform: Perform, world: World | None = None) -> Reply:
    """Drive a guard around a sync function."""
    hands = SyncHands(world or World(), perform)
    driven = cross(_whole(guard), call, hands)
    return unsuspended(driven if call.run.lone is None else _alone(driven, call.run.lone, call, hands))


async def arun(guard: Guard, call: Call, perform: APerform, world: World | None = None) -> Reply:
    """Drive a guard around an async function.  A cancellation is thrown into the flow."""
    hands = AsyncHands(world or World(), perform)
    driven = cross(_whole(guard), call, hands)
    return await (driven if call.run.lone is None else _alone(driven, call.run.lone, call, hands))


async def _alone(driven: Coroutine[Any, Any, Reply], lone: Lone, call: Call, hands: Hands[Any]) -> Reply:
    """Drive a call of a run that stands alone; a live reply is not over before it has settled."""
    live = False
    try:
        reply = await driven
        live = reply.live
        return reply
    finally:
        if not live:
            await _ended(lone, call, hands)


async def _ended(lone: Lone, call: Call, hands: Hands[Any]) -> None:
    lone.over = lone.over or call.run.depth == 0
    await sweep(lone, hands)


async def sweep(lone: Lone, hands: Hands[Any]) -> None:
    """Drop what a run has left in the store, if it is over.

    Whatever outlives it, as a call made in a thread that hangs, sweeps again when it ends itself.
    """
    if not (lone.over and lone.keys):
        return
    stop: BaseException | None = None
    for key in tuple(lone.keys):
        # The call has ended already, with a reply or an error that a failing store must not hide.
        with suppress(Exception):
            if hands.direct:
                hands.world.store.update(key, _dropped)
                continue
            answer = await hands.update(Update(key, _dropped))
            stop = answer.stop if answer.__class__ is Applied else stop
    if stop is not None:
        raise stop


def _dropped(state: Any) -> tuple[None, None]:
    return None, None


def _whole(guard: Guard) -> Chain:
    """A chain, which answers for whatever a guard may do wrong."""
    return guard if isinstance(guard, Chain) else chain((guard,))


def unsuspended(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast("T", done.value)
    coroutine.close()
    raise RuntimeError("a synchronous call was asked to wait for an event loop")


def cross(guard: Chain, call: Call, hands: Hands[Any]) -> Coroutine[Any, Any, Reply]:
    """Drive a whole call; where somebody takes notes, they are told how it ended."""
    if hands.world.sink is None:
        return drive(guard, call, hands)
    around, inside = entered(call) if hands.world.traced else (call.run, call)
    return watched(drive(guard, inside, hands), around, inside, hands)


async def drive(
    guard: Chain, call: Call, hands: Hands[Any], *, whole: bool = True, metered: bool = False
) -> Reply:
    """Grant a chain's wishes until it ends.  `whole` is false for what is only a part of a chain.

    `metered` is what the call's own meters make of it: what they yield is performed.

    A cancellation (or Ctrl-C) while a wish is being granted is thrown into the flow.  From then on the flow
    may release what it holds (`RELEASING`) and nothing else, and whatever it makes
    of the cancellation, the cancellation goes on.
    """
    flow, heavy = guard(call), guard.heavy if hands.aside else 0
    aside = heavy and (not guard.used.once or stalls(call, heavy))
    world, direct = hands.world, hands.direct
    wish: Wish | Interrupted
    value: Any = None
    error: BaseException | None = None
    cancelled: BaseException | None = None
    while True:
        try:
            if aside:
                wish = await step_aside(flow, value, error)
            else:
                wish = flow.send(value) if error is None else flow.throw(error)
        except (StopIteration, Done) as done:
            if cancelled is not None:
                raise cancelled from None
            guard.used.once = True
            if whole and done.value.accepted:
                await _accept(done.value, hands)
            return done.value
        except Exception as failure:
            if cancelled is not None:
                raise cancelled from None
            if isinstance(failure, GuardError):
                failure.locate(call, hands.attempts, hands.cost)
            raise
        value, error = None, None
        try:
            if cancelled is not None and not isinstance(wish, RELEASING):
                error = cancelled
            elif wish.__class__ is Update and direct:
                if wish.keep is None and not wish.of_run:
                    value = world.store.update(wish.key, wish.change)
                else:
                    value = world.store.update(wish.key, wish.change, _keep(wish, call))
            elif wish.__class__ is Now:
                value = world.clock.now()
            elif wish.__class__ is Record:
                if world.sink is not None:
                    world.sink(wish.event)
            elif isinstance(wish, Call):
                value = await (
                    _metered(wish, hands) if wish.meters and not metered else _perform(wish, hands)
                )
                aside = aside or (heavy and stalls(value, heavy))
            else:
                if isinstance(wish, Update) and wish.of_run:
                    _keep(wish, call)
                value = await (
                    _timed(wish, call, hands)
                    if isinstance(wish, TIMED) and world.sink is not None
                    else _grant(wish, hands)
                )
                if value.__class__ is Applied:
                    value, cancelled = value.answer, cancelled or value.stop
        except Exception as failure:
            error = failure
        except BaseException as stop:
            error = cancelled = stop


def stalls(content: Content, heavy: int) -> bool:
    """Whether work on so much text is better done aside."""
    return heavy == 1 or sum([len(part.text) for part in content.parts]) >= heavy


def _keep(wish: Update, call: Call) -> float | None:
    """For how long a state is kept; one that goes with a run that stands alone is noted instead."""
    lone = call.run.lone
    if lone is None or not wish.of_run:
        return wish.keep
    lone.keys.add(wish.key)
    return None


async def settle(reply: Reply, ended: Ended, call: Call, hands: Hands[Any]) -> GuardError | None:
    """Once a live reply has stopped, do what its guards left for then; the first of their errors, if any."""
    failure: GuardError | None = None
    try:
        for after in reply.after:
            try:
                await drive(chain((_settling(after, ended),)), call, hands)
            except GuardError as error:
                failure = failure or error
                hands.world.note(call.event("unsettled", getattr(error, "guard", ""), error=error.code))
    finally:
        if call.run.lone is not None:
            await _ended(call.run.lone, call, hands)
    return failure


def _settling(after: After, ended: Ended) -> Guard:
    def settling(call: Call) -> Flow:
        yield from after(ended)
        return Reply()

    return settling


async def _accept(reply: Reply, hands: Hands[Any]) -> None:
    """Make the updates that waited for every guard to accept a reply."""
    stop: BaseException | None = None
    try:
        for wish in reply.accepted:
            answer = await hands.update(wish)
            stop = answer.stop if answer.__class__ is Applied else stop
    except Exception as accident:
        raise GuardFailed.of("store", accident) from None
    if stop is not None:
        raise stop


RELEASING = (Update, Wake, Record, Now, Draw)
"""What a cancelled flow may still wish for."""


TIMED = (Wait, Turn, Review)
"""Wishes that take time, of which the sink is told."""


async def _timed(wish: Wait | Turn | Review, call: Call, hands: Hands[Any]) -> Any:
    """Grant a wish, and tell the sink how long that took."""
    clock = hands.world.clock
    started = clock.now()
    value: Any = await (hands.sleep(wish.seconds) if wish.__class__ is Wait else _grant(wish, hands))
    seconds = clock.now() - started
    if isinstance(wish, Review):
        hands.world.note(call.event("reviewed", seconds=seconds, then=value.verdict))
    elif seconds > 0:
        hands.world.note(call.event("waited", seconds=seconds))
    return value


async def _grant(wish: Wish | Interrupted, hands: Hands[Any]) -> Any:
    """Give one wish what it asks for; calls are granted by `_perform`."""
    match wish:
        case Update():
            return await hands.update(wish)
        case Now():
            return hands.world.clock.now()
        case Record():
            return hands.world.note(wish.event)
        case Wait():
            return await hands.sleep(wish.seconds)
        case Turn():
            return await hands.turn(wish)
        case Wake():
            return hands.world.store.turns.wake(wish.names)
        case Draw():
            return hands.world.draw()
        case Review():
            return await hands.review(wish)
        case Search():
            return await hands.search(wish)
        case All():
            return await (hands.race(wish) if wish.delays else hands.all(wish))
        case Interrupted():
            raise wish.stop


async def _metered(call: Call, hands: Hands[Any]) -> Reply:
    """Make the real call with its meters around it, the first outermost."""
    return await drive(new_chain(call.meters), call, hands, whole=False, metered=True)


async def _perform(call: Call, hands: Hands[Any]) -> Reply:
    """Make the real call, bounded by its timeout and its run's deadline, and account for it."""
    world = hands.world
    left = None if call.run.deadline is None else _seconds_left(call.run.deadline, world)
    limit = call.timeout if left is None else left if call.timeout is None else min(left, call.timeout)
    hands.attempts += 1
    attempt, outer, span = hands.attempts, call.run, ""
    started = 0.0
    if world.sink is not None:
        started = world.clock.now()
        if world.traced:
            span = new_id()
            call = replace(call, run=deeper(call.run, span))
    hands.flying[attempt] = call
    cost: float | None = None
    failure: GuardError | None = None
    reply: Reply | None = None
    try:
        answer = hands.perform(call, limit)
        reply = answer if isinstance(answer, Reply) else await answer
        cost = world.price(call, reply) if world.price is not None else None
        hands.charge(reply.usage, cost)
        return replace(reply, call=call) if reply.live else reply
    except Expired:
        failure = (
            Exhausted("deadline") if limit == left else UpstreamError(call.via or call.target, kind="timeout")
        )
    except GuardError as error:
        failure = error
    except Exception as error:
        failure = upstream_error(call.via or call.target, error)
    finally:
        if reply is not None or failure is not None:
            del hands.flying[attempt]
        if world.sink is not None:
            usage = reply.usage if reply is not None else UNUSED
            code = "" if reply is not None else failure.code if failure is not None else "cancelled"
            seconds = world.clock.now() - started
            data: dict[str, Any] = {
                "attempt": attempt,
                "seconds": seconds,
                "usage": usage,
                "cost": cost,
                "error": code,
            }
            data["model"] = reply.model if reply is not None else ""
            if call.via:
                data["via"] = call.via
            event = new_event(
                what="call", boundary=call.kind, target=call.target, run=outer, data=data, id=span
            )
            world.note(event)
    raise failure


def _seconds_left(deadline: float, world: World) -> float:
    left = deadline - world.clock.now()
    if left <= 0:
        raise Exhausted("deadline")
    return left


class SyncHands(Hands[Perform]):
    """Grants wishes in the calling thread, and never suspends."""

    __slots__ = ()

    def perform(self, call: Call, seconds: float | None) -> Reply:
        perform, helpers = self._perform, self.world.helpers
        if call.via and helpers is not None:
            perform = helpers.ask
        return perform(call) if seconds is None else self.world.clock.within(seconds, lambda: perform(call))

    async def sleep(self, seconds: float) -> None:
        self.world.clock.sleep(seconds)

    async def update(self, wish: Update) -> Any:
        return self.world.store.update(wish.key, wish.change, wish.keep)

    def bell(self) -> Any:
        from threading import Event as Bell

        return Bell()

    async def pause(self, bell: Any, seconds: float) -> None:
        if isinstance(self.world.clock, VirtualClock):
            return await self.sleep(seconds)
        bell.wait(min(seconds, TIMEOUT_MAX))
        bell.clear()
        return None

    async def review(self, wish: Review) -> Decision:
        decision = self.world.reviewer(wish)
        if not isinstance(decision, Decision):
            getattr(decision, "close", int)()
            raise TypeError("this call is synchronous, so its reviewer must be too")
        return decision

    async def all(self, wish: All) -> tuple[Reply | GuardError, ...]:
        return tuple([await settled(call, wish.inner, self) for call in wish.calls])

    async def race(self, wish: All) -> tuple[Reply | GuardError | Lost, ...]:
        from orchestrator._engine import race

        if isinstance(self.world.clock, VirtualClock):
            return await race.in_virtual_time(wish, self)
        return race.in_threads(wish, self)


class AsyncHands(Hands[APerform]):
    """Grants wishes on the event loop."""

    __slots__ = ()
    aside = True

    def perform(self, call: Call, seconds: float | None) -> Awaitable[Reply]:
        perform, helpers = self._perform, self.world.helpers
        if call.via and helpers is not None:
            perform = helpers.aask
        return perform(call) if seconds is None else self.world.clock.awithin(seconds, lambda: perform(call))

    async def sleep(self, seconds: float) -> None:
        await self.world.clock.asleep(seconds)

    async def update(self, wish: Update) -> Any:
        """Apply a change; one that has begun is not cut off, or nobody would know what it did."""
        import asyncio

        store, stop = self.world.store, None
        if self.direct:
            return store.update(wish.key, wish.change, wish.keep)
        work = asyncio.ensure_future(store.aupdate(wish.key, wish.change, wish.keep))
        while not work.done():
            try:
                await asyncio.wait((work,))
            except asyncio.CancelledError as cancelled:
                stop = cancelled
        answer = work.result()
        return answer if stop is None else Applied(answer, stop)

    def bell(self) -> Any:
        return Chime()

    async def pause(self, bell: Any, seconds: float) -> None:
        import asyncio

        if isinstance(self.world.clock, VirtualClock):
            await self.sleep(seconds)
            return await asyncio.sleep(0)  # let the others get on
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await bell.event.wait()
        bell.event.clear()
        return None

    async def search(self, wish: Search) -> Spans:
        return await self.world.workers.asearch(wish)

    async def review(self, wish: Review) -> Decision:
        decision = self.world.reviewer(wish)
        return decision if isinstance(decision, Decision) else await decision

    async def all(self, wish: All) -> tuple[Reply | GuardError, ...]:
        import asyncio

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(settled(call, wish.inner, self)) for call in wish.calls]
        return tuple(task.result() for task in tasks)

    async def race(self, wish: All) -> tuple[Reply | GuardError | Lost, ...]:
        from orchestrator._engine import race

        if isinstance(self.world.clock, VirtualClock):
            return await race.in_virtual_time(wish, self)
        return await race.in_tasks(wish, self)


async def settled(call: Call, inner: tuple[Guard, ...], hands: Hands[Any]) -> Reply | GuardError:
    """One of several calls side by side: its reply, or its error as a value."""
    try:
        return await drive(chain(inner), call, hands, whole=False)
    except GuardError as error:
        return error


async def step_aside(flow: Flow, value: Any, error: BaseException | None) -> Wish | Interrupted:
    """Step a flow in a worker thread, so that a heavy check does not stall the loop.

    A flow that is being stepped cannot be interrupted: a cancellation waits until the step is over, and
    `drive` then throws it into the flow in place of what the flow wished for.
    """
    import asyncio
    from contextvars import copy_context

    loop = asyncio.get_running_loop()
    work = loop.run_in_executor(None, copy_context().run, _advance, flow, value, error)
    stop: BaseException | None = None
    while not work.done():
        try:
            await asyncio.wait((work,))
        except asyncio.CancelledError as cancelled:
            stop = cancelled
    if stop is None:
        return work.result()
    if work.exception() is not None:  # the flow has ended
        raise stop
    return Interrupted(stop)


def _advance(flow: Flow, value: Any, error: BaseException | None) -> Wish:
    try:
        return flow.send(value) if error is None else flow.throw(error)
    except StopIteration as done:
        raise Done(done.value) from None
