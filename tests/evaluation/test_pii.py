"""How finders are scored: counts by hand, and what must hold for any data."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards._pii._find import Span
from orchestrator.evaluation._rows import DataError
from orchestrator.evaluation.pii import Labelled, Tally, evaluate, read, table

TEXT = "Ann Lee wrote to bob@example.com from Oslo"
GOLD = (Span(0, 7, "PERSON"), Span(17, 32, "EMAIL_ADDRESS"), Span(38, 42, "LOCATION"))


def test_counts_are_those_made_by_hand() -> None:
    def find(text: str) -> list[Span]:
        return [
            Span(0, 3, "PERSON"),
            Span(4, 7, "PERSON"),
            Span(17, 32, "EMAIL_ADDRESS"),
            Span(38, 42, "PERSON"),
        ]

    scores = evaluate([Labelled(TEXT, GOLD, "a")], find, ["PERSON", "EMAIL_ADDRESS", "LOCATION"])
    assert scores.entities == {
        "PERSON": Tally(right=0, wrong=3, missed=1, covered=1),
        "EMAIL_ADDRESS": Tally(right=1),
        "LOCATION": Tally(missed=1, covered=1),
    }
    assert scores.whole == scores.sources["a"] == Tally(right=1, wrong=3, missed=2, covered=2)
    assert scores.whole.f(1) == pytest.approx(2 * (1 / 4) * (1 / 3) / (1 / 4 + 1 / 3))
    assert scores.whole.masked == 1
    assert scores.confusion == {("LOCATION", "PERSON"): 1}
    assert scores.misses == []


def test_misses_are_shown_masked() -> None:
    scores = evaluate([Labelled(TEXT, GOLD, "a")], lambda text: [], ["PERSON", "EMAIL_ADDRESS"])
    told = table({"nothing": scores})
    assert "wrote to [xxx@xxxxxxx.xxx] from Oslo" in told
    assert "bob@" not in told
    assert "Ann" not in told


SPANS = st.lists(
    st.builds(
        lambda a, n, e: Span(a, min(a + n, len(TEXT)), e),
        st.integers(0, 40),
        st.integers(1, 9),
        st.sampled_from("PQ"),
    ),
    max_size=5,
    unique=True,
)


@given(SPANS, SPANS)
def test_scores_keep_their_bounds(gold: list[Span], found: list[Span]) -> None:
    scores = evaluate([Labelled(TEXT, tuple(gold), "s")], lambda text: found, "PQ")
    whole = scores.whole
    assert whole.right + whole.missed == len(gold)
    assert whole.right + whole.wrong == len(found)
    for figure in (whole.precision, whole.recall, whole.f(1), whole.f(2), whole.masked):
        assert 0 <= figure <= 1
    assert whole.masked >= whole.recall
    same = evaluate([Labelled(TEXT, tuple(gold), "s")], lambda text: list(gold), "PQ").whole
    assert (same.wrong, same.missed) == (0, 0)
    assert "source s" in table({"a": scores})


def test_data_is_read_and_what_cannot_be_is_named(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    row = {"text": TEXT, "spans": [{"start": 0, "end": 7, "label": "PER"}], "source": "web"}
    file.write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    assert list(read(file)) == [Labelled(TEXT, (Span(0, 7, "PERSON"),), "web")]
    for bad, problem in (
        ("{", "JSONDecodeError"),
        ('{"spans": []}', "no 'text'"),
        ('{"text": "a", "spans": [{"start": 0, "end": 9, "label": "X"}]}', "ValueError"),
        ('{"text": 3, "spans": []}', "TypeError"),
    ):
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(DataError, match=rf"data\.jsonl:1: {problem}"):
            list(read(file))
