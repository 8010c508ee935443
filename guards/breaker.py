"""breaker: stop asking a model or tool that keeps failing, and try it again with a few calls at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guards._errors import Unavailable
from guards._failures import Code, counts
from guards._flow import Flow
from guards._types import Call, Ended, Reply
from guards._units import Seconds
from guards._value import replace
from guards._wishes import NOW, Wishing, clock, new_update, record, update

PREFIX = "breaker:"
LONGEST = 10.0
"""Times `recovery_timeout` that a breaker which opens again and again stays open at most."""
BUCKETS = 10
CLOSED: dict[str, Any] = {
    "phase": "closed", "epoch": 0, "failures": 0, "openings": 0, "until": 0.0,
    "permits": {}, "next": 0, "passed": 0, "seen": [],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Breaker:
    """Refuses calls to a target that keeps failing, so that it can recover and the caller can go elsewhere.

    Closed, it opens after `failure_threshold` failures in a row; or, where `failure_ratio` is set, when that
    share of at least `minimum_throughput` calls within `window` seconds has failed. Open, it refuses
    every call for `recovery_timeout` seconds, and twice as long each time it opens again, up to tenfold. Then
    it is half open: it lets `half_open_max_requests` calls through, and closes when all of them succeed; one
    failure, or no outcome for `recovery_timeout` seconds, opens it again.

    `failure_codes` are the statuses that count, and the word `timeout`; a broken connection always counts.
    Every other outcome is neutral, as are calls that are cancelled and streams whose reader left: they give
    their place back. A stream that fails after it began is a failure. Method: circuit breaker (Nygard,
    Release It!).
    """

    failure_threshold: int = 5
    recovery_timeout: Seconds = 30.0
    half_open_max_requests: int = 3
    failure_codes: tuple[Code, ...] = (500, 502, 503, 504, 529, "timeout")
    failure_ratio: float | None = None
    window: Seconds = 30.0
    minimum_throughput: int = 20

    def __post_init__(self) -> None:
        for name in ("failure_threshold", "half_open_max_requests", "minimum_throughput"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, not {getattr(self, name)}")
        for name in ("recovery_timeout", "window"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0 s, not {getattr(self, name)} s")
        if self.failure_ratio is not None and not 0 < self.failure_ratio <= 1:
            raise ValueError(f"failure_ratio goes from 0 to 1, not {self.failure_ratio}; half is 0.5")

    def __call__(self, call: Call) -> Flow:
        key = f"{PREFIX}{call.kind}:{call.via or call.target}"
        now = yield NOW
        permit, left, changed = yield new_update(key, lambda state: self.admit(state, now))
        if permit is None:
            if changed:
                yield from record(call.event("breaker", "breaker", phase=changed))
            yield from record(call.event("refused", "breaker", seconds=left))
            raise Unavailable.now(call.target, "its breaker is open", left)
        try:
            if changed:
                yield from record(call.event("breaker", "breaker", phase=changed))
            reply: Reply = yield call
        except GeneratorExit:
            raise
        except BaseException as failure:
            bad = counts(failure, self.failure_codes)
            yield from self._report(call, key, permit, False if bad else None)
            raise
        if reply.live:
            return replace(reply, after=(*reply.after, self._after(call, key, permit)))
        if self.failure_ratio is not None:
            yield from self._report(call, key, permit, True)
        elif changed := (yield new_update(key, lambda state: self.report(state, permit, True, 0.0))):
            yield from record(call.event("breaker", "breaker", phase=changed))
        return reply

    def _after(self, call: Call, key: str, permit: Permit) -> Callable[[Ended], Wishing[None]]:
        def after(ended: Ended) -> Wishing[None]:
            bad = counts(ended.error, self.failure_codes)
            yield from self._report(
                call, key, permit, True if ended.error is None else False if bad else None
            )

        return after

    def _report(self, call: Call, key: str, permit: Permit, good: bool | None) -> Wishing[None]:
        now = 0.0 if good and self.failure_ratio is None else (yield from clock())
        changed = yield from update(key, lambda state: self.report(state, permit, good, now))
        if changed:
            yield from record(call.event("breaker", "breaker", phase=changed))

    def admit(self, state: Any, now: float) -> tuple[Any, Admitted]:
        """A permit (epoch and number) for a call, or the seconds until there may be one; the new phase."""
        if state is None:
            return None, ((0, -1), 0.0, "")
        if state["phase"] == "closed":
            return state, ((state["epoch"], -1), 0.0, "")
        changed = ""
        if state["phase"] == "half_open" and any(until <= now for until in state["permits"].values()):
            state, changed = self._opened(state, now), "open"
        if state["phase"] == "open":
            left = state["until"] - now
            if 0 < left <= LONGEST * self.recovery_timeout:  # more is from another life of the clock
                return state, (None, left, changed)
            state = {**state, "phase": "half_open", "epoch": state["epoch"] + 1, "permits": {}, "passed": 0}
            changed = "half_open"
        permits = state["permits"]
        if len(permits) + state["passed"] >= self.half_open_max_requests:
            return state, (None, min(permits.values(), default=now) - now, changed)
        number = state["next"]
        permits = {**permits, str(number): now + self.recovery_timeout}
        return {**state, "permits": permits, "next": number + 1}, ((state["epoch"], number), 0.0, changed)

    def report(self, state: Any, permit: Permit, good: bool | None, now: float) -> tuple[Any, str]:
        """Count an outcome: good, bad or (None) neutral; one from an earlier epoch says nothing any more."""
        if permit[0] != (state["epoch"] if state else 0):
            return state, ""
        if state is None and (good is None or (good and self.failure_ratio is None)):
            return None, ""
        state = state or CLOSED
        return (
            self._closed(state, good, now)
            if state["phase"] == "closed"
            else self._probed(state, permit, good, now)
        )

    def _closed(self, state: Any, good: bool | None, now: float) -> tuple[Any, str]:
        if good is None:
            return state, ""
        failures = 0 if good else state["failures"] + 1
        if self.failure_ratio is None:
            state = state if failures == state["failures"] else {**state, "failures": failures}
            tripped = failures >= self.failure_threshold
        else:
            seen = self._counted(state["seen"], good, now)
            state = {**state, "failures": failures, "seen": seen}
            total, bad = sum(one[1] for one in seen), sum(one[2] for one in seen)
            tripped = not good and total >= self.minimum_throughput and bad / total >= self.failure_ratio
        return (self._opened(state, now), "open") if tripped else (state, "")

    def _counted(self, seen: list[list[float]], good: bool, now: float) -> list[list[float]]:
        """Calls and failures by tenths of the window, with one more."""
        tenth = float(now // (self.window / BUCKETS))
        kept = [one for one in seen if tenth - BUCKETS < one[0] < tenth]
        last = seen[-1] if seen and seen[-1][0] == tenth else [tenth, 0, 0]
        return [*kept, [tenth, last[1] + 1, last[2] + (not good)]]

    def _probed(self, state: Any, permit: Permit, good: bool | None, now: float) -> tuple[Any, str]:
        if good is False:
            return self._opened(state, now), "open"
        permits = {number: until for number, until in state["permits"].items() if number != str(permit[1])}
        passed = state["passed"] + (good is True)
        if passed >= self.half_open_max_requests:
            return {**CLOSED, "epoch": state["epoch"] + 1}, "closed"
        return {**state, "permits": permits, "passed": passed}, ""

    def _opened(self, state: Any, now: float) -> Any:
        longer = min(LONGEST, 2.0 ** min(state["openings"], 10))
        return {
            **CLOSED,
            "phase": "open",
            "epoch": state["epoch"] + 1,
            "openings": state["openings"] + 1,
            "until": now + self.recovery_timeout * longer,
        }


Permit = tuple[int, int]
Admitted = tuple[Permit | None, float, str]


def told(state: Any, now: float) -> dict[str, Any]:
    """A breaker's state for people: its phase, failures in a row, and the seconds until it lets calls try."""
    state = state or CLOSED
    left = max(0.0, state["until"] - now) if state["phase"] == "open" else 0.0
    return {"phase": state["phase"], "failures": state["failures"], "seconds": left}


def reset(state: Any) -> tuple[Any, bool]:
    """Close a breaker; what began before no longer counts.  Answers whether it was not closed."""
    if state is None:
        return None, False
    return {**CLOSED, "epoch": state["epoch"] + 1}, state["phase"] != "closed"


guard = Breaker
