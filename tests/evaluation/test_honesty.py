"""What is trained on is not what is measured, and what was measured once does not get worse unseen."""

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import guards
from orchestrator.evaluation import content
from orchestrator.evaluation._rows import ATTACKS, embedded

ROOM = Path(guards.__file__).parent
RECORDED = ROOM / "_text" / "figures.json"
SAMPLES = sorted(ROOM.rglob("_samples.py"))
SHINGLE = 5
"""Words in a row that two texts may not share."""
POINTS = 0.02


def shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    size = min(SHINGLE, len(words))
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)} if size > 2 else set()


def trained_on() -> Iterator[tuple[str, str]]:
    """Every text in the modules of samples that ship, by the module."""
    for file in SAMPLES:
        name = ".".join(("guards", *file.relative_to(ROOM).with_suffix("").parts))
        for value in vars(importlib.import_module(name)).values():
            texts = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
            for text in texts:
                if isinstance(text, str):
                    yield from ((name, line) for line in text.splitlines())


def overlaps(samples: list[tuple[str, str]], measured: list[str]) -> list[tuple[str, ...]]:
    known = {shingle for _, text in samples for shingle in shingles(text)}
    return sorted({shingle for text in measured for shingle in shingles(text)} & known)


def test_no_text_that_is_measured_shares_words_in_a_row_with_one_that_was_trained_on() -> None:
    samples = list(trained_on())
    assert {name for name, _ in samples} >= {"guards._text._samples", "guards._pii.names._samples"}
    assert not overlaps(samples, [row.text for row in embedded()] + list(ATTACKS))


def test_an_overlap_would_be_noticed() -> None:
    name, text = next((name, text) for name, text in trained_on() if len(text.split()) > SHINGLE)
    assert overlaps([(name, text)], [f"So: {text.upper()}!"])


def figures() -> dict[tuple[str, str, bool], content.Figures]:
    rows, leaked = content.canary_rows()
    find = {**content.finders(content.evaluation_policy()), "canary": leaked}
    measured = content.evaluate([*embedded(), *rows], find)
    return {(one.guard, one.source, one.label): one for one in measured}


def worse(recorded: content.Figures, now: content.Figures) -> bool:
    """Whether a source fell by more than two points: less is found, or more that is nothing."""
    sign = 1 if recorded.label else -1
    pairs = ((recorded.found, now.found), (recorded.acted, now.acted))
    return any(sign * (was - is_) > POINTS for was, is_ in pairs)


def test_no_source_fell_more_than_two_points_below_what_is_recorded() -> None:
    now = figures()
    for row in json.loads(RECORDED.read_text(encoding="utf-8")):
        was = content.Figures(**row)
        key = (was.guard, was.source, was.label)
        assert key in now, f"{key} is recorded and measured no more; `wardline eval --json` records anew"
        assert not worse(was, now[key]), f"{key} fell from {was.found}, {was.acted}"


def test_every_source_that_is_measured_is_recorded() -> None:
    recorded = {
        (row["guard"], row["source"], row["label"]) for row in json.loads(RECORDED.read_text("utf-8"))
    }
    rows, _ = content.canary_rows()
    known = set(content.finders(content.evaluation_policy())) | {"canary"}
    assert {
        (row.guard, row.source, row.label) for row in [*embedded(), *rows] if row.guard in known
    } == recorded


@pytest.mark.parametrize(("label", "found", "acted"), [(True, 0.8, 0.6), (False, 0.1, 0.04)])
def test_a_fall_is_one_in_either_figure(label: bool, found: float, acted: float) -> None:
    was = content.Figures("g", "s", label, 9, found, acted, 9, 1)
    step = -0.03 if label else 0.03
    assert not worse(was, was)
    assert worse(was, content.Figures("g", "s", label, 9, found + step, acted, 9, 1))
    assert worse(was, content.Figures("g", "s", label, 9, found, acted + step, 9, 1))
    assert not worse(was, content.Figures("g", "s", label, 9, found - step, acted - step / 2, 9, 1))
