"""A policy as a picture: what happens to a call on its way out, and to the reply on its way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import reduce
from inspect import cleandoc
from math import inf, isfinite
from textwrap import wrap
from typing import Any

from guards._flow import Observe, Screen, bare
from guards._models import Models, model_of
from guards._types import Call, Usage
from guards._worst import NOTHING, Worst, worst
from policies._policy import BOUNDARIES, Boundary, Placed, Policy

ASSUMED = Usage(input=4_000, output=1_000)
"""The tokens that one attempt is taken to read and write, where its worst cost is told."""
WIDTH = 92
INNER = WIDTH - 4
SIDES = {"call": "the call", "reply": "the reply"}
OUTCOME = {
    "block": "a finding blocks it",
    "redact": "a finding is taken out",
    "replace": "what has a finding is refused in the policy's own words",
    "reask": "a finding in a reply has the model asked again, {reasks} at most, and then blocks",
    "escalate": "a finding is shown to a person, who decides",
    "warn": "a finding is only reported",
}


def explain(policy: Policy, kind: Boundary | None = None, target: str | None = None) -> str:
    """Draw the chain before models, before tools, or both; with `target`, only what stands before that one.

    Settings are shown as they are written, so an environment reference stays a reference.
    """
    kinds = BOUNDARIES if kind is None else (kind,)
    return "\n".join((*_title(policy), *(line for one in kinds for line in _picture(policy, one, target))))


def worst_case(policy: Policy, kind: Boundary, target: str = "", usage: Usage = ASSUMED) -> Worst:
    """The most attempts, seconds and US dollars of one call, if no attempt has more tokens than `usage`.

    Without a target, the worst over the policy's models.  A tool is taken for an idempotent one, which may be
    tried again.
    """

    def attempt(call: Call) -> Worst:
        seconds = inf if call.timeout is None else call.timeout
        return Worst(1.0, seconds, _usd(policy.models, call, usage))

    targets = [target] if target or kind == "tool" or not policy.models else list(policy.models)
    calls = [Call(kind=kind, target=one, options={"idempotent": True}) for one in targets]
    return reduce(Worst.most, (worst(policy.guards(kind, c.target), c, attempt) for c in calls), NOTHING)


def _usd(models: Models, call: Call, usage: Usage) -> float:
    """What an attempt costs; a tool costs nothing, and what a model without a price costs is not known."""
    if call.kind == "tool":
        return 0.0
    model = model_of(models, call)
    if model is None or not model.priced:
        return inf
    return model.cost(usage) or 0.0


def _at_worst(policy: Policy, kind: Boundary, target: str | None) -> str:
    """The worst case as a sentence."""
    most = worst_case(policy, kind, target or "")
    attempts = f"{most.attempts:g} attempt{'s' * (most.attempts != 1)}"
    seconds = f"{most.seconds:,.6g} s" if isfinite(most.seconds) else "no bound on time"
    if kind == "tool" or not policy.models:
        return f"at worst: {attempts}, {seconds}"
    usd = f"${most.usd:,.4f}" if isfinite(most.usd) else "no known cost"
    each = f"{ASSUMED.input:,} tokens in and {ASSUMED.output:,} out an attempt"
    return f"at worst: {attempts}, {seconds}, {usd} ({each})"


def _title(policy: Policy) -> Iterator[str]:
    yield from _fitted(policy.name or "a policy", "")
    if policy.source:
        digest = f", digest {policy.digest[:12]}" if policy.digest else ""
        yield from _fitted(f"from {policy.source}{digest}")
    for name, model in policy.models.items():
        facts = [model.id, f"tier {model.tier}", *([model.region] if model.region else [])]
        yield from _fitted(f"model {name}: {', '.join(facts)}, price {_price(model.price)}")
    for name, helper in policy.helpers.items():
        yield from _fitted(
            f"helper {name}: {helper.shape}, {helper.facts.id}, price {_price(helper.facts.price)}"
        )


def _fitted(text: str, margin: str = "  ", width: int = WIDTH) -> Iterator[str]:
    """A text in lines that fit."""
    for line in wrap(text, width - len(margin), break_on_hyphens=False):
        yield margin + line


def _price(price: Any) -> str:
    if price is None:
        return "not known"
    return price if isinstance(price, str) else f"{price.input:g} in, {price.output:g} out a million tokens"


def _picture(policy: Policy, kind: Boundary, target: str | None) -> Iterator[str]:
    chain = [one for one in getattr(policy, kind) if target is None or one.applies(target)]
    other = target or f"the {kind}"
    yield ""
    yield from _fitted(f"your program calls {other}" + ("" if chain else ", and nothing stands between"))
    if not chain:
        return
    yield "    │ " + "the reply comes back ▲".rjust(WIDTH - 8)
    yield "    ▼ the call goes out" + "│".rjust(WIDTH - 23)
    yield f"┌───┴{'─' * (WIDTH - 10)}┴───┐"
    for number, placed in enumerate(chain, 1):
        if number > 1:
            yield f"├───┼{'─' * (WIDTH - 10)}┼───┤"
        for line in _box(number, placed, aimed=target is not None):
            yield f"│ {line.ljust(INNER)} │"
    yield f"└───┬{'─' * (WIDTH - 10)}┬───┘"
    yield "    ▼" + "│".rjust(WIDTH - 9)
    yield from _fitted(other)
    yield from _fitted(_at_worst(policy, kind, target))


def _box(number: int, placed: Placed, *, aimed: bool) -> Iterator[str]:
    """One guard's lines: its name and what it does, where it stands, its settings."""
    guard = bare(placed.guard)
    yield f"{number:>2}  {placed.use}"
    for text in (_does(guard), *_standing(placed, aimed=aimed), _written(placed, guard)):
        yield from _fitted(text, "    ", INNER)


def _does(guard: Any) -> str:
    """The first sentence of what the guard's class says about itself."""
    kind = type(guard.check) if isinstance(guard, Screen) else type(guard)
    doc = cleandoc(kind.__doc__ or "")
    if not doc or doc.startswith(f"{kind.__name__}("):
        return ""
    first = " ".join(doc.partition("\n\n")[0].split())
    return first.partition(". ")[0].removesuffix(".") + "."


def _standing(placed: Placed, *, aimed: bool) -> Iterator[str]:
    guard = bare(placed.guard)
    if isinstance(guard, Screen):
        outcome = OUTCOME[guard.then].format(reasks=_times(guard.reasks))
        yield f"looks at {' and '.join(SIDES[side] for side in guard.at)}; {outcome}"
    if placed.only and not aimed:
        yield f"only for {', '.join(placed.only)}"
    if when := placed.written.get("when"):
        yield f"only when {' '.join(str(when).split())}"
    if isinstance(_observed(placed.guard), Observe):
        yield "only watches: it reports what it would do, and changes nothing"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _observed(guard: Any) -> Any:
    return guard.guard if hasattr(guard, "condition") else guard


def _written(placed: Placed, guard: Any) -> str:
    """The settings that are not what they are anyway, as the file has them."""
    guard = guard.check if isinstance(guard, Screen) else guard
    usual = {one.name: one.default for one in fields(guard)} if is_dataclass(guard) else {}
    return "   ".join(
        f"{key}: {_plain(value)}"
        for key, value in placed.written.items()
        if key in usual and getattr(guard, key) != usual[key]
    )


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return json.dumps(value, ensure_ascii=False)
