"""The beginnings of a regular expression: what may still become a match when more text comes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from re import _constants as op  # type: ignore[attr-defined]  # the parser that `re` itself uses
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST = 8192
"""How many characters a pattern's match may have; a stream must be able to hold a match back."""

CLASSES = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}
PLACES = {op.AT_BOUNDARY: r"\b", op.AT_NON_BOUNDARY: r"\B"}
REPEATS = {op.MAX_REPEAT: "", op.MIN_REPEAT: "?", op.POSSESSIVE_REPEAT: ""}
# What looks around itself or at the ends of the text.
AROUND = {op.AT_BEGINNING: "^", op.AT_END: "", op.AT_END_STRING: ""}


def longest(regex: str) -> int:
    """How many characters a match may have.  Raises ValueError for what cannot be found in a stream."""
    try:
        least, most = parser.parse(regex).getwidth()
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern {regex!r} is no regular expression: {error}") from None
    if most > LONGEST:
        raise ValueError(
            f"the pattern {regex!r} may match {LONGEST} characters and more; "
            "put a bound on what it repeats, as {1,64} instead of + and *"
        )
    if least == 0:
        raise ValueError(f"the pattern {regex!r} matches nothing at all; make a part of it required")
    return int(most)


def beginnings(regex: str, *, around: bool = False) -> str:
    """The expression of every beginning of a match, the empty one and the whole ones with it.

    One that may look `around` itself has more beginnings here than it has: what it wants to see after its
    match is left out.
    """
    return _Beginnings(regex, around).starts(list(parser.parse(regex)))


class _Beginnings:
    """Writes the beginnings of one expression."""

    def __init__(self, regex: str, around: bool) -> None:
        self.regex, self.around = regex, around

    def starts(self, nodes: list[Any]) -> str:
        out = ""
        for node in reversed(nodes):
            rest = f"|{self.whole(node)}(?:{out})" if out else f"|{self.whole(node)}"
            out = f"{self.start(node)}{rest}"
        return out

    def start(self, node: Any) -> str:
        """What may stand for one element when the text ends inside it."""
        kind, value = node
        if kind is op.SUBPATTERN or kind is op.ATOMIC_GROUP:
            return f"(?:{self.starts(list(_inner(node)))})"
        if kind is op.BRANCH:
            return f"(?:{'|'.join(self.starts(list(one)) for one in value[1])})"
        if kind in REPEATS:
            _, most, inner = value
            again = f"(?:{self.sequence(inner)}){{0,{most - 1}}}" if most > 1 else ""
            return f"{again}(?:{self.starts(list(inner))})" if most else ""
        return ""

    def sequence(self, nodes: Iterable[Any]) -> str:
        return "".join(map(self.whole, nodes))

    def whole(self, node: Any) -> str:
        kind, value = node
        if kind is op.LITERAL:
            return re.escape(chr(value))
        if kind is op.NOT_LITERAL:
            return f"[^{re.escape(chr(value))}]"
        if kind is op.ANY:
            return "."
        if kind is op.IN:
            return _members(value)
        if kind is op.AT and value in PLACES:
            return PLACES[value]
        if kind is op.SUBPATTERN and (value[1] or value[2]):
            raise ValueError(
                f"the pattern {self.regex!r} turns a flag on; write it for any case without the flag"
            )
        if kind is op.SUBPATTERN or kind is op.ATOMIC_GROUP:
            return f"(?:{self.sequence(_inner(node))})"
        if kind is op.BRANCH:
            return f"(?:{'|'.join(map(self.sequence, value[1]))})"
        if kind in REPEATS:
            least, most, inner = value
            return f"(?:{self.sequence(inner)}){{{least},{most}}}{REPEATS[kind]}"
        if self.around:
            return self._around(kind, value)
        raise ValueError(
            f"the pattern {self.regex!r} looks around itself or at the ends of the text, which a stream "
            r"hides; use \b and plain groups"
        )

    def _around(self, kind: Any, value: Any) -> str:
        if kind is op.AT and value in AROUND:
            return AROUND[value]
        if kind in (op.ASSERT, op.ASSERT_NOT) and value[0] < 0:
            return f"(?<{'=' if kind is op.ASSERT else '!'}{self.sequence(value[1])})"
        if kind is op.ASSERT_NOT and value[1].getwidth()[1] <= 1:
            return ""  # one character ahead is not there yet when the text ends
        raise ValueError(
            f"the pattern {self.regex!r} refers to its own groups or looks far ahead: no stream can hold it"
        )


def _inner(node: Any) -> Iterable[Any]:
    kind, value = node
    inner: Iterable[Any] = value[-1] if kind is op.SUBPATTERN else value
    return inner


def _members(value: list[Any]) -> str:
    out = []
    for kind, one in value:
        if kind is op.NEGATE:
            out.append("^")
        elif kind is op.LITERAL:
            out.append(re.escape(chr(one)))
        elif kind is op.RANGE:
            out.append(f"{re.escape(chr(one[0]))}-{re.escape(chr(one[1]))}")
        else:
            out.append(CLASSES[one])
    return f"[{''.join(out)}]"


def partial(regex: str, flags: int = 0, *, around: bool = False) -> re.Pattern[str]:
    """What matches a text from some place to its end, if that may become a match of the expression."""
    return re.compile(rf"(?:{beginnings(regex, around=around)})\Z", flags)
