"""served: the policies that a gateway serves by, swapped whole when their files change."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from guards._errors import GuardError, PolicyError
from guards._flow import Guard
from guards._types import Call, Part, Reply
from guards.budget import Budget
from guards.permit import Permit
from guards.rate_limit import RateLimit
from orchestrator._engine.clock import VirtualClock
from orchestrator._engine.drive import World, run
from orchestrator._engine.orchestrator import Orchestrator
from orchestrator.boundaries._gateway.keys import Key

if TYPE_CHECKING:
    from orchestrator.telemetry.evidence import Evidence
    from policies._policy import Policy

LOG = logging.getLogger("wardline.gateway")
MOST_KEPT = 1_000
"""For how many keys the guards around a policy are kept ready."""


class Served:
    """Policies by name, each from a file or a shipped one; the first is for whoever names none.

    Raises `PolicyError` if one of them has a mistake.  Later, a file that changes is loaded anew: a policy
    that has a mistake then is told in the log, and the one before it goes on serving.
    """

    def __init__(self, named: Mapping[str, str], world: World, evidence: Evidence | None = None) -> None:
        self._named, self._world, self._evidence = dict(named), world, evidence
        self._stamps = {name: _stamp(source) for name, source in named.items()}
        self._gates = {name: self._loaded(source) for name, source in named.items()}
        self._kept: dict[tuple[str, Key], Orchestrator] = {}

    @property
    def first(self) -> str:
        return next(iter(self._named))

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __contains__(self, name: object) -> bool:
        return name in self._gates

    def policy(self, name: str) -> Policy:
        return self._gates[name].policy

    def gate(self, name: str, key: Key | None) -> Orchestrator:
        """A policy at work for a key, whose own bounds stand around it.

        Raises ValueError where a bound cannot be kept, as one in dollars without prices.
        """
        gate = self._gates[name]
        if key is None or not (bounds := _bounds(key)):
            return gate
        place = (name, key)
        if place not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[place] = gate.within(*bounds)
        return self._kept[place]

    def reload(self, every: bool = False) -> list[str]:
        """Load the policies whose own files have changed, or `every` one; the names of those loaded."""
        fresh = []
        for name, source in self._named.items():
            if (stamp := _stamp(source)) == self._stamps[name] and not every:
                continue
            self._stamps[name] = stamp
            try:
                gate = self._loaded(source)
            except PolicyError as error:
                LOG.error("policy %s is not reloaded, the one before it goes on serving: %s", name, error)
                continue
            # One assignment each: a request has the old policy or the new one, never parts of both.
            self._gates = {**self._gates, name: gate}
            self._kept = {}
            LOG.info("policy %s is reloaded: %s", name, gate.policy.digest)
            fresh.append(name)
        return fresh

    async def aclose(self) -> None:
        """Close the connections to helpers."""
        for gate in self._gates.values():
            await gate.helpers.aclose()

    def _loaded(self, source: str) -> Orchestrator:
        gate = Orchestrator.from_policy(source, world=self._world, evidence=self._evidence)
        _warm(gate)
        return gate


def _warm(gate: Orchestrator) -> None:
    """Have the guards load what they load on first use, by a call that leaves nothing and goes nowhere."""
    call = Call(kind="model", target=next(iter(gate.policy.models), "model"), parts=(Part(text="warm"),))
    with suppress(GuardError):
        run(
            gate.chain("model", call.target),
            call,
            lambda call: Reply(parts=call.parts),
            World(clock=VirtualClock()),
        )


def _stamp(source: str) -> tuple[int, int]:
    """What changes when a file does; a shipped policy never does."""
    try:
        told = Path(source).stat()
    except OSError:
        return (0, 0)
    return (told.st_mtime_ns, told.st_size)


def _bounds(key: Key) -> list[Guard]:
    guards: list[Guard] = []
    if key.models != ("*",):
        guards.append(Permit(tools=key.models))
    if key.requests is not None:
        guards.append(RateLimit(requests=key.requests, per="tag", tag="key", max_wait=0.0))
    if key.bounded:
        guards.append(
            Budget(usd=key.usd, tokens=key.tokens, calls=key.calls, window=key.window, per="tag", tag="key")
        )
    return guards
