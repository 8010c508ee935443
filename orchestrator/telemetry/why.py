"""Why a request cost what it did: its steps as a tree, the dearest branch, and cheaper ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guards._types import Usage
from orchestrator.telemetry.events import GOOD, Trace

if TYPE_CHECKING:
    from guards._models import Models

CAUSES: Mapping[str, str] = {
    "re-asked": "repair",
    "reasked": "repair",
    "retry": "retry",
    "fell back": "fallback",
    "escalated": "escalation",
    "hedged": "hedge",
}
"""What a guard records before it makes another attempt, and what that attempt then is."""
TAKES_MONEY = frozenset({"call", "streamed", "lost"})
EXACT = 1e-9
"""US dollars that sums of the same numbers in another order may differ by."""


@dataclass(slots=True)
class Step:
    """One event with all that happened inside of it.

    `cause` says why an attempt was made, where it was not the first.  `missing` are the US dollars that a
    crossing is known to have cost beyond what its attempts tell: their events were dropped or forgotten.
    """

    event: Trace
    children: list[Step] = field(default_factory=list)
    cause: str = ""
    missing: float = 0.0

    @property
    def cost(self) -> float:
        """US dollars of the step itself and of everything inside of it."""
        own = (self.event.cost or 0.0) if self.event.what in TAKES_MONEY else 0.0
        return own + self.missing + sum(child.cost for child in self.children)

    @property
    def began(self) -> float:
        return self.event.time - self.event.seconds

    @property
    def name(self) -> str:
        """What happened, in a few words."""
        event = self.event
        where = f"{event.boundary} {event.target}".strip()
        match event.what:
            case "crossed":
                return f"step {event.step}: {where}"
            case "call":
                via = f"{event.data['via']}, a helper" if "via" in event.data else event.model or event.target
                return f"attempt {event.attempt}: {via}" + (f" ({self.cause})" if self.cause else "")
            case "streamed":
                return "the rest of the stream"
            case "lost":
                return f"attempt {event.attempt} lost the race"
            case "waited":
                return "waited"
            case "reviewed":
                return "a person decided"
        return f"{event.guard}: {event.what}" if event.guard not in ("", event.what) else event.what

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Step]]:
        """This step and those inside of it, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.walk(depth + 1)

    def to_dict(self) -> dict[str, Any]:
        told = {"name": self.name, "total": self.cost, "event": self.event.to_dict()}
        if self.cause:
            told["cause"] = self.cause
        if self.missing:
            told["missing"] = self.missing
        return told | {"steps": [child.to_dict() for child in self.children]}


@dataclass(frozen=True, slots=True)
class Cheaper:
    """What the request would have cost, in US dollars, if something had been otherwise."""

    how: str
    cost: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a request was, and why it took what it took.  `cost` is in US dollars.

    `dearest` and `slowest` lead from the outermost step to the one that cost or took most.  `unpriced` counts
    attempts whose cost nobody knew, `unfinished` crossings that have not ended.
    """

    request: str
    steps: tuple[Step, ...]
    cost: float
    seconds: float
    attempts: int
    usage: Usage
    outcome: str
    dearest: tuple[Step, ...]
    slowest: tuple[Step, ...]
    cheaper: tuple[Cheaper, ...]
    unpriced: int
    unfinished: int

    def walk(self) -> Iterator[tuple[int, Step]]:
        for step in self.steps:
            yield from step.walk()

    def to_dict(self) -> dict[str, Any]:
        return {
            "request": self.request,
            "outcome": self.outcome,
            "cost": self.cost,
            "seconds": self.seconds,
            "attempts": self.attempts,
            "input": self.usage.input,
            "output": self.usage.output,
            "cached": self.usage.cached,
            "unpriced": self.unpriced,
            "unfinished": self.unfinished,
            "dearest": [step.name for step in self.dearest],
            "slowest": [step.name for step in self.slowest],
            "cheaper": [{"how": one.how, "cost": one.cost} for one in self.cheaper],
            "steps": [step.to_dict() for step in self.steps],
        }


def explain(events: Iterable[Trace], models: Models | None = None) -> Explanation:
    """Why a request was as it was, from its events in the order in which they ended.

    With a policy's `models`, also what the same tokens would have cost on each.  Raises ValueError without
    any event.
    """
    told = list(events)
    if not told:
        raise ValueError("there are no events of this request")
    steps = tree(told)
    whole = [step for root in steps for _, step in root.walk()]
    crossings = [step for step in whole if step.event.what == "crossed"]
    calls = [step for step in whole if step.event.what == "call"]
    paid = [step.event for step in whole if step.event.what in TAKES_MONEY]
    cost = sum(step.cost for step in steps)
    return Explanation(
        request=told[0].request,
        steps=tuple(steps),
        cost=cost,
        seconds=max(step.event.time for step in whole) - min(step.began for step in whole),
        attempts=len(calls),
        usage=sum(map(_usage, paid), Usage()),
        outcome=next((step.event.outcome for step in reversed(crossings)), "unfinished"),
        dearest=_branch(steps, lambda step: step.cost),
        slowest=_branch(steps, lambda step: step.event.seconds),
        cheaper=tuple(_cheaper(cost, crossings, models or {})),
        unpriced=sum(event.cost is None and bool(event.input or event.output) for event in paid),
        unfinished=sum(step.event.outcome == "unfinished" for step in crossings),
    )


def tree(events: Iterable[Trace]) -> list[Step]:
    """The steps of a request, each inside of the span that is its parent; the outermost ones."""
    steps = [Step(event) for event in events]
    spans = {step.event.id: step for step in steps if step.event.id}
    roots: list[Step] = []
    for step in list(steps):
        parent = step.event.parent
        if parent not in spans and step.event.step and step.event.what != "crossed":
            spans[parent] = _unfinished(step.event)
            roots.append(spans[parent])
        (spans[parent].children if parent in spans else roots).append(step)
    for step in spans.values():
        if step.event.what == "crossed":
            _explain_attempts(step)
    return roots


def _unfinished(event: Trace) -> Step:
    """The crossing that an event happened in, where there is none (yet) that says how it ended."""
    return Step(
        Trace(
            what="crossed",
            id=event.parent,
            request=event.request,
            step=event.step,
            boundary=event.boundary,
            target=event.target,
            time=event.time,
            outcome="unfinished",
        )
    )


def _explain_attempts(crossing: Step) -> None:
    """Note why each attempt of a crossing was made, and what it cost beyond what they tell."""
    cause, known = "", 0.0
    for child in crossing.children:
        if child.event.what == "call":
            child.cause, cause = cause, ""
        cause = CAUSES.get(child.event.what, cause)
        known += sum(step.event.cost or 0.0 for step in _paid(child))
    if crossing.event.cost is not None and abs(crossing.event.cost - known) > EXACT:
        crossing.missing = crossing.event.cost - known


def _paid(step: Step) -> Iterator[Step]:
    """What a step's own crossing paid for: nothing of the crossings inside of it."""
    if step.event.what == "crossed":
        return
    if step.event.what in TAKES_MONEY:
        yield step
    for child in step.children:
        yield from _paid(child)


