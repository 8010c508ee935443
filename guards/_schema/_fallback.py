"""Ways to a value in a text that is not plain JSON: the parsers, a pattern, a function of the program."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from guards._errors import Problem
from guards._imports import imported
from guards._salvage import parse, strict
from guards._schema._ask import MISSING, written
from guards._types import Reply
from guards._validate import Validator
from guards._value import replace

Format: TypeAlias = Literal["json", "xml", "yaml", "table", "key_value"]
Coerce: TypeAlias = Literal["exact", "safe", "eager"]


BROKEN_OFF = frozenset({"missing_closer", "missing_quote", "cut", "partial_string", "suspect_number"})
"""What the parser changes in a text that ends too early."""
FILLED_IN = frozenset({"null_added", "default", "empty"})
"""What the parser puts in without finding it in the text; a model that is asked again knows better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex:
    """A value taken out by a regular expression in RE2's syntax: its named groups, or its first."""

    regex: str
    _pattern: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        import re2

        try:
            object.__setattr__(self, "_pattern", re2.compile(self.regex))
        except re2.error as error:
            raise ValueError(f"regex {self.regex!r} is not one in RE2's syntax: {error}") from None

    def __call__(self, text: str) -> str | None:
        """What the match holds, as a text to be parsed; None for no match, or for several that differ."""
        held = {self._held(match): None for match in self._pattern.finditer(text)}
        return next(iter(held)) if len(held) == 1 else None

    def _held(self, match: Any) -> str:
        if named := match.groupdict():
            return json.dumps(named)
        return str(match.group(1 if self._pattern.groups else 0) or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A value that a Python function, `package.module:name`, makes of the text; it may raise."""

    call: str
    _function: Callable[[str], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        function = imported(self.call)
        if not callable(function):
            raise ValueError(f"{self.call!r} is not a function")
        object.__setattr__(self, "_function", function)

    def __call__(self, text: str) -> str | None:
        try:
            return json.dumps(self._function(text), allow_nan=False)
        except Exception:
            # What it cannot read holds no value; the accident's words may quote the text.
            return None


Way: TypeAlias = Format | Regex | Function


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """How a value is sought in a text, and how far that may go."""

    ways: tuple[Way, ...]
    lossy: bool
    coerce: Coerce
    defaults: bool
    cut: bool

    def lossless(self, text: str, validator: Validator, *, cut_short: bool = False) -> Found | None:
        """The value that the text holds, with nothing lost and nothing invented.

        A text that was `cut_short` is whole only if nothing had to be closed for it, as JSON.
        """
        formats = tuple(way for way in self.ways if way == "json" or (isinstance(way, str) and not cut_short))
        if not formats:
            return None
        strictly = replace(self, lossy=False, defaults=False, cut=False)
        found = strictly._parsed(text, formats, validator, cut_short=cut_short)
        return found if found is not None and found.lossless else None

    def value(self, text: str) -> Any:
        """The JSON value that a text is, whether or not it fits any schema; `MISSING` if it is none."""
        try:
            return strict(text)
        except ValueError:
            pass
        try:
            parsed = parse(text, formats=("json",))
        except ValueError:
            return MISSING
        return parsed.plain if parsed.lossless else MISSING

    def anyhow(self, text: str, validator: Validator, *, cut_short: bool = False) -> Found | None:
        """The value that the first way finds, as far as the policy lets it go."""
        for is_format, ways in groupby(self.ways, lambda way: isinstance(way, str)):
            group = tuple(ways)
            if is_format:
                found = self._parsed(text, cast("Any", group), validator, cut_short=cut_short)
            else:
                found = self._taken(group, text, validator)
            if found is not None:
                return found
        return None

    def _taken(self, ways: Iterable[Any], text: str, validator: Validator) -> Found | None:
        for way in ways:
            taken = way(text)
            found = None if taken is None else self._parsed(taken, ("json",), validator)
            if found is not None:
                return found
        return None

    def _parsed(
        self, text: str, formats: tuple[str, ...], validator: Validator, *, cut_short: bool = False
    ) -> Found | None:
        try:
            parsed = parse(
                text,
                None if isinstance(validator.schema, bool) else validator.schema,
                lossy=self.lossy,
                coerce=self.coerce,
                formats=formats,
                defaults=self.defaults,
                cut=self.cut,
                validate=validator,
            )
        except ValueError:
            return None
        changes = tuple(sorted({edit.kind for edit in parsed.changes}))
        if not self._allowed(frozenset(changes), cut_short=cut_short, text=text):
            return None
        value, wrong = validator(parsed.plain)
        if wrong:
            return None
        try:
            text = written(parsed.plain)
        except ValueError:  # NaN and infinities are no JSON, whatever a schema lets pass
            return None
        return Found(value, text, changes, parsed.confidence, parsed.lossless)

    def _allowed(self, changes: frozenset[str], *, cut_short: bool, text: str) -> bool:
        """Whether the policy lets a value pass that took these changes to read."""
        if self.lossy:
            return True
        if changes & FILLED_IN and not self.defaults:
            return False
        return not cut_short or self.cut or not (changes & BROKEN_OFF or open_ended(text))


def open_ended(text: str) -> bool:
    """Whether a JSON text has no end of its own, as a number has none: more of it may have been to come."""
    return text.rstrip()[-1:].isdigit()


class Found(NamedTuple):
    """A value that fits: for the program, as JSON, and what was done to get at it."""

    value: Any
    text: str
    changes: tuple[str, ...] = ()
    confidence: float = 1.0
    lossless: bool = True


class Attempt(NamedTuple):
    """One reply, the text of it that was judged, and the value found there or what was wrong."""

    reply: Reply
    text: str
    problems: tuple[Problem, ...] = ()
    found: Found | None = None
