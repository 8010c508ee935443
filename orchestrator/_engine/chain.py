"""Guards in a row, as one guard."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

from guards._errors import GuardError, GuardFailed
from guards._flow import Flow, Guard, concerned, guard_name
from guards._types import Call, Reply
from guards._value import replace
from guards._wishes import WISHES, All

STEPS = 10_000
"""How many steps one call may take before its chain is stopped as one that never ends."""
KNOWN = frozenset(WISHES)


def chain(guards: Iterable[Guard], steps: int = STEPS) -> Chain:
    """Fold guards into one guard: the first is outermost, and a chain within a chain dissolves in it."""
    flat: list[Guard] = []
    for guard in guards:
        if isinstance(guard, Chain):
            flat.extend(guard.guards)
            steps = min(steps, guard.steps)
        else:
            flat.append(guard)
    return Chain(tuple(flat), steps)


@dataclass(slots=True)
class Used:
    """Whether a call has been through a chain, so that what its guards load on first use is loaded."""

    once: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """What a guard yields as a call goes through the guards after it; other wishes go to the driver.

    The flows stand on a stack instead of inside one another, so that a wish costs the same at any depth.
    This is the one place where an accident inside a guard becomes `GuardFailed`.
    """

    guards: tuple[Guard, ...]
    steps: int = STEPS
    used: Used = field(default_factory=Used, init=False, repr=False, compare=False)

    @property
    def heavy(self) -> int:
        """From how many characters of text on a guard's own work may stall an event loop; 0 for never."""
        return min((heavy for guard in self.guards if (heavy := getattr(guard, "heavy", 0))), default=0)

    def __call__(self, call: Call) -> Flow:
        guards, depth = self.guards, len(self.guards)
        flows: list[Flow] = []
        made = [0] * (depth + 1)  # by whom the steps were taken: the caller, then each guard
        wish: Any = call
        error: BaseException | None
        try:
            for _ in range(self.steps):
                value = error = None
                level = len(flows)
                made[level] += 1
                if level < depth and isinstance(wish, Call):
                    try:
                        flow = (concerned(guards[level], wish) if wish.via else guards[level])(wish)
                        if flow.__class__ is GeneratorType:
                            flows.append(flow)
                        else:
                            error = GuardFailed(
                                guard_name(guards[level]), f"returned {_kind(flow)}, not a flow"
                            )
                    except GuardError as refusal:
                        error = refusal
                    except Exception as accident:
                        error = GuardFailed.of(guard_name(guards[level]), accident)
                elif wish.__class__ in KNOWN or isinstance(wish, WISHES):
                    if isinstance(wish, All):
                        wish = replace(wish, inner=(*wish.inner, *guards[level:]))
                    try:
                        value = yield wish
                    except GeneratorExit:
                        raise
                    except BaseException as thrown:
                        error = thrown
                else:
                    error = GuardFailed(guard_name(guards[level - 1]), f"yielded {_kind(wish)}, not a wish")
                # An answer or an error goes to the innermost flow; a flow that ends hands its own outward.
                while flows:
                    flow = flows[-1]
                    try:
                        wish = flow.send(value) if error is None else flow.throw(error)
                        break
                    except StopIteration as done:
                        value, error = done.value, None
                        if not isinstance(value, Reply):
                            problem = f"returned {_kind(value)}, not a Reply"
                            error = GuardFailed(guard_name(guards[len(flows) - 1]), problem)
                    except GuardError as raised:
                        error = raised
                    except Exception as accident:
                        error = GuardFailed.of(guard_name(guards[len(flows) - 1]), accident)
                    except BaseException as thrown:
                        error = thrown
                    flows.pop()
                else:
                    if error is not None:
                        raise error
                    return value  # type: ignore[return-value]  # only a Reply gets here
            busiest = guards[made.index(max(made)) - 1]
            raise GuardFailed(guard_name(busiest), f"took more than {self.steps} steps")
        finally:
            for flow in reversed(flows):
                # The call has ended already, with a reply or an error that a failing clean-up must not hide.
                with suppress(Exception):
                    flow.close()


def _kind(value: object) -> str:
    return type(value).__name__
