"""What the drivers grant, and what becomes of a flow whose call is cut short."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards import (
    Call,
    Decision,
    Event,
    Exhausted,
    Flow,
    GuardFailed,
    Reply,
    Review,
    Run,
    UpstreamError,
    Usage,
    record,
    review,
    together,
    update,
    wait,
)
from orchestrator import RealClock, VirtualClock, World, arun, chain, run
from orchestrator.stores.memory import Memory
from orchestrator.testing import Late, play, say
from tests.engine.example_guards import Stamp, ask, asks_a_person, through


@dataclass(frozen=True)
class Permit:
    """Holds a permit while the call is inside; where and how it gives it back is what is tested."""

    heavy: ClassVar[bool] = False

    def __call__(self, call: Call) -> Flow:
        yield from update("held", lambda held: ((held or 0) + 1, None))
        try:
            reply: Reply = yield call
            return reply
        finally:
            yield from update("held", lambda held: (held - 1 or None, None))
            yield from record(call.event("released", "permit"))


class Heavy(Permit):
    heavy: ClassVar[bool] = True


def held(world: World) -> Any:
    return world.store.update("held", lambda state: (state, state))


async def for_ever(call: Call) -> Reply:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize("guard", [Permit(), Heavy()], ids=["light", "heavy"])
@pytest.mark.parametrize("turns", range(6))
def test_a_cancelled_call_releases_what_its_guards_hold(guard: Permit, turns: int) -> None:
    world = World()

    async def main() -> None:
        task = asyncio.create_task(arun([guard, through][0], ask(), for_ever, world))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(main())
    assert held(world) is None


def test_a_cancelled_flow_gets_no_more_calls_and_cannot_swallow_the_cancellation() -> None:
    calls = []

    def swallows(call: Call) -> Flow:
        try:
            yield call
        except BaseException:
            yield from wait(60)
            yield call
        return say("as if nothing had happened")

    async def perform(call: Call) -> Reply:
        calls.append(call)
        return await for_ever(call)

    async def main() -> None:
        task = asyncio.create_task(arun(swallows, ask(), perform))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert len(calls) == 1


@pytest.mark.parametrize("ending", ["returns", "raises"])
def test_whatever_a_flow_makes_of_a_cancellation_it_goes_on(ending: str) -> None:
    def makes_something_of_it(call: Call) -> Flow:
        try:
            yield call
        except BaseException:
            if ending == "raises":
                raise ValueError from None
        return say("calm")

    def interrupted(call: Call) -> Reply:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(makes_something_of_it, ask(), interrupted)


def test_ctrl_c_releases_too() -> None:
    world = World(clock=VirtualClock())
    outcome = play(Permit(), ask(), [KeyboardInterrupt()], world=world)
    assert isinstance(outcome.error, KeyboardInterrupt)
    assert [event.what for event in outcome.events] == ["call", "released", "crossed"]
    assert held(world) is None


def test_a_heavy_guard_is_stepped_off_the_loop() -> None:
    threads = []

    @dataclass(frozen=True)
    class Slow:
        heavy: ClassVar[bool] = True

        def __call__(self, call: Call) -> Flow:
            threads.append(threading.current_thread())
            reply: Reply = yield call
            threads.append(threading.current_thread())
            return reply

    async def perform(call: Call) -> Reply:
        threads.append(threading.current_thread())
        return say("ok")

    assert asyncio.run(arun(Slow(), ask(), perform)).text == "ok"
    before, inside, after = threads
    assert inside is threading.main_thread()
    assert threading.main_thread() not in (before, after)


@given(sizes=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=6))
def test_only_long_texts_and_a_chains_first_call_are_worked_on_off_the_loop(
    sizes: list[tuple[int, int]],
) -> None:
    @dataclass(frozen=True)
    class Slow:
        heavy: ClassVar[int] = 10

        def __call__(self, call: Call) -> Flow:
            threads = [threading.current_thread()]
            reply: Reply = yield call
            threads.append(threading.current_thread())
            return replace(reply, value=[one is not threading.main_thread() for one in threads])

    guard = chain((Slow(),))

    async def main() -> list[list[bool]]:
        async def asked(sent: int, said: int) -> Any:
            async def perform(call: Call) -> Reply:
                return say("b" * said)

            return (await arun(guard, ask("a" * sent), perform)).value

        return [await asked(sent, said) for sent, said in sizes]

    aside = [
        [number == 0 or sent >= 10, number == 0 or sent >= 10 or said >= 10]
        for number, (sent, said) in enumerate(sizes)
    ]
    assert asyncio.run(main()) == aside


@pytest.mark.parametrize("ends", [False, True], ids=["then yields", "then ends"])
def test_a_cancellation_during_a_heavy_step_waits_for_it_and_is_then_thrown_in(ends: bool) -> None:
    stepping, go, seen = threading.Event(), threading.Event(), list[str]()

    @dataclass(frozen=True)
    class Slow:
        heavy: ClassVar[bool] = True

        def __call__(self, call: Call) -> Flow:
            stepping.set()
            go.wait(10)
            if ends:
                return say("ended")
            try:
                reply: Reply = yield call
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise
            return reply

    async def main() -> None:
        task = asyncio.create_task(arun(Slow(), ask(), for_ever))
        while not stepping.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert seen == ([] if ends else ["cancelled"])


def test_calls_side_by_side_run_side_by_side_when_async() -> None:
    inside = 0
    most = 0

    def three(call: Call) -> Flow:
        replies = yield from together(call, call, call)
        return say(",".join(reply.text for reply in replies if isinstance(reply, Reply)))

    async def perform(call: Call) -> Reply:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        return say("ok")

    assert asyncio.run(arun(three, ask(), perform)).text == "ok,ok,ok"
    assert most == 3


@pytest.mark.parametrize(
    ("timeout", "deadline", "takes", "expected"),
    [
        (5.0, None, 4.0, None),
        (5.0, None, 6.0, UpstreamError),
        (None, 5.0, 6.0, Exhausted),
        (5.0, 3.0, 4.0, Exhausted),
        (3.0, 5.0, 4.0, UpstreamError),
        (None, 0.0, 1.0, Exhausted),
    ],
)
def test_an_attempt_ends_by_its_timeout_and_its_run_s_deadline(
    timeout: float | None, deadline: float | None, takes: float, expected: type | None
) -> None:
    call = ask(timeout=timeout, run=Run(deadline=deadline))
    for answer in (say("ok"), ConnectionError()):
        outcome = play(through, call, [Late(takes, answer)])
        if expected is None:
            assert outcome.error is None or isinstance(answer, ConnectionError)
        else:
            assert type(outcome.error) is expected
        bounds = [bound for bound in (timeout, deadline) if bound is not None]
        assert outcome.seconds == min([takes, *bounds])

    async def perform(call: Call) -> Reply:
        clock.advance(takes)
        return say("ok")

    clock = VirtualClock()
    raised: type | None = None
    try:
        asyncio.run(arun(through, call, perform, World(clock=clock)))
    except (UpstreamError, Exhausted) as error:
        raised = type(error)
    assert raised is expected


def test_a_hanging_function_is_left_behind_and_its_late_answer_counted() -> None:
    clock, done, answered = RealClock(), threading.Event(), threading.Event()

    def hangs(call: Call) -> Reply:
        done.wait(10)
        answered.set()
        return say("too late")

    with pytest.raises(UpstreamError) as raised:
        run(through, ask(timeout=0.01), hangs, World(clock=clock))
    assert raised.value.kind == "timeout"
    done.set()
    answered.wait(10)
    while not clock.late:  # the worker counts right after it has answered
        time.sleep(0)
    assert clock.late == 1


def test_a_timed_function_answers_raises_and_sees_its_context_as_without() -> None:
    assert run(through, ask(timeout=60), lambda call: say("ok")).text == "ok"
    with pytest.raises(UpstreamError, match="connection"):
        run(through, ask(timeout=60), lambda call: (_ for _ in ()).throw(ConnectionError()))


def test_an_async_call_is_cancelled_at_its_timeout_and_its_own_timeout_error_is_its_own() -> None:
    cancelled = []

    async def hangs(call: Call) -> Reply:
        try:
            return await for_ever(call)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def own(call: Call) -> Reply:
        raise TimeoutError("its own")

    for perform, cause in ((hangs, None), (own, TimeoutError)):
        with pytest.raises(UpstreamError) as raised:
            asyncio.run(arun(through, ask(timeout=0.01), perform))
        assert raised.value.kind == "timeout"
        assert (raised.value.__cause__ and type(raised.value.__cause__)) is cause
    assert cancelled == [True]


def test_waiting_asks_the_real_clock() -> None:
    def waits(call: Call) -> Flow:
        yield from wait(0)
        reply: Reply = yield call
        return reply

    async def perform(call: Call) -> Reply:
        return say("ok")

    assert run(waits, ask(), lambda call: say("ok")).text == "ok"
    assert asyncio.run(arun(waits, ask(), perform)).text == "ok"


def test_nobody_to_ask_is_a_decision_that_waits() -> None:
    def asks(call: Call) -> Flow:
        decision = yield from review("may it?", call)
        return say(f"{decision.verdict} {decision.by}")

    assert play(asks, ask(), []).text == "waiting nobody"


def test_an_async_reviewer_is_awaited_and_refused_in_a_sync_call() -> None:
    async def reviewer(question: Review) -> Decision:
        return Decision("reject", by="ann")

    async def perform(call: Call) -> Reply:
        return say("ok")

    world = World(reviewer=reviewer)
    assert asyncio.run(arun(asks_a_person, ask(), perform, world)).text == "no"
    with pytest.raises(GuardFailed, match="TypeError"):
        run(asks_a_person, ask(), lambda call: say("ok"), world)


def test_a_sync_call_that_would_have_to_wait_for_a_loop_is_an_error() -> None:
    from orchestrator._engine.drive import unsuspended

    async def suspends() -> Any:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="event loop"):
        unsuspended(suspends())


def test_every_attempt_is_recorded_with_its_tokens_time_cost_and_end() -> None:
    world = World(clock=VirtualClock(), price=lambda call, reply: reply.usage.output * 0.5)
    answers = [Late(2, TimeoutError()), Late(3, say("ok", usage=Usage(input=7, output=2)))]

    def twice(call: Call) -> Flow:
        try:
            reply: Reply = yield call
        except UpstreamError:
            reply = yield call
        return reply

    outcome = play(twice, ask(run=Run(request_id="r1")), answers, world=world)
    assert (outcome.attempts, outcome.cost) == (2, 1.0)
    first, second, _ = outcome.events
    assert (first.what, first.target, first.run.request_id) == ("call", "m", "r1")
    assert dict(first.data) == {
        "attempt": 1,
        "seconds": 2,
        "usage": Usage(),
        "cost": None,
        "error": "upstream_error",
        "model": "",
    }
    assert dict(second.data) == {
        "attempt": 2,
        "seconds": 3,
        "usage": Usage(input=7, output=2),
        "cost": 1.0,
        "error": "",
        "model": "",
    }


def test_the_innermost_place_of_an_error_is_kept() -> None:
    def asks_another(call: Call) -> Reply:
        return run(through, replace(ask(), target="inner"), lambda call: (_ for _ in ()).throw(OSError()))

    with pytest.raises(UpstreamError) as raised:
        run(Stamp("!"), ask(), asks_another)
    assert (raised.value.target, raised.value.attempts) == ("inner", 1)


@pytest.mark.parametrize("workers", [2, 8])
def test_updates_are_atomic_under_threads(workers: int) -> None:
    store = Memory()

    def add() -> None:
        for _ in range(500):
            store.update("n", lambda n: ((n or 0) + 1, None))

    threads = [threading.Thread(target=add) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.update("n", lambda n: (n, n)) == 500 * workers


def test_a_change_that_fails_leaves_the_state_as_it_was() -> None:
    store = Memory()
    store.update("n", lambda n: (1, None))

    def fails(state: Any) -> Any:
        raise ValueError

    with pytest.raises(ValueError):
        store.update("n", fails)
    assert store.update("n", lambda n: (None, n)) == 1
    assert asyncio.run(store.aupdate("n", lambda n: (n, n))) is None


def test_chance_is_real_unless_seeded() -> None:
    numbers = {World().draw() for _ in range(10)}
    assert len(numbers) == 10
    assert all(0 <= number < 1 for number in numbers)


def test_events_go_nowhere_without_a_sink() -> None:
    seen: list[Event] = []
    notes: Callable[[Call], Flow] = Permit()
    run(notes, ask(), lambda call: say("ok"), World())
    run(notes, ask(), lambda call: say("ok"), World(sink=seen.append))
    assert [event.what for event in seen] == ["call", "released", "crossed"]
