"""keys: who may use the gateway, in whose name, under which policies, models and bounds.

A virtual key is a secret that is shown once, when it is made; the file holds its SHA-256 alone, which is
enough, as a secret has 256 bits of chance.  The file is SQLite, so that the command line and any number of
the gateway's processes share it, and a revoked key is refused at its next request.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from threading import Lock
from typing import Any

PREFIX = "wl_"
NUMBER = 8
"""How many characters of a key's digest are its id."""
BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A virtual key.  `policies` and `models` are globs of the names it may ask for.

    `usd`, `tokens` and `calls` are bounds for each `window` of seconds, or for ever without one; `requests`
    is a bound a minute; `expires` is in seconds since 1970.  None means no bound.
    """

    user: str
    roles: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    models: tuple[str, ...] = ("*",)
    usd: float | None = None
    tokens: int | None = None
    calls: int | None = None
    window: float | None = None
    requests: float | None = None
    expires: float | None = None
    id: str = field(default="", compare=False)
    revoked: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if not self.user:
            raise ValueError("a key needs a user: whose requests it makes")
        for name in ("usd", "tokens", "calls", "window", "requests"):
            most = getattr(self, name)
            if most is not None and not 0 <= most < float("inf"):
                raise ValueError(f"{name} must be a number from 0, not {most}")
        if self.window is not None and not self.bounded:
            raise ValueError("window is for usd, tokens or calls; give one of them, or leave it out")

    @property
    def bounded(self) -> bool:
        return any(most is not None for most in (self.usd, self.tokens, self.calls))

    def may(self, model: str) -> bool:
        return any(fnmatchcase(model, glob) for glob in self.models)

    def allows(self, policy: str) -> bool:
        return any(fnmatchcase(policy, glob) for glob in self.policies)


class Keys:
    """The virtual keys in a file; safe under threads and processes.  Raises ValueError for another file."""

    def __init__(self, path: Path | str) -> None:
        self._lock, self._seen, self._version = Lock(), dict[str, Key | None](), -1
        self._database = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS keys"
                " (digest TEXT PRIMARY KEY, said TEXT NOT NULL, revoked INTEGER)"
            )
        except sqlite3.DatabaseError as error:
            self._database.close()
            raise ValueError(f"{path} is no file of keys: {error}") from None

    def create(self, key: Key) -> tuple[Key, str]:
        """Keep a new key; the key with its id, and the secret, which nobody can look up again."""
        secret = PREFIX + token_urlsafe(32)
        digest = _digest(secret)
        said = {name: value for name, value in asdict(key).items() if name not in ("id", "revoked")}
        with self._lock:
            self._database.execute("INSERT INTO keys VALUES (?, ?, 0)", (digest, json.dumps(said)))
            self._seen.clear()
        return _key(digest, json.dumps(said), False), secret

    def revoke(self, number: str) -> bool:
        """Refuse a key from now on, by its id; whether there was one that still worked."""
        if len(number) != NUMBER:
            return False
        with self._lock:
            self._seen.clear()
            changed = self._database.execute(
                "UPDATE keys SET revoked = 1 WHERE substr(digest, 1, ?) = ? AND revoked = 0", (NUMBER, number)
            )
            return changed.rowcount > 0

    def find(self, secret: str, now: float) -> Key | None:
        """The key that a secret opens at a time, in seconds since 1970; None for one that does not work."""
        digest = _digest(secret)
        with self._lock:
            # Another process's change shows in the version; a look-up without one costs a microsecond.
            (version,) = self._database.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._seen.clear()
                self._version = version
            if digest not in self._seen:
                if len(self._seen) > 10_000:  # wrong secrets are remembered, too
                    self._seen.clear()
                self._seen[digest] = self._read(digest)
            key = self._seen[digest]
        return None if key is None or (key.expires is not None and key.expires <= now) else key

    def __iter__(self) -> Iterator[Key]:
        with self._lock:
            rows = self._database.execute("SELECT digest, said, revoked FROM keys ORDER BY rowid").fetchall()
        return iter([_key(digest, said, bool(revoked)) for digest, said, revoked in rows])

    def close(self) -> None:
        self._database.close()

    def _read(self, digest: str) -> Key | None:
        asked = "SELECT said, revoked FROM keys WHERE digest = ?"
        with closing(self._database.execute(asked, (digest,))) as rows:
            row = rows.fetchone()
        return None if row is None or row[1] else _key(digest, row[0], False)


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(digest: str, said: str, revoked: bool) -> Key:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(said).items()
    }
    return Key(**fields, id=digest[:NUMBER], revoked=revoked)
