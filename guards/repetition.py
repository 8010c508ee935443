"""repetition: a text that goes round in a loop is ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from guards._flow import Flow
from guards._text._cut import CutAction, cutting
from guards._types import Call, Finding, Side

LONGEST = 1024
STRIDE = 512


@dataclass(frozen=True, slots=True)
class Repetition:
    """No piece of up to `longest` characters `times` in a row, in a loop of `characters` or more in all.

    `at` are the sides looked at: call, reply.  `then` says what becomes of a loop: `cut` ends the text where
    it is certain, also in a stream, `block` refuses it, and `warn` only tells.  Pieces without a letter or
    digit, such as a line of dashes, are no loop.
    """

    times: int = 5
    longest: int = 200
    characters: int = 100
    at: tuple[Side, ...] = ("reply",)
    then: CutAction = "cut"

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.times < 2:
            raise ValueError(f"times is {self.times}; a loop goes round at least 2 times")
        if not 1 <= self.longest <= LONGEST:
            raise ValueError(f"longest is {self.longest}; give 1 to {LONGEST} characters")
        if self.characters < 0:
            raise ValueError(f"characters is {self.characters}; give 0 or more")

    def __call__(self, call: Call) -> Flow:
        return cutting(call, lambda: Loops(self), "repetition", self.at, self.then)


class Loops:
    """What has come lately, as much of it as a loop may have before it is certain."""

    def __init__(self, limits: Repetition) -> None:
        self.limits = limits
        self.most = max(limits.times * limits.longest, limits.characters)
        self.recent = ""

    def feed(self, text: str) -> tuple[int, Finding | None]:
        """How far the text goes until a loop is certain."""
        seen = self.recent + text
        ends = [end for end in self._certain(seen) if end > len(self.recent)]
        within = min(ends, default=None)
        if within is not None:
            return within - len(self.recent), Finding(
                code="repetition.loop", message=f"the same text {self.limits.times} times in a row"
            )
        self.recent = seen[-self.most :]
        return len(text), None

    def _certain(self, text: str) -> Iterator[int]:
        for period in range(1, self.limits.longest + 1):
            whole = max(period * self.limits.times, self.limits.characters)
            for start in _loops(text, period, whole):
                if re.search(r"[^\W_]", text[start : start + period]):
                    yield start + whole
                    break


def _loops(text: str, period: int, whole: int) -> Iterator[int]:
    """Where runs of `whole` characters begin in which each is the one that stood a period before it.

    A mismatch rules out every run across it, so that the search goes on behind the last one in sight.
    """
    at, need = 0, whole - period
    while at + whole <= len(text):
        if text[at : at + need] != text[at + period : at + whole]:
            last = at + need - 1
            while text[last] == text[last + period]:
                last -= 1
            at = last + 1
            continue
        yield at
        at = _end(text, at + need, period) + 1


def _end(text: str, at: int, period: int) -> int:
    """The first place from here that differs from the one a period later."""
    while (piece := text[at : at + STRIDE]) and piece == text[at + period : at + period + STRIDE]:
        at += len(piece)
    while at + period < len(text) and text[at] == text[at + period]:
        at += 1
    return at


guard = Repetition
