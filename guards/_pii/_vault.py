"""Placeholders: issued for values, found again however a model wrote them, and put back.

`<PERSON_1>` is short, plain and typed, and its digits carry the identity.  A model may change its case, lose
a bracket, escape it or set it in other brackets; the grammar here accepts that damage and nothing else: a
number is never guessed.  Text that is being masked is read with the same grammar, so that what looks like a
placeholder in it is never taken for one later.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from guards._pii._find import Span

_GAP = r"(?:\\?_|[ -])"
_LABEL = rf"[A-Za-z]{{1,20}}(?:{_GAP}[A-Za-z]{{1,20}}){{0,3}}"
_PLAIN = r"[A-Z]{1,20}(?:\\?_[A-Z]{1,20}){0,3}"
_NUMBER = r"0{0,3}[1-9][0-9]{0,5}"
_OPEN = r"(?:\\?<|&lt;|\\u003[cC])[ ]{0,2}"
_CLOSE = r"[ ]{0,2}(?:\\?>|&gt;|\\u003[eE])"
_END = r"(?![A-Za-z0-9_])"
PLACEHOLDER = re.compile(
    # Opened, and closed unless the closer was lost; in square brackets, unless those are a link's.
    rf"{_OPEN}(?P<a>{_LABEL}){_GAP}(?P<m>{_NUMBER})(?:{_CLOSE}|{_END})"
    rf"|\[(?P<b>{_LABEL}){_GAP}(?P<n>{_NUMBER})\](?!\()"
    # Bare, and then exactly as issued.
    rf"|(?<![A-Za-z0-9_\\])(?P<c>{_PLAIN})\\?_(?P<o>{_NUMBER})(?:{_CLOSE}|{_END})"
)
# No placeholder, with all its escapes, is longer.
LONGEST = 128
# The closer of a placeholder, or what shows that it is none, may follow within so many characters.
CLOSER = 9
# What a placeholder may begin with, up to the end of what has been seen.
_BEGUN = re.compile(
    rf"(?:[<\[&\\][A-Za-z0-9_\\ ;&<-]{{0,{LONGEST}}}"
    rf"|(?<![A-Za-z0-9_\\])[A-Z][A-Za-z0-9_\\ ;&>-]{{0,{LONGEST}}})\Z"
)


@dataclass(slots=True)
class Vault:
    """Values and their placeholders for one conversation; the same value always has the same placeholder."""

    values: dict[str, str] = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)

    def copy(self) -> Vault:
        return Vault(dict(self.values), dict(self.keys), dict(self.counts), set(self.reserved))

    def issue(self, entity: str, value: str) -> str:
        """The placeholder of a value."""
        key = self.keys.get((entity, value))
        while key is None:
            number = self.counts[entity] = self.counts.get(entity, 0) + 1
            if (fresh := f"{entity}_{number}") not in self.reserved:
                key = self.keys[entity, value] = fresh
                self.values[fresh] = value
        return f"<{key}>"

    def mask(self, text: str, spans: Iterable[Span]) -> str:
        """The text with placeholders in place of the spans, such that `unmask` gives the text back."""
        apart = _apart([*spans, *self._lookalikes(text)])
        for _ in range(4):
            masked = self._masked(text, apart)
            if self.unmask(masked) == text:
                return masked
            # A neighbour of a span looks like part of its placeholder, such as a backslash before it.
            apart = _apart([Span(max(0, s.start - 1), min(len(text), s.end + 1), s.entity) for s in apart])
        return self.issue("TEXT", text)

    def unmask(self, text: str, *, escaped: bool = False) -> str:
        """The text with values in place of the placeholders issued; `escaped` as inside a JSON string."""
        return PLACEHOLDER.sub(lambda match: self.meant(match, escaped=escaped), text)

    def unmask_json(self, text: str) -> str:
        """The same where the text may be JSON, which it stays."""
        return self.unmask(text, escaped=bool(self.values) and _is_json(text))

    def meant(self, match: re.Match[str], *, escaped: bool = False) -> str:
        """The value that a placeholder stands for, or the text as it is if none was issued."""
        value = next((self.values[key] for key in _keys(match) if key in self.values), None)
        if value is None:
            return match[0]
        return json.dumps(value, ensure_ascii=False)[1:-1] if escaped else value

    def _masked(self, text: str, spans: list[Span]) -> str:
        out, done = [], 0
        for span in spans:
            out += [text[done : span.start], self.issue(span.entity, text[span.start : span.end])]
            done = span.end
        return "".join([*out, text[done:]])

    def _lookalikes(self, text: str) -> Iterator[Span]:
        """What the text itself writes like a placeholder: masked if issued already, else never issued."""
        for match in PLACEHOLDER.finditer(text):
            keys = _keys(match)
            if any(key in self.values for key in keys):
                yield Span(match.start(), match.end(), "TEXT", 0.0)
            else:
                self.reserved.update(keys)


def _keys(match: re.Match[str]) -> tuple[str, ...]:
    """What a placeholder may be called in the vault: as written, or without a plural's s."""
    label = match["a"] or match["b"] or match["c"]
    label = label.upper().replace("\\", "").replace(" ", "_").replace("-", "_")
    number = int(match["m"] or match["n"] or match["o"])
    return (f"{label}_{number}", f"{label[:-1]}_{number}") if label.endswith("S") else (f"{label}_{number}",)


def _apart(spans: list[Span]) -> list[Span]:
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


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


class Unmask:
    """Puts values back in passing; holds back no more than what may still become a placeholder."""

    def __init__(self, vault: Vault, told: Callable[[int], None] = lambda count: None) -> None:
        self.vault, self.told = vault, told
        self.before = self.held = ""

    def feed(self, text: str) -> str:
        self.held += text
        return self._release(self._safe())

    def end(self) -> str:
        return self._release(len(self.held))

    def _safe(self) -> int:
        """How much of what is held can no longer be part of a placeholder that is not complete."""
        whole = self.before + self.held
        first = len(whole)
        if begun := _BEGUN.search(whole, max(0, len(whole) - LONGEST)):
            first = begun.start()
        for match in PLACEHOLDER.finditer(whole, len(self.before)):
            if match.end() > first or match.end() > len(whole) - CLOSER:
                first = min(first, match.start())
        return max(0, first - len(self.before))

    def _release(self, cut: int) -> str:
        if not cut:
            return ""
        whole, edge = self.before + self.held, len(self.before) + cut
        out, done = [], len(self.before)
        for match in PLACEHOLDER.finditer(whole, done):
            if match.end() > edge:
                break
            out += [whole[done : match.start()], self.vault.meant(match)]
            done = match.end()
        out.append(whole[done:edge])
        # A match looks one character back.
        self.before, self.held = whole[edge - 1 : edge], whole[edge:]
        return "".join(out)
