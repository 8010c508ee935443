"""Finding by patterns: what the fast way finds is what Presidio's engine finds."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.pii import different, fast, reference, sample
from guards._pii._entities import PATTERNS
from guards._pii._fast import analyzer
from guards._pii._find import _engine

SEEDED = 2_000  # for each of ten seeds


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_generated_and_mutated_texts_give_what_presidio_gives(seed: int) -> None:
    text = sample(random.Random(seed))
    assert not different(text)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@example("")
@example(" ")
@example("a123-45-6789 ssn")
@example("٣٣٣-٤٤-٥٥٥٥")
def test_any_text_gives_what_presidio_gives(text: str) -> None:
    assert not different(text)


@settings(max_examples=100, deadline=None)
@given(st.text("019aAfxZ.:-/@+() '\n\tſK", max_size=60))
def test_any_text_of_what_patterns_are_made_of_gives_what_presidio_gives(text: str) -> None:
    assert not different(text)


@pytest.mark.parametrize("seed", range(10))
def test_a_seeded_corpus_shows_no_difference(seed: int) -> None:
    dice = random.Random(20_000 + seed)
    assert [text for text in (sample(dice) for _ in range(SEEDED)) if different(text)] == []


def test_words_far_before_and_thresholds_count_as_they_do_in_presidio() -> None:
    text = "phone one two three four five 212-555-5555, phone 212-555-5555"
    assert reference(text) == fast(text)
    engine = _engine(frozenset(PATTERNS), "none", ())
    assert all(one.score >= 0.5 for one in analyzer(engine, list(PATTERNS), 0.5, "en")(text))


def test_a_recognizer_of_somebody_elses_sends_the_text_through_presidio() -> None:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult

    class Own(EntityRecognizer):
        def load(self) -> None: ...

        def analyze(self, text: str, entities: list[str], nlp_artifacts: object) -> list[RecognizerResult]:
            return [RecognizerResult("OWN", 0, 3, 0.7)]

    words = _engine(frozenset(PATTERNS), "none", ()).nlp_engine
    registry = RecognizerRegistry(recognizers=[Own(["OWN"])])
    engine = AnalyzerEngine(registry=registry, nlp_engine=words, supported_languages=["en"])
    assert [(one.entity_type, one.end) for one in analyzer(engine, ["OWN"], 0.0, "en")("abcdef")] == [
        ("OWN", 3)
    ]


def test_patterns_of_a_users_own_give_what_presidio_gives() -> None:
    from presidio_analyzer import AnalyzerEngine, Pattern, PatternRecognizer, RecognizerRegistry

    words = _engine(frozenset(PATTERNS), "none", ()).nlp_engine
    own = PatternRecognizer("OWN", patterns=[Pattern("own", r"x*\d?", 0.2)], context=["order"])
    registry = RecognizerRegistry(recognizers=[own])
    engine = AnalyzerEngine(registry=registry, nlp_engine=words, supported_languages=["en"])
    text = "order xx1 and x"
    expected = engine.analyze(text, "en", entities=["OWN"], score_threshold=0.0)
    found = analyzer(engine, ["OWN"], 0.0, "en")(text)
    assert [(one.start, one.end, one.score) for one in found] == [
        (one.start, one.end, one.score) for one in expected
    ]


@pytest.mark.parametrize("unit", ["a.", "=", "@", "a@", "x=", ":"])
def test_hostile_text_is_read_in_bounded_time(unit: str) -> None:
    text = unit * (20_000 // len(unit))
    started = time.process_time()
    fast(text)
    assert time.process_time() - started < 2
