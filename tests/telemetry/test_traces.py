"""The trace store keeps what it was told, never makes a call wait, and says what it could not keep."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orchestrator.telemetry import _stored, traces
from orchestrator.telemetry._stored import Which, stored
from orchestrator.telemetry.events import GOOD, Trace
from orchestrator.telemetry.traces import LEAST_BYTES, TraceStore, event_of, row

NAMES = st.sampled_from(["", "a", "b", "large", "gpt-5", "digest:0f"])
NUMBERS = st.floats(0, 1e6) | st.just(0.0)
COUNTS = st.integers(0, 10_000)
EVENTS = st.builds(
    Trace,
    what=st.sampled_from(["crossed", "crossed", "call", "re-asked", "waited"]),
    id=NAMES,
    parent=NAMES,
    request=st.sampled_from(["one", "two"]),
    user=st.sampled_from(["", "u1"]),
    step=COUNTS,
    boundary=st.sampled_from(["model", "tool"]),
    target=st.sampled_from(["small", "large"]),
    model=NAMES,
    policy=NAMES,
    guard=NAMES,
    input=COUNTS,
    output=COUNTS,
    cached=COUNTS,
    seconds=NUMBERS,
    cost=st.none() | NUMBERS,
    outcome=st.sampled_from(["ok", "cached", "blocked", "invalid"]),
    attempt=COUNTS,
    findings=st.dictionaries(NAMES, COUNTS, max_size=2),
    time=NUMBERS,
    data=st.dictionaries(NAMES, st.booleans() | COUNTS | NUMBERS | NAMES, max_size=2),
)


def now() -> float:
    return 1_000_000.0


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[TraceStore]:
    with TraceStore(path, **{"clock": now, "most_seconds": 1e9, **options}) as store:
        yield store


@given(EVENTS)
def test_an_event_comes_back_as_it_was(event: Trace) -> None:
    assert event_of(row(event)) == event


class Telling(RuleBasedStateMachine):
    """A store that is told, flushed, closed and opened again, against a list."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path, self.told = Path(self.folder.name) / "traces.db", list[Trace]()
        self.store = TraceStore(self.path, clock=now, most_seconds=1e9)

    @rule(events=st.lists(EVENTS, max_size=5))
    def tell(self, events: list[Trace]) -> None:
        for event in events:
            self.store(event)
        self.told += events

    @rule()
    def close(self) -> None:
        self.store.close()

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = TraceStore(self.path, clock=now, most_seconds=1e9)

    @rule(request=st.sampled_from(["one", "two", "three"]))
    def read(self, request: str) -> None:
        assert self.store.flush()
        with stored(self.path) as reader:
            assert reader.events(request) == [event for event in self.told if event.request == request]

    @invariant()
    def nothing_is_missing(self) -> None:
        assert (self.store.dropped, self.store.lost, self.store.problem) == (0, 0, "")

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


TestTelling = Telling.TestCase
TestTelling.settings = settings(max_examples=15, stateful_step_count=10, deadline=None)


def matches(event: Trace, which: Which) -> bool:
    outcome = event.outcome not in GOOD if which.outcome == "failed" else which.outcome in ("", event.outcome)
    named = (
        getattr(which, name) in ("", getattr(event, name))
        for name in ("boundary", "target", "model", "user", "policy")
    )
    since, until = which.since or 0.0, 1e12 if which.until is None else which.until
    return event.what == "crossed" and outcome and all(named) and since <= event.time <= until


WHICH = st.builds(
    Which,
    since=st.none() | NUMBERS,
    until=st.none() | NUMBERS,
    boundary=st.sampled_from(["", "tool"]),
    target=st.sampled_from(["", "small"]),
    model=st.sampled_from(["", "a"]),
    outcome=st.sampled_from(["", "failed", "cached"]),
    user=st.sampled_from(["", "u1"]),
    policy=st.sampled_from(["", "b"]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENTS, max_size=12), WHICH, st.sampled_from([0.0, 10.0]))
