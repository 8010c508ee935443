"""What of a text in passing may still turn out to be a phrase, in any view of the page that it will be in.

More is taken for that than there is: a view that the rest of the page may bring counts as if it were there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guards._text._pages import OPEN, Find, Held, Spans
from guards._text._phrases import Phrases
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
    views,
)
from guards._types import Finding

CERTAIN = 500
"""Characters of a match that is sure to be in one page whole."""
BEGUN = tuple(partial(pattern.pattern, around=True) for _, _, pattern, _ in SPANS)
"""What may become something encoded, at the end of a text."""
ESCAPING = re.compile(r"(?:(?:%[0-9A-Fa-f]{0,2})+|\\[uxU]?\{?[0-9A-Fa-f]{0,8}\}?|&#?[0-9A-Za-z]{0,31};?)\Z")
"""An escape at the end of a text, begun or whole."""
TOKEN = re.compile(r"[\w@$!|+\u20ac]+\Z")
APART = re.compile(r"(?<!\w)\w(?:[ \t.\-_*|/,~]{1,3}\w(?!\w))*[ \t.\-_*|/,~]{0,3}\Z")
"""Letters that stand apart, at the end of a text."""


class Disguises(Held):
    """Phrases in any disguise that views see through; `find` is what finds those in plain letters."""

    def __init__(self, phrases: Phrases, find: Find) -> None:
        self.phrases, self.find = phrases, find

    def certain(self, text: str, start: int) -> Iterator[Finding]:
        """Phrases in plain letters, which no view changes, once the word is known to end."""
        for one in self.find(text):
            short, plain = one.end - one.start < CERTAIN, text[one.start : one.end].isascii()
            if start <= one.start and short and plain and folded(View("plain", text[one.end :])).text:
                yield one

    def begun(self, text: str, start: int) -> Spans:
        return {span for span in self._spans(View("plain", text), 0) if span[0] >= start}

    def _spans(self, view: View, depth: int) -> Iterator[tuple[int, int]]:
        for variant in _variants(view):
            for start, end in self.phrases.begun(variant.text):
                yield _placed(variant, start, end)
        yield from self._encoded(view)
        if tail := ESCAPING.search(view.text):
            yield _placed(view, tail.start(), OPEN)
            yield from self._spans(view.edited(view.name, view.text[: tail.start()]), depth)
        if depth < DEPTH:
            for name, sign, pattern, replace in ESCAPES:
                if sign in view.text and pattern.search(view.text):
                    yield from self._spans(replaced(view, name, pattern, replace), depth + 1)

    def _encoded(self, view: View) -> Iterator[tuple[int, int]]:
        """What is encoded and holds a phrase, and what may become something encoded."""
        for (_, _, pattern, decode), begun in zip(SPANS, BEGUN, strict=True):
            tail = begun.search(view.text)
            if tail and tail.start() < len(view.text):
                yield _placed(view, tail.start(), OPEN)
            for found in pattern.finditer(view.text):
                text = decode(found[0])
                if readable(text) and any(any(self.phrases.find(one.text)) for one in views(text)):
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
        for pattern in (SPACED, APART):
            if pattern.search(plain.text):
                yield joined(plain, pattern)
