"""Guards that look at texts are evaluated: figures are counts, and texts are what they say they are."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from guards import Finding
from orchestrator.cli import cli
from orchestrator.evaluation import _rows, content
from orchestrator.evaluation._encodings import NAMED, UNSEEN
from orchestrator.evaluation._rows import DataError, Row, embedded, keys, read

FOUND = Finding(code="g.x", message="m", start=0, end=1)
SUSPECTED = Finding(code="injection.suspected", message="m", start=0, end=1)
ADVISED = Finding(code="g.y", message="m", start=0, end=1, advisory=True)
OUTCOMES = {"a": [FOUND], "b": [FOUND, FOUND], "s": [SUSPECTED], "n": [], "v": [ADVISED]}
ROWS = st.lists(
    st.builds(Row, st.just("g"), st.sampled_from("xy"), st.sampled_from(sorted(OUTCOMES)), st.booleans())
)


def wardline(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


@given(ROWS)
def test_figures_count_every_text_once_and_tell_acting_from_noticing(rows: list[Row]) -> None:
    figures = content.evaluate([*rows, Row("other", "x", "a", True)], {"g": lambda row: OUTCOMES[row.text]})
    assert sum(one.texts for one in figures) == len(rows)
    for one in figures:
        mine = [row.text for row in rows if (row.source, row.label) == (one.source, one.label)]
        assert one.found == pytest.approx(sum(text != "n" for text in mine) / len(mine), abs=1e-4)
        assert one.acted == pytest.approx(sum(text in "ab" for text in mine) / len(mine), abs=1e-4)
        assert one.hits == mine.count("a") + 2 * mine.count("b")
        assert one.size == len(mine)


def test_the_table_has_a_line_a_source_and_a_rate_only_of_much_text() -> None:
    long = Row("g", "x", "n" * content.ENOUGH, False)
    rows = [Row("g", "x", "a", True), long, Row("g", "y", "b", False)]
    find = {"g": lambda row: OUTCOMES.get(row.text, [FOUND])}
    lines = list(content.table(content.evaluate(rows, find), {"g": 12.4}))
    assert len(lines) == 4
    assert lines[1].split()[-3:] == ["100.0%", "100.0%", "12"]
    assert "1 (10.5/MB)" in lines[2]
    assert lines[3].split()[-1] == "2"
    assert content.speed(find["g"], rows) > 0
    assert content.speed(find["g"], rows[:1]) > 0


def test_the_embedded_texts_are_labelled_for_guards_that_are_evaluated_or_can_be() -> None:
    rows = embedded()
    assert {row.guard for row in rows} <= set(content.finders(content.evaluation_policy()))
    assert {row.label for row in rows} == {True, False}
    assert len({(row.guard, row.source, row.text) for row in rows}) == len(rows)


def test_a_made_key_is_the_same_each_time_and_stands_for_at_least_150_formats() -> None:
    made = list(keys())
    assert made == list(keys())
    assert len({row.text for row in made}) == len(made) >= 150
    assert not any("{" in row.text for row in made)


def test_encodings_change_the_text_and_are_each_listed_once() -> None:
    assert not set(NAMED) & set(UNSEEN)
    for encode in (*NAMED.values(), *UNSEEN.values()):
        for text in _rows.ATTACKS:
            assert encode(text) not in ("", text)


def test_a_canary_is_evaluated_on_its_own_mark() -> None:
    rows, leaked = content.canary_rows()
    figures = {(one.source, one.label): one.found for one in content.evaluate(rows, {"canary": leaked})}
    assert figures["the mark", True] == figures["the prompt, whole", True] == 1
    assert figures["answers", False] == 0


def test_data_of_the_user_is_read_and_what_cannot_be_is_named(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text(
        '{"text": "a", "label": 1, "source": "s", "role": "tool"}\n\n{"text": "b", "has_secret": 0}\n'
    )
    assert read(file, "g") == [Row("g", "s", "a", True, "tool"), Row("g", "all", "b", False)]
    packed = tmp_path / "data.jsonl.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert read(packed, "g") == read(file, "g")
    for bad, problem in (
        ("{", "JSONDecodeError"),
        ("[]", "no JSON object"),
        ('{"label": 1}', "no text"),
        ('{"text": "a"}', "label is neither"),
        ('{"text": "a", "label": "x"}', "label is neither"),
        ('{"text": "a", "label": 1, "role": "king"}', "role is none of"),
    ):
        file.write_text(bad, encoding="utf-8")
        with pytest.raises(DataError, match=rf"data\.jsonl:1: .*{problem}"):
            read(file, "g")


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    shown = wardline("eval", "--guard", "invisible")
    assert shown.exit_code == 0, shown.output
    assert [line.split()[0] for line in shown.output.splitlines()] == ["guard", "invisible", "invisible"]
    rows = json.loads(wardline("eval", "--guard", "language", "--json").output)
    assert {row["source"] for row in rows} == {"other", "English"}
    file = tmp_path / "data.jsonl"
    file.write_text('{"text": "a\\u202eb", "label": 1}\n{"text": "ab", "label": 0}', encoding="utf-8")
    own = wardline("eval", "content", file, "--guard", "invisible", "-p", "default")
    assert own.exit_code == 0
    assert own.output.splitlines()[1].split()[3:5] == ["100.0%", "100.0%"]


def test_what_the_command_cannot_do_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text("{", encoding="utf-8")
    assert "there is no nobody here" in wardline("eval", "--guard", "nobody").output
    assert (
        "no links in this policy"
        in wardline("eval", "content", file, "--guard", "links", "-p", "default").output
    )
    assert "data.jsonl:1" in wardline("eval", "content", file, "--guard", "links").output
    assert "data.jsonl:1" in wardline("eval", "pii", file).output
