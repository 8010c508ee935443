"""Figures over crossings are what a count by hand gives."""

from __future__ import annotations

from collections import Counter
from statistics import quantiles

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.telemetry import _told
from orchestrator.telemetry._stored import Crossing
from orchestrator.telemetry.events import GOOD
from orchestrator.telemetry.figures import figures, percentile

OUTCOMES = ("ok", "cached", "blocked", "denied", "invalid", "upstream_error", "cancelled")
CROSSINGS = st.lists(
    st.builds(
        Crossing,
        id=st.sampled_from("abcdef"),
        boundary=st.sampled_from(("model", "tool")),
        target=st.sampled_from(("small", "large")),
        model=st.just("gpt-5"),
        user=st.sampled_from(("", "u")),
        policy=st.just("p"),
        outcome=st.sampled_from(OUTCOMES),
        input=st.integers(0, 99),
        output=st.integers(0, 99),
        cached=st.integers(0, 99),
        seconds=st.floats(0, 100),
        cost=st.none() | st.floats(0, 1),
        attempt=st.integers(0, 4),
    )
)
HELPED = st.fixed_dictionaries(
    {},
    optional={
        what: st.sets(st.sampled_from("abcdef")) for what in ("re-asked", "repaired", "reviewed", "retry")
    },
)


@given(CROSSINGS, HELPED, st.sampled_from(("target", "user", "boundary")))
def test_every_crossing_counts_once_in_its_row(
    crossings: list[Crossing], helped: dict[str, set[str]], by: str
) -> None:
    rows = figures(crossings, helped, by)  # type: ignore[arg-type]
    assert {row.name: row.calls for row in rows} == Counter(getattr(one, by) for one in crossings)
    assert [row.calls for row in rows] == sorted((row.calls for row in rows), reverse=True)
    for row in rows:
        group = [one for one in crossings if getattr(one, by) == row.name]

        def share(count: int, of: int = row.calls) -> float:
            return count / of

        assert row.cached == share(sum(one.outcome == "cached" for one in group))
        assert row.blocks == share(sum(one.outcome in ("blocked", "denied") for one in group))
        assert row.errors == share(sum(one.outcome in ("invalid", "upstream_error") for one in group))
        good = sum(one.outcome in GOOD or one.outcome == "cancelled" for one in group)
        assert row.errors + row.blocks == pytest.approx(1 - share(good))
        repaired = helped.get("re-asked", set()) | helped.get("repaired", set())
        assert row.repairs == share(sum(one.id in repaired for one in group))
        assert row.escalations == share(sum(one.id in helped.get("reviewed", ()) for one in group))
        assert (row.input, row.output) == (sum(one.input for one in group), sum(one.output for one in group))
        known = [one.cost for one in group if one.cost is not None]
        assert row.cost == (pytest.approx(sum(known)) if known else None)
        assert min(one.seconds for one in group) <= row.p50 <= row.p95 <= row.p99
        assert row.p99 <= max(one.seconds for one in group)
    assert len(_told.figures(rows, by).splitlines()) == 1 + len(rows)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
@example(values=[1.0, 2.0], share=0.5)
def test_a_percentile_is_the_smallest_value_that_a_share_is_not_above(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(one <= found for one in values) >= share * len(values)
    assert sum(one < found for one in values) < share * len(values)


def test_percentiles_agree_with_the_standard_library_on_many_values() -> None:
    values = [float(n) for n in range(1, 1_001)]
    assert percentile(values, 0.95) == pytest.approx(quantiles(values, n=100)[94], rel=0.01)
    assert percentile([], 0.5) == 0.0