def test_what_is_read_is_what_was_asked_for(events: list[Trace], which: Which, least: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.db"
        with opened(path) as store:
            for event in events:
                store(event)
        with stored(path) as reader:
            meant = [event for event in events if matches(event, which)]
            assert sorted(one.id for one in reader.crossings(which)) == sorted(event.id for event in meant)
            helped = {(event.what, event.parent) for event in events if event.what in traces.HELPED}
            assert {(what, one) for what, ids in reader.helped().items() for one in ids} == helped
            found = list(reader.requests(which, least_cost=least))
    expected = set()
    for name in {event.request for event in meant}:
        whole = [event for event in events if event.request == name and event.what == "crossed"]
        if sum(event.cost or 0.0 for event in whole) >= least:
            expected.add(name)
    assert {one.request for one in found} == expected
    for one in found:
        whole = [event for event in events if event.request == one.request and event.what == "crossed"]
        assert one.crossings == len(whole)
        assert one.failed == sum(event.failed for event in whole)
        assert one.tokens == sum(event.input + event.output for event in whole)
        costs = [event.cost for event in whole if event.cost is not None]
        assert one.cost == (pytest.approx(sum(costs)) if costs else None)
        assert (one.time, one.outcome) == (whole[-1].time, whole[-1].outcome)
        assert set(one.targets.split(",")) == {event.target for event in whole}


# Never in a call's way


def test_a_call_never_waits_for_the_file_and_what_found_no_room_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with opened(path, room=100) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store(Trace(what="call", request="first"))
        while store._waiting:  # the writer has it, and stands before the lock
            time.sleep(0.001)
        started = time.perf_counter()
        for _ in range(250):
            store(Trace(what="call", request="one"))
        assert time.perf_counter() - started < 1.0
        assert store.dropped == 150
        assert not store.flush(0.01)
        other.execute("COMMIT")
        assert store.flush()
    with stored(path) as reader:
        assert len(reader.events("one")) == 100
        assert reader.dropped() == 150


def test_what_could_not_be_written_is_counted_and_reported_when_it_can(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with opened(path) as store, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("ALTER TABLE events RENAME TO gone")
        store(Trace(what="call", request="one"))
        assert store.flush()
        assert (store.written, store.lost) == (0, 1)
        assert "events" in store.problem
        other.execute("ALTER TABLE gone RENAME TO events")
        store(Trace(what="call", request="two"))
        assert store.flush()
    with stored(path) as reader:
        assert (reader.events("one"), len(reader.events("two")), reader.dropped()) == ([], 1, 1)


def test_a_store_that_only_lost_says_so_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with opened(path, room=1) as store:
        store._room = 0
        store._begin()
        store(Trace(what="call"))
    with stored(path) as reader:
        assert reader.dropped() == 1


# Bounded


def test_a_store_stays_within_its_bytes_and_forgets_the_oldest(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with opened(path, most_bytes=LEAST_BYTES, room=10**6) as store:
        for number in range(26):
            for _ in range(5_000):
                store(Trace(what="call", id="f" * 16, trace="0" * 32, request=f"r{number}", time=now()))
            assert store.flush()
    assert path.stat().st_size < 1.3 * LEAST_BYTES
    with stored(path) as reader:
        assert not reader.events("r0")
        assert len(reader.events("r25")) == 5_000


def test_what_is_too_old_is_forgotten(tmp_path: Path) -> None:
    path, told = tmp_path / "traces.db", [0.0]
    with opened(path, most_seconds=100.0, clock=lambda: told[0]) as store:
        for at in (10.0, 90.0, 150.0):
            told[0] = at
            store(Trace(what="call", request=f"at {at}", time=at))
            assert store.flush()
    with stored(path) as reader:
        assert [len(reader.events(f"at {at}")) for at in (10.0, 90.0, 150.0)] == [0, 1, 1]


# Processes

WRITER = """
import sys
from orchestrator.telemetry.events import Trace
from orchestrator.telemetry.traces import TraceStore
store, number = TraceStore(sys.argv[1]), 0
while number < int(sys.argv[2]):
    for _ in range(100):
        store(Trace(what="call", request=sys.argv[3], step=number, time=2e9))
        number += 1
    store.flush()
    print(number, flush=True)
"""


def writer(path: Path, most: int, name: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WRITER, str(path), str(most), name]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_a_writer_that_is_killed_leaves_everything_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with writer(path, 10**9, "one") as process:
        assert process.stdout is not None
        flushed = [int(process.stdout.readline()) for _ in range(5)][-1]
        process.send_signal(signal.SIGKILL)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with stored(path) as reader:
        steps = [event.step for event in reader.events("one")]
    assert len(steps) >= flushed
    assert steps == list(range(len(steps)))
    with opened(path) as store:
        store(Trace(what="call", request="two"))
    with stored(path) as reader:
        assert len(reader.events("two")) == 1


def test_several_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    processes = [writer(path, 1_000, name) for name in ("one", "two")]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with stored(path) as reader:
        assert [len(reader.events(name)) for name in ("one", "two")] == [1_000, 1_000]


def test_a_forked_child_writes_what_it_was_told_and_nothing_of_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    with opened(path) as store:
        store(Trace(what="call", request="before"))
        assert store.flush()
        store(Trace(what="call", request="waiting"))
        child = os.fork()
        if child == 0:
            store(Trace(what="call", request="child"))
            store.close()
            os._exit(0 if store.written == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert store.flush()
    with stored(path) as reader:
        assert [len(reader.events(name)) for name in ("before", "waiting", "child")] == [1, 1, 1]


def test_what_waits_is_written_when_the_program_ends(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    told = (
        "import sys; from orchestrator.telemetry.traces import *; "
        "store = TraceStore(sys.argv[1]); store(Trace(what='call', request='one', time=2e9))"
    )
    subprocess.run([sys.executable, "-c", told, str(path)], check=True)
    with stored(path) as reader:
        assert len(reader.events("one")) == 1


# Other files


def test_files_that_are_no_trace_store_are_refused(tmp_path: Path) -> None:
    text, other, newer, empty = (tmp_path / name for name in ("text", "other", "newer", "empty"))
    text.write_text("this is no database, but a text of more than a hundred bytes" * 3)
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE states (key)")
    with closing(sqlite3.connect(newer)) as database:
        database.execute("PRAGMA user_version = 99")
    empty.touch()
    for path in (text, newer, tmp_path / "no" / "such"):
        with pytest.raises(OSError, match="is no trace store"):
            TraceStore(path)
    for path in (text, other, newer, empty, tmp_path / "none"):
        with pytest.raises(OSError, match="is no trace store"):
            _stored.Stored(path)
    for wrong in ({"most_bytes": 1}, {"most_seconds": 0}, {"room": 0}):
        with pytest.raises(ValueError, match="most_bytes must be"):
            opened(tmp_path / "new", **wrong).__enter__()
