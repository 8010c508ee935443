"""Terms of a policy, found wherever they stand, in time that grows with the text alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from guards._text._case import folded

Terms: TypeAlias = Callable[[str], list[tuple[int, int]]]


def terms(written: Iterable[str]) -> Terms:
    """What finds these terms in a text: the leftmost, of those the longest, none overlapping.

    An Aho-Corasick automaton; letters that differ in case alone are one, as to `re.IGNORECASE`.
    """
    from ahocorasick_rs import AhoCorasick, MatchKind

    found: Any = AhoCorasick(sorted(set(map(folded, written))), matchkind=MatchKind.LeftmostLongest)
    return lambda text: [(start, end) for _, start, end in found.find_matches_as_indexes(folded(text))]
