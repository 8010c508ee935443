"""evidence: where it all goes, at once."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from guards._types import Event
from guards._value import replace
from orchestrator._engine.drive import World
from orchestrator.telemetry._names import Names
from orchestrator.telemetry.events import Sink, Teller, Trace
from orchestrator.telemetry.sampling import Sampler

if TYPE_CHECKING:
    from orchestrator.telemetry.audit import AuditLog
    from policies._policy import Policy


class Evidence:
    """Gives every event to every sink; a sink is whatever is called with a `Trace`.

    `store`, `spans` and `logs` are given all events of the requests that are kept: all, or by `sample` a
    share, and always those with an error, a block or a person's decision, and the slowest.  `metrics` and
    more `sinks` are given every event.  One that raises breaks no call: it is counted in `failures`, by its
    name.  Only `audit` does: no evidence, no call.

    `key` makes the digests of users and sessions, best the audit log's; without one, they are others in
    every process.  A sink that has `watch(policy, world)`, `flush()` or `close()` is told when it is set to
    work, and at the end: `with Evidence(...) as evidence` closes them all.
    """

    def __init__(
        self,
        *,
        store: Sink | None = None,
        spans: Sink | None = None,
        metrics: Sink | None = None,
        logs: Sink | None = None,
        audit: AuditLog | None = None,
        sinks: Iterable[Sink] = (),
        sample: float = 1.0,
        key: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.failures: Counter[str] = Counter()
        self._audit, self._clock, self._names = audit, clock, Names(key or token_hex())
        some = {"store": store, "spans": spans, "logs": logs}
        whole = {"metrics": metrics, **{f"sink {n}": sink for n, sink in enumerate(sinks, 1)}}
        self._some = [(name, sink) for name, sink in some.items() if sink is not None]
        self._whole = [(name, sink) for name, sink in whole.items() if sink is not None]
        self._sampler = Sampler(sample, lambda trace: self._give(self._some, trace)) if sample < 1 else None
        if self._sampler is None:
            self._whole += self._some
        self._sinks = dict(self._some + self._whole)
        self._plain = self._hearing(Teller(self._names, None, clock))

    def __call__(self, event: Event) -> None:
        """Take one event, of no policy in particular: `World(sink=evidence)`."""
        if self._audit is not None:
            self._audit.event(event)
        self._plain(event)

    def watch(self, policy: Policy, world: World | None = None) -> World:
        """A world whose events are told to all sinks, as those of a policy; its own sink hears them first."""
        world = world or World()
        if self._audit is not None:
            world = self._audit.watch(policy, world)
        for name, sink in self._sinks.items():
            self._asked(name, sink, "watch", policy, world)
        own, hear = world.sink, self._hearing(Teller(self._names, policy, self._clock))

        def both(event: Event) -> None:
            if own is not None:
                own(event)
            hear(event)

        return replace(world, sink=hear if own is None else both)

    def flush(self) -> None:
        """Hand on what is held back."""
        if self._sampler is not None:
            self._sampler.flush()
        for name, sink in self._sinks.items():
            self._asked(name, sink, "flush")

    def close(self) -> None:
        """End all sinks, the audit log too."""
        self.flush()
        for name, sink in self._sinks.items():
            self._asked(name, sink, "close")
        if self._audit is not None:
            self._audit.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _hearing(self, tell: Teller) -> Callable[[Event], None]:
        whole, sampler = self._whole, self._sampler

        def hear(event: Event) -> None:
            try:
                trace = tell(event)
            except Exception as accident:  # what a guard recorded has another form
                self._failed("evidence", accident)
                return
            self._give(whole, trace)
            if sampler is not None:
                sampler(trace, _ends_request(event))

        return hear

    def _give(self, sinks: Iterable[tuple[str, Sink]], trace: Trace) -> None:
        for name, sink in sinks:
            try:
                sink(trace)
            except Exception as accident:
                self._failed(name, accident)

    def _asked(self, name: str, sink: Sink, method: str, *arguments: Any) -> None:
        try:
            getattr(sink, method, _nothing)(*arguments)
        except Exception as accident:
            self._failed(name, accident)

    def _failed(self, name: str, accident: Exception) -> None:
        """Count a failure, and say so once: the kind of it alone, as its text may quote anything."""
        self.failures[name] += 1
        if self.failures[name] == 1:
            kind = type(accident).__name__
            logging.getLogger("wardline").warning("evidence: %s failed (%s) and is counted", name, kind)
        if "metrics" in self._sinks:
            with suppress(Exception):
                getattr(self._sinks["metrics"], "failed", _nothing)(name)


def _nothing(*arguments: object) -> None: ...


def _ends_request(event: Event) -> bool:
    """Whether nothing more is to come of a request: its session is closed, or it was one call alone."""
    run = event.run
    return event.what == "session" or (event.what == "crossed" and run.lone is not None and run.depth == 0)
