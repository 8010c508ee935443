"""JSON inside other text: strictly read, found in fences and prose, freed of trailing commas and comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from math import isinf
from typing import Any, NoReturn

MOST = 32
"""How many candidates, and how many starts that lead nowhere, are looked at; bounds the work to linear."""

# Each of these also matches to the end of the text where its closer is missing, so that no position of a
# hostile text is looked at more than a bounded number of times.
STRING = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
TOKENS = re.compile(rf"{STRING}|[\[\]{{}}]", re.DOTALL)
# What a lenient writer adds and a strict reader refuses.  Strings match first, and are left alone.
CLUTTER = re.compile(rf"({STRING})|//[^\n]*|/\*.*?(?:\*/|\Z)|,(?=\s*[\]}}])", re.DOTALL)
OPENS = re.compile(r"[\[{]")
CLOSES = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Found:
    """A stretch of text, by character offsets, that may be JSON; `fenced` if it fills a code fence."""

    start: int
    end: int
    fenced: bool = False


def strict(text: str) -> Any:
    """The value of a JSON text.

    Raises ValueError for anything that is not JSON by its standard, for a key given twice, for a number
    too large to hold, and for nesting deeper than the interpreter can follow.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read(text: str) -> tuple[Any, str] | None:
    """The value of a stretch of text, and the JSON it stands for; None if there is none."""
    for version in (text, _tidied(text)):
        try:
            return strict(version), version.strip()
        except ValueError:
            continue
    return None


def candidates(text: str) -> Iterator[Found]:
    """Where JSON may stand: what code fences hold, then objects and arrays in them and in the prose."""
    fences = list(islice(FENCE.finditer(text), MOST))
    for fence in fences:
        yield Found(fence.start(2), fence.end(2), fenced=True)
        yield from _balanced(text, fence.start(2), fence.end(2))
    covered = 0
    for fence in fences:
        yield from _balanced(text, covered, fence.start())
        covered = fence.end()
    yield from _balanced(text, covered, len(text))


def _balanced(text: str, start: int, end: int) -> Iterator[Found]:
    """Outermost objects and arrays whose brackets match; one that never closes is skipped."""
    looked = 0
    while looked < MOST and (opening := OPENS.search(text, start, end)):
        looked += 1
        close = _closing(text, opening.start(), end)
        if close is None:
            start = opening.end()
        else:
            yield Found(opening.start(), close)
            start = close


def _closing(text: str, start: int, end: int) -> int | None:
    awaited: list[str] = []
    for token in TOKENS.finditer(text, start, end):
        mark = token[0]
        if mark in CLOSES:
            awaited.append(CLOSES[mark])
        elif mark in "]}":
            if not awaited or awaited.pop() != mark:
                return None
            if not awaited:
                return token.end()
    return None


def _tidied(text: str) -> str:
    return CLUTTER.sub(lambda match: match[1] or "", text)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError("a number is too large")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key is given twice")
    return value
