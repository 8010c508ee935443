"""metrics: what all calls come to, for Prometheus; names and units by its conventions.

Whatever a label may say is bounded: the names that the policy knows, and the first so many others; the rest
is "other".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from guards._flow import bare, guard_name
from guards.breaker import PREFIX as BREAKER
from guards.breaker import told
from guards.concurrency import PREFIX as CONCURRENCY
from orchestrator.telemetry.events import Trace

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric

    from orchestrator._engine.drive import World
    from policies._policy import Boundary, Policy

OTHER = "other"
SECONDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1)
PHASES = ("closed", "half_open", "open")
WHERE = ("boundary", "target")

COUNTERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "crossings": ("Calls of models and tools, with all that their guards made of them.", (*WHERE, "outcome")),
    "attempts": ("Attempts at the models and tools themselves.", (*WHERE, "model", "outcome")),
    "tokens": ("Tokens by type: input, cached_input, output.", ("target", "model", "type")),
    "cost_dollars": ("US dollars, where prices are known.", ("target", "model")),
    "findings": ("Findings of guards by code.", ("guard", "code")),
    "guard_actions": ("What guards recorded: retry, re-asked, cached, fell back, ...", ("guard", "action")),
    "reviews": ("Decisions of people.", (*WHERE, "verdict")),
    "wait_seconds": ("Seconds that calls waited, for a retry or in a queue.", WHERE),
    "evidence_failures": ("Events that a sink of evidence failed to take.", ("sink",)),
}
HISTOGRAMS: Mapping[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    "crossing_duration_seconds": ("How long calls took, from end to end.", WHERE, SECONDS),
    "attempt_duration_seconds": ("How long attempts took.", (*WHERE, "model"), SECONDS),
    "review_duration_seconds": ("How long people took to decide.", WHERE, SECONDS),
    "budget_left_ratio": ("What was left of its budget when an attempt began.", WHERE, SHARES),
}
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "breaker_state": ("1 for the phase that a breaker is in.", (*WHERE, "state")),
    "queue_depth": ("Calls that wait for a place among those under way.", WHERE),
    "in_flight": ("Calls under way, where concurrency is bounded.", WHERE),
}
"""Names without the `wardline_` before them; counters are given Prometheus' own `_total`."""