def _usage(event: Trace) -> Usage:
    return Usage(input=event.input, output=event.output, cached=event.cached)


def _branch(steps: Iterable[Step], of: Any) -> tuple[Step, ...]:
    """From the outermost step inward, each time the one with most; as far as there is any."""
    branch: list[Step] = []
    while most := max(steps, key=of, default=None):
        if not of(most):
            break
        branch.append(most)
        steps = most.children
    return tuple(branch)


def _cheaper(cost: float, crossings: list[Step], models: Models) -> Iterator[Cheaper]:
    """Other ways the request might have gone, those that save most first."""
    ways = {
        "if no reply had needed a repair": sum(map(_repairs, crossings)),
        "if no attempt had failed": sum(map(_failures, crossings)),
        "if the bigger model had been asked at once": sum(map(_before_escalation, crossings)),
        "if no helper had been asked": sum(map(_helpers, crossings)),
        "if nothing had been hedged": sum(map(_lost, crossings)),
    }
    if crossings:
        dearest = max(crossings, key=_own)
        ways[f"if step {dearest.event.step} had been answered from the cache"] = _own(dearest)
    for name, saved in _elsewhere(crossings, models).items():
        ways[f"if {name} had answered every time, in as many tokens"] = saved
    for how, saved in sorted(ways.items(), key=lambda way: -way[1]):
        if saved > EXACT:
            yield Cheaper(how, max(0.0, cost - saved))


def _own(crossing: Step) -> float:
    return crossing.missing + sum(_cost(child) for child in crossing.children)


def _cost(step: Step) -> float:
    return sum(paid.event.cost or 0.0 for paid in _paid(step))


def _repairs(crossing: Step) -> float:
    """All that came after the first time that a reply had to be asked for again."""
    saved, asked = 0.0, False
    for child in crossing.children:
        saved += _cost(child) if asked else 0.0
        asked = asked or CAUSES.get(child.event.what) == "repair"
    return saved


def _failures(crossing: Step) -> float:
    calls = (child for child in crossing.children if child.event.what == "call")
    return sum(_cost(call) for call in calls if call.event.outcome not in GOOD)


def _before_escalation(crossing: Step) -> float:
    saved = before = 0.0
    for child in crossing.children:
        before += _cost(child)
        if child.event.what == "escalated":
            saved = before
    return saved


def _helpers(crossing: Step) -> float:
    return sum(_cost(child) for child in crossing.children if "via" in child.event.data)


def _lost(crossing: Step) -> float:
    paid = (step for child in crossing.children for step in _paid(child))
    return sum(step.event.cost or 0.0 for step in paid if step.event.what == "lost")


def _elsewhere(crossings: list[Step], models: Models) -> dict[str, float]:
    """For each priced model, what is saved if it answers in place of all others."""
    paid = [
        step.event
        for crossing in crossings
        for child in crossing.children
        for step in _paid(child)
        if crossing.event.boundary == "model" and "via" not in step.event.data and step.event.cost
    ]
    priced = {name: model for name, model in models.items() if model.priced}
    return {
        name: sum((event.cost or 0.0) - (model.cost(_usage(event)) or 0.0) for event in paid)
        for name, model in priced.items()
        if paid and model.price != "none"
    }
