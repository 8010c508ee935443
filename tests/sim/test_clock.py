"""Simulated time: waiting takes none, and everything happens in the order in which it would."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator._engine.clock import Expired
from orchestrator.sim.clock import LoopClock, SimulatedLoop


def simulated(job: Any) -> Any:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(job)


@given(st.lists(st.integers(0, 10_000), max_size=8))
@settings(max_examples=30)
def test_waits_end_in_the_order_of_their_times_and_take_none(waits: list[int]) -> None:
    clock, ended = LoopClock(), list[tuple[float, int]]()

    async def wait(seconds: int) -> None:
        await clock.asleep(seconds)
        ended.append((clock.now(), seconds))

    async def together() -> float:
        await asyncio.gather(*map(wait, waits))
        return clock.now()

    started = time.monotonic()
    assert abs(simulated(together()) - max(waits, default=0)) < 1e-6
    assert [seconds for _, seconds in ended] == sorted(waits)
    assert all(abs(now - seconds) < 1e-6 for now, seconds in ended)
    assert time.monotonic() - started < 10


def test_a_bound_ends_what_takes_longer_at_its_time() -> None:
    clock = LoopClock()

    async def job() -> tuple[float, str]:
        try:
            return clock.now(), await clock.awithin(5, lambda: clock.asleep(3600))  # type: ignore[func-returns-value]
        except Expired:
            return clock.now(), "expired"

    assert simulated(job()) == (5.0, "expired")


def test_time_stands_still_while_a_thread_works() -> None:
    clock = LoopClock()

    async def job() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        late = asyncio.create_task(clock.asleep(100))
        await loop.run_in_executor(None, time.sleep, 0.01)
        after = clock.now()
        await late
        return after, clock.now()

    assert simulated(job()) == (0.0, 100.0)


def test_a_lock_is_handed_over_in_simulated_time() -> None:
    clock = LoopClock()

    async def job() -> list[float]:
        lock, held = asyncio.Lock(), list[float]()

        async def hold() -> None:
            async with lock:
                await clock.asleep(2)
                held.append(clock.now())

        await asyncio.gather(*(hold() for _ in range(3)))
        return held

    assert simulated(job()) == [2.0, 4.0, 6.0]


def test_on_a_real_loop_time_is_real() -> None:
    async def job() -> float:
        return LoopClock().now() - asyncio.get_running_loop().time()

    assert abs(asyncio.run(job())) < 5
