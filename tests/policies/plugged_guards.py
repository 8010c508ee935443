"""Guards of an installed package: one of each kind, and the ways in which one may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from guards import Call, Finding, Flow, Part, Reply


@dataclass(frozen=True, slots=True)
class Shout:
    """Capital letters are found.  They are loud."""

    window: ClassVar[int | None] = 1
    letters: str = "A"

    def __call__(self, part: Part) -> Iterable[Finding]:
        return [
            Finding(code="shout", message="loud", start=at, end=at + 1, fix="")
            for at, letter in enumerate(part.text)
            if letter in self.letters
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How strict."""

    low: int
    high: int = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A guard that holds a secret, and is careless with it."""

    key: str
    number: int = 0
    share: float = 0.5
    loud: bool = False
    names: frozenset[str] = frozenset()
    level: Level | None = None
    table: dict[str, Any] = field(default_factory=dict)
    made: Callable[[], str] | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.key) < 3:
            raise ValueError(f"key {self.key} is too short")
        if self.number < 0:
            raise ValueError(f"number must not be negative with the key {self.key}")
        object.__setattr__(self, "made", lambda: self.key)

    def __call__(self, call: Call) -> Flow:
        reply: Reply = yield call
        return reply


@dataclass(frozen=True, slots=True)
class Letter:
    """Puts a file before every call."""

    file: str = "letter.txt"

    def located(self, folder: Path) -> Self:
        text = (folder / self.file).read_text(encoding="utf-8")
        if not text:
            raise ValueError(f"file {self.file} is empty")
        return replace(self, file=text)

    def __call__(self, call: Call) -> Flow:
        reply: Reply = yield call.add(Part(text=self.file))
        return reply


@dataclass(frozen=True, slots=True)
class Clash:
    """Has a setting that every guard has."""

    mode: str = ""

    def __call__(self, call: Call) -> Flow:
        reply: Reply = yield call
        return reply


@dataclass(frozen=True, slots=True)
class Crash:
    """Cannot be made."""

    def __post_init__(self) -> None:
        raise ZeroDivisionError("hunter2")

    def __call__(self, call: Call) -> Flow:
        reply: Reply = yield call
        return reply


class Unknown:
    """What no file can hold."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Has a setting that no file can hold."""

    thing: Unknown | None = None

    def __call__(self, call: Call) -> Flow:
        reply: Reply = yield call
        return reply


def function(call: Call) -> Flow:
    reply: Reply = yield call
    return reply
