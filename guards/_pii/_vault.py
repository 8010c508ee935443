"""Placeholders: issued for values, found again however a model wrote them, and put back.

Other stand-ins (ciphertext, surrogates) are kept beside them, and put back where they are found exactly.

`<PERSON_1>` is short, plain and typed, and its digits carry the identity.  A model may change its case, lose
a bracket, escape it or set it in other brackets; the grammar here accepts that damage and nothing else: a
number is never guessed.  Text that is being masked is read with the same grammar, so that what looks like a
placeholder in it is never taken for one later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from guards._pii._entities import LABELS, label
from guards._pii._find import Span
from guards._pii._operators import Operators

Forms: TypeAlias = tuple[str, str]
PLACEHOLDERS = Operators({})

_GAP = r"(?:\\?_|[ -])"
_LOOSE = "|".join(one.replace("_", _GAP) for one in LABELS)
_EXACT = "|".join(one.replace("_", r"\\?_") for one in LABELS)
_NUMBER = r"0{0,3}[1-9][0-9]{0,5}"
_OPEN = r"(?:\\?<|&lt;|\\u003[cC])[ ]{0,2}"
_CLOSE = r"[ ]{0,2}(?:\\?>|&gt;|\\u003[eE])"
_END = r"(?![A-Za-z0-9_])"
PLACEHOLDER = re.compile(
    # Opened, and closed unless the closer was lost; in square brackets, unless those are a link's.
    rf"{_OPEN}(?P<a>(?ai:{_LOOSE}))[sS]?{_GAP}(?P<m>{_NUMBER})(?:{_CLOSE}|{_END})"
    rf"|\[(?P<b>(?ai:{_LOOSE}))[sS]?{_GAP}(?P<n>{_NUMBER})\](?!\()"
    # Bare, and then exactly as issued.
    rf"|(?<![A-Za-z0-9_\\])(?P<c>{_EXACT})\\?_(?P<o>{_NUMBER})(?:{_CLOSE}|{_END})"
)


def _begun(name: str, gap: str, plural: str) -> str:
    """A pattern of every beginning of a placeholder with this label, up to the end of what was seen."""
    steps = [*name.replace("_", "-"), plural, "-", "[0-9]{0,9}", "[ ]{0,2}", _CLOSING]
    pattern = r"\Z"
    for step in reversed(steps):
        for one in (r"\\?", gap)[::-1] if step == "-" else (step,):
            pattern = rf"(?:\Z|{one}{pattern})"
    return pattern


_CLOSING = r"(?:\\(?:u(?:0(?:0(?:3)?)?)?)?|&(?:g(?:t)?)?)?"
_OPENING = r"(?:\\(?:u(?:0(?:0(?:3)?)?)?)?|&(?:l(?:t)?)?)\Z"
BEGUN = re.compile(
    rf"(?:{_OPEN}|\[)(?ai:{'|'.join(_begun(one, '[_ -]', '[sS]?') for one in LABELS)})"
    rf"|\[(?ai:{_LOOSE})[sS]?{_GAP}{_NUMBER}\]\Z"
    rf"|{_OPENING}"
    rf"|(?<![A-Za-z0-9_\\])(?=[A-Z])(?:{'|'.join(_begun(one, '_', '') for one in LABELS)})"
)
# No placeholder, with all its escapes, is longer.
LONGEST = 128


class Quotes:
    """Whether the end of a text that passes stands inside a JSON string.

    JSON begins where a text begins with a bracket, or where in prose a quote follows brackets at once, and
    ends where its brackets close.  Text may pass in any pieces.
    """

    MARKS = re.compile(r'["\\{}\[\]]|[^"\\{}\[\]]+')

    def __init__(self) -> None:
        self.inside = self.escaped = False
        self.depth = self.opened = 0
        self.fresh = True

    def read(self, text: str) -> None:
        for mark in self.MARKS.findall(text):
            self._mark(mark)

    def _mark(self, mark: str) -> None:
        if self.escaped:
            self.escaped = False
        elif self.inside:
            self.escaped = mark == "\\"
            self.inside = mark != '"'
        elif mark in ("{", "["):
            self.opened += 1
            if self.fresh or self.depth:
                self.depth += 1
        elif mark == '"' and (self.depth or self.opened):
            self.depth = self.depth or self.opened
            self.inside = True
        elif mark in ("}", "]"):
            self.depth = max(0, self.depth - 1)
        if not mark.isspace():
            self.fresh = False
            if mark not in ("{", "["):
                self.opened = 0


@dataclass(slots=True)
class Vault:
    """Values and their placeholders for one conversation; the same value always has the same placeholder.

    A value has two forms: as it is, and as it stands inside a JSON string.  `standins` are the stand-ins that
    are no placeholders, each with the value's forms; `stood` is the same the other way round.
    `used` is when it was last used, in seconds on the driver's clock.
    """

    values: dict[str, Forms] = field(default_factory=dict)
    keys: dict[Forms, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)
    standins: dict[str, tuple[str, Forms]] = field(default_factory=dict)
    stood: dict[Forms, str] = field(default_factory=dict)
    used: float = 0.0

    def copy(self) -> Vault:
        return Vault(
            dict(self.values),
            dict(self.keys),
            dict(self.counts),
            set(self.reserved),
            dict(self.standins),
            dict(self.stood),
            self.used,
        )

    def dump(self) -> dict[str, Any]:
        """The vault as JSON values."""
        return {
            "values": self.values,
            "counts": self.counts,
            "reserved": sorted(self.reserved),
            "standins": self.standins,
            "used": self.used,
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Vault:
        """The vault that was dumped."""
        values = {name: (value, quoted) for name, (value, quoted) in state["values"].items()}
        standins = {
            text: (entity, (value, quoted)) for text, (entity, (value, quoted)) in state["standins"].items()
        }
        return cls(
            values=values,
            keys={forms: name for name, forms in values.items()},
            counts=dict(state["counts"]),
            reserved=set(state["reserved"]),
            standins=standins,
            stood={forms: text for text, (_, forms) in standins.items()},
            used=state["used"],
        )

    def __bool__(self) -> bool:
        """Whether there is anything to put back."""
        return bool(self.values or self.standins)

    @property
    def pattern(self) -> re.Pattern[str]:
        """Placeholders, and the stand-ins issued so far."""
        return _pattern(tuple(self.standins)) if self.standins else PLACEHOLDER

    @property
    def known(self) -> dict[str, str]:
        """The personal values in it, in both forms, each with its entity."""
        held = [(key.rpartition("_")[0], forms) for key, forms in self.values.items()]
        held += self.standins.values()
        return {form: entity for entity, forms in held if entity != "TEXT" for form in forms}

    def issue(self, entity: str, value: str, quoted: str | None = None) -> str:
        """The placeholder of a value; `quoted` is how it stands inside a JSON string."""
        forms = (value, quote(value) if quoted is None else quoted)
        key = self.keys.get(forms)
        name = label(entity)
        while key is None:
            number = self.counts[name] = self.counts.get(name, 0) + 1
            if (fresh := f"{name}_{number}") not in self.reserved:
                key = self.keys[forms] = fresh
                self.values[fresh] = forms
        return f"<{key}>"

    def mask(
        self, text: str, spans: Iterable[Span], operators: Operators = PLACEHOLDERS, beside: str = ""
    ) -> str:
        """The text with something else in place of the spans, such that `unmask` gives the text back.

        Only what an operator takes away for good stays away.  `beside` is what else is said in the same
        breath: no stand-in is made that stands there, or it would be taken for one.
        """
        apart = disjoint([*spans, *self._lookalikes(text)])
        for _ in range(4):
            masked, meant = self._masked(text, apart, operators, beside)
            if self.unmask(masked) == meant:
                self.reserved.update(key for key in _keys(masked) if key not in self.values)
                return masked
            # A neighbour of a span looks like part of its placeholder, such as a backslash before it.
            apart = disjoint([Span(max(0, s.start - 1), min(len(text), s.end + 1), s.entity) for s in apart])
        return self.issue("TEXT", text)

    def unmask(self, text: str) -> str:
        """The text with values in place of the placeholders issued, escaped where they stand in JSON."""
        passing = Unmask(self)
        return passing.feed(text) + passing.end()

    def covers(self, text: str, span: Span) -> bool:
        """Whether what stands there was put in by this vault."""
        return any(
            match.start() < span.end and span.start < match.end()
            for match in self.pattern.finditer(text)
            if self.meant(match) is not None
        )

    def meant(self, match: re.Match[str]) -> Forms | None:
        """The value that a placeholder or stand-in means, in both its forms; None if none was issued."""
        if (standin := self.standins.get(match[0])) is not None:
            return standin[1]
        return self.values.get(_key(match))

    def _masked(self, text: str, spans: list[Span], operators: Operators, beside: str) -> tuple[str, str]:
        """The masked text, and what it means: the text itself, but for what is gone for good."""
        out, meant, done, quotes = [], [], 0, Quotes()
        for span in spans:
            kept, raw = text[done : span.start], text[span.start : span.end]
            quotes.read(kept)
            forms = (_unquoted(raw), raw) if quotes.inside else (raw, quote(raw))
            token, back = self._token(span.entity, forms, operators, text + beside)
            out += [kept, token]
            meant += [kept, raw if back else token]
            done = span.end
        return "".join([*out, text[done:]]), "".join([*meant, text[done:]])

    def _token(self, entity: str, forms: Forms, operators: Operators, said: str) -> tuple[str, bool]:
        """What stands for a value, and whether it is put back."""
        if (stood := self.stood.get(forms)) is not None:
            return stood, True
        token = operators.token(entity, forms[0], lambda made: made in said or made in self.standins)
        if token is None:
            return self.issue(entity, *forms), True
        if token.back:
            self.standins[token.text] = (entity, forms)
            self.stood[forms] = token.text
        return token.text, token.back

    def _lookalikes(self, text: str) -> Iterator[Span]:
        """What the text itself writes like a placeholder that is issued; what is not yet, never will be.

        That is so for what only looks like one once its neighbours are masked, too.
        """
        for match in self.pattern.finditer(text):
            if self.meant(match) is not None:
                yield Span(match.start(), match.end(), "TEXT", 0.0)
            else:
                self.reserved.add(_key(match))


def quote(value: str) -> str:
    """A value as it stands inside a JSON string; itself where that is the same, to be kept once."""
    quoted = json.dumps(value, ensure_ascii=False)[1:-1]
    return value if quoted == value else quoted


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value


def _key(match: re.Match[str]) -> str:
    """What a placeholder is called in the vault."""
    name = match["a"] or match["b"] or match["c"]
    name = name.upper().replace("\\", "").replace(" ", "_").replace("-", "_")
    return f"{name}_{int(match['m'] or match['n'] or match['o'])}"


def _keys(text: str) -> Iterator[str]:
    return map(_key, PLACEHOLDER.finditer(text))


def disjoint(spans: list[Span]) -> list[Span]:
    """Spans that overlap or touch nothing of one another: those that do become one, named by the surest."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            surest = max((last, span), key=lambda s: (s.score, s.end - s.start))
            merged[-1] = Span(last.start, max(last.end, span.end), surest.entity, surest.score)
        elif span.start < span.end:
            merged.append(span)
    return merged


