"""What may stand in evidence: plain names as they are, all else and persons as keyed digests."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b

NAME = re.compile(r"[A-Za-z0-9_.:/<>*~-]{0,128}").fullmatch
PHRASE = re.compile(r"[a-z][a-z0-9_ -]{0,63}").fullmatch
REMEMBERED = 4_096


class Names:
    """Names and digests under one key; without a key, nothing is said of what is no plain name."""

    __slots__ = ("_key", "digest", "name")

    def __init__(self, key: str) -> None:
        self._key = blake2b(key.encode()).digest() if key else b""
        # The same few come again and again.
        self.name = lru_cache(REMEMBERED)(self._name)
        self.digest = lru_cache(REMEMBERED)(self._digest)

    def _name(self, text: str) -> str:
        """A name as it is; anything that may be more than a name as a digest."""
        return text if NAME(text) else f"digest:{self._digest('name', text)}"

    def _digest(self, kind: str, text: str) -> str:
        """A person or a session, so that only who has the key can tell which; empty without a key."""
        if not text or not self._key:
            return ""
        told = f"{kind}\n{text}".encode("utf-8", "surrogatepass")
        return blake2b(told, key=self._key, digest_size=16).hexdigest()
