"""What each guard promises by its own settings, judged from outside: by what left, when, and what it met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from math import inf
from typing import Any, TypeAlias, cast

from guards._errors import Unavailable, UpstreamError
from guards._failures import counts, may_retry
from guards._flow import Guard
from guards._tokens import asked as tokens_asked
from guards._types import Call, Usage
from guards._wishes import Wait
from guards.breaker import Breaker
from guards.budget import Budget
from guards.cache import Cache
from guards.concurrency import Concurrency
from guards.context import Context
from guards.deadline import Deadline
from guards.degrade import Degrade
from guards.fallback import Fallback
from guards.hedge import Hedge
from guards.iterations import Iterations
from guards.judge import Judge
from guards.permit import Permit
from guards.rate_limit import MINUTE, RateLimit
from guards.residency import Residency, covered
from guards.retry import Retry
from guards.route import Route
from guards.schema import Schema
from guards.timeout import Timeout, seconds_for
from orchestrator._engine.upstream import upstream_error
from orchestrator.testing._plan import Ask, Step
from orchestrator.testing._rehearsal import Played, Rehearsal
from policies import Model

Attempt: TypeAlias = tuple[Ask, Call, float, Step]
CHOOSING = (Fallback, Route, Hedge)
"""Guards that go to another target, or to the same one twice, for reasons of their own."""


WAITING = (Concurrency, Hedge, RateLimit, Retry)
AGAIN = (*CHOOSING, Degrade, Judge, Retry, Schema)
OUTSIDE = (*AGAIN, Cache, Concurrency, RateLimit)


def kept(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    """What any guard of the policy promised and did not keep."""
    for kind, promise in PROMISES.items():
        groups: dict[Guard, list[int]] = defaultdict(list)
        for number, ask in enumerate(played.plan.asks):
            for guard in rehearsal.guards(ask):
                if isinstance(guard, kind):
                    groups[cast("Guard", _Same(guard))].append(number)
        for same, numbers in groups.items():
            yield from promise(cast("Any", same).guard, _Seen(rehearsal, played, numbers))


class _Same:
    """A guard by what it is, not by what it holds: settings may not be hashable."""

    def __init__(self, guard: Any) -> None:
        self.guard = guard

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.guard is other.guard

    def __hash__(self) -> int:
        return id(self.guard)


class _Seen:
    """The calls of a plan that one guard stood before, and what left of them."""

    def __init__(self, rehearsal: Rehearsal, played: Played, numbers: Sequence[int]) -> None:
        self.rehearsal, self.played = rehearsal, played
        self.numbers = [number for number in numbers if number < len(played.outcomes)]

    def attempts(self, number: int) -> list[Attempt]:
        """What left of one call: the call as it left, when, and the step it met."""
        outcome = self.played.outcomes[number]
        return [
            (self.played.plan.asks[number], call, time, step)
            for call, time, step in zip(outcome.calls, outcome.times, self.played.met[number], strict=False)
        ]

    def all(self) -> list[Attempt]:
        return [attempt for number in self.numbers for attempt in self.attempts(number)]

    def chooses(self, number: int) -> bool:
        """Whether a guard before that call may go to another target."""
        guards = self.rehearsal.guards(self.played.plan.asks[number])
        return any(isinstance(guard, CHOOSING) for guard in guards)

    @property
    def models(self) -> Mapping[str, Model]:
        return self.rehearsal.policy.models


def _permit(guard: Permit, seen: _Seen) -> Iterator[str]:
    for ask, call, _, _ in seen.all():
        denied = any(fnmatchcase(call.target, glob) for glob in guard.deny)
        listed = any(fnmatchcase(call.target, glob) for glob in guard.tools)
        if denied or not listed:
            yield "permit: what it does not list was called"
        if guard.roles and not guard.roles & set(ask.roles):
            yield "permit: a run without the role called"


def _residency(guard: Residency, seen: _Seen) -> Iterator[str]:
    for ask, call, _, _ in seen.all():
        allowed = guard.allow.get(ask.region, (ask.region,)) if ask.region else guard.default
        model = seen.models.get(call.via or call.target)
        region = model.region if model else ""
        if "*" not in allowed and not (region and covered(region, allowed)):
            yield "residency: a model was asked in a region that the run may not use"


def _iterations(guard: Iterations, seen: _Seen) -> Iterator[str]:
    runs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for number in seen.numbers:
        ask = seen.played.plan.asks[number]
        if seen.played.outcomes[number].calls:
            runs[ask.kind, ask.request or str(number)].append(f"{ask.target} {ask.text}")
    for made in runs.values():
        if guard.steps is not None and len(made) > guard.steps:
            yield f"iterations: {len(made)} calls of one run, {guard.steps} allowed"
        most = max(map(made.count, made))
        if guard.identical is not None and most > guard.identical:
            yield f"iterations: {most} identical calls, {guard.identical} allowed"


def _budget(guard: Budget, seen: _Seen) -> Iterator[str]:
    if guard.window is not None or guard.per == "tag":
        return
    spent: dict[Any, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for number in seen.numbers:
        for ask, call, began, step in seen.attempts(number):
            whose = {"call": number, "run": ask.request or number, "session": ask.session, "user": ask.user}
            account = spent[ask.kind, whose[guard.per]]
            for name, most, had in zip(
                ("calls", "tokens", "US dollars"),
                (guard.calls, guard.tokens, guard.usd),
                account,
                strict=True,
            ):
                # What replies side by side take is known only when they are back; calls are known before.
                known = name == "calls" or not seen.played.together
                if known and most is not None and had >= max(most, 1e-12) and (had or name == "calls"):
                    yield f"budget: a call was made when {had:g} of {most:g} {name} were spent"
            _charge(account, call, step if _came(call, began, step) else LOST, seen.models)


def _charge(account: list[float], call: Call, step: Step, models: Mapping[str, Model]) -> None:
    """What an attempt certainly costs: a reply that came says so."""
    account[0] += 1
    if step.fault == "none" and not call.stream and call.kind == "model":
        account[1] += 2 * step.tokens
        model = models.get(call.target)
        account[2] += (model.cost(Usage(input=step.tokens, output=step.tokens)) or 0.0) if model else 0.0


LOST = Step(fault="timeout")
"""What is charged of a reply that came when nobody waited any more: nothing that a reply would tell."""


def _came(call: Call, began: float, step: Step) -> bool:
    left = inf if call.run.deadline is None else call.run.deadline - began
    return step.seconds < min(left, inf if call.timeout is None else call.timeout)


def _context(guard: Context, seen: _Seen) -> Iterator[str]:
    for _, call, _, _ in seen.all():
        if guard.tokens is not None and call.kind == "model" and tokens_asked(call) > guard.tokens:
            yield "context: more was sent than the window holds"


def _timeout(guard: Timeout, seen: _Seen) -> Iterator[str]:
    for _, call, _, _ in seen.all():
        if call.timeout is None or call.timeout > seconds_for(guard.seconds, call):
            yield "timeout: an attempt left without its bound"


def _deadline(guard: Deadline, seen: _Seen) -> Iterator[str]:
    for number in seen.numbers:
        guards = seen.rehearsal.guards(seen.played.plan.asks[number])
        if any(isinstance(outer, OUTSIDE) for outer in guards[: guards.index(guard)]):
            continue  # what stands further out may make several calls of one, or wait
        bound = seconds_for(guard.seconds, seen.played.plan.asks[number].call(0.0))
        if seen.played.outcomes[number].seconds > bound + 1e-6:
            yield "deadline: a call took longer than it may"


def _retry(guard: Retry, seen: _Seen) -> Iterator[str]:
    for number in seen.numbers:
        if seen.chooses(number):
            continue
        attempts = [one for one in seen.attempts(number) if not one[1].via]
        keys = {call.options.get("idempotency_key") for _, call, _, _ in attempts}
        if guard.attempts > 1 and len(attempts) > 1 and len(keys) > 1 and _alone(seen, number, guard):
            yield "retry: attempts of one call do not have the same idempotency key"
        for (_, call, began, step), (_, _, again, _) in pairwise(attempts):
            if not step.fails(call) or step.fault == "killed":
                continue
            failure = failed(step, call)
            late = call.timeout is not None and step.seconds > call.timeout
            if not late and not may_retry(failure):
                yield "retry: a failure that does not pass was tried again"
            waited = again - began - step.seconds
            if not late and failure.retry_after is not None and waited < failure.retry_after - 1e-6:
                yield f"retry: the server asked for {failure.retry_after:g} s, and {waited:g} s passed"


def _alone(seen: _Seen, number: int, guard: Retry) -> bool:
    """Whether no re-ask of a schema further out makes new calls of one."""
    guards = seen.rehearsal.guards(seen.played.plan.asks[number])
    return not any(isinstance(one, Schema) for one in guards)


def failed(step: Step, call: Call) -> UpstreamError:
    """What a failing step is to the guards."""
    failure = step.failure(call)
    return (
        failure if isinstance(failure, UpstreamError) else upstream_error(call.target, cast("Any", failure))
    )


def _breaker(guard: Breaker, seen: _Seen) -> Iterator[str]:
    if guard.failure_ratio is not None or seen.played.together:
        return  # what is under way when it opens is not called back
    streak: dict[tuple[str, str], tuple[int, float]] = {}
    for _, call, began, step in seen.all():
        key = call.kind, call.target
        failures, since = streak.get(key, (0, 0.0))
        if failures >= guard.failure_threshold and began < since + guard.recovery_timeout - 1e-6:
            yield f"breaker: a call left {began - since:g} s after {failures} failures in a row"
        late = call.timeout is not None and step.seconds > call.timeout
        if call.run.deadline is not None and began + step.seconds >= call.run.deadline:
            continue  # it was called off, which says nothing about the other side
        bad = (
            "timeout" in guard.failure_codes
            if late
            else step.fails(call) and counts(failed(step, call), guard.failure_codes)
        )
        ended = began + (min(step.seconds, call.timeout) if call.timeout is not None else step.seconds)
        if bad:
            streak[key] = failures + 1, ended
        elif step.fault == "none" and not late and not call.stream:
            streak[key] = 0, ended


def _concurrency(guard: Concurrency, seen: _Seen) -> Iterator[str]:
    if not seen.played.together:
        for number in seen.numbers:
            error = seen.played.outcomes[number].error
            if isinstance(error, Unavailable) and "under way" in error.reason and not seen.chooses(number):
                yield "concurrency: a call that was alone had to wait for a place"
        return
    spans: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for _, call, began, step in seen.all():
        left = inf if call.run.deadline is None else call.run.deadline - began
        lasts = min(step.seconds, left, inf if call.timeout is None else call.timeout)
        spans[call.kind, call.target].append((began, began + lasts))
    for made in spans.values():
        for start, _ in made:
            under_way = sum(begin <= start < end for begin, end in made)
            if under_way > guard.limit:
                yield f"concurrency: {under_way} calls at once, {guard.limit} allowed"
                return


def _rate_limit(guard: RateLimit, seen: _Seen) -> Iterator[str]:
    if guard.requests is None:
        return
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for number in seen.numbers:
        guards = seen.rehearsal.guards(seen.played.plan.asks[number])
        if any(isinstance(inner, AGAIN) for inner in guards[guards.index(guard) + 1 :]):
            continue  # what stands further in may make several calls of one
        for _, call, began, _ in seen.attempts(number):
            times[call.kind, call.target].append(began)
    at_once = max(1.0, guard.requests * guard.burst / MINUTE)
    for made in map(sorted, times.values()):
        for first, start in enumerate(made):
            for last in range(first, len(made)):
                allowed = at_once + guard.requests * (made[last] - start) / MINUTE
                if last - first + 1 > allowed + 1e-6:
                    yield f"rate_limit: {last - first + 1} calls in {made[last] - start:g} s"
                    return


def _cache(guard: Cache, seen: _Seen) -> Iterator[str]:
    plan, outcomes = seen.played.plan, seen.played.outcomes
    for number in seen.numbers:
        others = [one for one in seen.rehearsal.guards(plan.asks[number]) if isinstance(one, WAITING)]
        waits = any(isinstance(wish, Wait) for wish in outcomes[number].wishes)
        if waits and not others and not seen.played.together:
            yield "cache: a call waited for another one, and there was none"
    for one, two in pairwise(seen.numbers):
        if two != one + 1 or plan.asks[one].kind == "tool":
            continue
        second = plan.asks[two]
        hit = any(event.what == "cached" for event in outcomes[two].events)
        mine = [
            number
            for number in seen.numbers
            if number < two and _same_scope(guard, plan.asks[number], second)
        ]
        if hit and not any(outcomes[number].calls for number in mine):
            yield "cache: a reply was given to somebody whom it was not for"


def _same_scope(guard: Cache, one: Ask, other: Ask) -> bool:
    return guard.scope != "user" or one.user == other.user


PROMISES: Mapping[type, Callable[[Any, _Seen], Iterator[str]]] = {
    Permit: _permit,
    Residency: _residency,
    Iterations: _iterations,
    Budget: _budget,
    Context: _context,
    Timeout: _timeout,
    Deadline: _deadline,
    Retry: _retry,
    Breaker: _breaker,
    Concurrency: _concurrency,
    RateLimit: _rate_limit,
    Cache: _cache,
}
