"""A mark and a prompt that come back in a text, whole or flowing by: as they stand, split or encoded."""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Iterator

from guards._stream import Reader, whole
from guards._text import _signs as signs
from guards._text._case import folded
from guards._text._match import Prefixes
from guards._text._pages import OPEN, Pages
from guards._text._readings import Disguises
from guards._text._scan import Both, Scan, sought
from guards._text._views import CIPHERS, LEET, View, replaced, views
from guards._types import Finding, Part

CODED = sought(r"[A-Za-z0-9+/_-]{16,4096}={0,2}")
# What is read over in a text before the mark is looked for in it.
ODD, BLANK, PREFIX = re.compile(r"[^A-Za-z0-9]+"), re.compile(r"\s+"), re.compile(r"\\x|0[xX]")
# What may become the sign before a number when more text comes.
CUT = re.compile(r"(?:0|\\)\Z")
WORD = re.compile(r"\w+")
DIGITS = bytes(LEET.get(code, code) for code in range(256))
"""What digits stand for, in bytes."""
PAGE, STRIDE = 8_000, 7_000
"""Characters that are read at a time, and after which the next ones begin."""
GRAM = 4
"""Words in a row by which a share of the prompt is measured."""
FEWEST = 10
"""Such rows that a prompt has at least for its share to say anything."""


class Leaks:
    """A check for a mark and for a prompt's own words."""

    window = PAGE

    def __init__(self, mark: str, prompt: str, run: int, share: float) -> None:
        self.mark, self.run, self.share = mark, run, share
        self.words, self.forms = words(prompt), Forms(mark)

    def __call__(self, part: Part) -> list[Finding]:
        return whole(self.reader(part), part.text)

    def reader(self, part: Part) -> Reader:
        views_ = Pages(self._seen, PAGE, STRIDE, Disguises(self.forms, self._plain, self._seen))
        coded = Both(Coded(self.mark), Scan([(CODED, self._decoded)]))
        return Both(Both(views_, coded), Said(self.words, self.run, self.share))

    def _plain(self, text: str) -> Iterator[Finding]:
        yield from (_mark(*span) for span in sorted({*self.forms.find(text)}))

    def _seen(self, text: str) -> Iterator[Finding]:
        """The mark in every view of a text."""
        spans = {view.span(*span) for view in views(text) for span in self.forms.find(view.text)}
        yield from (_mark(*span) for span in sorted(spans))

    def _decoded(self, match: re.Match[str]) -> Iterator[Finding]:
        if any(self.mark in _bare(one) for one in _plain(match[0])):
            yield _mark(*match.span())


def _mark(start: int, end: int) -> Finding:
    message = "the mark of the system prompt came back"
    return Finding(code="canary.mark", message=message, start=start, end=end)


def _plain(coded: str) -> Iterator[str]:
    """What a run of base64 says, from each of the four places where its first group may begin."""
    plain = coded.rstrip("=").replace("-", "+").replace("_", "/")
    for skip in range(4):
        said = plain[skip:]
        said = said[: len(said) - (len(said) % 4 == 1)]
        yield base64.b64decode(said + "=" * (-len(said) % 4)).decode("utf-8", "replace")


def _bare(text: str) -> str:
    return ODD.sub("", text).lower()


def words(text: str) -> list[str]:
    """The words of a text, each letter in one case."""
    return WORD.findall(folded(text))


class Forms:
    """A mark as it is sought in letters and digits alone: under a cipher, turned round, in digits."""

    def __init__(self, mark: str) -> None:
        ciphered = {mark, *(mark.translate(table) for table in CIPHERS.values())}
        self.prefixes = Prefixes(ciphered | {one[::-1] for one in ciphered})
        self.written = [one.encode() for one in self.prefixes.literals]

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        for view in self._bare(text) if self.stands(text) else ():
            for span in self.prefixes.find(view.text):
                yield view.span(*span)

    def stands(self, text: str) -> bool:
        """Whether a form is there at all; places, which cost more, are not noted."""
        bare = signs.bare(text)
        leet = bare.translate(DIGITS)
        return any(one in bare or one in leet for one in self.written)

    def begun(self, text: str) -> Iterator[tuple[int, int]]:
        for view in self._bare(text):
            for span in self.prefixes.find(view.text):
                yield view.span(*span)
            if (begun := self.prefixes.begun(view.text)) < len(view.text):
                yield view.span(begun, begun + 1)[0], OPEN

    def _bare(self, text: str) -> Iterator[View]:
        bare = _without(View("bare", text), ODD)
        lower = bare.edited("bare", bare.text.lower())
        yield lower
        if (leet := lower.text.translate(LEET)) != lower.text:
            yield lower.edited("leet", leet)


