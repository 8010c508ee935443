"""Figures over many crossings: how long, how often, how much, by target, model, user or policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Literal, TypeAlias

from orchestrator.telemetry._stored import Crossing
from orchestrator.telemetry.anomalies import BLOCKS
from orchestrator.telemetry.events import GOOD

By: TypeAlias = Literal["target", "model", "user", "policy", "boundary"]
REPAIRS = ("re-asked", "reasked", "repaired")
ESCALATIONS = ("escalated", "reviewed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of the crossings of one `name`.

    Latencies are in seconds, costs in US dollars (None where none is known), rates are shares of the
    crossings: `errors` and `blocks` ended so, `repairs` were asked again or mended, `escalations` needed a
    bigger model or a person, `cached` came from the cache.  `input` and `output` are tokens, `attempts` those
    of all crossings.
    """

    name: str
    calls: int
    p50: float
    p95: float
    p99: float
    errors: float
    blocks: float
    repairs: float
    escalations: float
    cached: float
    attempts: int
    input: int
    output: int
    cost: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def figures(
    crossings: Iterable[Crossing], helped: Mapping[str, set[str]], by: By = "target"
) -> list[Figures]:
    """One row for each name that crossings have, those with most calls first."""
    groups: dict[str, list[Crossing]] = {}
    for crossing in crossings:
        groups.setdefault(getattr(crossing, by), []).append(crossing)
    repaired = {one for what in REPAIRS for one in helped.get(what, ())}
    escalated = {one for what in ESCALATIONS for one in helped.get(what, ())}
    rows = [_row(name, group, repaired, escalated) for name, group in groups.items()]
    return sorted(rows, key=lambda row: (-row.calls, row.name))


def _row(name: str, group: list[Crossing], repaired: set[str], escalated: set[str]) -> Figures:
    seconds, calls = [one.seconds for one in group], len(group)
    costs = [one.cost for one in group if one.cost is not None]
    blocks = sum(one.outcome in BLOCKS for one in group)
    failed = sum(one.outcome not in GOOD and one.outcome != "cancelled" for one in group)
    return Figures(
        name=name,
        calls=calls,
        p50=percentile(seconds, 0.50),
        p95=percentile(seconds, 0.95),
        p99=percentile(seconds, 0.99),
        errors=(failed - blocks) / calls,
        blocks=blocks / calls,
        repairs=sum(one.id in repaired for one in group) / calls,
        escalations=sum(one.id in escalated for one in group) / calls,
        cached=sum(one.outcome == "cached" for one in group) / calls,
        attempts=sum(one.attempt for one in group),
        input=sum(one.input for one in group),
        output=sum(one.output for one in group),
        cost=sum(costs) if costs else None,
    )


def percentile(values: list[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that this share is not above; 0 of nothing."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else 0.0
