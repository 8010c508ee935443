"""The guarantees, stated over any policy and any plan: what is played is judged by the policy alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from guards._errors import GuardError, GuardFailed
from guards._flow import Flow, Guard, Screen
from guards._imports import imported
from guards._stream import serious
from guards._types import Call, Part
from guards._validate import json_schema, typed
from guards._value import replace
from guards._worst import Worst, worst
from guards.budget import Budget
from guards.mask import Mask
from guards.schema import Schema
from orchestrator._engine.chain import chain
from orchestrator._engine.trace import DRIVEN
from orchestrator.testing._assertions import leaks_nothing
from orchestrator.testing._plan import ECHO, Ask, Plan, Step
from orchestrator.testing._play import Outcome
from orchestrator.testing._promises import kept
from orchestrator.testing._rehearsal import Played, Rehearsal

G = TypeVar("G")
ON_A_LOOP, TOGETHER = range(90, 100), range(75, 90)
"""Seeds of plans that are tried on an event loop, too: each needs one of its own, which takes its time."""
LONG = 1_000_000.0
"""Seconds after which whatever was blocked, open or spent in a window is over."""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """One thing that holds for every plan: its name, what it says, and what finds a problem with it.

    `problems` is given who plays and what was played, and yields a line for each thing that does not hold.
    """

    name: str
    says: str
    problems: Callable[[Rehearsal, Played], Iterator[str]]


def acting(guards: Sequence[Guard], kind: type[G]) -> list[G]:
    """The guards of a kind that act on every call: neither observing nor under a condition."""
    return [guard for guard in guards if isinstance(guard, kind)]


def secrets(ask: Ask, guards: Sequence[Guard]) -> list[str]:
    """The personal values in a call's text that its masks find."""
    found = []
    for mask in acting(guards, Mask):
        if "user" not in mask.roles or ask.kind != "model":
            continue
        spans = mask.find(ask.text)
        for value in ask.personal:
            start = ask.text.find(value)
            if any(span.start <= start and start + len(value) <= span.end for span in spans):
                found.append(value)
    return found


