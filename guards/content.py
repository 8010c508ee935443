"""content: hateful, abusive, sexual, violent and dangerous language, by category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar, Literal, TypeAlias, get_args

from guards._stream import Nearby, Reader
from guards._text._classifier import WINDOW, Classifier, shipped
from guards._text._lexicon import SPAN, Hit, lexicon, told
from guards._text._views import View, folded
from guards._types import Finding, Part

Category: TypeAlias = Literal[
    "hate", "harassment", "self_harm", "sexual", "violence", "dangerous", "profanity"
]
Language: TypeAlias = Literal["en", "de", "es", "fr", "it", "pt"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
USUAL: Mapping[Category, float] = {**dict.fromkeys(CATEGORIES, 0.7), "profanity": 1.0}
TELLABLE = frozenset({"hate", "harassment", "violence", "profanity"})
"""What somebody may quote or report without meaning it; how to do harm stays the same in quotes."""
SCORED = 65_536
"""Characters at the beginning of a text that the classifier reads."""
MESSAGES: Mapping[str, str] = {
    "hate": "contempt for a group of people",
    "harassment": "an attack on a person",
    "self_harm": "harm to oneself",
    "sexual": "explicit sexual language",
    "violence": "a threat, or cruelty",
    "dangerous": "instructions that do harm",
    "profanity": "coarse language",
}


@dataclass(frozen=True, slots=True)
class Content:
    """Finds hate, harassment, self-harm, sexual, violent and dangerous language, and profanity.

    `categories` are those looked for, `languages` those of the words and phrases (en, de, es, fr, it, pt);
    none means all. Each phrase has a score from 0 to 1 in its category; from the category's threshold on
    `then` says what happens, below it the finding is only recorded. `thresholds` change it by category: it is
    0.7, and 1 for profanity, which so is only recorded. With `reporting`, hate, harassment, violence and
    profanity that is quoted or reported counts half. A small classifier of insults and hate also scores
    texts as a whole: from `flag` on that is recorded, and from `block` on `then` applies; it errs often, so
    that without `block` it never does more than record. With `block`, replies are not streamed.
    """

    categories: tuple[Category, ...] = ()
    thresholds: Mapping[Category, float] = field(default_factory=dict)
    languages: tuple[Language, ...] = ()
    reporting: bool = True
    flag: float | None = 0.84
    block: float | None = None

    def __post_init__(self) -> None:
        for name, one in (*self.thresholds.items(), ("flag", self.flag), ("block", self.block)):
            if one is not None and not 0 < one <= 1:
                raise ValueError(f"{name}: {one} is no threshold; give more than 0 and at most 1")
        if self.block is not None and (self.flag is None or self.block < self.flag):
            raise ValueError("block must be at least `flag`, from which a score is recorded")

    @property
    def window(self) -> int | None:
        """Words and phrases are found in passing; a score that may block needs the whole text."""
        return WINDOW if self.block is None else None

    @property
    def heavy(self) -> bool:
        return self.flag is not None

    def __call__(self, part: Part) -> Iterator[Finding]:
        if part.role != "system":
            yield from self.phrases(part.text)
            yield from self.scored(part.text)

    def reader(self, part: Part) -> Reader:
        return Passing(self, part)

    def phrases(self, text: str) -> Iterator[Finding]:
        """What is said outright."""
        for hit in lexicon(self.languages).find(text):
            if not self.categories or hit.category in self.categories:
                yield self._finding(text, hit)

    def _finding(self, text: str, hit: Hit) -> Finding:
        score = hit.score
        if self.reporting and hit.category in TELLABLE and told(text, hit.start):
            score /= 2
        least = {**USUAL, **self.thresholds}[hit.category]  # type: ignore[index]  # the table has no others
        return Finding(
            code=f"content.{hit.category}",
            message=MESSAGES[hit.category],
            start=hit.start,
            end=hit.end,
            fix="[removed]",
            score=score,
            advisory=score < least,
        )

    def scored(self, text: str) -> Iterator[Finding]:
        """What the classifier makes of the beginning of a text."""
        if self.flag is None:
            return
        view = folded(View("plain", text[:SCORED]))
        best = classifier().best(view.text)
        if best.score < self.flag:
            return
        start, end = view.span(best.start, best.end)
        yield Finding(
            code="content.toxic",
            message="insulting or hateful, by the classifier",
            start=start,
            end=min(end, start + WINDOW),
            fix="[removed]",
            score=round(best.score, 4),
            advisory=self.block is None or best.score < self.block,
        )


@dataclass(frozen=True, slots=True)
class Outright:
    """A check for words and phrases alone, which are found in passing."""

    content: Content

    window: ClassVar[int] = SPAN

    def __call__(self, part: Part) -> Iterator[Finding]:
        return self.content.phrases(part.text)

    def pending(self, text: str) -> int:
        return lexicon(self.content.languages).pending(text)


class Passing:
    """Reads words and phrases in passing, and has the classifier score the text when it has passed."""

    def __init__(self, content: Content, part: Part) -> None:
        self.content, self.looks = content, part.role != "system"
        self.nearby = Nearby(Outright(content), part)
        self.pieces, self.seen = list[str](), 0

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        if not self.looks:
            self.seen += len(text)
            return [], self.seen
        if self.seen < SCORED:
            self.pieces.append(text)
            self.seen += len(text)
        found, edge = self.nearby.read(text, final=final)
        if final:
            found += self.content.scored("".join(self.pieces))
        return found, edge


def toxicity(text: str) -> float:
    """How likely any stretch of a text is insulting or hateful, from 0 to 1; it errs often."""
    return classifier().best(folded(View("plain", text)).text).score


@cache
def classifier() -> Classifier:
    return shipped("toxicity")


guard = Content
