"""topics: what may be talked about, and what may not, by words, phrases and examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from guards._stream import Reader, whole
from guards._text._pages import Pages
from guards._text._phrases import WORD, Phrases
from guards._text._readings import Disguises
from guards._text._scan import Scan
from guards._text._similar import Similar
from guards._text._views import View, folded, views
from guards._types import Finding, Part

PAGE, STRIDE = 8_000, 6_000
"""Characters in which a text is read at a time, and in which the next ones begin."""


@dataclass(frozen=True, slots=True)
class Topics:
    """Finds words and phrases of denied topics, and texts that are about none of the allowed ones.

    `deny` and `allow` map names of topics to their words and phrases, in any case. A denied one is found
    however it is written or encoded; competitors' names are a topic like any other. With `allow`, a text
    of at least `least` words in which none of its words and phrases stands is off topic, as a whole, and
    `instead` is what takes its place where findings are redacted. `examples` has sentences for topics of
    either kind: a sentence that shares enough with one of a denied topic is found, one that does with one of
    an allowed topic is on topic, and `similar` says from what likeness on, from 0 to 1. Users' and the
    model's texts are looked at, the program's own and those of tools are not.
    """

    deny: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    least: int = 5
    instead: str = "I can only help with the topics this service is for."
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    similar: float = 0.35
    _denied: Any = field(default=None, init=False, repr=False, compare=False)
    _allowed: Any = field(default=None, init=False, repr=False, compare=False)
    _like: Any = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.least < 1:
            raise ValueError(f"least must be at least 1, not {self.least}")
        if not 0 < self.similar <= 1:
            raise ValueError(f"similar is {self.similar}; give a likeness above 0, and at most 1")
        for topic in self.examples:
            if topic not in self.deny and topic not in self.allow:
                raise ValueError(
                    f"examples has {topic!r}, which is neither denied nor allowed; name it under one, "
                    f"as in `deny: {{{topic}: []}}`"
                )
        object.__setattr__(self, "_denied", Phrases(self.deny, "deny"))
        object.__setattr__(self, "_allowed", Phrases(self.allow, "allow"))
        object.__setattr__(self, "_like", Similar(self.examples, "examples"))

    @property
    def window(self) -> int | None:
        """Only a whole text is off topic or like an example; denied phrases are found in passing."""
        return None if self.allow or self.examples else PAGE

    def __call__(self, part: Part) -> Iterator[Finding]:
        yield from whole(self.reader(part), part.text)
        if not _is_looked_at(part) or not (self.allow or self.examples):
            return
        like = (
            [one for one in self._like.find(part.text) if one.score >= self.similar] if self.examples else []
        )
        for one in like:
            if one.topic in self.deny:
                message = f"like the examples of the denied topic number {self._number(one.topic)}"
                score = round(one.score, 4)
                yield Finding(
                    code="topics.similar",
                    message=message,
                    start=one.start,
                    end=one.end,
                    fix="[removed]",
                    score=score,
                )
        if self.allow and not any(one.topic in self.allow for one in like) and self._is_off(part.text):
            message = "about none of the allowed topics"
            yield Finding(code="topics.off", message=message, start=0, end=len(part.text), fix=self.instead)

    def _number(self, topic: str) -> int:
        return [*self.deny].index(topic) + 1

    def reader(self, part: Part) -> Reader:
        if not self.deny or not _is_looked_at(part):
            return Scan(())
        return Pages(self._forbidden, PAGE, STRIDE, Disguises(self._denied, self._plain, self._forbidden))

    def _plain(self, text: str) -> Iterator[Finding]:
        return self._found(text, [folded(View("plain", text))])

    def _forbidden(self, text: str) -> Iterator[Finding]:
        return self._found(text, views(text))

    def _found(self, text: str, read: Iterable[View]) -> Iterator[Finding]:
        spans: dict[tuple[int, int], str] = {}
        for view in read:
            for start, end, topic in self._denied.find(view.text):
                spans.setdefault(view.span(start, end), topic)
        for (start, end), topic in sorted(spans.items()):
            message = f"a word of the denied topic number {self._number(topic)}"
            yield Finding(code="topics.denied", message=message, start=start, end=end, fix="[removed]")

    def _is_off(self, text: str) -> bool:
        plain = folded(View("plain", text)).text
        if any(self._allowed.find(plain)):
            return False
        return sum(1 for _ in islice(WORD.finditer(plain), self.least)) >= self.least


def _is_looked_at(part: Part) -> bool:
    return part.kind == "text" and part.role in ("user", "assistant")


guard = Topics
