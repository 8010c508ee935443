"""Races: calls side by side, each after its own delay; the first reply wins, and the others are cut off.

Every lane has hands of its own, whose account is added to the caller's when the race is over.  A loser that
was cut off in the middle of an attempt is charged what the winner cost: providers bill it all the same.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from guards._errors import GuardError
from guards._types import Call, Reply
from guards._wishes import All, Decision, Lost, Review, Update
from orchestrator._engine.drive import AsyncHands, Hands, SyncHands, settled, sweep, unsuspended

if TYPE_CHECKING:
    from orchestrator._engine.clock import VirtualClock

Answer: TypeAlias = Reply | GuardError | Lost


class Beaten(BaseException):
    """Another call has won: thrown into a loser's flow, as any cancellation is."""


@dataclass(slots=True)
class Course:
    """A race under way: the hands of each lane that has started, and how those ended that have."""

    wish: All
    hands: Hands[Any]
    lanes: dict[int, Hands[Any]] = field(default_factory=dict)
    answers: dict[int, Any] = field(default_factory=dict)

    @property
    def winner(self) -> Reply | None:
        return next((answer for answer in self.answers.values() if isinstance(answer, Reply)), None)

    def account(self) -> None:
        """Add the lanes' accounts to the caller's, what was cut off at the price of the winner."""
        hands, winner, before = self.hands, self.winner, self.hands.attempts
        price = hands.world.price
        for index, lane in self.lanes.items():
            hands.attempts += lane.attempts - before
            hands.charge(lane.usage, lane.cost)
            for number, call in lane.flying.items():
                if winner is None:
                    hands.flying[index, number] = call
                    continue
                cost = price(call, winner) if price is not None else None
                hands.charge(winner.usage, cost)
                hands.world.note(call.event("lost", attempt=number, usage=winner.usage, cost=cost))

    def granted(self) -> tuple[Answer, ...]:
        """What became of each call."""
        return tuple(self.answers.get(n, Lost(started=n in self.lanes)) for n in range(len(self.wish.calls)))


# Real time, sync: a thread each


class ThreadHands(SyncHands):
    """The hands of a lane in a thread, which stop at the next wish once the race is lost."""

    __slots__ = ("beaten",)
    beaten: bool

    def perform(self, call: Call, seconds: float | None) -> Reply:
        self._go_on()
        reply = super().perform(call, seconds)
        self._go_on()
        return reply

    async def sleep(self, seconds: float) -> None:
        self._go_on()
        await super().sleep(seconds)
        self._go_on()

    def _go_on(self) -> None:
        if self.beaten:
            raise Beaten


def in_threads(wish: All, hands: SyncHands) -> tuple[Answer, ...]:
    """A thread for each call; a loser is left behind, and stops when its attempt is over."""
    from contextvars import copy_context
    from queue import Empty, SimpleQueue
    from threading import Thread

    ended: SimpleQueue[tuple[int, Any]] = SimpleQueue()
    course = Course(wish, hands)
    clock, began = hands.world.clock, hands.world.clock.now()
    waiting = sorted(range(len(wish.calls)), key=wish.delays.__getitem__, reverse=True)

    def start(index: int) -> None:
        lane = course.lanes[index] = ThreadHands(hands.world, hands._perform)
        lane.attempts, lane.beaten = hands.attempts, False

        def work() -> None:
            call = wish.calls[index]
            try:
                answer: Any = unsuspended(settled(call, wish.inner, lane))
            except BaseException as error:
                answer = error
            if call.run.lone is not None:
                unsuspended(sweep(call.run.lone, lane))
            ended.put((index, answer))

        Thread(target=copy_context().run, args=(work,), name="wardline-race", daemon=True).start()

    try:
        while course.winner is None:
            if waiting and (not course.lanes or clock.now() - began >= wish.delays[waiting[-1]]):
                start(waiting.pop())
                continue
            if len(course.lanes) == len(course.answers):
                break
            left = max(0.0, wish.delays[waiting[-1]] + began - clock.now()) if waiting else None
            with suppress(Empty):
                index, answer = ended.get(timeout=left)
                if not isinstance(answer, (Reply, GuardError)):
                    raise answer
                course.answers[index] = answer
    finally:
        for index in course.lanes.keys() - course.answers.keys():
            cast("ThreadHands", course.lanes[index]).beaten = True
        course.account()
    return course.granted()


# Real time, async: a task each


