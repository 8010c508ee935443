"""Alerts where calls are not as they usually are: latency, cost, tokens, errors, blocks, escalations, SLO.

A sink for events.  It reads no clock: time is what the events say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from threading import Lock
from typing import Any, Literal, TypeAlias

from orchestrator.telemetry._baseline import Burn, Levels, Rates, Sign
from orchestrator.telemetry.events import Trace

Amount: TypeAlias = Literal["latency", "cost", "tokens"]
Rate: TypeAlias = Literal["errors", "blocks", "escalations"]
Metric: TypeAlias = Amount | Rate | Literal["slo"]
BLOCKS = frozenset({"blocked", "denied", "rejected"})
ESCALATED = frozenset({"escalated", "reviewed"})
ELSEWHERE = "other"
BUCKETS = 60
"""Into how many buckets the shortest window of an SLO is cut."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something unusual about one target, seen at a `time` (seconds since 1970).

    `usual` and `seen` are medians in the metric's unit (seconds, US dollars, tokens) or shares of calls;
    `deviations` says how far apart they are.  For an objective, `usual` is the burn rate that is allowed,
    `seen` the one that was found, and `deviations` 0.
    """

    metric: Metric
    boundary: str
    target: str
    usual: float
    seen: float
    deviations: float
    time: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        far = f", {self.deviations:.1f} standard deviations away" if self.deviations else ""
        return f"{self.boundary} {self.target}: {self.metric} {self.seen:.4g}, usually {self.usual:.4g}{far}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A share of calls that must succeed, and the multi-window burn rates at which its budget is in danger.

    Each of `rules` has the seconds of a long and a short window, and how many times too fast both of them
    must burn; those given are for an objective over 30 days (Site Reliability Workbook, chapter 5).
    """

    share: float = 0.999
    rules: tuple[tuple[float, float, float], ...] = ((3_600.0, 300.0, 14.4), (21_600.0, 1_800.0, 6.0))

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie between 0 and 1, as 0.999 does, not {self.share}")
        if not self.rules or not all(long > short > 0 < burn for long, short, burn in self.rules):
            raise ValueError("a rule is a long window, a shorter one, and a burn rate, as (3600, 300, 14.4)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When calls are unusual.

    Amounts are, when the last `confirm` windows of `window` calls lie on average `deviations` standard
    deviations of a window above the `memory` calls before them, and are at least the share `least` more.
    Rates are judged over `span` calls, at the same likelihood.  Nothing is said before `sample` calls were
    seen, nor twice within `cool_down` seconds.  Targets beyond `most_targets` are watched together.
    """

    deviations: float = 2.0
    window: int = 4
    confirm: int = 5
    span: int = 50
    memory: int = 500
    sample: int = 60
    least: float = 0.2
    cool_down: float = 600.0
    objective: Objective | None = None
    most_targets: int = 200

    def __post_init__(self) -> None:
        if not (self.deviations > 0 and self.least >= 0 and self.cool_down >= 0):
            raise ValueError("deviations must be more than 0, least and cool_down at least 0")
        if min(self.window, self.confirm, self.span, self.most_targets) < 1:
            raise ValueError("window, confirm, span and most_targets count, so each is at least 1")
        if not 2 <= self.sample <= self.memory or self.memory < self.window:
            raise ValueError(f"sample must lie between 2 and memory, {self.memory}, not {self.sample}")

    @property
    def rare(self) -> float:
        """In deviations of a single sum over all windows, what `deviations` is in their average."""
        return float(self.deviations * self.confirm**0.5)


class Anomalies:
    """Watches calls as they end, and gives each alert to `alarm`; safe under threads.

    Several alarms are one function that calls them; `orchestrator.telemetry.alarms` has a log, a webhook and
    a command.
    """

    def __init__(self, alarm: Callable[[Alert], None], limits: Limits | None = None) -> None:
        self._alarm, self._limits, self._lock = alarm, limits or Limits(), Lock()
        self._targets: dict[tuple[str, str], Watch] = {}
        self._escalated: dict[str, None] = {}

    def __call__(self, event: Trace) -> None:
        if event.what in ESCALATED:
            self._escalate(event.parent)
        elif event.what == "crossed":
            with self._lock:
                alerts = list(self._watch(event).see(event, self._escalated.pop(event.id, 0) is None))
            for alert in alerts:
                self._alarm(alert)

    def close(self) -> None:
        """Close the alarm, if it can be: what waits is delivered."""
        getattr(self._alarm, "close", lambda: None)()

    def _escalate(self, crossing: str) -> None:
        """Note that a crossing that has not ended yet needed a bigger model or a person."""
        with self._lock:
            self._escalated[crossing] = None
            if len(self._escalated) > self._limits.memory * self._limits.most_targets:
                del self._escalated[next(iter(self._escalated))]

    def _watch(self, event: Trace) -> Watch:
        key = (event.boundary, event.target)
        if key not in self._targets and len(self._targets) >= self._limits.most_targets:
            key = (event.boundary, ELSEWHERE)
        if key not in self._targets:
            self._targets[key] = Watch(*key, self._limits)
        return self._targets[key]


class Watch:
    """The baselines of one target."""

    __slots__ = ("_boundary", "_burn", "_levels", "_limits", "_quiet", "_rates", "_target")

    def __init__(self, boundary: str, target: str, limits: Limits) -> None:
        self._boundary, self._target, self._limits = boundary, target, limits
        levels = partial(Levels, limits.window, limits.confirm, limits.memory)
        rates = partial(Rates, limits.span, limits.memory)
        self._levels: dict[Amount, Levels] = {"latency": levels(), "cost": levels(), "tokens": levels()}
        self._rates: dict[Rate, Rates] = {"errors": rates(), "blocks": rates(), "escalations": rates()}
        rules = limits.objective.rules if limits.objective is not None else ()
        self._burn = Burn(min(short for _, short, _ in rules) / BUCKETS, max(rules)[0]) if rules else None
        self._quiet: dict[Metric, float] = {}

    def see(self, event: Trace, escalated: bool) -> Iterator[Alert]:
        """A call that has ended: what is unusual now."""
        blocked = event.outcome in BLOCKS
        failed = event.failed and not blocked and event.outcome != "cancelled"
        amounts: dict[Amount, float | None] = {
            "latency": event.seconds,
            "cost": event.cost,
            "tokens": event.input + event.output,
        }
        hits: dict[Rate, bool] = {"errors": failed, "blocks": blocked, "escalations": escalated}
        for metric, amount in amounts.items():
            if amount is not None:
                yield from self._level(metric, amount, event.time)
        for rate, hit in hits.items():
            yield from self._rate(rate, hit, event.time)
        if self._burn is not None and self._limits.objective is not None:
            self._burn.see(event.time, failed)
            if failed:
                yield from self._burning(self._burn, self._limits.objective, event.time)

    def _level(self, metric: Amount, amount: float, now: float) -> Iterator[Alert]:
        limits, levels = self._limits, self._levels[metric]
        if (far := levels.see(amount, limits.sample)) >= limits.deviations:
            sign = levels.sign(far)
            if sign.seen > sign.usual * (1 + limits.least):
                yield from self._tell(metric, sign, now)

    def _rate(self, metric: Rate, hit: bool, now: float) -> Iterator[Alert]:
        rates = self._rates[metric]
        if (far := rates.see(hit, self._limits.sample)) >= self._limits.rare:
            yield from self._tell(metric, rates.sign(far), now)

    def _burning(self, burn: Burn, objective: Objective, now: float) -> Iterator[Alert]:
        for long, short, rate in objective.rules:
            found = [self._burned(burn, objective, now, seconds) for seconds in (long, short)]
            if min(found) >= rate:
                yield from self._tell("slo", Sign(rate, min(found), 0.0), now)

    def _burned(self, burn: Burn, objective: Objective, now: float, seconds: float) -> float:
        calls, bad = burn.over(now, seconds)
        return bad / calls / (1 - objective.share) if calls >= self._limits.sample else 0.0

    def _tell(self, metric: Metric, sign: Sign, now: float) -> Iterator[Alert]:
        if now >= self._quiet.get(metric, now):
            self._quiet[metric] = now + self._limits.cool_down
            yield Alert(metric, self._boundary, self._target, *sign, now)
