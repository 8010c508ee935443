"""Words, phrases and patterns, thousands in one pass, in a whole text or in one that flows by.

`find` gives the matches, and `pending` where the earliest one starts that more text may still bring or
change.  What stands before that place may be let go.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from guards._text._case import folded
from guards._text._prefix import beginnings, longest


class Hit(NamedTuple):
    """A match: the index of the term, or the name of the pattern, and its span in characters."""

    what: Any
    start: int
    end: int


class Terms:
    """Literal terms found at every position, overlapping ones too, in one pass of an automaton.

    Letters that differ in case alone are one.  With `words`, a term that begins or ends in a letter or digit
    stands there as whole words only.
    """

    def __init__(self, written: Iterable[str], *, words: bool = True) -> None:
        from ahocorasick_rs import AhoCorasick

        self.written = [folded(term) for term in written]
        if not all(self.written):
            raise ValueError("a term is empty: write at least one character, or leave the term out")
        self.words = words
        self.window = max(map(len, self.written), default=1) + 2 * words
        self._sorted = sorted(set(self.written))
        self._machine: Any = AhoCorasick(self.written) if self.written else None

    def find(self, text: str) -> list[Hit]:
        if self._machine is None:
            return []
        low = folded(text)
        found = self._machine.find_matches_as_indexes(low, overlapping=True)
        return [Hit(*one) for one in found if not self.words or _whole_words(low, one[1], one[2])]

    def pending(self, text: str) -> int:
        """Where the longest end of the text starts that is the beginning of a term."""
        low = folded(text[-self.window :])
        for at in range(len(low)):
            tail = low[at:]
            place = bisect_left(self._sorted, tail)
            begun = place < len(self._sorted) and self._sorted[place].startswith(tail)
            # A whole term at the end is certain only when what follows is known.
            done = begun and self._sorted[place] == tail
            if begun and (self.words or not done or self._longer(place)) and self._may_begin(low, at):
                return len(text) - len(tail)
        return len(text)

    def _longer(self, place: int) -> bool:
        after = self._sorted[place + 1 : place + 2]
        return bool(after) and after[0].startswith(self._sorted[place])

    def _may_begin(self, low: str, at: int) -> bool:
        return not self.words or at == 0 or not (_in_word(low[at]) and _in_word(low[at - 1]))


def _whole_words(text: str, start: int, end: int) -> bool:
    before = start and _in_word(text[start]) and _in_word(text[start - 1])
    after = end < len(text) and _in_word(text[end - 1]) and _in_word(text[end])
    return not before and not after


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"


class Prefixes:
    """A few literals, and all their beginnings; with `whole`, they are beginnings themselves."""

    def __init__(self, literals: Iterable[str], *, whole: bool = False) -> None:
        self.literals, self.whole = tuple(literals), whole
        self.longest = max(map(len, self.literals))

    @cached_property
    def begins(self) -> set[str]:
        return {one[:size] for one in self.literals for size in range(1, len(one) + self.whole)}

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        for one in self.literals:
            at = text.find(one)
            while at >= 0:
                yield at, at + len(one)
                at = text.find(one, at + 1)

    def begun(self, text: str) -> int:
        """Where the longest end of the text starts that one of them begins with."""
        for at in range(max(0, len(text) - self.longest), len(text)):
            if text[at:] in self.begins:
                return at
        return len(text)


class Pattern:
    """One regular expression in linear time, looked for at every position.

    A match inside one that starts earlier is left out.  Raises ValueError for an expression that RE2 cannot
    express, that has no bound, or that looks around itself.
    """

    def __init__(self, name: str, regex: str, *, ignore_case: bool = False) -> None:
        import re2

        self.name = name
        self.longest = longest(regex)
        self.window = self.longest + 2
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = not ignore_case
        begun = rf"(?:{beginnings(regex)})\z"
        try:
            self._regex: Any = re2.compile(regex, options)
            self._begun: Any = re2.compile(begun, options)
        except re2.error as error:
            raise ValueError(
                f"the pattern {regex!r} cannot be matched in linear time: {_said(error)}; write it without "
                "references to groups and with smaller bounds"
            ) from None

    def find(self, text: str) -> list[Hit]:
        data = text.encode("utf-8", "replace")
        at = _characters(text, data)
        out, start, done = [], 0, 0
        while (match := self._regex.search(data, start)) is not None:
            first, last = match.span()
            if last > done:
                out.append(Hit(self.name, at(first), at(last)))
                done = last
            start = first + 1
            while start < len(data) and data[start] & 0xC0 == 0x80:
                start += 1
        return out

    def pending(self, text: str) -> int:
        tail = text[-self.window :]
        data = tail.encode("utf-8", "replace")
        match = self._begun.search(data)
        at = _characters(tail, data)
        return len(text) - len(tail) + at(match.start() if match else len(data))


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode() if isinstance(said, bytes) else str(said)


def _characters(text: str, data: bytes) -> Callable[[int], int]:
    """From places in the encoded text to places in the text; they are asked for in order."""
    if len(text) == len(data):
        return int
    known = [0, 0]

    def at(place: int) -> int:
        if place < known[0]:
            return len(data[:place].decode())
        known[1] += len(data[known[0] : place].decode())
        known[0] = place
        return known[1]

    return at


class Matcher:
    """Terms and named patterns together."""

    def __init__(
        self,
        terms: Iterable[str] = (),
        patterns: Mapping[str, str] | None = None,
        *,
        words: bool = True,
        ignore_case: bool = True,
    ) -> None:
        self._parts: list[Terms | Pattern] = [Terms(terms, words=words)]
        self._parts += [
            Pattern(name, regex, ignore_case=ignore_case) for name, regex in (patterns or {}).items()
        ]
        self.window = max(part.window for part in self._parts)

    def find(self, text: str) -> Iterator[Hit]:
        for part in self._parts:
            yield from part.find(text)

    def pending(self, text: str) -> int:
        return min(part.pending(text) for part in self._parts)
