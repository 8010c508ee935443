"""Whole policies, drawn: guards with arbitrary settings, in any order that the linter lets pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from hypothesis import strategies as st

from orchestrator.testing._chaos import bank
from orchestrator.testing._personal import SHAPES
from policies import PolicyError, lint, loads

Settings: TypeAlias = Mapping[str, st.SearchStrategy[Any]]

RECORD = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "sum": {"type": "number"}, "paid": {"type": "boolean"}},
    "required": ["id", "sum"],
    "additionalProperties": False,
}
SCHEMAS: tuple[Any, ...] = (
    RECORD,
    {"type": "array", "items": {"type": "integer"}},
    {"enum": ["yes", "no"]},
    {"type": "object", "properties": {"kind": {"enum": ["Invoice", "Letter"]}}, "required": ["kind"]},
)
SECONDS = st.sampled_from(("100ms", "1s", "30s", "2m"))
ENTITIES = st.lists(st.sampled_from(tuple(SHAPES)), min_size=1, unique=True)

MODELS = {
    "small": {
        "id": "small",
        "price": {"input": 0.25, "output": 2.0},
        "region": "eu",
        "tier": 1,
        "window": 8_000,
    },
    "large": {
        "id": "large",
        "price": {"input": 2.5, "output": 20.0},
        "region": "us",
        "tier": 2,
        "window": 80_000,
    },
    "own": {"id": "own", "price": "none", "region": "eu", "tier": 1, "window": 4_000},
}
ANY_MODELS = st.lists(st.sampled_from(tuple(MODELS)), min_size=1, unique=True)
ERRORS = st.lists(
    st.sampled_from(("unavailable", "failed", "exhausted", "invalid", "blocked", "refused")),
    min_size=1,
    unique=True,
)

# What may be written for each guard, outermost first; a setting that is drawn away is as usual.
MODEL: Mapping[str, Settings] = {
    "iterations": {"steps": st.integers(1, 4), "identical": st.integers(1, 3)},
    "invisible": {"then": st.sampled_from(("block", "redact", "reask", "escalate", "warn"))},
    "schema": {
        "schema": st.sampled_from(SCHEMAS),
        "attempts": st.integers(0, 2),
        "reask": st.sampled_from(("patch", "whole")),
    },
    "mask": {
        "entities": ENTITIES,
        "scope": st.sampled_from(("call", "session", "tenant")),
        "score": st.sampled_from((0.1, 0.4, 0.7)),
        "new": st.sampled_from(("allow", "report", "redact", "block")),
    },
    "cache": {
        "ttl": st.sampled_from(("1s", "1h")),
        "stale": st.sampled_from(("0s", "1d")),
        "scope": st.sampled_from(("user", "tenant", "everyone")),
        "most": st.integers(1, 3),
    },
    "deadline": {"seconds": SECONDS},
    "degrade": {"ways": st.lists(st.sampled_from(("stale", "cheaper", "queue")), min_size=1, unique=True)},
    "fallback": {"models": ANY_MODELS, "errors": ERRORS, "reply": st.just("Please try again later.")},
    "route": {
        "among": ANY_MODELS,
        "by": st.sampled_from(("cost", "order", "weight", "latency", "load")),
        "escalations": st.integers(0, 2),
    },
    "hedge": {"after": st.sampled_from(("100ms", "2s")), "share": st.sampled_from((0.1, 1.0))},
    "residency": {"allow": st.just({"": ["eu", "us"], "eu": ["eu"], "us": ["us", "eu"]})},
    "budget": {
        "usd": st.sampled_from((0.0, 0.01, 1.0)),
        "tokens": st.sampled_from((100, 10_000)),
        "calls": st.integers(0, 5),
        "per": st.sampled_from(("call", "run", "session", "user")),
        "unpriced": st.just("allow"),
    },
    "context": {"tokens": st.sampled_from((50, 5_000)), "reply_tokens": st.just(10)},
    "retry": {
        "attempts": st.integers(1, 4),
        "base": st.sampled_from(("0s", "1s", "5s")),
        "max": st.sampled_from(("5s", "30s")),
        "jitter": st.sampled_from(("full", "none")),
    },
    "rate_limit": {
        "requests": st.sampled_from((1, 2, 30)),
        "tokens": st.sampled_from((3_000, 100_000)),
        "burst": st.sampled_from(("1s", "60s")),
        "max_wait": st.sampled_from(("0s", "5s", "2m")),
    },
    "concurrency": {"limit": st.integers(1, 2), "max_wait": st.sampled_from(("0s", "30s"))},
    "breaker": {
        "failure_threshold": st.integers(1, 4),
        "recovery_timeout": st.sampled_from(("1s", "60s")),
        "half_open_max_requests": st.integers(1, 2),
        "failure_codes": st.sampled_from(([500, 503], [429, "timeout"], ["timeout"])),
    },
    "timeout": {"seconds": SECONDS},
}
TOOL: Mapping[str, Settings] = {
    "iterations": MODEL["iterations"],
    "permit": {"tools": st.sampled_from((["*"], ["tool"], ["search.*"])), "roles": st.just(["agent"])},
    "invisible": MODEL["invisible"],
    "cache": MODEL["cache"],
    "deadline": MODEL["deadline"],
    "retry": MODEL["retry"],
    "rate_limit": MODEL["rate_limit"],
    "concurrency": MODEL["concurrency"],
    "breaker": MODEL["breaker"],
    "timeout": MODEL["timeout"],
}


def policies() -> st.SearchStrategy[str]:
    """The text of a policy file: some guards with arbitrary settings, and no order that undoes a promise."""
    for schema in SCHEMAS:
        bank(json.dumps(schema), 0)  # cannot be drawn once the test runs that plans for them are drawn in
    return _policies()


@st.composite
def _policies(draw: st.DrawFn) -> str:
    written = {
        "wardline": 1,
        "name": "drawn",
        "models": MODELS,
        "model": draw(_chain(MODEL)),
        "tool": draw(_chain(TOOL)),
    }
    return json.dumps(written)


def _chain(known: Mapping[str, Settings]) -> st.SearchStrategy[list[dict[str, Any]]]:
    items = [
        st.fixed_dictionaries({"use": st.just(use)}, optional=settings).filter(_loads)
        for use, settings in known.items()
    ]
    # Each guard is there or not; then some change places, as far as that is safe.
    some = st.tuples(*(st.none() | item for item in items))
    chosen = some.map(lambda drawn: [one for one in drawn if one]).filter(_safe)
    return st.tuples(chosen, st.lists(st.integers(0, len(items)), max_size=3)).map(lambda both: _moved(*both))


def _moved(items: list[dict[str, Any]], places: list[int]) -> list[dict[str, Any]]:
    for place in places:
        if place + 1 < len(items):
            moved = [*items[:place], items[place + 1], items[place], *items[place + 2 :]]
            if _safe(moved):
                items = moved
    return items


def _loads(item: dict[str, Any]) -> bool:
    """Whether the settings go together."""
    try:
        loads(json.dumps({"wardline": 1, "models": MODELS, "model": [item]}))
    except PolicyError:
        return False
    return True


def _safe(items: list[dict[str, Any]]) -> bool:
    bare = [{"use": item["use"]} for item in items]
    advice = lint(loads(json.dumps({"wardline": 1, "models": MODELS, "model": bare})))
    return not any(each.level == "error" for each in advice)