@lru_cache(maxsize=64)
def _pattern(standins: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(map(re.escape, standins), key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(longest_first)})(?![A-Za-z0-9])|{PLACEHOLDER.pattern}")


@lru_cache(maxsize=64)
def _beginnings(standins: tuple[str, ...]) -> frozenset[str]:
    return frozenset(one[:length] for one in standins for length in range(1, len(one) + 1))


class Unmask:
    """Puts values back in passing; holds back no more than what may still become a placeholder."""

    def __init__(self, vault: Vault) -> None:
        self.vault, self.quotes = vault, Quotes()
        self.pattern, self.begun = vault.pattern, _beginnings(tuple(vault.standins))
        self.longest = max(map(len, vault.standins), default=0)
        self.before = self.held = ""

    def feed(self, text: str) -> str:
        whole = self.before + self.held + text
        begun = BEGUN.search(whole, max(len(self.before), len(whole) - LONGEST))
        edge = begun.start() if begun else len(whole)
        for start in range(max(len(self.before), len(whole) - self.longest), edge):
            if whole[start:] in self.begun:
                edge = start
                break
        return self._release(whole, edge)

    def end(self) -> str:
        whole = self.before + self.held
        return self._release(whole, len(whole))

    def _release(self, whole: str, edge: int) -> str:
        """Let go of what stands before the edge, and of the placeholders that begin there."""
        out, done = [], len(self.before)
        for match in self.pattern.finditer(whole, done):
            if match.start() >= edge:
                break
            if (forms := self.vault.meant(match)) is not None:
                out += [self._plain(whole[done : match.start()]), forms[self.quotes.inside]]
                done = match.end()
            edge = max(edge, match.end())
        out.append(self._plain(whole[done:edge]))
        # A match looks one character back.
        self.before, self.held = whole[max(0, edge - 1) : edge], whole[edge:]
        return "".join(out)

    def _plain(self, text: str) -> str:
        self.quotes.read(text)
        return text
