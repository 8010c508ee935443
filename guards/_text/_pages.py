"""A long text is read in pages that overlap, each for itself, whether it is all there or flows by.

What is found in a text is what is found in its pages.  So a stream is checked as the whole text is, and work
and memory have a bound for every page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from guards._stream import CONTEXT, moved
from guards._types import Finding

Find: TypeAlias = Callable[[str], Iterable[Finding]]
Spans: TypeAlias = set[tuple[int, int]]
OPEN = -1
"""The end of a span that has not ended yet."""


class Held:
    """Holds a page until it is judged."""

    def certain(self, text: str, start: int) -> Iterable[Finding]:
        return ()

    def begun(self, text: str, start: int) -> Spans:
        return {(start, OPEN)}


class Pages:
    """Reads in pages of `size` characters, one beginning every `stride`.

    `find` gives the findings of a page.  A finding at the edge of a page may be cut off, and is left to the
    page that has it whole: one is sure to be found if it is shorter than the overlap.  `open_` says before a
    page is all there where findings may start, as `begun`, and which are `certain`, whatever follows; both
    are asked about what starts from `start` on.  Without it, a page is held until it is judged, and what is
    found at its edges counts, too.
    """

    def __init__(self, find: Find, size: int, stride: int, open_: Held | None = None) -> None:
        self.find, self.size, self.stride, self.open = find, size, stride, open_ or Held()
        self.edges = open_ is None
        self.text, self.start, self.edge = "", 0, 0
        self.told: Spans = set()
        self.waits = False

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        self.text += text
        found: list[Finding] = []
        while len(self.text) > self.size:
            found += self._new(self._judged(self.text[: self.size], last=False))
            self._turn()
        if final:
            found += self._new(self._judged(self.text, last=True))
            self.edge = self.start + len(self.text)
        elif not self.waits:
            found += self._ahead()
        return found, self.edge

    def _turn(self) -> None:
        self.text, self.start = self.text[self.stride :], self.start + self.stride
        self.edge, self.waits = max(self.edge, self.start), False
        self.told = {span for span in self.told if span[1] > self.start}

    def _judged(self, page: str, *, last: bool) -> Iterable[Finding]:
        for one in self.find(page):
            if self.edges or ((one.start or not self.start) and (last or one.end < len(page))):
                yield moved(one, self.start)

    def _new(self, found: Iterable[Finding]) -> list[Finding]:
        new = [one for one in found if (one.start, one.end) not in self.told]
        self.told.update((one.start, one.end) for one in new)
        return new

    def _ahead(self) -> list[Finding]:
        """What is certain of a page that is not all there, and up to where it may go."""
        base = max(self.start, self.edge - CONTEXT)
        text, start = self.text[base - self.start :], self.edge - base
        found = self._new(moved(one, base) for one in self.open.certain(text, start))
        spans = {
            (a + base, b if b == OPEN else b + base) for a, b in self.open.begun(text, start)
        } - self.told
        self.edge, end = min(spans, default=(base + len(text), OPEN))
        # One that has ended and is not certain waits for its page; until then nothing changes.
        self.waits = OPEN < end < base + len(text)
        return found
