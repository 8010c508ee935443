"""CPU time of small things, best of several rounds, so that a busy machine disturbs it least."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure, with the goal it is held against."""

    name: str
    value: float
    unit: str
    goal: str = ""

    @property
    def measured(self) -> str:
        return f"{self.value:,.0f} {self.unit}" if self.value >= 1_000 else f"{self.value:.2f} {self.unit}"


def cpu(work: Callable[[], object], *, number: int = 2_000, rounds: int = 15) -> float:
    """Microseconds of CPU that one call takes, best of rounds."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(number):
            work()
        best = min(best, time.process_time() - started)
    return best / number * 1e6


def acpu(work: Callable[[], Awaitable[object]], *, number: int = 2_000, rounds: int = 15) -> float:
    """The same for an awaited call."""

    async def measure() -> float:
        best = float("inf")
        for _ in range(rounds):
            started = time.process_time()
            for _ in range(number):
                await work()
            best = min(best, time.process_time() - started)
        return best / number * 1e6

    return asyncio.run(measure())


def yardstick() -> float:
    """Microseconds that `json.loads` takes for 2 KB: what a figure is a multiple of."""
    text = json.dumps({f"field {n}": {"value": n, "text": "lorem ipsum dolor"} for n in range(38)})
    return cpu(lambda: json.loads(text))
