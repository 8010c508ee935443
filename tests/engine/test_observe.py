"""`mode: observe`: a guard reports what it would do, and changes nothing."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from guards import Blocked, Call, Finding, Flow, Observe, Reply, UpstreamError, Wait, screen
from orchestrator.testing import play, say
from tests.engine.example_guards import (
    GUARDS,
    SCRIPTS,
    TEXTS,
    Again,
    Stamp,
    Words,
    ask,
    asks_a_person,
    both,
    broken_after,
    broken_before,
    through,
)


@given(GUARDS, TEXTS, st.lists(SCRIPTS, max_size=1).map(lambda s: s[0] if s else []))
def test_an_observed_guard_changes_neither_calls_nor_ending(guard: Any, text: str, script: list[Any]) -> None:
    plain = play(through, ask(text), script)
    observed = play(Observe(guard), ask(text), script)
    assert observed.calls == plain.calls
    assert observed.reply == plain.reply
    assert type(observed.error) is type(plain.error)
    assert observed.seconds == plain.seconds


def would(guard: Any, script: list[Any]) -> list[str]:
    outcome = play(Observe(guard), ask("aa"), script)
    return [event.data["would"] for event in outcome.events if event.what == "observed"]


def test_what_it_would_have_done_is_recorded() -> None:
    def refuses_the_reply(call: Call) -> Flow:
        yield call
        raise Blocked((Finding(code="c", message="m"),), "reply")

    def waits(call: Call) -> Flow:
        yield Wait(9)
        reply: Reply = yield call
        return reply

    def answers(call: Call) -> Flow:
        return say("canned")
        yield call

    assert would(through, [say("x")]) == []
    assert would(waits, [say("x")]) == []
    assert would(Stamp("!"), [say("x")]) == ["change the call", "change the reply"]
    assert would(screen(Words()), [say("x")]) == ["raise blocked"]
    assert would(refuses_the_reply, [say("x")]) == ["raise blocked"]
    assert would(Again(), [TimeoutError()]) == ["call again"]
    assert would(both, [say("x")]) == ["make several calls"]
    assert would(asks_a_person, [say("x")]) == ["ask a person"]
    assert would(answers, [say("x")]) == ["answer itself"]
    assert would(broken_before, [say("x")]) == ["raise guard_failed"]
    assert would(broken_after, [say("x")]) == ["raise guard_failed"]


def test_an_error_that_would_pass_is_no_news_and_stays_itself() -> None:
    outcome = play(Observe(Stamp("!")), ask(), [TimeoutError()])
    assert isinstance(outcome.error, UpstreamError)
    assert [event.data["would"] for event in outcome.events if event.what == "observed"] == [
        "change the call"
    ]
    assert Observe(Stamp("!")).name == "stamp"
