"""Phrases in a normalised text, word for word, whatever stands between the words."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import TypeAlias

from guards._text._match import Terms
from guards._text._pages import OPEN
from guards._text._views import CIPHERS, View, folded

WORD = re.compile(r"\w+")
Phrase: TypeAlias = tuple[str, ...]


class Phrases:
    """Phrases by topic.  Raises ValueError for one without words; `name` says where it is written."""

    def __init__(self, topics: Mapping[str, tuple[str, ...]], name: str) -> None:
        self.known: dict[str, list[tuple[Phrase, str]]] = {}
        for topic, said in topics.items():
            for one in said:
                words = tuple(WORD.findall(folded(View("plain", one)).text))
                if not words:
                    raise ValueError(
                        f"{name} has a phrase without words under {topic!r}; write words or drop it"
                    )
                self.known.setdefault(words[0], []).append((words, topic))

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where phrases stand, and their topics."""
        for hit in self._first_words.find(text):
            words = [(one[0], one.end()) for one in islice(WORD.finditer(text, hit.start), self._most)]
            for phrase, topic in self.known.get(words[0][0], ()):
                here = words[: len(phrase)]
                if tuple(word for word, _ in here) == phrase:
                    yield hit.start, here[-1][1], topic

    def begun(self, text: str) -> Iterator[tuple[int, int]]:
        """Where phrases stand, plain or under a cipher, and where one is begun that the text does not end."""
        words = [(one[0], one.start(), one.end()) for one in WORD.finditer(text)]
        for at, (word, start, end) in enumerate(words):
            if end == len(text) and self._begins(word):
                yield start, OPEN
            for phrase in self.disguised.get(word, ()):
                here = words[at : at + len(phrase)]
                if not all(one[0] == said for one, said in zip(here[:-1], phrase, strict=False)):
                    continue
                last, said = here[-1], phrase[len(here) - 1]
                if last[0] == said and len(here) == len(phrase):
                    yield start, last[2]
                goes_on = last[2] == len(text) and said.startswith(last[0])
                if goes_on or (last[0] == said and len(here) < len(phrase)):
                    yield start, OPEN

    def _begins(self, word: str) -> bool:
        place = bisect_left(self._firsts, word)
        return place < len(self._firsts) and self._firsts[place].startswith(word)

    @cached_property
    def _first_words(self) -> Terms:
        return Terms(self.known)

    @cached_property
    def _most(self) -> int:
        """Words of the longest phrase."""
        return max(len(phrase) for many in self.known.values() for phrase, _ in many)

    @cached_property
    def disguised(self) -> dict[str, set[Phrase]]:
        """Every phrase as it stands in a text that is read under a cipher, by its first word."""
        out: dict[str, set[Phrase]] = {}
        for many in self.known.values():
            for phrase, _ in many:
                backwards = tuple(word[::-1] for word in reversed(phrase))
                coded = (tuple(word.translate(table) for word in phrase) for table in CIPHERS.values())
                for one in (phrase, backwards, *coded):
                    out.setdefault(one[0], set()).add(one)
        return out

    @cached_property
    def _firsts(self) -> list[str]:
        return sorted(self.disguised)
