"""How like a sentence is to examples of topics: by the words that both have, and by parts of their words.

It knows no meanings: a sentence about the same thing in quite other words is not like its examples.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from math import sqrt
from typing import NamedTuple

from guards._language import WORDS
from guards._text._classifier import buckets
from guards._text._views import View, folded

WORD = re.compile(r"\w{4,}")
SENTENCE = re.compile(r"[^.!?\n]{1,1000}")
# What people say about anything tells nothing about a topic.
ANYTHING = frozenset(" ".join(WORDS.values()).split()) | frozenset(
    re.findall(
        r"\w+",
        "about also been could does from good have into know like make need should some take tell than that "
        "their them then there these they this time very want were what where which will with would your",
    )
)
MIDDLE = 1.3
"""How much likeness to all examples of a topic together weighs; alone it is always smaller."""


class Like(NamedTuple):
    """A sentence of a text, a topic, and how like its examples it is, from 0 to 1."""

    topic: str
    score: float
    start: int
    end: int


class Similar:
    """Examples by topic, as unit vectors over hashed words and letters of words.

    Raises ValueError for an example without a word that tells anything; `name` says where it is written.
    """

    def __init__(self, examples: Mapping[str, tuple[str, ...]], name: str) -> None:
        self._weights: dict[int, list[tuple[int, float]]] = defaultdict(list)
        self._topics: list[tuple[str, float]] = []
        for topic, said in examples.items():
            each = [features(folded(View("plain", one)).text) for one in said]
            if not all(each):
                raise ValueError(
                    f"{name} has a sentence under {topic!r} without a word that tells anything; write more"
                )
            for vector in each:
                self._add(topic, 1.0, vector)
            self._add(topic, MIDDLE, together(each))

    def _add(self, topic: str, weight: float, vector: dict[int, float]) -> None:
        for bucket, value in vector.items():
            self._weights[bucket].append((len(self._topics), value))
        self._topics.append((topic, weight))

    def find(self, text: str) -> Iterator[Like]:
        """For each sentence and each topic, how like the topic's examples it is, where it is at all."""
        view = folded(View("plain", text))
        for found in SENTENCE.finditer(view.text):
            best: dict[str, float] = {}
            for number, score in self._scores(features(found[0])).items():
                topic, weight = self._topics[number]
                best[topic] = max(best.get(topic, 0.0), min(1.0, weight * score))
            for topic, score in best.items():
                yield Like(topic, score, *view.span(*found.span()))

    def _scores(self, vector: dict[int, float]) -> dict[int, float]:
        """The cosine of the angle between a sentence and each example that it has anything in common with."""
        scores: dict[int, float] = defaultdict(float)
        for bucket, value in vector.items():
            for number, weight in self._weights.get(bucket, ()):
                scores[number] += value * weight
        return scores


def features(text: str) -> dict[int, float]:
    """A unit vector; empty for a text without a word that tells anything."""
    vector: dict[int, float] = defaultdict(float)
    for word in WORD.findall(text):
        if word not in ANYTHING:
            found = buckets(word)
            for bucket in found:
                vector[bucket] += 1 / sqrt(len(found))
    return unit(vector)


def together(vectors: list[dict[int, float]]) -> dict[int, float]:
    """The direction of all of them."""
    whole: dict[int, float] = defaultdict(float)
    for vector in vectors:
        for bucket, value in vector.items():
            whole[bucket] += value
    return unit(whole)


def unit(vector: Mapping[int, float]) -> dict[int, float]:
    length = sqrt(sum(value * value for value in vector.values()))
    return {bucket: value / length for bucket, value in vector.items()}
