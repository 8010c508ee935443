"""The trace store: durable events a second, what a call pays, and how soon `why` answers from a million."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from benchmarks._measure import Figure, cpu
from orchestrator.telemetry._stored import Which, stored
from orchestrator.telemetry.events import Trace
from orchestrator.telemetry.figures import figures as table
from orchestrator.telemetry.traces import TraceStore
from orchestrator.telemetry.why import explain

REQUESTS, EVENTS, ROUNDS = 25_000, 8, 5


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        path, random = Path(folder) / "traces.db", Random(1)
        rates, shares, last = [], [], ""
        with TraceStore(path, most_bytes=1_000_000_000, room=REQUESTS * EVENTS) as store:
            for _ in range(ROUNDS):
                events = list(_requests(random, time.time()))
                last = events[-1].request
                started, used = time.perf_counter(), time.process_time()
                for event in events:
                    store(event)
                store.flush(120.0)
                rates.append(len(events) / (time.perf_counter() - started))
                shares.append(len(events) / (time.process_time() - used))
            assert (store.dropped, store.lost) == (0, 0)
            event = events[0]
        yield Figure("traces: durable events, from end to end", max(rates), "/s", ">= 50,000 /s")
        yield Figure("traces: durable events, a second of CPU", max(shares), "/s")
        idle = TraceStore(path, room=1_000_000)
        yield Figure("traces: a call hands over an event", cpu(lambda: idle(event), rounds=3), "µs")
        idle.close()
        with stored(path) as reader:
            explain(reader.events(last))
            started = time.perf_counter()
            assert len(explain(reader.events(last)).steps) == 1
            yield Figure(
                "traces: why, of 1,000,000 events", (time.perf_counter() - started) * 1e3, "ms", "<= 200 ms"
            )
            started = time.perf_counter()
            assert table(reader.crossings(Which()), reader.helped())
            yield Figure("traces: stats over 125,000 calls", (time.perf_counter() - started) * 1e3, "ms")
        size = path.stat().st_size / (REQUESTS * EVENTS * ROUNDS)
        yield Figure("traces: size of an event", size, "bytes")


def _requests(random: Random, ended: float) -> Iterator[Trace]:
    """Calls with three attempts each, two of them repairs, and a wait."""
    for place in range(REQUESTS):
        request, crossing = f"{random.getrandbits(64):016x}", f"{random.getrandbits(64):016x}"
        usual = {
            "trace": f"{random.getrandbits(128):032x}",
            "request": request,
            "user": "0" * 32,
            "step": 1,
            "boundary": "model",
            "target": "assistant",
            "model": "gpt-5-mini",
            "policy": "1" * 64,
            "time": ended + place / 10_000,
        }
        for attempt in (1, 2, 3):
            span = f"{random.getrandbits(64):016x}"
            took = {"input": 900, "output": 120, "seconds": 0.8, "cost": 0.0123}
            yield Trace(what="call", id=span, parent=crossing, attempt=attempt, **took, **usual)
            data = {"reask": attempt}
            yield Trace(what="re-asked", id=span, parent=crossing, guard="schema", data=data, **usual)
        yield Trace(what="waited", parent=crossing, seconds=0.1, **usual)
        took = {"input": 2_700, "output": 360, "seconds": 2.5, "cost": 0.0369}
        yield Trace(what="crossed", id=crossing, attempt=3, **took, **usual)
