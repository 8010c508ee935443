"""Evidence: how many events a second the pipeline takes, and what it adds to a call."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks._measure import Figure, cpu
from guards import Run, Usage
from guards._types import Event, SpanContext, Steps
from orchestrator import Orchestrator, World
from orchestrator.telemetry import AuditLog, Evidence, Logs, Metrics
from orchestrator.telemetry.traces import TraceStore
from policies import Policy

WITHIN = SpanContext(trace="0" * 32, span="1" * 16, step=1, steps=Steps())
RUN = Run(request_id="0123456789abcdef", session="s-17", user="ann@example.com", within=WITHIN)
TOOK: dict[str, Any] = {
    "attempt": 1,
    "seconds": 0.8,
    "usage": Usage(input=900, output=120),
    "cost": 0.0123,
    "error": "",
    "model": "gpt-5-mini",
}
EVENT = Event(what="call", boundary="model", target="assistant", run=RUN, data=TOOK, id="2" * 16)


def bare(prompt: str) -> str:
    return prompt


def figures() -> Iterator[Figure]:
    memory = deque[Any](maxlen=10_000).append
    yield Figure("evidence: events taken, to memory", _rate(Evidence(sinks=[memory])), "/s", ">= 200,000 /s")
    sampled = Evidence(store=memory, sample=0.05)
    yield Figure("evidence: events taken, sampled", _rate(sampled), "/s")
    base = _call()
    for name, sinks in (
        ("events to memory", Evidence(sinks=[memory])),
        ("metrics", Evidence(metrics=Metrics(CollectorRegistry()))),
    ):
        yield Figure(f"a call: {name}, adds", _call(evidence=sinks) - base, "µs")
    with TemporaryDirectory() as folder, Path(folder, "log").open("w", encoding="utf-8") as stream:
        yield Figure("a call: log lines, adds", _call(evidence=Evidence(logs=Logs(stream))) - base, "µs")
        audit = AuditLog(Path(folder, "audit.jsonl"), key="0123456789abcdef", segment=1_000_000)
        store, metrics = TraceStore(Path(folder, "traces.db")), Metrics(CollectorRegistry())
        with Evidence(store=store, metrics=metrics, audit=audit) as every:
            yield Figure("a call: store, metrics and audit, p50 adds", _p50(every) - _p50(), "µs", "<= 60 µs")


def _rate(evidence: Evidence, events: int = 100_000) -> float:
    """Events a second of one process' time, best of rounds."""
    best = 0.0
    for _ in range(5):
        started = time.process_time()
        for _ in range(events):
            evidence(EVENT)
        best = max(best, events / (time.process_time() - started))
    return best


def _asking(evidence: Evidence | None) -> Callable[[str], str]:
    """A call that is priced, and that no guard stands before."""
    world = World(price=lambda call, reply: 0.01)
    return Orchestrator(Policy.of(), world=world, evidence=evidence).model("m")(bare)


def _call(evidence: Evidence | None = None) -> float:
    """Microseconds of CPU that a call takes."""
    ask = _asking(evidence)
    return cpu(lambda: ask("hi"))


def _p50(evidence: Evidence | None = None, calls: int = 20_000) -> float:
    """Microseconds from end to end that half of the calls take at most."""
    ask, took = _asking(evidence), []
    for _ in range(calls):
        started = time.perf_counter()
        ask("hi")
        took.append(time.perf_counter() - started)
    return median(took) * 1e6