async def in_tasks(wish: All, hands: AsyncHands) -> tuple[Answer, ...]:
    """A task for each call; the losers are cancelled, and have released what they held when this returns."""
    import asyncio

    course = Course(wish, hands)
    tasks: dict[asyncio.Task[Any], int] = {}
    clock, began = hands.world.clock, hands.world.clock.now()
    waiting = sorted(range(len(wish.calls)), key=wish.delays.__getitem__, reverse=True)

    def start(index: int) -> None:
        lane = course.lanes[index] = AsyncHands(hands.world, hands._perform)
        lane.attempts = hands.attempts
        tasks[asyncio.create_task(settled(wish.calls[index], wish.inner, lane))] = index

    try:
        while course.winner is None:
            if waiting and (not course.lanes or clock.now() - began >= wish.delays[waiting[-1]]):
                start(waiting.pop())
                continue
            if not tasks:
                break
            left = max(0.0, wish.delays[waiting[-1]] + began - clock.now()) if waiting else None
            done, _ = await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                index = tasks.pop(task)
                course.answers[index] = task.result()
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # seen: a loser's last words change nothing
        course.account()
    return course.granted()


# Virtual time


@dataclass(frozen=True, slots=True)
class Until:
    """What a lane in virtual time waits for."""

    seconds: float


class Lane(Hands[Any]):
    """The hands of a lane in virtual time: what takes time suspends it until then."""

    __slots__ = ("outer",)

    def __init__(self, outer: Hands[Any]) -> None:
        super().__init__(outer.world, outer._perform)
        self.outer: Hands[Any] = outer.outer if isinstance(outer, Lane) else outer
        self.attempts, self.direct = outer.attempts, outer.direct

    async def sleep(self, seconds: float) -> None:
        await _until(self.world.clock.now() + max(0.0, seconds))

    def perform(self, call: Call, seconds: float | None) -> Any:
        return self._apart(call, seconds)

    async def _apart(self, call: Call, seconds: float | None) -> Reply:
        """Make the call at once, see how long it took, and come back at that time."""
        clock = cast("VirtualClock", self.world.clock)
        started, failure = clock.now(), None
        try:
            answer = self.outer.perform(call, seconds)
            reply = answer if isinstance(answer, Reply) else await answer
        except Exception as error:
            failure = error
        ends = clock.now()
        clock.back(started)
        await _until(ends)
        if failure is not None:
            raise failure
        return reply

    async def update(self, wish: Update) -> Any:
        return await self.outer.update(wish)

    async def review(self, wish: Review) -> Decision:
        return await self.outer.review(wish)

    async def all(self, wish: All) -> tuple[Reply | GuardError, ...]:
        return tuple([await settled(call, wish.inner, self) for call in wish.calls])

    async def race(self, wish: All) -> tuple[Answer, ...]:
        return await in_virtual_time(wish, self)


@coroutine
def _until(seconds: float) -> Generator[Until, None, None]:
    yield Until(seconds)


@coroutine
def _step(lane: Coroutine[Any, Any, Any], error: BaseException | None = None) -> Generator[Any, Any, Any]:
    """Run a lane until it waits for a time, or to its end; what else it waits for is the event loop's."""
    try:
        wish = lane.send(None) if error is None else lane.throw(error)
        while not isinstance(wish, Until):
            try:
                value = yield wish
            except BaseException as thrown:
                wish = lane.throw(thrown)
            else:
                wish = lane.send(value)
    except StopIteration as done:
        return done.value
    return wish


async def in_virtual_time(wish: All, hands: Hands[Any]) -> tuple[Answer, ...]:
    """Whatever happens next in any lane happens next."""
    clock = hands.world.clock
    course = Course(wish, hands)
    running: dict[int, Coroutine[Any, Any, Any]] = {}
    due = [(clock.now() + delay, index) for index, delay in enumerate(wish.delays)]
    heapify(due)
    try:
        while due and (running or not course.lanes or due[0][0] <= clock.now()):
            when, index = heappop(due)
            await hands.sleep(when - clock.now())
            if index not in course.lanes:
                lane = course.lanes[index] = Lane(hands)
                running[index] = settled(wish.calls[index], wish.inner, lane)
            stepped = running.pop(index)
            answer = await _step(stepped)
            if isinstance(answer, Until):
                running[index] = stepped
                heappush(due, (answer.seconds, index))
                continue
            course.answers[index] = answer
            if isinstance(answer, Reply):
                break
    finally:
        for lost in running.values():
            with suppress(Beaten):
                await _step(lost, Beaten())
            lost.close()
        course.account()
    return course.granted()
