"""Guarantee 10: sync, async and played drivers make the same calls and end the same for any script."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Call, Decision, Flow, GuardError, Reply, Review, UpstreamError
from orchestrator import VirtualClock, World, arun, chain, run
from orchestrator.testing import play, say
from tests.engine.example_guards import GUARDS, SCRIPTS, TEXTS, Again, Stamp, ask, both, through


def decide(question: Review) -> Decision:
    return Decision("approve" if len(question.call.text) % 2 else "reject", by="test")


class Script:
    """A performer that answers from a list and remembers what it was asked."""

    def __init__(self, answers: list[Any], *, in_order: bool = False) -> None:
        self.answers, self.calls, self.in_order = iter(answers), list[Call](), in_order

    def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        answer = next(self.answers, TimeoutError("the script is over"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def later(self, call: Call) -> Reply:
        # Calls side by side meet a script in the order of the schedule; unsuspended, that is their own.
        if not self.in_order:
            await asyncio.sleep(0)
        return self(call)


def world(events: list[Any]) -> World:
    return World(clock=VirtualClock(), reviewer=decide, random=Random(0).random, sink=events.append)


def ended(reply: Reply | None, error: BaseException | None, seen: World, events: list[Any]) -> Any:
    how = reply if error is None else error.detail() if isinstance(error, GuardError) else repr(error)
    return how, seen.clock.now(), events


def sync_way(guard: Any, call: Call, script: list[Any]) -> Any:
    performer, events = Script(script), list[Any]()
    seen, reply, error = world(events), None, None
    try:
        reply = run(guard, call, performer, seen)
    except GuardError as raised:
        error = raised
    return performer.calls, ended(reply, error, seen, events)


def async_way(guard: Any, call: Call, script: list[Any]) -> Any:
    performer, events = Script(script, in_order=both in guard.guards), list[Any]()
    seen, reply, error = world(events), None, None
    try:
        reply = asyncio.run(arun(guard, call, performer.later, seen))
    except GuardError as raised:
        error = raised
    return performer.calls, ended(reply, error, seen, events)


def played_way(guard: Any, call: Call, script: list[Any]) -> Any:
    seen = World(clock=VirtualClock())
    outcome = play(guard, call, script, decide=decide, world=seen)
    return outcome.calls, ended(outcome.reply, outcome.error, seen, outcome.events)


@settings(max_examples=300)
@given(st.lists(GUARDS, max_size=6), TEXTS, SCRIPTS)
@example([both, Again(2)], "x", [ValueError("v"), TimeoutError("t"), say("ok")])
def test_sync_async_and_played_agree(guards: list[Any], text: str, script: list[Any]) -> None:
    whole = chain(guards)
    first = sync_way(whole, ask(text), script)
    assert async_way(whole, ask(text), script) == first
    assert played_way(whole, ask(text), script) == first


@given(st.lists(GUARDS, max_size=3), st.lists(GUARDS, max_size=3), st.lists(GUARDS, max_size=3), SCRIPTS)
def test_a_chain_of_chains_is_the_chain_of_all(one: Any, two: Any, three: Any, script: list[Any]) -> None:
    flat = chain([*one, *two, *three])
    assert chain([chain(one), chain([chain(two), chain(three)])]) == flat

    def as_a_guard(call: Call) -> Flow:  # a chain that cannot be dissolved behaves the same
        return (yield from chain(two)(call))

    wrapped = played_way(chain([*one, as_a_guard, *three]), ask(), script)
    calls, (how, *rest) = played_way(flat, ask(), script)
    assert wrapped[0] == calls
    assert wrapped[1][1:] == tuple(rest)
    assert type(wrapped[1][0]) is type(how)


@given(st.lists(GUARDS, max_size=4), SCRIPTS)
def test_an_empty_guard_changes_nothing_anywhere(guards: list[Any], script: list[Any]) -> None:
    plain = played_way(chain(guards), ask(), script)
    for place in range(len(guards) + 1):
        assert played_way(chain([*guards[:place], through, *guards[place:]]), ask(), script) == plain


def test_the_first_guard_is_outermost() -> None:
    outcome = play([Stamp("1"), Stamp("2")], ask("x"), [say("y")])
    assert outcome.calls[0].text == "x12"
    assert outcome.text == "y21"


def test_every_attempt_of_an_inner_failure_is_seen() -> None:
    outcome = play(Again(3), ask(), [TimeoutError(), TimeoutError(), TimeoutError()])
    assert isinstance(outcome.error, UpstreamError)
    assert (outcome.attempts, outcome.error.attempts, outcome.error.target) == (3, 3, "m")
    assert outcome.seconds > 2
    assert play(Again(3), ask(), [TimeoutError()] * 3).seconds == outcome.seconds  # chance repeats
    assert play(Again(3), ask(), [TimeoutError()] * 3, seed=1).seconds != outcome.seconds


def test_calls_side_by_side_pass_only_the_guards_further_in() -> None:
    outcome = play([Stamp("out"), both, Stamp("in")], ask("x"), [say("a"), ValueError("v")])
    assert [call.text for call in outcome.calls] == ["xoutin", "xoutin"]
    assert [call.via for call in outcome.calls] == ["", "judge"]
    assert outcome.text == "ain|UpstreamErrorout"


def test_a_world_that_is_given_keeps_its_state() -> None:
    kept = World(clock=VirtualClock())
    for expected in (None, None, "blocked"):
        from tests.engine.example_guards import Counted

        error = play(Counted(2), ask(), [say("ok")], world=kept).error
        assert getattr(error, "code", None) == expected


def test_a_live_reply_flows_through_its_filters() -> None:
    from guards import screen
    from tests.engine.example_guards import Words

    outcome = play(
        screen(Words(), then="redact"), ask(stream=True), [replace(say(""), live=True)], chunks=["x a", "b c"]
    )
    assert outcome.text == "x - c"
