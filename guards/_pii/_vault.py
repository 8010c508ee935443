"""Placeholders: issued for values, found again however a model wrote them, and put back.

`<PERSON_1>` is short, plain and typed, and its digits carry the identity.  A model may change its case, lose
a bracket, escape it or set it in other brackets; the grammar here accepts that damage and nothing else: a
number is never guessed.  Text that is being masked is read with the same grammar, so that what looks like a
placeholder in it is never taken for one later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from guards._pii._find import LABELS, Span

_GAP = r"(?:\\?_|[ -])"
_LOOSE = "|".join(label.replace("_", _GAP) for label in LABELS)
_EXACT = "|".join(label.replace("_", r"\\?_") for label in LABELS)
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


def _begun(label: str, gap: str, plural: str) -> str:
    """A pattern of every beginning of a placeholder with this label, up to the end of what was seen."""
    steps = [*label.replace("_", "-"), plural, "-", "[0-9]{0,9}", "[ ]{0,2}", _CLOSING]
    pattern = r"\Z"
    for step in reversed(steps):
        for one in (r"\\?", gap)[::-1] if step == "-" else (step,):
            pattern = rf"(?:\Z|{one}{pattern})"
    return pattern


_CLOSING = r"(?:\\(?:u(?:0(?:0(?:3)?)?)?)?|&(?:g(?:t)?)?)?"
_OPENING = r"(?:\\(?:u(?:0(?:0(?:3)?)?)?)?|&(?:l(?:t)?)?)\Z"
BEGUN = re.compile(
    rf"(?:{_OPEN}|\[)(?ai:{'|'.join(_begun(label, '[_ -]', '[sS]?') for label in LABELS)})"
    rf"|\[(?ai:{_LOOSE})[sS]?{_GAP}{_NUMBER}\]\Z"
    rf"|{_OPENING}"
    rf"|(?<![A-Za-z0-9_\\])(?=[A-Z])(?:{'|'.join(_begun(label, '_', '') for label in LABELS)})"
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

    A value has two forms: as it is, and as it stands inside a JSON string.
    """

    values: dict[str, tuple[str, str]] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)

    def copy(self) -> Vault:
        return Vault(dict(self.values), dict(self.keys), dict(self.counts), set(self.reserved))

    @property
    def known(self) -> dict[str, str]:
        """The personal values in it, in both forms, each with its entity."""
        return {
            form: entity
            for key, forms in self.values.items()
            if (entity := key.rpartition("_")[0]) != "TEXT"
            for form in forms
        }

    def issue(self, entity: str, value: str, quoted: str | None = None) -> str:
        """The placeholder of a value; `quoted` is how it stands inside a JSON string."""
        forms = (value, quote(value) if quoted is None else quoted)
        key = self.keys.get(forms)
        while key is None:
            number = self.counts[entity] = self.counts.get(entity, 0) + 1
            if (fresh := f"{entity}_{number}") not in self.reserved:
                key = self.keys[forms] = fresh
                self.values[fresh] = forms
        return f"<{key}>"

    def mask(self, text: str, spans: Iterable[Span]) -> str:
        """The text with placeholders in place of the spans, such that `unmask` gives the text back."""
        apart = disjoint([*spans, *self._lookalikes(text)])
        for _ in range(4):
            masked = self._masked(text, apart)
            if self.unmask(masked) == text:
                self.reserved.update(key for key in _keys(masked) if key not in self.values)
                return masked
            # A neighbour of a span looks like part of its placeholder, such as a backslash before it.
            apart = disjoint([Span(max(0, s.start - 1), min(len(text), s.end + 1), s.entity) for s in apart])
        return self.issue("TEXT", text)

    def unmask(self, text: str) -> str:
        """The text with values in place of the placeholders issued, escaped where they stand in JSON."""
        passing = Unmask(self)
        return passing.feed(text) + passing.end()

    def meant(self, match: re.Match[str]) -> tuple[str, str] | None:
        """The value that a placeholder stands for, in both its forms; None if none was issued."""
        return self.values.get(_key(match))

    def _masked(self, text: str, spans: list[Span]) -> str:
        out, done, quotes = [], 0, Quotes()
        for span in spans:
            kept, value = text[done : span.start], text[span.start : span.end]
            quotes.read(kept)
            placed = self.issue(span.entity, _unquoted(value), value) if quotes.inside else None
            out += [kept, placed or self.issue(span.entity, value)]
            done = span.end
        return "".join([*out, text[done:]])

    def _lookalikes(self, text: str) -> Iterator[Span]:
        """What the text itself writes like a placeholder that is issued; what is not yet, never will be.

        That is so for what only looks like one once its neighbours are masked, too.
        """
        for match in PLACEHOLDER.finditer(text):
            if (key := _key(match)) in self.values:
                yield Span(match.start(), match.end(), "TEXT", 0.0)
            else:
                self.reserved.add(key)


def quote(value: str) -> str:
    """A value as it stands inside a JSON string."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value


def _key(match: re.Match[str]) -> str:
    """What a placeholder is called in the vault."""
    label = match["a"] or match["b"] or match["c"]
    label = label.upper().replace("\\", "").replace(" ", "_").replace("-", "_")
    return f"{label}_{int(match['m'] or match['n'] or match['o'])}"


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


class Unmask:
    """Puts values back in passing; holds back no more than what may still become a placeholder."""

    def __init__(self, vault: Vault) -> None:
        self.vault, self.quotes = vault, Quotes()
        self.before = self.held = ""

    def feed(self, text: str) -> str:
        whole = self.before + self.held + text
        begun = BEGUN.search(whole, max(len(self.before), len(whole) - LONGEST))
        return self._release(whole, begun.start() if begun else len(whole))

    def end(self) -> str:
        whole = self.before + self.held
        return self._release(whole, len(whole))

    def _release(self, whole: str, edge: int) -> str:
        """Let go of what stands before the edge, and of the placeholders that begin there."""
        out, done = [], len(self.before)
        for match in PLACEHOLDER.finditer(whole, done):
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
