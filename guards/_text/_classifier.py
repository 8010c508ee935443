"""A small linear classifier of texts: hashed n-grams of words and letters, weights of one byte.

A text is read in windows of `WINDOW` characters, so that a short passage counts in a long text.  The score
of a window is the logistic of the sum of the weights of its features over the root of their number.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import accumulate
from math import exp, sqrt
from zlib import crc32

BUCKETS = 1 << 16
WINDOW, STRIDE = 400, 200
WORD = re.compile(r"\w+|[^\w\s]")
LONGEST = 24
"""How many letters of a word are read."""
HEADER = struct.Struct("<4sIff")
MAGIC = b"WLC1"


@dataclass(frozen=True, slots=True)
class Scored:
    """The part of a text from `start` to `end`, and how likely it is what the classifier looks for."""

    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Classifier:
    """Weights by bucket, in steps of `scale`; `bias` is added to every window's sum."""

    weights: bytes
    scale: float
    bias: float

    @classmethod
    def read(cls, data: bytes) -> Classifier:
        """Raises ValueError for bytes that are no weights."""
        if len(data) != HEADER.size + BUCKETS or not data.startswith(MAGIC):
            raise ValueError("these are no weights of a text classifier; train them anew")
        _, _, scale, bias = HEADER.unpack_from(data)
        return cls(data[HEADER.size :], scale, bias)

    def written(self) -> bytes:
        return HEADER.pack(MAGIC, BUCKETS, self.scale, self.bias) + self.weights

    def best(self, text: str) -> Scored:
        """The likeliest window of a text."""
        return max(self.windows(text), key=lambda one: one.score, default=Scored(0.0, 0, len(text)))

    def windows(self, text: str) -> Iterator[Scored]:
        """Every window, in order; each begins and ends with a word."""
        words = [(found[0], *found.span()) for found in WORD.finditer(text)]
        single, pair, triple = self._sums([word for word, _, _ in words])
        for first, last in spans(words):
            total, count = single[last][0] - single[first][0], single[last][1] - single[first][1]
            for before, size in ((pair, 1), (triple, 2)):
                stop = max(first, last - size)
                total += before[stop] - before[first]
                count += stop - first
            start, end = words[first][1], words[last - 1][2]
            yield Scored(logistic(total * self.scale / sqrt(count) + self.bias), start, end)

    def _sums(self, words: list[str]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        """Sums of weights over all words (with the numbers of features), pairs and triples before each."""
        weights = memoryview(self.weights).cast("b")
        known = {word: weighed(self, word) for word in set(words)}
        singles = list(map(known.__getitem__, words))
        single = [
            (0, 0),
            *zip(accumulate(one for one, _ in singles), accumulate(n for _, n in singles), strict=True),
        ]
        after = {word: b" " + word.encode("utf-8", "surrogatepass") for word in known}
        following = list(map(after.__getitem__, words[1:]))
        # The checksum of words in a row goes on from that of the words before.
        pairs = list(map(crc32, following, (crc32(after[word][1:]) for word in words)))
        triples = map(crc32, following[1:], pairs)
        sums = ([0, *accumulate([weights[one % BUCKETS] for one in some])] for some in (pairs, triples))
        pair, triple = (some + [some[-1]] * (len(words) + 1 - len(some)) for some in sums)
        return single, pair, triple


@lru_cache(maxsize=50_000)
def weighed(model: Classifier, word: str) -> tuple[int, int]:
    """The sum of the weights of a word and its letters, and their number."""
    weights = memoryview(model.weights).cast("b")
    found = buckets(word)
    return sum(weights[one] for one in found), len(found)


def spans(words: list[tuple[str, int, int]]) -> Iterator[tuple[int, int]]:
    """The windows as ranges of words: `WINDOW` characters, each `STRIDE` after the one before."""
    first, last, count = 0, 0, len(words)
    while first < count:
        start = words[first][1]
        last = max(last, first + 1)
        while last < count and words[last][2] <= start + WINDOW:
            last += 1
        yield first, last
        if last == count:
            return
        first += 1
        while first < last and words[first][1] < start + STRIDE:
            first += 1


def grams(words: list[str]) -> list[int]:
    """The buckets of all words of a window, their letters, and pairs and triples of words."""
    found = [one for word in words for one in buckets(word)]
    some = [" ".join(words[at : at + size]) for size in (2, 3) for at in range(len(words) - size + 1)]
    return found + [crc32(one.encode("utf-8", "surrogatepass")) % BUCKETS for one in some]


def buckets(word: str) -> list[int]:
    """Where the weights of a word are: its own, and those of 3 to 5 of its letters in a row."""
    found = [crc32(word.encode("utf-8", "surrogatepass")) % BUCKETS]
    if len(word) > 1:
        text = f"^{word[:LONGEST]}$".encode("utf-8", "surrogatepass")
        found += [
            crc32(text[at : at + size], 1) % BUCKETS
            for size in (3, 4, 5)
            for at in range(len(text) - size + 1)
        ]
    return found


def logistic(value: float) -> float:
    return 1 / (1 + exp(-max(-60.0, min(60.0, value))))


def shipped(name: str) -> Classifier:
    """The classifier of that name that is shipped beside this file."""
    return Classifier.read(files("guards._text").joinpath(f"{name}.weights").read_bytes())
