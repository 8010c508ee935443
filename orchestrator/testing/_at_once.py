"""Calls side by side, on an event loop where waiting takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, cast

from guards._types import Call, Reply
from guards._value import replace
from orchestrator._engine.chain import Chain
from orchestrator._engine.clock import VirtualClock
from orchestrator._engine.drive import AsyncHands, cross
from orchestrator.sim.clock import LoopClock, SimulatedLoop
from orchestrator.testing._plan import Ask, Script, Step
from orchestrator.testing._play import Late, Noted, Outcome, stream

if TYPE_CHECKING:
    from orchestrator.testing._rehearsal import Played


def at_once(played: Played, chains: Sequence[Chain]) -> None:
    """Make every call of a plan at the same moment, and note how each ended.

    The clock of the played world goes on from where it stood, to when the last call ended.
    """
    plan, clock = played.plan, cast("VirtualClock", played.world.clock)
    played.starts.extend([clock.now()] * len(plan.asks))
    loop = SimulatedLoop()
    loop.go_to(clock.now())
    try:
        outcomes = loop.run_until_complete(_all(played, chains))
        clock.advance(loop.time() - clock.now())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
    played.outcomes.extend(outcomes)


async def _all(played: Played, chains: Sequence[Chain]) -> list[Outcome]:
    script = Script(played.plan)
    played.met.extend([] for _ in played.plan.asks)
    calls = [
        _one(place, ask, whole, script, played)
        for place, (ask, whole) in enumerate(zip(played.plan.asks, chains, strict=True))
    ]
    return await asyncio.gather(*calls)


async def _one(place: int, ask: Ask, whole: Chain, script: Script, played: Played) -> Outcome:
    outcome, clock, plan = Outcome(), LoopClock(), played.plan
    chance = Random(plan.seed + place)  # noqa: S311 - chance that can be repeated is the point
    world = replace(played.world, clock=clock, random=chance.random, sink=outcome.events.append)

    async def perform(call: Call) -> Reply:
        outcome.calls.append(call)
        outcome.times.append(clock.now())
        step = script.take()
        played.met[place].append(step)
        answer = step.answer(call)
        if isinstance(answer, Late):
            await asyncio.sleep(answer.seconds)
            answer = answer.answer
        await asyncio.sleep(0)
        if isinstance(answer, BaseException):
            raise answer.with_traceback(None)
        return answer

    hands = AsyncHands(world, perform)
    started = clock.now()
    call = ask.call(started, place)
    try:
        outcome.reply = await cross(cast("Chain", Noted(whole, outcome.wishes)), call, hands)
        if outcome.reply.live:
            failure = await stream(outcome, _chunks(outcome.reply, ask), hands)
            if failure is not None:
                raise failure
    except Exception as error:
        outcome.reply, outcome.error = None, error
    return outcome.over(hands, started)


def _chunks(reply: Reply, ask: Ask) -> list[str]:
    """The chunks of a streamed text; no time passes between them."""
    step, said = reply.raw if isinstance(reply.raw, tuple) else (Step(), reply.text)
    return list(step.pieces(said, ask.cuts))
