"""Reading names out of words: a linear-chain conditional random field, decoded word by word.

The best labelling is Viterbi's, the probabilities are the forward-backward algorithm's (Lafferty,
McCallum and Pereira, 2001). Most words cannot be part of a name whatever stands beside them: those are
passed over, and only the stretches between them are decoded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from math import exp, log
from operator import add
from typing import TypeAlias

from guards._pii.names._features import Word, beside, case, digest, far, kind, own, pair
from guards._pii.names._pack import LABELS, WIDTH, Pack

Row: TypeAlias = tuple[int, ...]
Gazetteers: TypeAlias = Mapping[str, Collection[int]]
# How far "outside" must lead, before what the neighbours' labels add, for a word to be passed over.
CERTAIN = 7.0
# Words kept with their weights; beyond it, the memory starts anew.
KEPT = 100_000
NEVER = -(10**9)
ZERO: Row = (0,) * WIDTH
OUT = 0


class Model:
    """A pack, ready to decode; safe to share among threads. Scores are counted in the pack's steps."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.step = pack.step
        self.moves = [
            [NEVER if _forbidden(a, b) else round(pack.moves[a][b] / pack.step) for b in range(WIDTH)]
            for a in range(WIDTH)
        ]
        self._into = [[row[b] for row in self.moves] for b in range(WIDTH)]
        self._kept: dict[tuple[str, str, str], tuple[int, Row]] = {}
        self._margin = round(CERTAIN / pack.step)

    def groups(self, low: str) -> str:
        """The letters of the gazetteers that a word in lower case is in."""
        return groups(low, self.pack.gazetteers)

    def islands(self, words: list[Word]) -> Iterator[tuple[int, list[Row]]]:
        """The stretches of a sentence that may hold names: the first word's index, and each word's scores."""
        texts = [word.text for word in words]
        style = kind(texts)
        cases = [case(text) for text in texts]
        padded = ["", "", *texts, "", ""]
        island: list[Row] = []
        for index, letters in enumerate(cases):
            row = self._row(padded, index, style, letters)
            if row is not None:
                island.append(self._paired(row, texts, cases, index))
            elif island:
                yield index - len(island), island
                island = []
        if island:
            yield len(cases) - len(island), island

    def _row(self, padded: list[str], index: int, style: str, letters: str) -> Row | None:
        kept, learn = self._kept, self._learn
        two, one, text, after, last = padded[index : index + 5]
        a = kept.get((text, "=", style)) or learn(text, "=", style)
        b = kept.get((one, "-", letters)) or learn(one, "-", letters)
        c = kept.get((after, "+", letters)) or learn(after, "+", letters)
        d = kept.get((two, "<", "")) or learn(two, "<", "")
        e = kept.get((last, ">", "")) or learn(last, ">", "")
        # The lead of a sum is at least the sum of the leads: a word passed over needs no sum of rows.
        if a[0] + b[0] + c[0] + d[0] + e[0] > self._margin:
            return None
        return tuple(map(_five, a[1], b[1], c[1], d[1], e[1]))

    def _learn(self, text: str, slot: str, how: str) -> tuple[int, Row]:
        if slot == "=":
            row = self._sum(own(text, how, self.groups))
        elif slot in "-+":
            row = self._sum(beside(text, how, slot, self.groups))
        else:
            row = self._sum(far(text, slot, self.groups))
        part = (row[OUT] - max(row[1:]), row)
        if len(self._kept) >= KEPT:
            self._kept = {}
        self._kept[text, slot, how] = part
        return part

    def _sum(self, features: list[str]) -> Row:
        rows, weights, count = self.pack.rows, self.pack.weights, len(self.pack.rows)
        found = [row for row in map(rows.get, map(digest, features)) if row is not None]
        if not found:
            return ZERO
        return tuple(
            [sum([weights[start + row] for row in found]) for start in range(0, WIDTH * count, count)]
        )

    def _paired(self, row: Row, texts: list[str], cases: list[str], index: int) -> Row:
        extra = pairs(texts, cases, index, self.pack.gazetteers)
        return tuple(map(add, row, self._sum(extra))) if extra else row

    def best(self, rows: list[Row]) -> list[int]:
        """The likeliest labels of a stretch whose neighbours are outside."""
        here = list(map(add, rows[0], self.moves[OUT]))
        back: list[list[int]] = []
        for row in rows[1:]:
            came, there = [], []
            for score, into in zip(row, self._into, strict=True):
                sums = list(map(add, here, into))
                top = max(sums)
                came.append(sums.index(top))
                there.append(top + score)
            back.append(came)
            here = there
        last = list(map(add, here, self._into[OUT]))
        label = last.index(max(last))
        labels = [label]
        for came in reversed(back):
            label = came[label]
            labels.append(label)
        return labels[::-1]

    def chances(self, rows: list[Row]) -> list[list[float]]:
        """The probability of each label for each word of a stretch whose neighbours are outside."""
        step = self.step
        ahead: list[list[float]] = [list(map(add, rows[0], self.moves[OUT]))]
        for row in rows[1:]:
            last = ahead[-1]
            ahead.append([
                score + _total(list(map(add, last, into)), step)
                for score, into in zip(row, self._into, strict=True)
            ])  # fmt: skip
        behind: list[list[float]] = [list(self._into[OUT])]
        for row in reversed(rows[1:]):
            after = list(map(add, row, behind[-1]))
            behind.append([_total(list(map(add, moves, after)), step) for moves in self.moves])
        return [_shares(list(map(add, f, b)), step) for f, b in zip(ahead, behind[::-1], strict=True)]


