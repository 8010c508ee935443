"""rate_limit: no more requests and tokens a minute than a provider, or you for each user, allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

from guards._account import account, checked_tag
from guards._errors import Exhausted, GuardError, Unavailable, UpstreamError
from guards._flow import Flow
from guards._limits import rate_limits
from guards._tokens import asked, most_output
from guards._types import UNUSED, Call, Ended, Reply, Usage
from guards._units import Seconds
from guards._value import replace
from guards._wishes import NOW, Wishing, clock, new_update, record, wait
from guards._worst import Inner, Worst

MINUTE, HOUR = 60.0, 3_600.0
A = TypeVar("A")
KINDS = ("requests", "tokens")


class Cost(NamedTuple):
    """What one call takes from each bucket."""

    requests: float
    tokens: float


class Slot(NamedTuple):
    """When a call may go, on the driver's clock, and how long the bucket had been blocked in all by then.

    A slot that is refused has `start` None, and in `wait` the seconds it would have taken, or None for ever.
    """

    start: float | None
    paused: float = 0.0
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Lets calls to a target through as its `requests` and `tokens` a minute allow; the others wait in line.

    A call takes both or neither, first come first served: one request, and the tokens of its text and of
    the longest reply it may have (`output`, where it does not say); what it did not use is given back. As
    much as `burst` seconds allow may go at once. A call that finds `max_queue` others waiting, or that would
    have to wait for more than `max_wait` seconds or past its run's deadline, is refused at once with the
    estimate.

    It learns from what the provider says in its headers, and when that asks to wait, nobody calls until
    then. Without `requests` and `tokens` it knows only what it has learned. Method: token bucket.

    With `per`, each session, user, or value of the run's `tag` has buckets of its own, over all targets;
    what a provider says is not about them, and they do not learn.
    """

    requests: float | None = None
    tokens: float | None = None
    burst: Seconds = MINUTE
    output: int = 1_024
    max_queue: int = 10_000
    max_wait: Seconds = 60.0
    per: Literal["target", "session", "user", "tag"] = "target"
    tag: str = ""

    def __post_init__(self) -> None:
        for name in KINDS:
            if (rate := getattr(self, name)) is not None and not rate > 0:
                raise ValueError(f"{name} a minute must be more than 0, not {rate}; without it: no limit")
        if not self.burst > 0:
            raise ValueError(f"burst must be more than 0 s, not {self.burst} s")
        checked_tag(self.per, self.tag)
        if self.per != "target" and self.requests is None and self.tokens is None:
            raise ValueError(f"say how many requests or tokens a minute each {self.per} may have")
        for least in ("output", "max_queue", "max_wait"):
            if not getattr(self, least) >= 0:
                raise ValueError(f"{least} must not be negative, as {getattr(self, least)} is")

    def __call__(self, call: Call) -> Flow:
        key = self._bucket(call)
        cost = Cost(1.0, asked(call) + most_output(call, self.output) if call.kind == "model" else 0.0)
        now, deadline = (yield NOW), call.run.deadline
        latest = now + self.max_wait if deadline is None else min(now + self.max_wait, deadline)
        slot: Slot = yield from self._update(key, lambda state: self.reserve(state, now, cost, latest))
        if slot.start is None:
            raise self._refused(call, slot.wait)
        sent = False
        try:
            if slot.start > now:
                yield from record(call.event("queued", "rate_limit", seconds=slot.start - now))
                yield from self._queued(call, key, slot, now)
            sent = True
            reply: Reply = yield call
        except GeneratorExit:
            raise
        except BaseException as failure:
            # What a guard further in refused was not sent either.
            if not sent or isinstance(failure, Unavailable):
                yield from self._give_back(key, cost, waiting=not sent)
            elif isinstance(failure, UpstreamError):
                yield from self._learn(key, failure.limits, failure.retry_after)
            raise
        if reply.live:
            return replace(reply, after=(*reply.after, self._after(key, cost)))
        headers = getattr(reply.raw, "headers", None)
        if headers is not None and (found := rate_limits(headers)):
            yield from self._learn(key, found, None)
        if reply.usage is not UNUSED:
            yield from self._settle(key, cost, reply.usage)
        return reply

    def worst(self, call: Call, inner: Inner) -> Worst:
        """The longest wait in line, and then the call."""
        return inner(call).later(self.max_wait)

    def _bucket(self, call: Call) -> str:
        if self.per == "target":
            return f"rate_limit:{call.kind}:{call.via or call.target}"
        return f"rate_limit:{account(call.run, self.per, self.tag)}"

    def _update(self, key: str, change: Callable[[Any], tuple[Any, A]]) -> Wishing[A]:
        """Buckets of somebody's own are full again, and forgotten, when they were not used for long."""
        keep = None if self.per == "target" else max(HOUR, 2 * self.burst)
        answer: A = yield new_update(key, change, keep=keep)
        return answer

    def _queued(self, call: Call, key: str, slot: Slot, now: float) -> Wishing[None]:
        """Wait for the reserved time, which moves when the bucket is blocked in the meantime."""
        start, paused = slot.start or now, slot.paused
        deadline = call.run.deadline
        while start > now:
            if deadline is not None and start >= deadline:
                raise self._refused(call, start - now)
            yield from wait(start - now)
            now = yield from clock()
            before, paused = paused, (yield from self._update(key, _paused))
            start += paused - before
        yield from self._update(key, _begun)

    def _refused(self, call: Call, seconds: float | None) -> GuardError:
        if seconds is None:
            return Exhausted("what the rate limit lets through at once")
        whose = "its" if self.per == "target" else f"the {self.per}'s"
        return Unavailable.now(call.target, f"{whose} rate limit is reached", seconds)

    def _after(self, key: str, cost: Cost) -> Callable[[Ended], Wishing[None]]:
        def after(ended: Ended) -> Wishing[None]:
            if isinstance(ended.error, UpstreamError):
                yield from self._learn(key, ended.error.limits, ended.error.retry_after)
            yield from self._settle(key, cost, ended.usage)

        return after

    def _settle(self, key: str, cost: Cost, usage: Usage) -> Wishing[None]:
        """Give back what was not used, or take what was used beyond the estimate, as a debt."""
        used = usage.input + usage.output
        if used and cost.tokens and used != cost.tokens:
            yield from self._give_back(key, Cost(0.0, cost.tokens - used), waiting=False)

    def _give_back(self, key: str, cost: Cost, *, waiting: bool) -> Wishing[None]:
        yield from self._update(key, lambda state: (self.given_back(state, cost, waiting=waiting), None))

    def _learn(self, key: str, limits: Mapping[str, float], seconds: float | None) -> Wishing[None]:
        if self.per == "target" and (limits or seconds):
            now = yield from clock()
            yield from self._update(
                key, lambda state: (self.learned(state, now, limits, seconds or 0.0), None)
            )

    def reserve(self, state: Any, now: float, cost: Cost, latest: float) -> tuple[Any, Slot]:
        """Take what a call costs from both buckets, if it may go by `latest`; they may fall below nothing."""
        state, rates = self._refilled(state, now), self._rates(state)
        waiting, levels = state["waiting"], {}
        start = max(now, state["until"], state["last"] if waiting else now)
        for kind, rate in rates.items():
            taken = cost.requests if kind == "requests" else cost.tokens
            if taken > rate * self.burst:
                return state, Slot(None)
            levels[kind] = level = state[kind] - taken
            if level < 0:
                start = max(start, state["at"] - level / rate)
        if start > now and (start >= latest or waiting >= self.max_queue):
            return state, Slot(None, wait=start - now)
        state.update(levels, waiting=waiting + (start > now), last=start)  # refilled, it is ours
        return state, Slot(start, state["paused"])

    def given_back(self, state: Any, cost: Cost, *, waiting: bool) -> Any:
        if state is None:
            return None
        levels = {
            kind: min(rate * self.burst, state[kind] + getattr(cost, kind))
            for kind, rate in self._rates(state).items()
            if kind in state
        }
        return {**state, **levels, "waiting": state["waiting"] - waiting}

    def learned(self, state: Any, now: float, limits: Mapping[str, float], seconds: float) -> Any:
        """Never allow more than the provider says; while it asks to wait, nothing is refilled."""
        state = self._refilled(state, now)
        told = {kind: limits[f"limit_{kind}"] for kind in KINDS if f"limit_{kind}" in limits}
        state = self._refilled({**state, "limits": {**state["limits"], **told}}, now)
        for kind in KINDS:
            if kind in state and (left := limits.get(f"remaining_{kind}")) is not None:
                state[kind] = min(state[kind], left)
        until = now + seconds
        if (longer := until - max(now, state["until"])) > 0:
            state |= {"until": until, "at": until, "paused": state["paused"] + longer}
            state |= {"last": state["last"] + longer}
            state |= {kind: min(state[kind], 0.0) for kind in KINDS if kind in state}
        return state

    def _refilled(self, state: Any, now: float) -> dict[str, Any]:
        """A new state, with what time has brought since the old one."""
        rates = self._rates(state)
        if state is None:
            state = {"at": now, "until": 0.0, "paused": 0.0, "last": now, "waiting": 0, "limits": {}}
        before = state["at"]
        new = {**state, "at": max(now, before)}
        for kind, rate in rates.items():
            most = rate * self.burst
            new[kind] = min(most, state.get(kind, most) + max(0.0, now - before) * rate)
        return new

    def _rates(self, state: Any) -> dict[str, float]:
        """What is let through a second: as configured, or less where the provider allows less."""
        rates = {"requests": self.requests, "tokens": self.tokens}
        for kind, told in state["limits"].items() if state else ():
            rates[kind] = told if (own := rates[kind]) is None else min(own, told)
        return {kind: rate / MINUTE for kind, rate in rates.items() if rate is not None}


def _paused(state: Any) -> tuple[Any, float]:
    return state, state["paused"] if state else 0.0


def _begun(state: Any) -> tuple[Any, None]:
    return ({**state, "waiting": state["waiting"] - 1} if state else None), None


guard = RateLimit
