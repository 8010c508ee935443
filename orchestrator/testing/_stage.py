"""A decorated function that meets a fault plan: the program under test runs, the model or tool is played."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from guards._types import Call, Event, Reply
from guards._value import replace
from orchestrator._engine.clock import VirtualClock
from orchestrator.boundaries._relay import Relay
from orchestrator.boundaries.function import Crossing, Target
from orchestrator.testing._plan import Plan, Step


@dataclass(slots=True)
class Met:
    """What a decorated function met while it was staged: the calls that left, the steps, what was recorded.

    `clock` is the virtual time of its calls; nothing sleeps.
    """

    plan: Plan
    clock: VirtualClock
    calls: list[Call] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


@contextmanager
def staged(function: Any, plan: Plan, shape: Callable[[str], Any] = str) -> Iterator[Met]:
    """Let the calls of a decorated function meet a plan instead of the function, in virtual time.

    `shape` makes what the function would have returned from a text: a chat completion, say; without it,
    the text itself.  Raises `TypeError` for a function that no orchestrator decorated.
    """
    target = getattr(function, "__wardline__", None)
    if not isinstance(target, Target):
        name = getattr(function, "__name__", type(function).__name__)
        raise TypeError(f"{name} is not decorated; decorate it with gate.model(...) or gate.tool(...)")
    settings, before = target.settings, target.stage
    met = Met(plan, VirtualClock(settings.world.clock.now()))

    def sink(event: Event) -> None:
        met.events.append(event)
        settings.world.note(event)

    chance = Random(plan.seed)  # noqa: S311 - chance that can be repeated is the point
    world = replace(settings.world, clock=met.clock, random=chance.random, sink=sink, helpers=None)
    target.settings = replace(settings, world=world)
    target.stage = _Stage(target, met, shape)
    try:
        yield met
    finally:
        target.settings, target.stage = settings, before


class _Stage:
    """Answers each attempt by the plan's next step."""

    def __init__(self, target: Target, met: Met, shape: Callable[[str], Any]) -> None:
        self._target, self._met, self._shape = target, met, shape
        self._steps = iter(met.plan.steps)

    def __call__(self, crossing: Crossing, call: Call) -> Reply:
        met, step = self._met, next(self._steps, self._met.plan.then)
        met.calls.append(call)
        met.steps.append(step)
        met.clock.advance(step.seconds)
        if step.fails(call):
            raise step.failure(call)
        text = step.said(call)
        if call.stream:
            return Reply(live=True, raw=([], _Chunks(step, text, met, self._shape)))
        if crossing.call.stream:
            return Relay.collect([self._shape(text)])
        return self._target.heard(self._shape(text))


class _Chunks:
    """The chunks of a streamed answer, for a plain and for an async generator alike."""

    def __init__(self, step: Step, text: str, met: Met, shape: Callable[[str], Any]) -> None:
        cuts = next((ask.cuts for ask in met.plan.asks if ask.cuts), ())
        self._step, self._met, self._shape = step, met, shape
        self._pieces = step.chunks(text, cuts)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._met.clock.advance(self._step.drip)
        return self._shape(next(self._pieces))

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self)
        except StopIteration:
            raise StopAsyncIteration from None
