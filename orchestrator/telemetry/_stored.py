"""Reading a trace store: one request's events, requests by what they were, and crossings for figures."""

# ruff: noqa: S608 - the names in these queries are our own; what users say is a parameter

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.telemetry.events import GOOD, Trace
from orchestrator.telemetry.traces import HELP, NAMED, VERSION, event_of, listed, no_store

TOTAL = (
    "SELECT request, time, user, group_concat(DISTINCT target), outcome, "
    f"sum(outcome NOT IN ({listed(GOOD)})), count(*), sum(attempt), "
    'sum("input" + "output"), (SELECT max(time) - min(time - seconds) FROM events WHERE request = ?1 AND '
    "what = 'crossed'), sum(cost), max(n) FROM events WHERE request = ?1 AND what = 'crossed'"
)
"""Bare columns are those of the row with the one maximum, which is the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which crossings are meant: those of a time, a target, an outcome, a user's digest, and so on.

    `since` and `until` are in seconds since 1970.  The `outcome` may be `failed`, for all that are no reply.
    """

    since: float | None = None
    until: float | None = None
    boundary: str = ""
    target: str = ""
    model: str = ""
    outcome: str = ""
    user: str = ""
    policy: str = ""

    def clause(self) -> tuple[str, list[Any]]:
        """As SQL, with its parameters."""
        clauses, values = ["what = 'crossed'"], list[Any]()
        for name in ("boundary", "target", "model", "user", "policy"):
            if wanted := getattr(self, name):
                clauses.append(f"{name} = ?")
                values.append(wanted)
        for clause, bound in (("time >= ?", self.since), ("time <= ?", self.until)):
            if bound is not None:
                clauses.append(clause)
                values.append(bound)
        if self.outcome == "failed":
            clauses.append(f"outcome NOT IN ({', '.join('?' * len(GOOD))})")
            values += sorted(GOOD)
        elif self.outcome:
            clauses.append("outcome = ?")
            values.append(self.outcome)
        return " AND ".join(clauses), values


class Crossing(NamedTuple):
    """A crossing, as far as figures need it."""

    id: str
    boundary: str
    target: str
    model: str
    user: str
    policy: str
    outcome: str
    input: int
    output: int
    cached: int
    seconds: float
    cost: float | None
    attempt: int


class Request(NamedTuple):
    """What one request came to: when it ended, its crossings, attempts, tokens, seconds and US dollars.

    `outcome` is how its last crossing ended, and `failed` counts those that did not come to a reply.
    """

    request: str
    time: float
    user: str
    targets: str
    outcome: str
    failed: int
    crossings: int
    attempts: int
    tokens: int
    seconds: float
    cost: float | None


class Stored:
    """A trace store, opened for reading while others write.  Raises OSError for any other file."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._database = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            known = self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone()
        except sqlite3.Error as error:
            raise no_store(self.path, str(error)) from None
        if version != VERSION or known is None:
            self._database.close()
            raise no_store(self.path, f"it has no events of version {VERSION}")

    def close(self) -> None:
        self._database.close()

    def events(self, request: str) -> list[Trace]:
        """Everything that happened in a request, in the order in which it ended."""
        return [
            event_of(row)
            for row in self._rows(f"SELECT {NAMED} FROM events WHERE request = ? ORDER BY n", request)
        ]

    def requests(self, which: Which, *, least_cost: float = 0.0) -> Iterator[Request]:
        """Requests with a crossing that is meant, the latest first, with all that they came to."""
        clause, values = which.clause()
        query = f"SELECT request FROM events WHERE {clause} ORDER BY time DESC"
        for request in dict.fromkeys(request for (request,) in self._rows(query, *values)):
            *told, _ = next(self._rows(TOTAL, request))
            if (told[-1] or 0.0) >= least_cost:
                yield Request(*told)

    def crossings(self, which: Which) -> Iterator[Crossing]:
        """Every crossing that is meant, in the order in which they ended."""
        clause, values = which.clause()
        query = f"SELECT {', '.join(Crossing._fields)} FROM events WHERE {clause} ORDER BY time"
        return map(Crossing._make, self._rows(query, *values))

    def helped(self) -> dict[str, set[str]]:
        """Each kind of help that guards gave, and to which crossings, by their ids."""
        found: dict[str, set[str]] = {}
        for what, crossing in self._rows(f"SELECT what, parent FROM events WHERE {HELP}"):
            found.setdefault(what, set()).add(crossing)
        return found

    def dropped(self) -> int:
        """How many events the writers had no room for, or could not write."""
        told = self._rows("SELECT sum(json_extract(data, '$.events')) FROM events WHERE what = 'dropped'")
        return next(told)[0] or 0

    def _rows(self, query: str, *values: Any) -> Iterator[Any]:
        with closing(self._database.cursor()) as cursor:
            yield from cursor.execute(query, values)


@contextmanager
def stored(path: Path | str) -> Iterator[Stored]:
    opened = Stored(path)
    try:
        yield opened
    finally:
        opened.close()
