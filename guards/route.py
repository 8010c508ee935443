"""route: which of several models answers, and which one when that is not good enough."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import reduce
from typing import Any, ClassVar, Literal, Self

from guards._errors import GuardError, Unavailable
from guards._flow import Flow
from guards._language import LANGUAGES, language
from guards._models import Models
from guards._pool import Pool
from guards._types import Call, Reply, Usage
from guards._value import replace
from guards._ways_on import Trigger, final, knowing, named, tried, unsure, why
from guards._wishes import Wish, clock, draw, record, update
from guards._worst import Inner, Worst, in_turn

TYPICAL = Usage(input=1_000, output=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which models answer calls of some kind: all that is said of the call must be so.

    `target` is a glob; lengths are in characters of the whole call.
    """

    to: tuple[str, ...]
    target: str = "*"
    longer_than: int = -1
    shorter_than: int | None = None
    language: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    region: str = ""

    def __post_init__(self) -> None:
        if not self.to:
            raise ValueError("rules: a rule needs at least one model under `to`")
        if self.language and self.language not in LANGUAGES:
            raise ValueError(f"unknown language {self.language!r}; there are {', '.join(LANGUAGES)}")

    def fits(self, call: Call) -> bool:
        length = sum(len(part.text) for part in call.parts)
        return (
            fnmatchcase(call.target, self.target)
            and length > self.longer_than
            and (self.shorter_than is None or length < self.shorter_than)
            and self.region in ("", call.run.region)
            and all(call.run.tags.get(tag) == value for tag, value in self.tags.items())
            and (not self.language or language(call.text) == self.language)
        )


