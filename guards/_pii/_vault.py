"""Placeholders: issued for values, found again however a model wrote them, and put back.

Other stand-ins (ciphertext, surrogates) are kept beside them, and put back where they are found exactly.

`<PERSON_1>` is short, plain and typed, and its digits carry the identity.  A model may change its case, lose
a bracket, escape it, translate or shorten its label or set it in other brackets; the grammar here accepts
that damage and nothing else: a number is never guessed.  Values that differ in case or spacing alone share
a number, and a letter after it tells them apart: `<PERSON_1>`, `<PERSON_1b>`.  Text that is being masked is
read with the same grammar, so that what looks like a placeholder in it is never taken for one later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from guards._pii._entities import LABELS, label
from guards._pii._find import Span
from guards._pii._labels import BARE_GAP, GAP, MEANINGS, begun, either, meanings, tree
from guards._pii._operators import Operators
from guards._pii._quotes import Forms, Quotes, forms, spelled

PLACEHOLDERS = Operators({})

# What tells values that differ in case or spacing apart; no "s", which would be a plural's.
VARIANTS = "bcdefghijklmnopqr"
_LABELS, _NAMES = tree(LABELS), tree(MEANINGS)
_LOOSE, _ANY = f"(?ai:{either(_LABELS, GAP)})", f"(?ai:{either(_NAMES, GAP)})"
_EXACT = either(_LABELS, BARE_GAP)
_NUMBER = r"0{0,3}[1-9][0-9]{0,5}[b-rB-R]{0,2}"
_CLOSE = r"[ ]{0,2}(?:\\{0,16}>|&gt;|\\{1,16}u003[eE])"
_END = r"(?![A-Za-z0-9_])"
# A bare one is a word of its own; what ends a line in a JSON string is no letter of it.
_ALONE = r"(?:(?<![A-Za-z0-9_\\])|(?<=\\[nrt]))"
PLACEHOLDER = re.compile(
    # Opened, and closed unless the closer was lost; a label that is not the issued one takes both.
    r"(?:(?P<x>\\{0,16})<|&lt;|(?P<y>\\{1,16})u003[cC])[ ]{0,2}"
    rf"(?:(?P<a>{_LOOSE})[sS]?{GAP}(?P<m>{_NUMBER})(?:{_CLOSE}|{_END})"
    rf"|(?P<d>{_ANY})[sS]?{GAP}(?P<p>{_NUMBER}){_CLOSE})"
    # In square brackets, unless those are a link's.
    rf"|\[(?P<b>{_LOOSE})[sS]?{GAP}(?P<n>{_NUMBER})\](?!\()"
    # Bare, and then exactly as issued.
    rf"|{_ALONE}(?=[A-Z])(?P<c>{_EXACT}){BARE_GAP}(?P<o>{_NUMBER})(?:{_CLOSE}|{_END})"
)

# Each of these has one of them.
SIGNS = re.compile(r"[<\[_&\\]")

# The beginnings of all these, up to the end of what was seen.
_CLOSING = r"(?:\\{1,16}(?:u(?:0(?:0(?:3)?)?)?)?|&(?:g(?:t)?)?)?"
_NUMBERED = rf"(?:0{{0,3}}|{_NUMBER}(?:[ ]{{0,2}}{_CLOSING})?)"
_OPENED = r"(?:\\{0,16}<|&lt;|\\{1,16}u003[cC])"
_OPENING = r"(?:\\{1,16}(?:u(?:0(?:0(?:3)?)?)?)?|&(?:l(?:t)?)?)"
_LATER = rf"[sS]?(?:\\{{1,16}}|{GAP}{_NUMBERED})?"
BEGUN = re.compile(
    rf"{_OPENED}[ ]{{0,2}}(?:(?ai:{begun(_NAMES, GAP)})|{_ANY}{_LATER})\Z"
    rf"|\[(?:(?ai:{begun(_LABELS, GAP)})|{_LOOSE}{_LATER})\Z"
    rf"|\[{_LOOSE}[sS]?{GAP}{_NUMBER}\]\Z"
    rf"|{_OPENING}\Z"
    rf"|{_ALONE}(?=[A-Z])(?:{begun(_LABELS, BARE_GAP)}|{_EXACT}(?:\\{{1,16}}|{BARE_GAP}{_NUMBERED})?)\Z"
)
# Text without any of these begins no placeholder.
MAY_BEGIN = re.compile(r"[<\[\\&A-Z]")
# No placeholder, with all its escapes, is longer.
LONGEST = 192
# How many JSON strings deep a placeholder may be escaped: the sixteen backslashes above are enough for that.
DEEPEST = 3
# How far back a match looks: at a backslash and a letter.
BEHIND = 2


@dataclass(slots=True)
class Vault:
    """Values and their placeholders for one conversation; the same value always has the same placeholder.

    `values` has the forms of each value by the name of its placeholder.  `families` leads from what values
    are but for case and spacing (its hash, as no two need be told apart by it) to the first such one's
    name, `variants` from the others to theirs.  `standins` are the stand-ins that are no placeholders, each
    with the value's forms; `stood` is the same the other way round.  `used` is when it was last used, in
    seconds on the driver's clock.
    """

    values: dict[str, Forms] = field(default_factory=dict)
    families: dict[int, str] = field(default_factory=dict)
    variants: dict[Forms, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)
    standins: dict[str, tuple[str, Forms]] = field(default_factory=dict)
    stood: dict[Forms, str] = field(default_factory=dict)
    used: float = 0.0

    def copy(self) -> Vault:
        return Vault(
            dict(self.values),
            dict(self.families),
            dict(self.variants),
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
        standins = {text: (entity, tuple(held)) for text, (entity, held) in state["standins"].items()}
        vault = cls(
            counts=dict(state["counts"]),
            reserved=set(state["reserved"]),
            standins=standins,
            stood={held: text for text, (_, held) in standins.items()},
            used=state["used"],
        )
        for name, held in state["values"].items():
            vault._keep(name, tuple(held))
        return vault

    def __bool__(self) -> bool:
        """Whether there is anything to put back."""
        return bool(self.values or self.standins)

    @property
    def pattern(self) -> re.Pattern[str]:
        """Placeholders, and the stand-ins issued so far."""
        return _pattern(tuple(self.standins)) if self.standins else PLACEHOLDER

    @property
    def known(self) -> dict[str, str]:
        """The personal values in it, in all their forms, each with its entity."""
        held = [(name.rpartition("_")[0], forms) for name, forms in self.values.items()]
        held += self.standins.values()
        return {form: entity for entity, forms in held if entity != "TEXT" for form in forms}

    def issue(self, entity: str, value: str, *deeper: str) -> str:
        """The placeholder of a value; `deeper` is how it stands in a JSON string, in one inside of that."""
        held = (value, *deeper)
        first = self.families.get(_family(value))
        if first is None:
            name = self._fresh(label(entity))
        elif self.values[first] == held:
            return f"<{first}>"
        else:
            name = self.variants.get(held) or self._variant(first)
        if name not in self.values:
            self._keep(name, held)
        return f"<{name}>"

    def _keep(self, name: str, held: Forms) -> None:
        self.values[name] = held
        if self.families.setdefault(_family(held[0]), name) != name:
            self.variants[held] = name

    def _fresh(self, label: str) -> str:
        """The next name that no text has held."""
        while True:
            number = self.counts[label] = self.counts.get(label, 0) + 1
            if (name := f"{label}_{number}") not in self.reserved:
                return name

    def _variant(self, first: str) -> str:
        """The next name that shares a number; a number of its own where the letters have run out."""
        while (count := self.counts.get(first, 0)) < len(VARIANTS) * (len(VARIANTS) + 1):
            self.counts[first] = count + 1
            tens, ones = divmod(count, len(VARIANTS))
            name = f"{first}{VARIANTS[tens - 1] if tens else ''}{VARIANTS[ones]}"
            if name not in self.reserved:
                return name
        return self._fresh(first.rpartition("_")[0])

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
                self._reserve(found(PLACEHOLDER, masked))
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
            for match in found(self.pattern, text)
            if self.meant(match) is not None
        )

    def meant(self, match: re.Match[str]) -> Forms | None:
        """The value that a placeholder or stand-in means, in its forms; None if none, or not one alone."""
        if (standin := self.standins.get(match[0])) is not None:
            return standin[1]
        held = [self.values[name] for name in _names(match) if name in self.values]
        return held[0] if len(held) == 1 else None

    def _reserve(self, matches: Iterable[re.Match[str]]) -> None:
        """Never issue what a text holds already."""
        names = (name for match in matches for name in _names(match))
        self.reserved.update(name for name in names if name not in self.values)

    def _masked(self, text: str, spans: list[Span], operators: Operators, beside: str) -> tuple[str, str]:
        """The masked text, and what it means: the text itself, but for what is gone for good."""
        out, meant, done, quotes = [], [], 0, Quotes()
        for span in spans:
            kept, raw = text[done : span.start], text[span.start : span.end]
            quotes.read(kept)
            token, back = self._token(span.entity, forms(raw, quotes.level), operators, text + beside)
            out += [kept, token]
            meant += [kept, raw if back else token]
            done = span.end
        return "".join([*out, text[done:]]), "".join([*meant, text[done:]])

    def _token(self, entity: str, held: Forms, operators: Operators, said: str) -> tuple[str, bool]:
        """What stands for a value, and whether it is put back."""
        if (stood := self.stood.get(held)) is not None:
            return stood, True
        token = operators.token(entity, held[0], lambda made: made in said or made in self.standins)
        if token is None:
            return self.issue(entity, *held), True
        if token.back:
            self.standins[token.text] = (entity, held)
            self.stood[held] = token.text
        return token.text, token.back

    def _lookalikes(self, text: str) -> Iterator[Span]:
        """What the text itself writes like a placeholder that is issued; what is not yet, never will be.

        That is so for what only looks like one once its neighbours are masked, too.
        """
        for match in found(self.pattern, text):
            if self.meant(match) is not None:
                yield Span(match.start(), match.end(), "TEXT", 0.0)
            else:
                self._reserve([match])


def _family(value: str) -> int:
    """What values share that differ in case or spacing alone."""
    return hash("".join(value.split()).casefold())


def _names(match: re.Match[str]) -> list[str]:
    """What a placeholder may be called in the vault; nothing for a stand-in."""
    written = match["a"] or match["d"] or match["b"] or match["c"]
    if written is None:
        return []
    number = (match["m"] or match["p"] or match["n"] or match["o"]).lstrip("0").lower()
    return [f"{label}_{number}" for label in meanings(written)]


def _outside(match: re.Match[str], level: int) -> str:
    """The backslashes before a placeholder that belong to the text, not to it.

    One that a model puts before a mark is written doubled in a JSON string, and again further in; so is the
    one that spells the mark itself.
    """
    run, most = match["x"] or "", 2**level
    if spelling := match["y"]:
        run = spelling[min(len(spelling) & -len(spelling), most) :]
    return run[most:]


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


def found(pattern: re.Pattern[str], text: str, start: int = 0) -> Iterable[re.Match[str]]:
    """Placeholders and stand-ins in a text; most texts hold no sign that any placeholder has."""
    if pattern is PLACEHOLDER and SIGNS.search(text, start) is None:
        return ()
    return pattern.finditer(text, start)


@lru_cache(maxsize=64)
def _pattern(standins: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(map(re.escape, standins), key=len, reverse=True)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(longest_first)})(?![A-Za-z0-9])|{PLACEHOLDER.pattern}")


@lru_cache(maxsize=64)
def _beginnings(standins: tuple[str, ...]) -> frozenset[str]:
    return frozenset(one[:length] for one in standins for length in range(1, len(one) + 1))


class Unmask:
    """Puts values back in passing; holds back no more than what may still become a placeholder.

    `unknown` are the names of placeholders that were met but never issued, nor in what was masked.
    """

    def __init__(self, vault: Vault) -> None:
        self.vault, self.quotes = vault, Quotes()
        self.pattern, self.begun = vault.pattern, _beginnings(tuple(vault.standins))
        self.longest = max(map(len, vault.standins), default=0)
        self.before = self.held = ""
        self.unknown: set[str] = set()

    def feed(self, text: str) -> str:
        if not (self.held or self.longest or MAY_BEGIN.search(text)):
            self.before = (self.before + text)[-BEHIND:]
            return self._plain(text)
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
        for match in found(self.pattern, whole, done):
            if match.start() >= edge:
                break
            edge = max(edge, match.end())
            if (held := self.vault.meant(match)) is not None:
                out.append(self._plain(whole[done : match.start()]))
                done, level = match.start(), self.quotes.level
                if level > DEEPEST and "\\" in match[0]:
                    continue
                out += [self._plain(_outside(match, level)), spelled(held, level)]
                done = match.end()
            else:
                self.unknown.update(name for name in _names(match)[:1] if name not in self.vault.reserved)
        out.append(self._plain(whole[done:edge]))
        self.before, self.held = whole[max(0, edge - BEHIND) : edge], whole[edge:]
        return "".join(out)

    def _plain(self, text: str) -> str:
        self.quotes.read(text)
        return text
