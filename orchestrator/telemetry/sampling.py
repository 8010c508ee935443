"""sampling: which requests are kept whole, decided when they are over."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from threading import Lock

from orchestrator.telemetry.events import Trace

ENOUGH = 100
"""How many requests to a target must have been seen before the slowest of them are known."""


class Slowest:
    """Whether something took longer than all but a `share` of the `window` before it."""

    def __init__(self, share: float = 0.01, window: int = 1_000) -> None:
        self._share = share
        self._recent: deque[float] = deque(maxlen=window)
        self._sorted: list[float] = []

    def __call__(self, seconds: float) -> bool:
        known, recent = self._sorted, self._recent
        slow = len(known) >= ENOUGH and seconds > known[int(len(known) * (1 - self._share))]
        if len(recent) == recent.maxlen:
            del known[bisect_left(known, recent[0])]
        recent.append(seconds)
        insort(known, seconds)
        return slow


class Sampler:
    """Holds a request's events until it is over, and then hands them all on, or none.

    Those with an error, a block or a person's decision anywhere in them are kept, those that are slower than
    99 % of the requests to their target, and of the others a `share`, the same in every process.  `most`
    events are held at once: beyond, the request that began first is decided by what is known of it.  Safe
    under threads.
    """

    def __init__(self, share: float, keep: Callable[[Trace], None], most: int = 10_000) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"a share goes from 0 to 1, not {share}; 0.05 is one request in twenty")
        if most < 1:
            raise ValueError(f"most counts events, so it is at least 1, not {most}")
        self._share, self._keep, self._most = share, keep, most
        self._lock, self._held = Lock(), 0
        self._open: OrderedDict[str, list[Trace]] = OrderedDict()
        self._slowest: OrderedDict[tuple[str, str], Slowest] = OrderedDict()

    def __call__(self, trace: Trace, over: bool) -> None:
        """Take one event; with `over`, it is the last of its request."""
        with self._lock:
            self._open.setdefault(trace.request, []).append(trace)
            self._held += 1
            kept = self._decided(trace.request) if over else []
            while self._held > self._most:
                kept += self._decided(next(iter(self._open)))
        for each in kept:
            self._keep(each)

    def flush(self) -> None:
        """Decide on all that is held."""
        with self._lock:
            kept = [each for request in list(self._open) for each in self._decided(request)]
        for each in kept:
            self._keep(each)

    def _decided(self, request: str) -> list[Trace]:
        traces = self._open.pop(request)
        self._held -= len(traces)
        # Not `or` alone: the slowest are known only if all are counted.
        slow = self._slow(traces)
        return traces if slow or self._by_chance(traces[0]) or any(map(telling, traces)) else []

    def _slow(self, traces: Iterable[Trace]) -> bool:
        whole = max(traces, key=lambda each: each.seconds)
        return self._of(whole)(whole.seconds)

    def _of(self, whole: Trace) -> Slowest:
        """What is known of the target; of most targets, if there are too many to know all."""
        place = whole.boundary, whole.target
        known = self._slowest.setdefault(place, Slowest())
        self._slowest.move_to_end(place)
        if len(self._slowest) > ENOUGH:
            self._slowest.popitem(last=False)
        return known

    def _by_chance(self, trace: Trace) -> bool:
        """By the trace's number, as OpenTelemetry's ratio sampler decides: everywhere the same."""
        return int(trace.trace[-14:] or "0", 16) < self._share * 16**14


def telling(trace: Trace) -> bool:
    """Whether an event alone is reason enough to keep its request."""
    return trace.failed or trace.outcome == "block" or trace.what == "reviewed"
