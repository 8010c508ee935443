"""The one type of event that every sink of evidence is given: what happened, where, and what it took."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

from guards._types import UNUSED, Event, SpanContext, Steps
from guards._value import maker, value
from orchestrator._engine.trace import DRIVEN, new_id
from orchestrator.telemetry._names import NAME, PHRASE, Names

if TYPE_CHECKING:
    from policies._policy import Policy

Boundary: TypeAlias = Literal["model", "tool", "session"]
OUTCOMES = ("error", "phase", "then", "would", "way")
"""Where an event's data may say what came of it, the first that says so."""
SOURCES = {"cache": "cached"}
OWN = frozenset({"attempt", "attempts", "cost", "error", "model", "seconds", "source", "then", "usage"})
"""What the drivers tell that has a field of its own."""


@value
class Trace:
    """One thing that happened on the way of a request; never content, and of persons only digests.

    `what` is "session" (all that was done in one request's name), "crossed" (a call of a model or a tool with
    all that its guards made of it), "call" (one attempt at it), "streamed" (the rest of a live attempt),
    "lost" (what an attempt that lost a race is charged), "waited", "reviewed", or what a guard recorded:
    "found", "re-asked", "repaired", "retry", "cached", "fell back", "escalated", "hedged", "refused", ...

    `id` and `parent` are spans of the trace `trace`, 16 and 32 hex digits as in W3C Trace Context; a parent
    that no event has lies with whoever called.  `step` numbers the crossings of a request from 1.  `time` is
    when it ended, in seconds since 1970, and `seconds` how long it took.  `cost` is in US dollars, None where
    it is not known.  What attempts, the rest of streams and losers cost adds up to what their crossing did.
    `attempt` is the attempt's number, and of a crossing how many there were.  `outcome` is "ok", the code of
    an error, where else the reply was from ("cached", "stale", "fixed", "function", "queue"), or what a guard
    did.  `findings` counts codes.  `model` is the provider's name, `policy` the policy's digest.  `data` is
    what else was told, in plain words and numbers.
    """

    what: str
    id: str = ""
    parent: str = ""
    trace: str = ""
    request: str = ""
    session: str = ""
    user: str = ""
    step: int = 0
    boundary: str = ""
    target: str = ""
    model: str = ""
    policy: str = ""
    guard: str = ""
    input: int = 0
    output: int = 0
    cached: int = 0
    seconds: float = 0.0
    cost: float | None = None
    outcome: str = "ok"
    attempt: int = 0
    findings: Mapping[str, int] = field(default_factory=dict)
    time: float = 0.0
    data: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether this is a crossing, an attempt or a session that did not come to a reply."""
        return self.what in ENDS and self.outcome not in GOOD

    def to_dict(self) -> dict[str, Any]:
        """The event for JSON, without what is as usual."""
        told = ((name, getattr(self, name)) for name in USUAL)
        return {name: one for name, one in told if one != USUAL[name]}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """An event from what `to_dict` made.  Raises `ValueError` for anything else."""
        if "what" not in told or not USUAL.keys() >= told.keys():
            raise ValueError("this is no event: it has no `what`, or fields that no event has")
        return cls(**told)


USUAL: Mapping[str, Any] = {
    one.name: {} if one.default_factory is not MISSING else one.default for one in fields(Trace)
}
ENDS = frozenset({"session", "crossed", "call", "streamed"})
GOOD = frozenset({"ok", "cached", "stale", "fixed", "function", "queue"})
NOWHERE, NOTHING = SpanContext(trace="", steps=Steps()), MappingProxyType[str, Any]({})
new_trace = maker(Trace)


Sink: TypeAlias = Callable[[Trace], object]
"""Whatever takes evidence."""


class Teller:
    """Tells events of one policy as evidence does, by the names it is given; safe under threads."""

    __slots__ = ("_clock", "_models", "_names", "_policy")

    def __init__(
        self, names: Names, policy: Policy | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._names, self._clock = names, clock
        self._policy = policy.digest if policy is not None else ""
        self._models = {name: model.id for name, model in policy.models.items()} if policy is not None else {}

    def __call__(self, event: Event) -> Trace:
        names, run, data = self._names, event.run, event.data
        within, target, driven = run.within or NOWHERE, event.target, event.what in DRIVEN
        own, usage = (data, data.get("usage", UNUSED)) if driven else (NOTHING, UNUSED)
        return new_trace(
            what=event.what if driven or PHRASE(event.what) else "event",
            id=event.id or new_id(),
            parent=within.span,
            trace=within.trace,
            request=names.name(run.request_id),
            session=names.digest("session", run.session),
            user=names.digest("user", run.user),
            step=within.step,
            boundary=event.boundary,
            target=names.name(target),
            model=names.name(own.get("model") or self._models.get(own.get("via") or target, "")),
            policy=self._policy,
            guard=names.name(event.guard),
            input=usage.input,
            output=usage.output,
            cached=usage.cached,
            seconds=own.get("seconds", 0.0),
            cost=own.get("cost"),
            outcome=outcome(event),
            attempt=own.get("attempt") or own.get("attempts", 0),
            findings=self._codes(event) if event.findings else {},
            time=self._clock(),
            data={} if driven and data.keys() <= OWN else self._rest(data, driven),
        )

    def _codes(self, event: Event) -> Mapping[str, int]:
        return dict(Counter(self._names.name(finding.code) for finding in event.findings))

    def _rest(self, data: Mapping[str, Any], driven: bool) -> Mapping[str, str | int | float | bool]:
        """What else was told, as far as it is plain: no text that could be content."""
        return {name: one for name, one in data.items() if _plain(one) and not (driven and name in OWN)}


def _plain(one: object) -> bool:
    if isinstance(one, str):
        return len(one) <= 64 and bool(NAME(one) or PHRASE(one))
    return isinstance(one, (bool, int, float))


def outcome(event: Event) -> str:
    """What came of it, in a word or two; texts that are neither are told as "other"."""
    data = event.data
    for name in OUTCOMES:
        if said := data.get(name):
            break
    else:
        source = data.get("source", "")
        said = SOURCES.get(source, source) or "ok"
    return said if isinstance(said, str) and PHRASE(said) else "other"
