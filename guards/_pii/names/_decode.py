"""Reading names out of words: a linear-chain conditional random field, decoded word by word.

The best labelling is Viterbi's, the probabilities are the forward-backward algorithm's (Lafferty, McCallum and
Pereira, 2001). Most words cannot be part of a name whatever stands beside them: those are passed over, and only
the stretches between them are decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import exp, log

from guards._pii.names._features import Word, beside, case, digest, far, kind, own, pair, plain
from guards._pii.names._pack import LABELS, WIDTH, Pack

Row = tuple[float, ...]
# How far "outside" must lead, before what the neighbours' labels add, for a word to be passed over.
CERTAIN = 9.0
# Words kept with their weights; beyond it, the memory starts anew.
KEPT = 100_000
NEVER = -1e9
OUT = 0


class Model:
    """A pack, ready to decode; safe to share among threads."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.moves = [
            [NEVER if _forbidden(a, b) else pack.moves[a][b] for b in range(WIDTH)] for a in range(WIDTH)
        ]
        self._into = [
            [(a, row[b]) for a, row in enumerate(self.moves) if row[b] > NEVER] for b in range(WIDTH)
        ]
        self._kept: dict[tuple[str, str, str], tuple[float, Row]] = {}
        self._groups: dict[str, str] = {}

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
            row = self._row(padded[index : index + 5], style, letters)
            if row is not None:
                island.append(self._paired(row, texts, cases, index))
            elif island:
                yield index - len(island), island
                island = []
        if island:
            yield len(cases) - len(island), island

    def _row(self, near: list[str], style: str, letters: str) -> Row | None:
        kept = self._kept
        parts = []
        lead = -CERTAIN
        for text, slot, how in zip(near, "<-=+>", (letters, letters, style, letters, letters), strict=True):
            key = (text, slot, how)
            part = kept.get(key) or self._learn(key)
            lead += part[0]
            parts.append(part[1])
        if lead > 0:
            return None
        return tuple(map(sum, zip(*parts, strict=True)))

    def _learn(self, key: tuple[str, str, str]) -> tuple[float, Row]:
        text, slot, how = key
        if slot == "=":
            features = own(text, how, self.groups)
        else:
            features = (beside if slot in "-+" else far)(text, how, slot, self.groups)
        row = self._sum(features)
        part = (row[OUT] - max(row[1:]), row)
        if len(self._kept) >= KEPT:
            self._kept = {}
        self._kept[key] = part
        return part

    def _sum(self, features: list[str]) -> Row:
        rows, weights, count = self.pack.rows, self.pack.weights, len(self.pack.rows)
        found = [row for row in map(rows.get, map(digest, features)) if row is not None]
        return tuple(
            self.pack.step * sum(weights[label * count + row] for row in found) for label in range(WIDTH)
        )

    def _paired(self, row: Row, texts: list[str], cases: list[str], index: int) -> Row:
        extra = pairs(texts, cases, index, self.pack.gazetteers)
        return tuple(map(sum, zip(row, self._sum(extra), strict=True))) if extra else row

    def best(self, rows: list[Row]) -> list[int]:
        """The likeliest labels of a stretch whose neighbours are outside."""
        here = [rows[0][b] + self.moves[OUT][b] for b in range(WIDTH)]
        back: list[list[int]] = []
        for row in rows[1:]:
            came, there = [], []
            for b in range(WIDTH):
                score, a = max((here[a] + move, -a) for a, move in self._into[b])
                came.append(-a)
                there.append(score + row[b])
            back.append(came)
            here = there
        label = max(range(WIDTH), key=lambda a: here[a] + self.moves[a][OUT])
        labels = [label]
        for came in reversed(back):
            label = came[label]
            labels.append(label)
        return labels[::-1]

    def chances(self, rows: list[Row]) -> list[list[float]]:
        """The probability of each label for each word of a stretch whose neighbours are outside."""
        ahead = [[rows[0][b] + self.moves[OUT][b] for b in range(WIDTH)]]
        for row in rows[1:]:
            last = ahead[-1]
            ahead.append(
                [row[b] + _total([last[a] + move for a, move in self._into[b]]) for b in range(WIDTH)]
            )
        behind = [[self.moves[a][OUT] for a in range(WIDTH)]]
        for row in reversed(rows[1:]):
            last = behind[-1]
            after = [row[b] + last[b] for b in range(WIDTH)]
            behind.append(
                [_total([move + after[b] for b, move in enumerate(self.moves[a])]) for a in range(WIDTH)]
            )
        return [
            _shares([f + b for f, b in zip(*both, strict=True)])
            for both in zip(ahead, behind[::-1], strict=True)
        ]


def _forbidden(a: int, b: int) -> bool:
    """Whether label b may not follow a: the inside of an entity follows its own beginning or inside."""
    return LABELS[b].startswith("I") and LABELS[a][2:] != LABELS[b][2:]


def _total(scores: list[float]) -> float:
    top = max(scores)
    return top + log(sum(exp(score - top) for score in scores))


def _shares(scores: list[float]) -> list[float]:
    total = _total(scores)
    return [exp(score - total) for score in scores]


def groups(low: str, gazetteers: object) -> str:
    """The letters of the single-word gazetteers that hold a word in lower case."""
    number = digest(low)
    return "".join(name for name, held in gazetteers.items() if len(name) == 1 and number in held)  # type: ignore[attr-defined]


def pairs(texts: list[str], cases: list[str], index: int, gazetteers: object) -> list[str]:
    """What a gazetteer of two-word places says of the word at `index`."""
    held = gazetteers.get("places", ())  # type: ignore[attr-defined]
    found = []
    for at, mark in ((index, "PB"), (index - 1, "PI")):
        if (
            0 <= at < len(texts) - 1
            and cases[at] in "CUlm"
            and digest(pair(texts[at], texts[at + 1])) in held
        ):
            found.append(mark + cases[at])
    return found


def features(words: list[Word], gazetteers: object) -> list[list[str]]:
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
            + far(two, letters, "<", held) + far(next_two, letters, ">", held)
            + pairs(texts, cases, index, gazetteers)
        )  # fmt: skip
    return out


__all__ = ["CERTAIN", "Model", "features", "plain"]
