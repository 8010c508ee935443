"""A whole plan played against a policy: every call in turn, in one world that remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from guards._errors import GuardError
from guards._flow import Guard
from guards._wishes import Decision, Review
from orchestrator._engine.chain import Chain, chain
from orchestrator._engine.clock import VirtualClock
from orchestrator._engine.drive import World
from orchestrator._engine.orchestrator import Orchestrator
from orchestrator.stores.memory import Memory
from orchestrator.testing._plan import Ask, Chunks, Plan, Script, Step
from orchestrator.testing._play import Outcome, play
from policies import Policy


@dataclass(slots=True)
class Played:
    """What a plan came to: for each call, when it began, the steps it met and its outcome.

    `world` is what they happened in, with its clock and its store, and `fresh` if nothing had before;
    `together` if the calls were made at once.
    """

    policy: Policy
    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    met: list[list[Step]] = field(default_factory=list)
    world: World = field(default_factory=World)
    fresh: bool = True
    together: bool = False

    def __iter__(self) -> Iterator[tuple[Ask, Outcome]]:
        return zip(self.plan.asks, self.outcomes, strict=False)


def approve(question: Review) -> Decision:
    return Decision("approve", by="plan")


class Rehearsal:
    """A policy that plans are played against; its chains are folded once."""

    def __init__(
        self,
        policy: Policy | str,
        *,
        decide: Callable[[Review], Decision] = approve,
        wrap: Callable[[Guard], Guard] | None = None,
    ) -> None:
        """`wrap` puts something around every guard, to watch it."""
        gate = Orchestrator.from_policy(policy)
        self.policy, self._gate, self._decide, self._wrap = gate.policy, gate, decide, wrap
        self._chains: dict[tuple[str, str], Chain] = {}

    def play(
        self, plan: Plan, *, world: World | None = None, driver: Literal["sync", "async"] = "sync"
    ) -> Played:
        """Every call of the plan in turn, against its steps, in a world of its own or a given one."""
        fresh, world = world is None, world or self._world()
        clock = cast("VirtualClock", world.clock)
        played, script = Played(self.policy, plan, world=world, fresh=fresh), Script(plan)
        for place, ask in enumerate(plan.asks):
            clock.advance(ask.after)
            call = ask.call(clock.now(), place)
            played.starts.append(clock.now())
            script.met = []
            played.met.append(script.met)
            played.outcomes.append(
                play(
                    self._chain(ask),
                    call,
                    script,
                    seed=plan.seed + place,
                    world=world,
                    chunks=Chunks(ask.cuts, call, clock),
                    driver=driver,
                )
            )
        return played

    def at_once(self, plan: Plan, *, world: World | None = None) -> Played:
        """All calls of the plan side by side, on an event loop in simulated time; attempts meet the steps."""
        from orchestrator.testing._at_once import at_once

        fresh, world = world is None, world or self._world()
        whole = [self._chain(ask) for ask in plan.asks]
        played = Played(self.policy, plan, world=world, fresh=fresh, together=True)
        at_once(played, whole)
        return played

    def alone(self, whole: Chain, ask: Ask, plan: Plan) -> Outcome:
        """One call of a plan through some other chain, against the plan's steps from the first."""
        world = self._world()
        call = ask.call(0.0)
        chunks = Chunks(ask.cuts, call, cast("VirtualClock", world.clock))
        return play(whole, call, Script(plan), world=world, chunks=chunks)

    def guards(self, ask: Ask) -> tuple[Guard, ...]:
        """The guards that stand before what is asked, outermost first."""
        return self._gate.chain(ask.kind, ask.target).guards

    def _world(self) -> World:
        return World(
            store=Memory(),
            clock=VirtualClock(),
            price=self._gate.world.price,
            reviewer=self._decide,
            traced=False,  # it is rarely looked at, and takes a fifth of the time
        )

    def _chain(self, ask: Ask) -> Chain:
        key = (ask.kind, ask.target)
        if key not in self._chains:
            guards = self.guards(ask)
            self._chains[key] = chain(guards if self._wrap is None else map(self._wrap, guards))
        return self._chains[key]


def rehearse(policy: Policy | str, plan: Plan, **more: Any) -> Played:
    """Play one plan against a policy: a loaded one, a file, or the name of a shipped one."""
    return Rehearsal(policy, **more).play(plan)


def how_it_ended(outcome: Outcome) -> Mapping[str, Any]:
    """An outcome in a line: what the program got, how long it took, what it cost."""
    error = outcome.error
    ended = "passes" if error is None else error.code if isinstance(error, GuardError) else repr(error)
    return {"ended": ended, "attempts": outcome.attempts, "seconds": outcome.seconds, "cost": outcome.cost}