class Metrics:
    """A sink that counts for Prometheus, in `registry`, or in the default one that most exporters show.

    `most` bounds how many values each label has, beside those that the policy names.  Gauges are read from
    the store of the watched world when they are asked for, so they tell of all processes that share it.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, most: int = 100) -> None:
        import prometheus_client

        if most < 1:
            raise ValueError(f"most counts the values of a label, so it is at least 1, not {most}")
        self.registry = registry or prometheus_client.REGISTRY
        self._most, self._lock = most, Lock()
        self._known: dict[str, set[str]] = {}
        self._room: dict[str, int] = {}
        self._places: set[tuple[str, str]] = set()
        self._watched: list[tuple[Policy, World]] = []
        self._children: dict[tuple[str, ...], Any] = {}
        self._families: dict[str, Any] = {
            name: prometheus_client.Counter(f"wardline_{name}", text, labels, registry=self.registry)
            for name, (text, labels) in COUNTERS.items()
        } | {
            name: prometheus_client.Histogram(
                f"wardline_{name}", text, labels, buckets=buckets, registry=self.registry
            )
            for name, (text, labels, buckets) in HISTOGRAMS.items()
        }
        self.registry.register(cast("Any", self))

    def watch(self, policy: Policy, world: World) -> None:
        """Know the names of a policy, and the store that its breakers and queues are in."""
        with self._lock:
            # A policy that was loaded anew takes the place of the one before.
            kept = [pair for pair in self._watched if pair[0].name != policy.name]
            self._watched = [*kept, (policy, world)]
            known = self._known
            models = policy.models
            known.setdefault("target", set()).update(models)
            known.setdefault("model", set()).update(model.id for model in models.values())
            known.setdefault("guard", set()).update(_guards(policy))

    def failed(self, sink: str) -> None:
        """Count a failure of another sink."""
        self._child("evidence_failures", sink).inc()

    def close(self) -> None:
        """Show nothing more, so that the registry has room for others of these names."""
        for each in (self, *self._families.values()):
            self.registry.unregister(each)

    def __call__(self, trace: Trace) -> None:
        match trace.what:
            case "call":
                self._attempt(trace)
            case "streamed" | "lost":
                self._took(trace, *self._at(trace)[1:], self._named("model", trace.model))
            case "crossed":
                self._crossing(trace)
            case "waited":
                self._child("wait_seconds", *self._at(trace)).inc(trace.seconds)
            case "reviewed":
                self._child("reviews", *self._at(trace), trace.outcome).inc()
                self._child("review_duration_seconds", *self._at(trace)).observe(trace.seconds)
            case "reserved" if "left" in trace.data:
                self._child("budget_left_ratio", *self._at(trace)).observe(float(trace.data["left"]))
            case "session":
                pass
            case _:
                self._recorded(trace)

    def _attempt(self, trace: Trace) -> None:
        boundary, target = self._at(trace)
        model = self._named("model", trace.model)
        outcome = self._named("outcome", trace.outcome)
        self._child("attempts", boundary, target, model, outcome).inc()
        self._child("attempt_duration_seconds", boundary, target, model).observe(trace.seconds)
        self._took(trace, target, model)

    def _took(self, trace: Trace, target: str, model: str) -> None:
        """Tokens and money; an attempt's alone, so that nothing is counted twice."""
        read = max(0, trace.input - trace.cached)
        for kind, tokens in (("input", read), ("cached_input", trace.cached), ("output", trace.output)):
            if tokens:
                self._child("tokens", target, model, kind).inc(tokens)
        if trace.cost:
            self._child("cost_dollars", target, model).inc(max(0.0, trace.cost))

    def _crossing(self, trace: Trace) -> None:
        place = self._at(trace)
        self._child("crossings", *place, self._named("outcome", trace.outcome)).inc()
        self._child("crossing_duration_seconds", *place).observe(trace.seconds)
        self._found(trace)

    def _recorded(self, trace: Trace) -> None:
        guard = self._named("guard", trace.guard)
        self._child("guard_actions", guard, self._named("action", trace.what)).inc()
        self._found(trace)

    def _found(self, trace: Trace) -> None:
        for code, times in trace.findings.items():
            guard = self._named("guard", trace.guard)
            self._child("findings", guard, self._named("code", code)).inc(times)

    def _at(self, trace: Trace) -> tuple[str, str]:
        place = trace.boundary, self._named("target", trace.target)
        self._places.add(place)
        return place

    def _named(self, label: str, value: str) -> str:
        """The value, if there is room for it."""
        known = self._known.get(label)
        if known is not None and value in known:
            return value
        with self._lock:
            known = self._known.setdefault(label, set())
            room = self._room.get(label, self._most)
            if not room:
                return OTHER
            self._room[label] = room - 1
            known.add(value)
            return value

    def _child(self, *key: str) -> Any:
        """What counts under these labels; making it anew takes ten times as long as finding it."""
        child = self._children.get(key)
        if child is None:
            name, *labels = key
            child = self._children[key] = self._families[name].labels(*labels)
        return child

    # Read from the store, when Prometheus asks

    def describe(self) -> Iterable[Metric]:
        return self._gauges().values()

    def collect(self) -> Iterator[Metric]:
        """The gauges, as the stores have them now."""
        gauges = self._gauges()
        for boundary, target in sorted(self._places.copy()):
            for policy, world in self._watched:
                uses = set(map(_name, policy.guards(cast("Boundary", boundary), target)))
                if "breaker" in uses:
                    state = _read(world, f"{BREAKER}{boundary}:{target}")
                    phase = told(state, world.clock.now())["phase"]
                    for each in PHASES:
                        gauges["breaker_state"].add_metric((boundary, target, each), float(each == phase))
                if "concurrency" in uses:
                    state = _read(world, f"{CONCURRENCY}{boundary}:{target}") or {}
                    gauges["queue_depth"].add_metric((boundary, target), state.get("waiting", 0))
                    gauges["in_flight"].add_metric((boundary, target), len(state.get("permits", ())))
        yield from gauges.values()

    def _gauges(self) -> dict[str, Any]:
        from prometheus_client.metrics_core import GaugeMetricFamily

        return {
            name: GaugeMetricFamily(f"wardline_{name}", text, labels=labels)
            for name, (text, labels) in GAUGES.items()
        }


def _guards(policy: Policy) -> set[str]:
    return {_name(placed.guard) for placed in (*policy.model, *policy.tool)}


def _name(guard: object) -> str:
    return guard_name(bare(guard))


def _read(world: World, key: str) -> Any:
    return world.store.update(key, lambda state: (state, state))
