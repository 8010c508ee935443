"""size: texts no longer than they may be, cut off in a stream as soon as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from guards._flow import Flow
from guards._text._cut import CutAction, cutting
from guards._types import Call, Finding, Side

WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Size:
    """No part longer than `characters`, `lines` or `words`; 0 sets no limit.

    `at` are the sides held to it: call, reply.  `then` says what becomes of a longer one: `block` refuses
    it, `cut` ends it there, also in a stream, and `warn` only tells.  Words stand between blanks.
    """

    characters: int = 100_000
    lines: int = 0
    words: int = 0
    at: tuple[Side, ...] = ("call", "reply")
    then: CutAction = "block"

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in ("characters", "lines", "words"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; give a positive number, or 0 for no limit"
                )

    def __call__(self, call: Call) -> Flow:
        return cutting(call, lambda: Lengths(self), "size", self.at, self.then)


class Lengths:
    """What has come so far of each that is limited."""

    def __init__(self, limits: Size) -> None:
        self.limits = limits
        self.characters = self.lines = self.words = 0
        self.inside = False

    def feed(self, text: str) -> tuple[int, Finding | None]:
        over = [
            (at, kind)
            for kind in ("characters", "lines", "words")
            if getattr(self.limits, kind) and (at := getattr(self, f"_{kind}")(text)) < len(text)
        ]
        if not over:
            return len(text), None
        at, kind = min(over)
        why = Finding(code=f"size.{kind}", message=f"more than {getattr(self.limits, kind)} {kind}")
        return at, why

    def _characters(self, text: str) -> int:
        left = self.limits.characters - self.characters
        self.characters += len(text)
        return left

    def _lines(self, text: str) -> int:
        """The first character of a line too many is over; the end of the line before is not."""
        at = 0
        for _ in range(self.limits.lines - self.lines):
            at = text.find("\n", at) + 1
            if at == 0:
                return len(text)
            self.lines += 1
        return at

    def _words(self, text: str) -> int:
        for match in WORD.finditer(text):
            if match.start() or not self.inside:
                if self.words == self.limits.words:
                    return match.start()
                self.words += 1
        if text:
            self.inside = not text[-1].isspace()
        return len(text)


guard = Size
