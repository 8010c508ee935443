"""The embedded trace store: events in an SQLite file, which is all that one machine needs.

A sink for events.  Whoever calls it never waits: events go to a queue of bounded length, and a thread writes
them down many at a time.  What found no room, or could not be written, is counted, and stands in the store.
"""

from __future__ import annotations

import atexit
import json
import os
import sqlite3
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from errno import EINVAL
from operator import attrgetter
from pathlib import Path
from threading import Event as Bell
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from orchestrator.telemetry.events import USUAL, Trace

if TYPE_CHECKING:
    from orchestrator._engine.clock import Clock
    from orchestrator.telemetry.evidence import Evidence

VERSION = 1
COLUMNS = tuple(USUAL)
MAPPINGS = ("findings", "data")
FIELDS = attrgetter(*COLUMNS)
AT = tuple(COLUMNS.index(name) for name in MAPPINGS)
NAMED = ", ".join(f'"{name}"' for name in COLUMNS)
INSERT = f"INSERT INTO events ({NAMED}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - our own names
HELPED = (
    "degraded",
    "escalated",
    "fell back",
    "hedged",
    "re-asked",
    "reasked",
    "repaired",
    "retry",
    "reviewed",
)
"""What guards do to come to a reply after all."""


def listed(words: Iterable[str]) -> str:
    """Our own words as a list in SQL."""
    return ", ".join(map(repr, sorted(words)))


HELP = f"what IN ({listed(HELPED)})"
MAKE = (
    f"CREATE TABLE IF NOT EXISTS events (n INTEGER PRIMARY KEY, {NAMED})",
    "CREATE INDEX IF NOT EXISTS requests ON events (request)",
    # These two hold all that figures over many crossings are made of.
    "CREATE INDEX IF NOT EXISTS crossings ON events (time, boundary, target, model, user, policy, outcome, "
    "input, output, cached, seconds, cost, attempt, id, request) WHERE what = 'crossed'",
    f"CREATE INDEX IF NOT EXISTS help ON events (time, what, parent) WHERE {HELP}",
    "CREATE INDEX IF NOT EXISTS drops ON events (time) WHERE what = 'dropped'",
    f"PRAGMA user_version = {VERSION}",
)
BATCH = 4_000
"""How many events are one transaction at most, and how many wait before the writer is woken early."""
PAUSE = 0.1
"""Seconds between two looks at the queue, which is how long an event stays in memory at most."""
BUSY_SECONDS = 30.0
"""How long the writer waits for another process that writes into the same file."""
LOT = 10_000
"""How many of the oldest events are forgotten at once, which is more than a batch."""
TIDY_SECONDS = 60.0
LEAST_BYTES = 10_000_000
CLOSE_SECONDS = 10.0

Row: TypeAlias = tuple[Any, ...]


