"""secrets: keys, tokens, passwords and private keys, in what goes out and what comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, ClassVar

from guards._text._match import Prefixes
from guards._text._secret import Rule, Rules, infixes, rules, sample
from guards._types import Finding, Part

FIX = "<SECRET>"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys and tokens of some 200 providers, private keys, logins in addresses, and values named as secrets.

    `score` is how sure a finding must be: 1 for a key whose checksum is right, 0.8 for a known format, 0.7
    for a random value beside a word such as password.  `allow` are keys, or globs of them, that are none.
    `generic` also looks for values that are only named as secrets.  What documentation shows in place of a
    key is no finding.
    """

    score: float = 0.5
    allow: tuple[str, ...] = ()
    generic: bool = True
    window: int = field(init=False, repr=False, compare=False, default=0)
    # A login's value begins so long after the address that it stands in, at most.
    before: ClassVar[int] = 128

    def __post_init__(self) -> None:
        if not 0 <= self.score <= 1:
            raise ValueError(f"score is {self.score}; it is a likelihood, from 0 to 1")
        object.__setattr__(self, "window", rules(self.generic).window)

    def __call__(self, part: Part) -> Iterator[Finding]:
        text = part.text
        found: dict[tuple[int, int], tuple[float, str]] = {}
        for rule, start, after in _candidates(text, self.generic):
            match = rule.body.match(text, after)
            if match is None:
                continue
            span = match.span("value") if rule.inside else (start, match.end())
            value = match["value"] if rule.inside else match[0]
            score = rule.likely(value)
            if score >= self.score and score > found.get(span, (0.0, ""))[0] and not self._sample(text, span):
                found[span] = (score, rule.code)
        for hit in infixes().find(text):
            span = (hit.start, hit.end)
            if self.score <= 0.8 and span not in found and not self._sample(text, span):
                found[span] = (0.8, hit.what)
        for (start, end), (score, code) in sorted(found.items()):
            yield Finding(
                code=code,
                message="a key, token or password",
                start=start,
                end=end,
                fix=FIX,
                score=score,
            )

    def _sample(self, text: str, span: tuple[int, int]) -> bool:
        value = text[slice(*span)]
        return sample(value) or any(fnmatchcase(value, one) for one in self.allow)

    def pending(self, text: str) -> int:
        """Where the earliest key starts that more text may still bring or lengthen."""
        base = max(0, len(text) - self.window)
        tail = text[base:]
        at = min(_begun(tail, self.generic), _prefix(tail, self.generic), infixes().pending(tail))
        return base + at


def _candidates(text: str, generic: bool) -> Iterator[tuple[Rule, int, int]]:
    """Each rule whose prefix stands in the text, where it starts, and where it ends."""
    (keys, words), held = _machines(generic), rules(generic)
    for machine, table, names, said in (
        (keys, held.keys, list(held.keys), text),
        (words, held.words, list(held.words), _low(text)),
    ):
        for index, start, end in machine.find_matches_as_indexes(_plain(said), overlapping=True):
            name = names[index]
            # The first letters of a key, and a provider's name, are not in the middle of a word.
            within = start > 0 and name[0].isalnum() and text[start - 1].isalnum()
            for rule in table[name]:
                if rule.anywhere or not within:
                    yield rule, start, end


def _low(text: str) -> str:
    """The text in lower case, of the same length: one letter alone would become two."""
    return text.lower() if text.isascii() else text.replace("\u0130", "i").lower()


def _plain(text: str) -> str:
    """The text for an automaton, which takes no lone surrogates."""
    return text if text.isascii() else re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def _begun(tail: str, generic: bool) -> int:
    return min(
        (start for rule, start, after in _candidates(tail, generic) if rule.begun.match(tail, after)),
        default=len(tail),
    )


def _prefix(tail: str, generic: bool) -> int:
    """Where the longest end of the text starts that is the beginning of a prefix."""
    names = _names(generic)
    low = _low(tail[-names.longest :])
    return len(tail) - len(low) + names.begun(low)


@lru_cache(maxsize=2)
def _names(generic: bool) -> Prefixes:
    held: Rules = rules(generic)
    return Prefixes({name.lower() for name in (*held.keys, *held.words)}, whole=True)


@lru_cache(maxsize=2)
def _machines(generic: bool) -> tuple[Any, Any]:
    from ahocorasick_rs import AhoCorasick

    held = rules(generic)
    return AhoCorasick(list(held.keys)), AhoCorasick(list(held.words))


guard = Secrets
