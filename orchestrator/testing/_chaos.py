"""Chaos: many fault plans against one policy file, judged by the guarantees, without a line of code."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from time import process_time
from typing import Any, cast

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from guards._flow import bare
from guards._imports import imported
from guards.permit import Permit
from guards.schema import Schema
from orchestrator.testing._damage import DAMAGES, plain
from orchestrator.testing._guarantees import GUARANTEES, Guarantee
from orchestrator.testing._personal import SHAPES
from orchestrator.testing._plan import Plan
from orchestrator.testing._rehearsal import Played, Rehearsal, how_it_ended
from orchestrator.testing._strategies import Scope, plans
from orchestrator.testing._values import drawn, values
from orchestrator.testing._watch import Taken, Watch
from policies import Placed, Policy

BANK = 60
"""How many values of a schema are drawn beforehand: making them is by far the slowest part of a plan."""


class Violation(AssertionError):
    """A guarantee does not hold for a plan."""


@dataclass(slots=True)
class Verdict:
    """What became of one guarantee: how many plans it was tried on, and the smallest that breaks it."""

    guarantee: Guarantee
    tried: int = 0
    plan: Plan | None = None
    problem: str = ""
    flaky: bool = False


@dataclass(slots=True)
class Report:
    """What a run of chaos came to; `seconds` are of CPU time, by what they went to."""

    policy: Policy
    seed: int
    verdicts: tuple[Verdict, ...]
    taken: list[Taken] = field(default_factory=list)
    plans: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)

    @property
    def broken(self) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.plan is not None]


def chaos(
    policy: Policy | str,
    count: int = 2_000,
    *,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Report:
    """Try `count` plans on a policy; a guarantee that one of them breaks gets its smallest counterexample.

    The plans that come after that are tried on the other guarantees.
    """
    watch = Watch()
    rehearsal = Rehearsal(policy, wrap=watch)
    report = Report(rehearsal.policy, seed, tuple(map(Verdict, GUARANTEES)))
    trial = _Trial(rehearsal, report, progress)
    everything = plans(scope_of(rehearsal.policy, seed))
    while report.plans < count and any(verdict.plan is None for verdict in report.verdicts):
        before = report.plans
        trial.run(everything, count - report.plans)
        if report.plans == before:
            break  # there are no more plans than these
    report.taken = list(watch.taken.values())
    return report


class _Trial:
    """Plans until a guarantee breaks; from then on only smaller ones that break the same."""

    def __init__(self, rehearsal: Rehearsal, report: Report, progress: Callable[[int], None]) -> None:
        self._rehearsal, self._report, self._progress = rehearsal, report, progress
        self._breaking: Verdict | None = None
        self._last = 0.0

    def run(self, everything: st.SearchStrategy[Plan], count: int) -> None:
        report = self._report
        self._breaking, self._last = None, process_time()
        limits = settings(
            max_examples=count,
            database=None,
            deadline=None,
            derandomize=False,
            print_blob=False,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        test: Any = limits(seeded(report.seed + len(report.broken))(given(everything)(self._attempt)))
        try:
            test()
        except Violation:
            self._pare()
        except Flaky:
            if self._breaking is not None:
                self._breaking.flaky = True

    def _attempt(self, plan: Plan) -> None:
        began = process_time()
        played = self._rehearsal.play(plan)
        done = process_time()
        verdict, problem = self._judged(played)
        report = self._report
        if self._breaking is None:
            report.plans += 1
            report.endings.update(str(how_it_ended(outcome)["ended"]) for outcome in played.outcomes)
            report.seconds.update(
                drawing=began - self._last, playing=done - began, judging=process_time() - done
            )  # type: ignore[call-overload]
            self._progress(report.plans)
        self._last = process_time()
        if verdict is not None:
            self._breaking, verdict.plan, verdict.problem = verdict, plan, problem
            raise Violation

    def _pare(self) -> None:
        """Take out whole calls together with the steps they meet, which Hypothesis does one by one."""
        verdict = cast("Verdict", self._breaking)
        smaller = True
        while smaller:
            smaller = False
            for plan in _pared(cast("Plan", verdict.plan)):
                _, problem = self._judged(self._rehearsal.play(plan))
                if problem:
                    verdict.plan, verdict.problem, smaller = plan, problem, True
                    break

    def _judged(self, played: Played) -> tuple[Verdict | None, str]:
        if self._breaking is not None:
            verdicts = [self._breaking]
        else:
            verdicts = [verdict for verdict in self._report.verdicts if verdict.plan is None]
        for verdict in verdicts:
            if verdict is not self._breaking:
                verdict.tried += 1
            for problem in verdict.guarantee.problems(self._rehearsal, played):
                return verdict, problem
        return None, ""


def _pared(plan: Plan) -> Iterator[Plan]:
    """The plan without one of its calls and some of its steps, or without one of its steps."""
    for place in range(len(plan.asks) if len(plan.asks) > 1 else 0):
        asks = plan.asks[:place] + plan.asks[place + 1 :]
        for start in range(len(plan.steps) + 1):
            for end in range(start, len(plan.steps) + 1):
                yield replace(plan, asks=asks, steps=plan.steps[:start] + plan.steps[end:])
    for place in range(len(plan.steps)):
        yield replace(plan, steps=plan.steps[:place] + plan.steps[place + 1 :])


def scope_of(policy: Policy, seed: int = 0) -> Scope:
    """What plans for a policy are about: the names it knows, and replies that its schemas ask for."""
    models = tuple(policy.models) or _targets(policy.model, "model")
    tools = _targets(policy.tool, "tool") if policy.tool else ()
    texts = {}
    healthy = "ok"
    for target in models:
        for guard in policy.guards("model", target):
            if isinstance(guard, Schema) and guard.schema is not None:
                bank = _bank(guard, seed)
                texts[target], healthy = _texts(bank), plain(bank[0], 0)
    permits = [guard for placed in policy.tool if isinstance(guard := bare(placed.guard), Permit)]
    return Scope(
        models=models,
        tools=tools,
        roles=tuple(sorted({"viewer", *(role for permit in permits for role in permit.roles)})),
        regions=tuple(sorted({model.region for model in policy.models.values()} - {""})),
        entities=tuple(SHAPES),
        texts=texts,
        healthy=healthy,
    )


def _targets(placed: tuple[Placed, ...], usual: str) -> tuple[str, ...]:
    """A name for each glob that a guard is for, and one that no glob is for."""
    globs = [glob for one in placed for glob in (*one.only, *_permitted(one))]
    unlisted = ("unlisted",) if globs else ()
    return tuple(
        dict.fromkeys((usual, *unlisted, *(glob.replace("*", "x").replace("?", "x") for glob in globs)))
    )


def _permitted(placed: Placed) -> tuple[str, ...]:
    guard = bare(placed.guard)
    return (*guard.tools, *guard.deny) if isinstance(guard, Permit) else ()


def _bank(guard: Schema, seed: int) -> list[Any]:
    wanted = imported(guard.schema) if isinstance(guard.schema, str) else guard.schema
    if isinstance(wanted, (Mapping, bool)):
        return bank(json.dumps(wanted), seed)
    return drawn(values(wanted), BANK, seed)


@lru_cache(maxsize=64)
def bank(schema: str, seed: int) -> list[Any]:
    """Some values of a JSON Schema, given as JSON."""
    return drawn(values(json.loads(schema)), BANK, seed)


def _texts(bank: list[Any]) -> st.SearchStrategy[str]:
    choice = st.tuples(st.sampled_from(bank), st.sampled_from(tuple(DAMAGES)), st.integers(0, 9_999))
    return choice.map(lambda choice: DAMAGES[choice[1]](choice[0], choice[2]))