def _no_leak(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    for ask, outcome in played:
        for value in secrets(ask, rehearsal.guards(ask)):
            try:
                leaks_nothing(outcome, value)
            except AssertionError as error:
                yield str(error).replace("secret 0", "a masked value")


def _round_trip(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    for number, (ask, outcome) in enumerate(played):
        met = _met(played, number)
        echoed = met and met[-1].fault == "none" and ECHO in met[-1].text and not met[-1].order
        guards = rehearsal.guards(ask)
        if not echoed or outcome.reply is None or acting(guards, Schema) or not outcome.calls:
            continue
        reversible = all(
            not mask.operators or set(mask.operators.values()) <= {"placeholder", "surrogate", "encrypt"}
            for mask in acting(guards, Mask)
        )
        for value in secrets(ask, guards) if reversible else ():
            if value not in outcome.text:
                yield "a value that was masked did not come back in an echo"


def _met(played: Played, number: int) -> list[Step]:
    """The steps that calls to the guarded thing itself met, and not those to a helper."""
    calls = played.outcomes[number].calls
    return [step for step, call in zip(played.met[number], calls, strict=False) if not call.via]


def _no_malformed_output(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    for ask, outcome in played:
        if outcome.reply is None:
            continue
        for guard in acting(rehearsal.guards(ask), Schema):
            if guard.schema is None:
                continue
            wanted = imported(guard.schema) if isinstance(guard.schema, str) else guard.schema
            validate = json_schema(wanted) if isinstance(wanted, (Mapping, bool)) else typed(wanted)
            try:
                problems = validate(json.loads(outcome.text))[1]
            except ValueError:
                yield "a reply that is not JSON came through schema"
            else:
                yield from (f"came through schema: {each.path}: {each.need}" for each in problems)


def _bounded(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    for number, (ask, outcome) in enumerate(played):
        most = worst(rehearsal.guards(ask), ask.call(0.0), _attempt(played.plan))
        if outcome.attempts > most.attempts:
            yield f"{outcome.attempts} attempts, at worst {most.attempts:g} are explained"
        if outcome.seconds > most.seconds + 1e-6 and not ask.stream:
            yield f"it took {outcome.seconds:g} s, at worst {most.seconds:g} are explained"
        if outcome.error is not None and not isinstance(outcome.error, GuardError):
            yield f"it ended with {type(outcome.error).__name__}, which is no error of ours"
        deadline = None if ask.within is None else played.starts[number] + ask.within
        if deadline is not None and outcome.ended > deadline + 1e-6:
            yield "it ended after its deadline"


def _attempt(plan: Plan) -> Callable[[Call], Worst]:
    """What a single attempt may come to under a plan."""
    longest = max(step.seconds for step in (*plan.steps, plan.then))
    return lambda call: Worst(1.0, longest if call.timeout is None else min(longest, call.timeout))


def _nothing_slips_by(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    for ask, outcome in played:
        for screen in acting(rehearsal.guards(ask), Screen):
            if screen.then in ("warn", "escalate"):
                continue  # what a person lets pass may pass
            left = outcome.own[0].parts if outcome.own and "call" in screen.at else ()
            if serious(found for part in left for found in screen.judged(part)):
                yield f"what {screen.name} should {screen.then} left"
            passed = "".join(outcome.chunks) or outcome.text
            if "reply" in screen.at and passed and not _masked(rehearsal, ask):
                part = Part(text=passed, role="assistant", origin="untrusted")
                if serious(screen.judged(part)):
                    yield f"what {screen.name} should {screen.then} came through"
    yield from _whole(rehearsal, played)


def _whole(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    """The same plan, not streamed, gives the same text, or is blocked as the stream is."""
    plan = played.plan
    calm = all(step.fault != "cut" and not step.order and not step.drip for step in plan.steps)
    # What a stream costs is known later than what a whole reply does, so a budget may end one of the two.
    counted = any(acting(rehearsal.guards(ask), Budget) for ask in plan.asks)
    if not (calm and any(ask.stream for ask in plan.asks)) or counted:
        return
    whole = rehearsal.play(replace(plan, asks=tuple(replace(ask, stream=False) for ask in plan.asks)))
    for streamed, once in zip(_afresh(rehearsal, played).outcomes, whole.outcomes, strict=True):
        if _ending(streamed) != _ending(once):
            yield f"streamed it ends {_ending(streamed)}, whole {_ending(once)}"
        elif streamed.error is None and streamed.text != once.text:
            yield "streamed text is not what it is as a whole"


def _afresh(rehearsal: Rehearsal, played: Played) -> Played:
    """The plan as it ends in a world where nothing happened before, for comparison with another way."""
    return played if played.fresh else rehearsal.play(played.plan)


def _masked(rehearsal: Rehearsal, ask: Ask) -> bool:
    """Whether what the program reads may hold values that the checks further in did not see."""
    return bool(acting(rehearsal.guards(ask), Mask))


def _once(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    for ask, outcome in played:
        if ask.kind == "tool" and not ask.idempotent and len(outcome.own) > 1:
            yield f"a tool that is not idempotent was run {len(outcome.own)} times"


@dataclass(frozen=True, slots=True)
class Crash:
    """A guard with a fault in it, before the call goes on or after the reply is there."""

    after: bool
    reached: list[int]

    def __call__(self, call: Call) -> Flow:
        if self.after:
            yield call
        self.reached.append(1)
        raise ZeroDivisionError("a fault in a guard")


def _fails_closed(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    for number, ask in enumerate(played.plan.asks):
        guards = rehearsal.guards(ask)
        place = (played.plan.seed + number) % (len(guards) + 1)
        after = bool((played.plan.seed + number) // (len(guards) + 1) % 2)
        reached: list[int] = []
        whole = chain((*guards[:place], Crash(after, reached), *guards[place:]))
        outcome = rehearsal.alone(whole, ask, played.plan)
        if not reached:
            continue
        if not isinstance(outcome.error, GuardError):
            yield f"a guard crashed at place {place}, and the call went through"
        elif not after and outcome.calls and not isinstance(outcome.error, GuardFailed):
            yield f"a guard crashed at place {place}, and the call was made"


def _transparent(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    for number, (ask, outcome) in enumerate(played):
        told = [event for event in outcome.events if event.what not in DRIVEN | {"retry", "reserved"}]
        if told or outcome.reply is None or len(outcome.own) != 1 or ask.stream:
            continue
        asked, left = ask.call(0.0), outcome.own[0]
        if left.parts != asked.parts:
            yield "no guard says it touched the call, and it is not what was asked"
        step = _met(played, number)[-1]
        if outcome.text != step.said(left):
            yield "no guard says it touched the reply, and it is not what was said"


def _agreement(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    if played.plan.seed not in ON_A_LOOP:
        return
    other = rehearsal.play(played.plan, driver="async")
    for one, two in zip(_afresh(rehearsal, played).outcomes, other.outcomes, strict=True):
        if one.calls != two.calls:
            yield "the async driver makes other calls"
        if _ending(one) != _ending(two) or one.text != two.text or one.seconds != two.seconds:
            yield f"played it ends {_ending(one)}, async {_ending(two)}"


def _at_once(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    if played.plan.seed not in TOGETHER or len(played.plan.asks) < 2 or not played.fresh:
        return
    together = rehearsal.at_once(played.plan)
    for outcome in together.outcomes:
        if outcome.error is not None and not isinstance(outcome.error, GuardError):
            yield f"side by side, a call ended with {type(outcome.error).__name__}"
    yield from _no_leak(rehearsal, together)
    yield from kept(rehearsal, together)


def _ending(outcome: Outcome) -> str:
    error = outcome.error
    return "well" if error is None else error.code if isinstance(error, GuardError) else type(error).__name__


def _recovers(rehearsal: Rehearsal, played: Played) -> Iterator[str]:
    ask = replace(
        played.plan.asks[0],
        after=LONG,
        within=None,
        session="later",
        request="later",
        user="later",
        text="hello?",
    )
    calm = Plan(asks=(ask,), then=played.plan.then)
    if rehearsal.play(calm).outcomes[0].error is not None:
        return
    again = rehearsal.play(replace(calm, seed=1), world=played.world).outcomes[0]
    if again.error is not None:
        yield f"long after everything is well again, a call still ends {_ending(again)}"


GUARANTEES = (
    Guarantee("no leak", "what the policy masks leaves in no call, event, error or key", _no_leak),
    Guarantee("round trip", "what was masked comes back as it was", _round_trip),
    Guarantee("no malformed output", "behind a schema, a valid value or an error", _no_malformed_output),
    Guarantee("bounded", "every call ends, in time, with a reply or a structured error", _bounded),
    Guarantee("nothing slips by", "streamed text is what it is as a whole", _nothing_slips_by),
    Guarantee("once", "a tool that is not idempotent runs once", _once),
    Guarantee("fails closed", "a crash in a guard stops the call", _fails_closed),
    Guarantee("transparent", "what no guard touched passes as it was", _transparent),
    Guarantee("agreement", "sync, async and played end the same", _agreement),
    Guarantee("at once", "calls side by side keep to all that, too", _at_once),
    Guarantee("promises kept", "each guard keeps to its own settings", kept),
    Guarantee("recovers", "when faults are over, calls pass again", _recovers),
)


def judge(rehearsal: Rehearsal, played: Played) -> list[tuple[str, str]]:
    """What a played plan breaks: the name of each guarantee, and what does not hold."""
    return [(one.name, told) for one in GUARANTEES for told in one.problems(rehearsal, played)]