class TraceStore:
    """Events in an SQLite file, at most about `most_bytes` and `most_seconds` old; the oldest go first.

    At most `room` events wait to be written.  `written`, `dropped` (no room) and `lost` (could not be
    written, as `problem` says) count events.  Several processes may write into one file, and a process that
    was forked goes on.  Raises OSError for a file that is no trace store or cannot be opened.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        most_bytes: int = 256_000_000,
        most_seconds: float = 7 * 86_400.0,
        room: int = 50_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if most_bytes < LEAST_BYTES or most_seconds <= 0 or room < 1:
            problem = (
                f"most_bytes must be at least {LEAST_BYTES:,}, most_seconds more than 0, room at least 1"
            )
            raise ValueError(problem)
        self.path, self._most_bytes, self._most_seconds = Path(path), most_bytes, most_seconds
        self._room, self._clock = room, clock
        self.written, self.dropped, self.lost, self.problem = 0, 0, 0, ""
        self._told, self._unforgotten, self._tidied = 0, 0, 0.0
        try:
            with closing(self._connected()):
                pass
        except sqlite3.Error as error:
            raise no_store(self.path, str(error)) from None
        self._reset()
        _remember(self)

    def _reset(self) -> None:
        self._waiting, self._lock, self._file, self._bell = deque[Trace | Bell](), Lock(), Lock(), Bell()
        self._thread: Thread | None = None
        self._database: sqlite3.Connection | None = None
        self._closing = self._held = False

    def __call__(self, event: Trace) -> None:
        waiting = self._waiting
        if len(waiting) >= self._room:
            with self._lock:
                self.dropped += 1
            return
        waiting.append(event)
        if self._thread is None:
            self._begin()
        elif len(waiting) == BATCH:
            self._bell.set()

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until what was told before stands in the file; False if that takes longer."""
        written = Bell()
        self._waiting.append(written)
        self._begin()
        self._bell.set()
        return written.wait(seconds)

    def close(self) -> None:
        """Write what waits and close the file; an event that comes later opens it again."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._closing = True
        if thread is not None:
            self._bell.set()
            thread.join(CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._closing = False
                self._thread = Thread(target=self._work, name="wardline-traces", daemon=True)
                self._thread.start()

    # The writer's thread

    def _work(self) -> None:
        going = True
        while going:
            self._bell.wait(PAUSE)
            self._bell.clear()
            going = not self._closing
            while self._waiting:
                self._write(list(self._taken()))
        if self._missing > self._told:
            self._write([])
        with self._file:
            self._disconnect()

    def _taken(self) -> Iterator[Trace | Bell]:
        for _ in range(BATCH):
            try:
                yield self._waiting.popleft()
            except IndexError:
                return

    def _write(self, batch: list[Trace | Bell]) -> None:
        events = [one for one in batch if not isinstance(one, Bell)]
        with self._file:
            try:
                if self._database is None:
                    self._database = self._connected()
                self._insert(self._database, events)
                self._tidy(self._database)
            except sqlite3.Error as error:
                self.problem = str(error)
                self.lost += len(events)
                self._disconnect()
        for one in batch:
            if isinstance(one, Bell):
                one.set()

    @property
    def _missing(self) -> int:
        return self.dropped + self.lost

    def _insert(self, database: sqlite3.Connection, events: list[Trace]) -> None:
        missing, rows = self._missing, list(map(row, events))
        if missing > self._told:
            data = {"events": missing - self._told}
            rows.append(row(Trace(what="dropped", outcome="dropped", time=self._clock(), data=data)))
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany(INSERT, rows)
            database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise
        self.written += len(events)
        self._unforgotten += len(events)
        self._told = missing

    def _tidy(self, database: sqlite3.Connection) -> None:
        """Delete what is too old or too much, a lot at a time; other processes do so, too."""
        now = self._clock()
        if self._unforgotten < BATCH and now < self._tidied + TIDY_SECONDS:
            return
        self._unforgotten, self._tidied = 0, now
        first, oldest = database.execute("SELECT n, time FROM events ORDER BY n LIMIT 1").fetchone() or (
            0,
            now,
        )
        before = now - self._most_seconds
        if _size(database) > self._most_bytes:
            database.execute("DELETE FROM events WHERE n < ?", (first + LOT,))
        elif oldest < before:
            database.execute("DELETE FROM events WHERE n < ? AND time < ?", (first + LOT, before))

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _disconnect(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()

    # SQLite keeps account of the locks of its process, and a child would believe them to be its own.

    def _before_fork(self) -> None:
        self._held = self._file.acquire(timeout=CLOSE_SECONDS)
        if self._held:
            self._disconnect()

    def _in_parent(self) -> None:
        if self._held:
            self._file.release()

    def _in_child(self) -> None:
        """The thread and what waited are the parent's."""
        self._reset()
        self.written = self.dropped = self.lost = self._told = 0


def no_store(path: Path, why: str) -> OSError:
    return OSError(EINVAL, f"this is no trace store: {why}", str(path))


def keeping(path: Path, clock: Clock | None = None) -> Evidence:
    """A trace store as the only evidence; with a simulated clock, its time goes on from now."""
    from orchestrator.telemetry.evidence import Evidence

    began = time.time()
    return Evidence(store=TraceStore(path), clock=time.time if clock is None else lambda: began + clock.now())


def _prepare(database: sqlite3.Connection) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise sqlite3.DatabaseError(f"it has version {version}, and this is {VERSION}")
    database.execute("PRAGMA journal_mode = WAL")
    # What was committed survives a loss of power: one sync for each batch.
    database.execute("PRAGMA synchronous = FULL")
    database.execute("PRAGMA cache_size = -16000")
    database.execute("PRAGMA journal_size_limit = 16000000")
    database.execute("PRAGMA wal_autocheckpoint = 4000")
    if version == 0:
        for statement in MAKE:
            database.execute(statement)


def _size(database: sqlite3.Connection) -> int:
    """The bytes of the pages in use."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def row(event: Trace) -> Row:
    """An event as a row; the mappings in it as JSON, or NULL where they are empty."""
    told = FIELDS(event)
    if not (event.findings or event.data):
        return (*told[: AT[0]], None, *told[AT[0] + 1 : AT[1]], None, *told[AT[1] + 1 :])
    values = list(told)
    for place in AT:
        values[place] = json.dumps(dict(values[place])) if values[place] else None
    return tuple(values)


def event_of(told: Iterable[Any]) -> Trace:
    """The event that a row was made of."""
    values = list(told)
    for place in AT:
        values[place] = json.loads(values[place]) if values[place] else {}
    return Trace(**dict(zip(COLUMNS, values, strict=True)))


def _remember(store: TraceStore) -> None:
    """Close the store when the program ends, and begin anew in a process that is forked; while it lives."""
    known = weakref.ref(store)

    def do(method: Callable[[TraceStore], None]) -> None:
        alive = known()
        if alive is not None:
            method(alive)

    atexit.register(do, TraceStore.close)
    os.register_at_fork(
        before=lambda: do(TraceStore._before_fork),
        after_in_parent=lambda: do(TraceStore._in_parent),
        after_in_child=lambda: do(TraceStore._in_child),
    )
