"""hedge: a second request when the first is slow; the first answer wins."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

from guards._errors import GuardError
from guards._flow import Flow
from guards._types import Call, Reply
from guards._units import Seconds
from guards._value import replace
from guards._wishes import Lost, clock, race, record, update
from guards._worst import Inner, Worst

REMEMBERED = 100
"""How many latencies are kept for each target."""
ENOUGH = 20
"""From how many of them a p95 is told."""
SAVED = 10.0
"""How many second requests may be saved up at most."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """Asks a second time when a reply takes longer than most; the first reply wins, the other is cut off.

    The second request goes to the model `to`, or to the same one, `after` so many seconds, or after the p95
    of the last hundred replies. At most a `share` of all calls are asked twice, and only where asking
    twice does no harm: models, and tools that are idempotent. Providers bill both, so both are charged.
    Method: hedged requests (Dean and Barroso, The Tail at Scale).
    """

    to: str = ""
    after: Seconds | None = None
    share: float = 0.1

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.after is not None and not self.after >= 0:
            raise ValueError(f"after must not be negative, as {self.after} s is")
        if not 0 < self.share <= 1:
            raise ValueError(f"share goes from 0 to 1, not {self.share}; leave hedge out to ask only once")

    def __call__(self, call: Call) -> Flow:
        if call.kind == "tool" and not call.options.get("idempotent"):
            plain: Reply = yield call
            return plain
        key = f"hedge:{call.kind}:{call.target}"
        delay = yield from update(key, self._delay)
        started = yield from clock()
        if delay is None:
            reply: Reply = yield call
        else:
            second = replace(call, target=self.to or call.target)
            answers = yield from race((0.0, call), (delay, second))
            reply = yield from self._winner(call, answers, key)
        took = (yield from clock()) - started
        yield from update(key, lambda state: (_learned(state, took), None))
        return reply

    def worst(self, call: Call, inner: Inner) -> Worst:
        """Both requests are paid, and the second may start when the first is nearly over."""
        first = inner(call)
        if call.kind == "tool" and not call.options.get("idempotent"):
            return first
        second = inner(replace(call, target=self.to or call.target))
        delay = first.seconds if self.after is None else min(self.after, first.seconds)
        seconds = max(first.seconds, delay + second.seconds)
        return Worst(first.attempts + second.attempts, seconds, first.usd + second.usd)

    def _delay(self, state: Any) -> tuple[Any, float | None]:
        """After how many seconds to ask again, if that may be done; every call saves up its share of one."""
        saved = min(SAVED, (state["saved"] if state else 0.0) + self.share)
        seen = state["seen"] if state else []
        delay = self.after if self.after is not None else p95(seen)
        state = {"saved": saved - 1.0 if saved >= 1.0 and delay is not None else saved, "seen": seen}
        return state, delay if saved >= 1.0 else None

    def _winner(self, call: Call, answers: Any, key: str) -> Any:
        first, second = answers
        if isinstance(second, Lost) and not second.started:
            yield from update(key, _given_back)
        else:
            won = "second" if isinstance(second, Reply) else "first" if isinstance(first, Reply) else ""
            yield from record(call.event("hedged", "hedge", won=won))
        winner = next((answer for answer in answers if isinstance(answer, Reply)), None)
        if winner is None:
            errors = [answer for answer in answers if isinstance(answer, GuardError)]
            errors[-1].earlier = tuple(errors[:-1])
            raise errors[-1]
        cut_off = any(isinstance(answer, Lost) and answer.started for answer in answers)
        return replace(winner, usage=winner.usage + winner.usage) if cut_off else winner


def p95(seconds: list[float]) -> float | None:
    """The 95th percentile by nearest rank, once enough is known to tell."""
    return sorted(seconds)[ceil(0.95 * len(seconds)) - 1] if len(seconds) >= ENOUGH else None


def _learned(state: Any, seconds: float) -> Any:
    state = state or {"saved": 0.0, "seen": []}
    return {**state, "seen": [*state["seen"][1 - REMEMBERED :], seconds]}


def _given_back(state: Any) -> Any:
    state = state or {"saved": 0.0, "seen": []}
    return {**state, "saved": min(SAVED, state["saved"] + 1.0)}, None


guard = Hedge
