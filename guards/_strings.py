"""JSON text whose strings are looked at as what they say, in a whole text or in one that flows by.

The arguments of a tool call are such a text.  Each string is unescaped, checked for itself, and escaped again
where it was changed; all else stays as it was written, so that JSON stays JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from guards._types import Filter

PLAIN = re.compile(r'[^"\\]+')
# An escape; two that are the halves of one character are one.
ESCAPE = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u]|\\")
# What may become an escape, or the first half of one, when more text comes.
CUT = re.compile(
    r"\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?)?)?\Z"
)
BETWEEN = re.compile(r"[\s\[\]{}:,]+")
SCALAR = re.compile(r"[-+.\w]+")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
WORDS = frozenset({"true", "false", "null"})
LONGEST = 400
"""Characters of a number."""
SURROGATE = re.compile("[\ud800-\udfff]")


def escaped(text: str) -> str:
    """A text as it stands in a JSON string."""
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    return SURROGATE.sub(lambda one: f"\\u{ord(one[0]):04x}", plain)


class Strings:
    """A filter for JSON: each string, and each number, goes through a filter of its own.

    A number that its filter changes becomes a string.  What is no object and no list, and what is left from
    where the text is no JSON any more, goes through one filter as it is.
    """

    def __init__(self, make: Callable[[], Filter]) -> None:
        self.make, self.inner = make, make()
        self.step, self.cut = self._beginning, ""
        # Pieces that the filter of a string may hold, as they are meant and as they are written.
        self.fed: list[tuple[str, str]] = []
        self.changed = False

    def feed(self, text: str) -> str:
        text, at, out = self.cut + text, 0, list[str]()
        while at < len(text):
            passed, after = self.step(text, at)
            out.append(passed)
            if after == at:
                break
            at = after
        self.cut = text[at:]
        return "".join(out)

    def end(self) -> str:
        rest, self.cut = self.cut, ""
        if self.step == self._between:
            return self._scalar(rest) if rest else ""
        if self.step != self._string:
            return (self.inner.feed(rest) if rest else "") + self.inner.end()
        self.fed.append((rest, rest))
        return self._written(self.inner.feed(rest) + self.inner.end())

    # Each step gives what may go on of the text from a place on, and up to where it came; it comes nowhere
    # when it has to see more.

    def _beginning(self, text: str, at: int) -> tuple[str, int]:
        first = text[at:].lstrip()[:1]
        if not first:
            return "", at
        self.step = self._between if first in "{[" else self._loose
        return self.step(text, at)

    def _loose(self, text: str, at: int) -> tuple[str, int]:
        return self.inner.feed(text[at:]), len(text)

    def _between(self, text: str, at: int) -> tuple[str, int]:
        if signs := BETWEEN.match(text, at):
            return signs[0], signs.end()
        if text[at] == '"':
            self.step, self.inner, self.fed, self.changed = self._string, self.make(), [], False
            return '"', at + 1
        scalar = SCALAR.match(text, at)
        if scalar and scalar.end() == len(text) and len(scalar[0]) < LONGEST:
            return "", at
        if scalar and _is_scalar(scalar[0]):
            return self._scalar(scalar[0]), scalar.end()
        self.step, self.inner = self._loose, self.make()
        return self._loose(text, at)

    def _scalar(self, said: str) -> str:
        one = self.make()
        passed = one.feed(said) + one.end()
        return passed if passed == said or not _is_scalar(said) else f'"{escaped(passed)}"'

    def _string(self, text: str, at: int) -> tuple[str, int]:
        meant = list[str]()
        while at < len(text) and text[at] != '"' and not CUT.match(text, at):
            written = (PLAIN.match(text, at) or ESCAPE.match(text, at) or [""])[0]
            meant.append(_meant(written))
            self.fed.append((meant[-1], written))
            at += len(written)
        passed = self.inner.feed("".join(meant)) if meant else ""
        if at == len(text) or text[at] != '"':
            return self._written(passed), at
        self.step = self._between
        return self._written(passed + self.inner.end()) + '"', at + 1

    def _written(self, passed: str) -> str:
        """What passed of a string, as it was written up to where it was changed."""
        out = list[str]()
        while self.fed and passed and not self.changed:
            meant, written = self.fed[0]
            if passed.startswith(meant):
                out.append(written)
                passed = passed[len(meant) :]
                del self.fed[0]
            elif meant == written and meant.startswith(passed):
                out.append(passed)
                self.fed[0] = (meant[len(passed) :],) * 2
                passed = ""
            else:
                self.changed = True
        return "".join(out) + escaped(passed)


def _is_scalar(said: str) -> bool:
    return said in WORDS or NUMBER.fullmatch(said) is not None


def _meant(written: str) -> str:
    """What a piece of a JSON string says; an escape that is none says itself."""
    if not written.startswith("\\"):
        return written
    try:
        meant: str = json.loads(f'"{written}"')
    except ValueError:
        return written
    return meant