@dataclass(frozen=True, slots=True)
class Route:
    """Chooses the model that answers among several, and goes on to another where that one does not do.

    `among` names models of the policy, without it all of them; the first of `rules` that fits narrows
    them. `by` says in which order they are asked: `cost` (lowest tier first, then lowest price), `order`
    (as listed), `weight` (at random, in proportion to `weights`), `latency` (least moving p95 and load) or
    `load` (fewest calls under way).

    `escalate_on` says for what a call goes on. `unavailable` goes on to every other model in turn; without
    it, only to deployments of the same model (the same `id`). The others go on to an abler model, of a
    higher tier, at most `escalations` times: `invalid`, `blocked`, `failed` (any other failure of the model),
    `refused`, and `low_confidence`, when the reply states, at the JSON pointer `confidence`, less than
    `least`. A deployment whose breaker is open is left out until that lets calls through again.
    """

    among: tuple[str, ...] = ()
    by: Literal["cost", "order", "weight", "latency", "load"] = "cost"
    rules: tuple[Rule, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    escalate_on: tuple[Trigger, ...] = ("invalid", "unavailable")
    escalations: int = 1
    confidence: str = "/confidence"
    least: float = 0.7
    _models: Models = field(default_factory=dict, init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.escalations < 0:
            raise ValueError(f"escalations must not be negative, as {self.escalations} is")
        if self.weights and self.by != "weight":
            raise ValueError(f"weights need `by: weight`, not {self.by}")
        if self.by == "weight" and not self.weights:
            raise ValueError("by: weight needs weights, as in {small: 9, large: 1}")
        if any(not weight >= 0 for weight in self.weights.values()):
            raise ValueError("weights must not be negative")

    def with_models(self, models: Models) -> Self:
        named(self.among, models, "among")
        named(self.weights, models, "weights")
        for rule in self.rules:
            named(rule.to, models, "rules")
        return knowing(self, models)

    def __call__(self, call: Call) -> Flow:
        left = yield from self._ordered(call)
        if not left:
            reply: Reply = yield call
            return reply
        if "low_confidence" in self.escalate_on and call.stream:
            call = replace(call, stream=False)  # how sure a reply is shows only in the whole
        failures: list[tuple[str, GuardError]] = []
        unsure_reply: Reply | None = None
        escalations = 0
        while left:
            name, outcome = yield from self._asked(call, left)
            reason = self._reason(outcome)
            if not reason and isinstance(outcome, Reply):
                return outcome
            if isinstance(outcome, Reply):
                unsure_reply = outcome
            else:
                failures.append((name, outcome))
            if not reason:
                break
            left = self._further(name, [one for one in left if one != name], reason, escalations)
            escalations += reason not in ("unavailable", "elsewhere")
            if left:
                yield from record(call.event("escalated", "route", model=name, reason=reason))
        if unsure_reply is not None:
            return unsure_reply
        raise final(call.target, failures)

    def worst(self, call: Call, inner: Inner) -> Worst:
        """Every model that may be asked, one after the other, by the rule for which that is worst."""
        choices = [*(rule.to for rule in self.rules), self.among or tuple(self._models) or (call.target,)]
        asked = [in_turn(inner(replace(call, target=name)) for name in names) for names in choices]
        return reduce(Worst.most, asked)

    def _names(self, call: Call) -> tuple[str, ...]:
        rule = next((rule for rule in self.rules if rule.fits(call)), None)
        return rule.to if rule is not None else self.among or tuple(self._models)

    def _ordered(self, call: Call) -> Generator[Wish, Any, list[str]]:
        """The models that may answer, in the order in which they are asked."""
        names = list(self._names(call))
        if self.by == "cost":
            names.sort(key=self._price)
        elif self.by == "weight":
            names = yield from self._drawn(names)
        return names

    def _price(self, name: str) -> tuple[int, float]:
        if (model := self._models.get(name)) is None:
            return 1, 0.0
        return model.tier, model.cost(TYPICAL) or 0.0

    def _drawn(self, names: list[str]) -> Generator[Wish, Any, list[str]]:
        """Each place is drawn among those still left, in proportion to their weights; 0 is never first."""
        drawn: list[str] = []
        left = {name: self.weights.get(name, 0.0) for name in names}
        while total := sum(left.values()):
            drawn.append(_at((yield from draw()) * total, left))
            del left[drawn[-1]]
        return [*drawn, *left]

    def _asked(self, call: Call, names: list[str]) -> Generator[Wish, Any, tuple[str, Reply | GuardError]]:
        """The next of the models, and what it answered."""
        if self.by not in ("latency", "load"):
            return names[0], (yield from tried(replace(call, target=names[0])))
        pool = Pool(self.by)
        key = f"route:{'/'.join(self._names(call))}"
        now = yield from clock()
        name, ticket = yield from update(key, lambda state: pool.entered(state, names, now))
        outcome: Reply | GuardError | None = None
        try:
            outcome = yield from tried(replace(call, target=name))
        finally:
            then = now if outcome is None else (yield from clock())
            away = outcome.retry_after if isinstance(outcome, Unavailable) else None
            good = isinstance(outcome, Reply)
            yield from update(key, lambda state: pool.left(state, name, ticket, then, good, away))
        return name, outcome

    def _reason(self, outcome: Reply | GuardError) -> Trigger | Literal["elsewhere", ""]:
        """Why to go on to another model; empty if this outcome stands."""
        reason = why(outcome)
        if reason in ("elsewhere", "unavailable"):
            return reason
        if reason and reason in self.escalate_on:
            return reason
        judged = "low_confidence" in self.escalate_on and isinstance(outcome, Reply) and not outcome.live
        return "low_confidence" if judged and unsure(outcome, self.confidence, self.least) else ""  # type: ignore[arg-type]  # judged says that it is a reply

    def _further(self, name: str, left: list[str], reason: str, escalations: int) -> list[str]:
        """Those still worth asking after one of them did not do."""
        own = self._models.get(name)
        if reason == "elsewhere" or (reason == "unavailable" and "unavailable" in self.escalate_on):
            return left
        if own is None:
            return left if reason != "unavailable" and escalations < self.escalations else []
        if reason == "unavailable":
            return [one for one in left if self._models[one].id == own.id]
        if escalations >= self.escalations:
            return []
        return [one for one in left if self._models[one].tier > own.tier]


def _at(point: float, weights: Mapping[str, float]) -> str:
    """Whose stretch a point falls in, when the weights are laid end to end."""
    name = ""
    for name, weight in weights.items():  # noqa: B007 - the last one has what rounding leaves
        point -= weight
        if point < 0 < weight:
            break
    return name


guard = Route
