"""Terms of a policy: what the automaton finds is what the regular expression of all terms finds."""

from __future__ import annotations

import pickle
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards._pii._find import finder
from guards._pii._terms import terms
from guards._text._case import folded
from guards.mask import Mask

LETTERS = st.text("abAB.iİıIſsSKkΣςσµμßẞé\ud800\udfff\ufffd ", max_size=12)


def naive(written: list[str], text: str) -> list[tuple[int, int]]:
    """What one regular expression of all terms finds, the longest first."""
    longest = sorted(map(re.escape, written), key=len, reverse=True)
    return [one.span() for one in re.finditer("|".join(longest), text, re.IGNORECASE)]


@settings(max_examples=300, deadline=None)
@given(st.lists(LETTERS.filter(bool), min_size=1, max_size=8), st.text(max_size=20) | LETTERS, LETTERS)
@example(["ab", "abab", "b"], "xABABb", "")
@example(["İ"], "iIıİ", "")
@example(["aς"], "AΣ aσ", "")
@example(["\ud800"], "\udfff\ud800", "")
def test_terms_are_found_as_a_regular_expression_of_them_finds_them(
    written: list[str], text: str, more: str
) -> None:
    text = text + written[0].swapcase() + more + written[-1]
    assert terms(written)(text) == naive(written, text)


def test_characters_are_one_exactly_when_they_differ_in_case_alone() -> None:
    cased = "".join(char for char in map(chr, range(0x110000)) if {char.lower(), char.upper()} != {char})
    alike: dict[str, set[str]] = {}
    for char in cased:
        alike.setdefault(folded(char), set()).add(char)
    for char in cased:
        assert set(re.findall(re.escape(char), cased, re.IGNORECASE)) == alike[folded(char)]


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_folding_keeps_the_length(text: str) -> None:
    assert len(folded(text)) == len(text)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab", min_size=1, max_size=4), max_size=4), st.text("abAB", max_size=12))
def test_an_allowed_value_is_no_denied_term(deny: list[str], text: str) -> None:
    spans = finder((), 0.4, tuple(deny), tuple(deny), "none")(text)
    expected = [(start, end) for start, end in naive(deny, text) if deny and text[start:end] not in deny]
    assert [(span.start, span.end) for span in spans] == expected


def test_a_guard_that_has_found_something_is_still_the_same_value() -> None:
    guard = Mask(entities=(), deny=("Falcon",))
    assert guard.find("falcon")
    assert guard == Mask(entities=(), deny=("Falcon",)) == pickle.loads(pickle.dumps(guard))