class Coded:
    """Reads for a mark in base64 that blanks may split, and in hexadecimal with anything in between."""

    def __init__(self, mark: str) -> None:
        self.hex, self.base = Prefixes([mark.encode().hex()]), Prefixes(_coded(mark))
        self.text, self.start = "", 0
        self.told: set[tuple[int, int]] = set()

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        self.text += text
        cut = None if final else CUT.search(self.text)
        spans, at = set[tuple[int, int]](), cut.start() if cut else len(self.text)
        for view, prefixes in self._views(self.text, at) if not final or self.stands(self.text) else ():
            for start, end in prefixes.find(view.text):
                a, b = view.span(start, end)
                spans.add((self.start + a, self.start + b))
            begun = prefixes.begun(view.text)
            if not final and begun < len(view.text):
                at = min(at, view.span(begun, begun + 1)[0])
        found = [_mark(*span) for span in sorted(spans - self.told)]
        edge = self.start + at
        self.told = {span for span in self.told | spans if span[0] >= edge}
        self.text, self.start = self.text[at:], edge
        return found, edge

    def stands(self, text: str) -> bool:
        """Whether the mark is there at all."""
        blank, bare = "".join(text.split()), signs.bare(PREFIX.sub("", text)).decode()
        return any(one in blank for one in self.base.literals) or any(
            one in bare for one in self.hex.literals
        )

    def _views(self, text: str, sure: int) -> Iterator[tuple[View, Prefixes]]:
        yield _without(View("blank", text), BLANK), self.base
        for plain in {text, text[:sure]}:
            view = _without(_without(View("hex", plain), PREFIX), ODD)
            yield view.edited("hex", view.text.lower()), self.hex


def _without(view: View, odd: re.Pattern[str]) -> View:
    return replaced(view, view.name, odd, lambda one: "")


def _coded(mark: str) -> Iterator[str]:
    """The letters that the mark has in base64, wherever in a group of three it begins."""
    for said in (mark.encode(), mark.upper().encode()):
        for before in range(3):
            letters = base64.b64encode(b"\0" * before + said).decode().rstrip("=")
            sure = letters[(0, 2, 3)[before] : (before + len(said)) * 8 // 6]
            yield from {sure, sure.replace("+", "-").replace("/", "_")}


class Said:
    """Reads for the words of a prompt: `run` of them in a row, or a share of all its rows of four."""

    def __init__(self, prompt: list[str], run: int, share: float) -> None:
        self.prompt, self.run, self.share = prompt, run if len(prompt) >= run else 0, share
        self.grams = {tuple(prompt[at : at + GRAM]) for at in range(len(prompt) - GRAM + 1)}
        self.shared: set[tuple[str, ...]] = set()
        self.places: dict[str, list[int]] = {}
        for at, word in enumerate(prompt):
            self.places.setdefault(word, []).append(at)
        # How many words in a row up to the last one are those before each place of the prompt.
        self.rows: dict[int, int] = {}
        self.starts = deque[int](maxlen=max(run, GRAM))
        self.last = deque[str](maxlen=GRAM)
        self.text, self.start = "", 0

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        self.text += text
        if final and not self.starts and self.strange(self.text):
            return [], self.start + len(self.text)
        found, done = list[Finding](), 0
        for word in WORD.finditer(self.text):
            if word.end() == len(self.text) and not final:
                break
            found += self._heard(folded(word[0]), self.start + word.start(), self.start + word.end())
            done = word.end()
        self.text, self.start = self.text[done:], self.start + done
        end = self.start + len(self.text)
        return found, end if final else self._edge(end)

    def strange(self, text: str) -> bool:
        """Whether not even so few words in a row are the prompt's that a share is measured by them."""
        if 0 < self.run < GRAM:
            return False
        said = words(text) if text.isascii() else [*map(folded, WORD.findall(text))]
        return self.grams.isdisjoint(zip(*(said[at:] for at in range(GRAM)), strict=False))

    def _heard(self, word: str, start: int, end: int) -> Iterator[Finding]:
        self.starts.append(start)
        self.last.append(word)
        self.rows = {at + 1: self.rows.get(at, 0) + 1 for at in self.places.get(word, ())}
        if self.run and self.run in self.rows.values():
            message = f"{self.run} words in a row are those of the system prompt"
            yield Finding(code="canary.run", message=message, start=self.starts[-self.run], end=end)
        yield from self._measured(start, end)

    def _measured(self, start: int, end: int) -> Iterator[Finding]:
        gram = tuple(self.last)
        if not self.share or gram not in self.grams or gram in self.shared or len(self.grams) < FEWEST:
            return
        before = len(self.shared) / len(self.grams)
        self.shared.add(gram)
        share = len(self.shared) / len(self.grams)
        if before < self.share <= share:
            message = "much of the system prompt came back"
            yield Finding(code="canary.share", message=message, start=start, end=end, score=share)

    def _edge(self, end: int) -> int:
        """Where the words start that may still become a run."""
        begun = WORD.search(self.text)
        if not self.run:
            return end
        if begun is None:
            row = min(max(self.rows.values(), default=0), self.run - 1)
            return self.starts[-row] if row else end
        word, start = folded(begun[0]), self.start + begun.start()
        rows = [self.rows.get(at, 0) for at, one in enumerate(self.prompt) if one.startswith(word)]
        row = min(max(rows, default=-1), self.run - 1)
        return end if row < 0 else self.starts[-row] if row else start
