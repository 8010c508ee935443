"""Patterns looked for in a text that flows by, each from where its last match ended, as in a whole one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from guards._stream import CONTEXT, Reader, moved
from guards._text._prefix import longest, partial
from guards._types import Finding


class Sought(NamedTuple):
    """A pattern, the beginnings of its matches at the end of a text, and how long a match may be."""

    whole: re.Pattern[str]
    begun: re.Pattern[str]
    longest: int


Judge: TypeAlias = Callable[[re.Match[str]], Iterable[Finding]]
"""What a match means; findings lie inside the match, and their offsets are those of the matched text."""


def sought(regex: str, flags: int = 0) -> Sought:
    """Raises ValueError for a pattern that has no bound or refers to its own groups."""
    return Sought(re.compile(regex, flags), partial(regex, flags, around=True), longest(regex))


class Scan:
    """Reads for several patterns; of findings with the same span, that of the first pattern counts."""

    def __init__(self, patterns: Iterable[tuple[Sought, Judge]]) -> None:
        self.patterns = tuple(patterns)
        self.at = [0] * len(self.patterns)
        self.text, self.start = "", 0
        self.found: list[dict[tuple[int, int], Finding]] = [{} for _ in self.patterns]

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        self.text += text
        for which in range(len(self.patterns)):
            self.at[which] = self.start + self._searched(which, final=final)
        edge = min(self.at, default=self.start + len(self.text))
        past = max(0, edge - self.start - CONTEXT)
        self.text, self.start = self.text[past:], self.start + past
        return self._known(edge), edge

    def _searched(self, which: int, *, final: bool) -> int:
        """Note the matches that are certain; where one starts that more text may bring or change."""
        pattern, judge = self.patterns[which]
        at, end = self.at[which] - self.start, len(self.text)
        open_ = end if final else begun(pattern, self.text, at)
        while (match := pattern.whole.search(self.text, at)) and (final or match.start() < open_):
            for one in judge(match):
                finding = moved(one, self.start)
                self.found[which].setdefault((finding.start, finding.end), finding)
            at = match.end()
            if open_ < at:
                open_ = begun(pattern, self.text, at)
        return open_

    def _known(self, edge: int) -> list[Finding]:
        out: dict[tuple[int, int], Finding] = {}
        for held in self.found:
            for span in [span for span in held if span[0] < edge]:
                out.setdefault(span, held.pop(span))
        return [out[span] for span in sorted(out)]


def begun(pattern: Sought, text: str, at: int) -> int:
    """Where the first match starts, from a place on, that more text may bring or change."""
    match = pattern.begun.search(text, max(at, len(text) - pattern.longest))
    return match.start() if match else len(text)


class Both:
    """Reads for two readers at once."""

    def __init__(self, one: Reader, two: Reader) -> None:
        self.one, self.two = one, two

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        (found, edge), (more, other) = self.one.read(text, final=final), self.two.read(text, final=final)
        return [*found, *more], min(edge, other)
