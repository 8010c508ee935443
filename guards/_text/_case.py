"""Letters that differ in case alone, as one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

# No letter that has a case lies above.
CASED = 0x20000
SURROGATE = range(0xD800, 0xE000)
# Automata take no lone surrogates: each is read as a character of a plane that nobody writes in.
PRIVATE = 0x100000


def folded(text: str) -> str:
    """The text, of the same length, with one character for all that `re.IGNORECASE` takes for the same."""
    if text.isascii():
        return text.lower()
    rare, common = _rare()
    return rare.sub(lambda match: common[match[0]], text).lower()


@lru_cache(maxsize=1)
def _rare() -> tuple[re.Pattern[str], dict[str, str]]:
    """The characters that lower-casing a text would not do right, and what stands for each."""
    alike: dict[str, list[str]] = {}
    for char in map(chr, range(CASED)):
        if (upper := _lower(char).upper()) != char or char != _lower(char):
            alike.setdefault(upper, []).append(char)
    chosen = {
        upper: min(map(_lower, group), key=lambda one: one != upper.lower()) for upper, group in alike.items()
    }
    common = {char: chosen[upper] for upper, group in alike.items() for char in group}
    # A capital sigma becomes another letter at the end of a word than elsewhere.
    common = {char: one for char, one in common.items() if char.lower() != one or char == "Σ"}
    common |= {chr(code): chr(code + PRIVATE) for code in SURROGATE}
    return re.compile(f"[{''.join(_ranges(common))}]"), common


def _ranges(chars: Iterable[str]) -> Iterator[str]:
    yield from (re.escape(char) for char in chars if ord(char) not in SURROGATE)
    yield "\ud800-\udfff"


def _lower(char: str) -> str:
    """The character in lower case; one that becomes two, as the capital I with a dot, gives the first."""
    return char.lower()[0]
