"""topics: what may be talked about, and what may not, by words and phrases."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias

from guards._text._views import View, folded, views
from guards._types import Finding, Part

WORD = re.compile(r"\w+")
Phrases: TypeAlias = Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]
"""By first word: all words of a phrase, and its topic."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Finds words and phrases of denied topics, and texts that are about none of the allowed ones.

    `deny` and `allow` map names of topics to their words and phrases, in any case. A denied one is found
    however it is written or encoded; competitors' names are a topic like any other. With `allow`, a text
    of at least `least` words in which none of its words and phrases stands is off topic, as a whole, and
    `instead` is what takes its place where findings are redacted. Users' and the model's texts are looked
    at, the program's own and those of tools are not.
    """

    deny: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    least: int = 5
    instead: str = "I can only help with the topics this service is for."
    _denied: Phrases = field(default_factory=dict, init=False, repr=False, compare=False)
    _allowed: Phrases = field(default_factory=dict, init=False, repr=False, compare=False)

    window: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")
        object.__setattr__(self, "_denied", phrases(self.deny, "deny"))
        object.__setattr__(self, "_allowed", phrases(self.allow, "allow"))

    def __call__(self, part: Part) -> Iterator[Finding]:
        if part.kind != "text" or part.role not in ("user", "assistant"):
            return
        if self.deny:
            yield from self._forbidden(part.text)
        if self.allow and self._is_off(part.text):
            message = "about none of the allowed topics"
            yield Finding(code="topics.off", message=message, start=0, end=len(part.text), fix=self.instead)

    def _forbidden(self, text: str) -> Iterator[Finding]:
        spans: dict[tuple[int, int], tuple[str, str]] = {}
        for view in views(text):
            for start, end, topic in found(view.text, self._denied):
                spans.setdefault(view.span(start, end), (topic, view.name))
        for (start, end), (topic, read) in sorted(spans.items()):
            message = f"a word of the denied topic number {[*self.deny].index(topic) + 1}"
            yield Finding(
                code="topics.denied", message=message, start=start, end=end, fix="[removed]", view=read
            )

    def _is_off(self, text: str) -> bool:
        plain = folded(View("plain", text)).text
        if next(found(plain, self._allowed), None) is not None:
            return False
        return sum(1 for _ in WORD.finditer(plain)) >= self.least


def phrases(topics: Mapping[str, tuple[str, ...]], name: str) -> Phrases:
    """Every phrase by its first word; raises ValueError for one without words."""
    out: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for topic, said in topics.items():
        for one in said:
            words = tuple(WORD.findall(folded(View("plain", one)).text))
            if not words:
                raise ValueError(f"{name} has a phrase without words under {topic!r}; write words or drop it")
            out.setdefault(words[0], []).append((words, topic))
    return {first: tuple(many) for first, many in out.items()}


def found(text: str, known: Phrases) -> Iterator[tuple[int, int, str]]:
    """Where phrases stand in a normalised text, and their topics."""
    words = [(one[0], one.start(), one.end()) for one in WORD.finditer(text)]
    for at, (word, start, _) in enumerate(words):
        for phrase, topic in known.get(word, ()):
            here = words[at : at + len(phrase)]
            if len(here) == len(phrase) and all(
                one[0] == said for one, said in zip(here, phrase, strict=True)
            ):
                yield start, here[-1][2], topic


guard = Topics