def _forbidden(a: int, b: int) -> bool:
    """Whether label b may not follow a: the inside of an entity follows its own beginning or inside."""
    return LABELS[b].startswith("I") and LABELS[a][2:] != LABELS[b][2:]


def _five(a: int, b: int, c: int, d: int, e: int) -> int:
    return a + b + c + d + e


def _total(scores: list[float], step: float) -> float:
    top = max(scores)
    return top + log(sum([exp(step * (score - top)) for score in scores])) / step


def _shares(scores: list[float], step: float) -> list[float]:
    total = _total(scores, step)
    return [exp(step * (score - total)) for score in scores]


def groups(low: str, gazetteers: Gazetteers) -> str:
    """The letters of the single-word gazetteers that hold a word in lower case."""
    number = digest(low)
    return "".join(name for name, held in gazetteers.items() if len(name) == 1 and number in held)


def pairs(texts: list[str], cases: list[str], index: int, gazetteers: Gazetteers) -> list[str]:
    """What a gazetteer of two-word places says of the word at `index`."""
    held = gazetteers.get("places", ())
    found = []
    for at, mark in ((index, "PB"), (index - 1, "PI")):
        if (
            0 <= at < len(texts) - 1
            and cases[at] in "CUlm"
            and digest(pair(texts[at], texts[at + 1])) in held
        ):
            found.append(mark + cases[at])
    return found


def features(words: list[Word], gazetteers: Gazetteers) -> list[list[str]]:
    """All that is looked at in each word of a sentence, as training sees it."""
    texts = [word.text for word in words]
    style, cases, padded = kind(texts), [case(text) for text in texts], ["", "", *texts, "", ""]

    def held(low: str) -> str:
        return groups(low, gazetteers)

    out = []
    for index, letters in enumerate(cases):
        two, one, text, next_one, next_two = padded[index : index + 5]
        out.append(
            own(text, style, held)
            + beside(one, letters, "-", held) + beside(next_one, letters, "+", held)
            + far(two, "<", held) + far(next_two, ">", held)
            + pairs(texts, cases, index, gazetteers)
        )  # fmt: skip
    return out


__all__ = ["Model", "features"]
