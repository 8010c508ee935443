"""What a policy lets pass although it is found: matched texts, known by keyed digests alone.

The digests stand in the policy and tell nothing about the texts to whoever lacks the key.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from guards._stream import Reader, moved, reader
from guards._types import Finding, Part

if TYPE_CHECKING:
    from guards._flow import Check

DIGEST = re.compile(r"[0-9a-f]{32}")
SHORTEST_KEY = 16


def sound(digests: Iterable[str], key: str) -> None:
    """Raise ValueError for digests that are none, and for a key that is missing or can be guessed."""
    for number, one in enumerate(digests, 1):
        if not DIGEST.fullmatch(one):
            raise ValueError(
                f"allow_digests has no digest at number {number}; let `wardline allow` write them"
            )
        if len(key) < SHORTEST_KEY:
            raise ValueError(
                f"allow_key has {len(key)} characters; name a secret of {SHORTEST_KEY} or more, as in "
                '"${WARDLINE_ALLOW_KEY}"'
            )


def digest(text: str, key: str) -> str:
    """HMAC-SHA256 of a text, 128 bits in hexadecimal.

    How it is spaced and its compatibility characters do not count; the case of its letters does, as it
    does in keys and addresses.
    """
    import hmac
    from unicodedata import normalize

    said = " ".join(normalize("NFKC", text).split())
    return hmac.new(key.encode(), said.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:32]


def unlisted(text: str, found: Iterable[Finding], digests: Collection[str], key: str) -> Iterator[Finding]:
    """The findings whose text is not let pass; one that points nowhere is never let pass."""
    for one in found:
        matched = text[one.start : one.end]
        if not digests or not matched.strip() or digest(matched, key) not in digests:
            yield one


class Unlisted:
    """A check that does not report what is let pass; in all else it is the check itself."""

    def __init__(self, check: Check, digests: Iterable[str], key: str) -> None:
        self.check, self.digests, self.key = check, frozenset(digests), key

    @property
    def window(self) -> int | None:
        return self.check.window

    def __getattr__(self, name: str) -> Any:
        return getattr(self.check, name)

    def __call__(self, part: Part) -> Iterator[Finding]:
        return unlisted(part.text, self.check(part), self.digests, self.key)

    def reader(self, part: Part) -> Reader:
        return Unlisting(reader(self.check, part), self)


class Unlisting:
    """Reads for a check, without what is let pass."""

    def __init__(self, inner: Reader, check: Unlisted) -> None:
        self.inner, self.check = inner, check
        self.text, self.start = "", 0

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        self.text += text
        found, edge = self.inner.read(text, final=final)
        here = (moved(one, -self.start) for one in found)
        kept = [
            moved(one, self.start) for one in unlisted(self.text, here, self.check.digests, self.check.key)
        ]
        self.text, self.start = self.text[edge - self.start :], edge
        return kept, edge
