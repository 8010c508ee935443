"""What of a text in passing may still turn out to be what is sought, in any view of its page.

More is taken for that than there is: a view that the rest of the page may bring counts as if it were there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from guards._text._pages import OPEN, Find, Held, Spans
from guards._text._prefix import partial
from guards._text._views import (
    DEPTH,
    ESCAPES,
    LEET,
    LEETED,
    SPACED,
    SPANS,
    View,
    folded,
    joined,
    readable,
    replaced,
)
from guards._types import Finding

CERTAIN = 500
"""Characters of a match that is sure to be in one page whole."""
BEGUN = tuple(partial(pattern.pattern, around=True) for _, _, pattern, _ in SPANS)
"""What may become something encoded, at the end of a text."""
ESCAPING = re.compile(
    r"(?:(?:%[0-9A-Fa-f]{0,2})+|\\[uxU]?\{?[0-9A-Fa-f]{0,8}\}?|&#?[0-9A-Za-z]{0,31};?"
    r"|(?:=(?:[0-9A-F]{0,2}|\r?\n?))+|</?[A-Za-z]{0,10}>?|\*{1,3})\Z"
)
"""An escape at the end of a text, begun or whole."""
TOKEN = re.compile(r"[\w@$!|+\u20ac]+\Z")
APART = re.compile(r"(?<!\w)\w(?:[ \t.\-_*|/,~]{1,3}\w(?!\w))*[ \t.\-_*|/,~]{0,3}\Z")
"""Letters that stand apart, at the end of a text."""


class Sought(Protocol):
    """What is looked for in a normalised text: where it stands, and where it is begun at the end."""

    def begun(self, text: str, /) -> Iterable[tuple[int, int]]: ...


class Disguises(Held):
    """What is sought in any disguise that views see through.

    `plain` finds it in plain letters, and `find` in all views of a text.
    """

    def __init__(self, sought: Sought, plain: Find, find: Find) -> None:
        self.sought, self.plain, self.find = sought, plain, find

    def certain(self, text: str, start: int) -> Iterator[Finding]:
        """What stands in plain letters, which no view changes, once its last word is known to end."""
        for one in self.plain(text):
            short, plain = one.end - one.start < CERTAIN, text[one.start : one.end].isascii()
            if start <= one.start and short and plain and folded(View("plain", text[one.end :])).text:
                yield one

    def begun(self, text: str, start: int) -> Spans:
        return {span for span in self._spans(View("plain", text), 0, start) if span[0] >= start}

    def _spans(
        self, view: View, depth: int, start: int = 0, *, whole: bool = True
    ) -> Iterator[tuple[int, int]]:
        for variant in _variants(view):
            for span in self.sought.begun(variant.text):
                yield _placed(variant, *span)
        yield from self._encoded(view, start)
        if whole and (tail := ESCAPING.search(view.text)):
            yield _placed(view, tail.start(), OPEN)
            before = view.edited(view.name, view.text[: tail.start()])
            yield from self._spans(before, depth, start, whole=False)
        if depth < DEPTH:
            for name, sign, pattern, replace in ESCAPES:
                if sign in view.text and pattern.search(view.text):
                    yield from self._spans(replaced(view, name, pattern, replace), depth + 1)

    def _encoded(self, view: View, start: int) -> Iterator[tuple[int, int]]:
        """What is encoded and holds what is sought, and what may become something encoded."""
        for (_, _, pattern, decode), begun in zip(SPANS, BEGUN, strict=True):
            tail = begun.search(view.text, start)
            if tail and tail.start() < len(view.text):
                yield _placed(view, tail.start(), OPEN)
            for found in pattern.finditer(view.text, start):
                text = decode(found[0])
                if readable(text) and any(True for _ in self.find(text)):
                    yield view.span(*found.span())


def _placed(view: View, start: int, end: int) -> tuple[int, int]:
    if end == OPEN:
        return view.span(start, start + 1)[0], OPEN
    return view.span(start, end)


def _variants(view: View) -> Iterator[View]:
    """A text as it may be read, with what its end may become when letters and words are complete."""
    folds = {one.text: one for one in (folded(view, latin=True), folded(view, latin=False))}
    for plain in folds.values():
        yield plain
        leet = LEETED.sub(lambda found: found[0].translate(LEET), plain.text)
        if leet != plain.text:
            yield plain.edited("leet", leet)
        if last := TOKEN.search(leet):
            forced = leet[: last.start()] + last[0].translate(LEET)
            if forced != leet:
                yield plain.edited("leet", forced)
        # The last letter stands apart, or begins a word.
        shorter = plain.edited(plain.name, plain.text[:-1])
        for one, pattern in ((plain, SPACED), (plain, APART), (shorter, SPACED)):
            if pattern.search(one.text):
                yield joined(one, pattern)
