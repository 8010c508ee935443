"""Guarantee 8: a guard that crashes, or does what no guard may, blocks the call with a named error."""

import gc
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from guards import Call, Denied, Flow, GuardFailed, Reply, Wait, clock, update, wait
from orchestrator import chain
from orchestrator.testing import play, say
from tests.engine.example_guards import SCRIPTS, Counted, ask, broken_after, broken_before, through


def returns_nothing(call: Call) -> Flow:
    yield call  # type: ignore[misc]


def is_no_flow(call: Call) -> Any:
    return call


def is_nothing(call: Call) -> Any:
    return None


def crashes_at_once(call: Call) -> Any:
    raise LookupError("alice@example.com")


def refuses_at_once(call: Call) -> Any:
    raise Denied("not today")


def yields_rubbish(call: Call) -> Any:
    yield "alice@example.com"


def yields_for_ever(call: Call) -> Flow:
    while True:
        yield Wait(0)


def calls_for_ever(call: Call) -> Flow:
    while True:
        try:
            yield call
        except Exception:
            continue


def crashes_in_the_store(call: Call) -> Flow:
    yield from update("key", lambda state: state["alice@example.com"])  # type: ignore[index]
    reply: Reply = yield call
    return reply


CRASHES: list[Callable[[Call], Any]] = [
    returns_nothing,
    is_no_flow,
    is_nothing,
    crashes_at_once,
    yields_rubbish,
    yields_for_ever,
    calls_for_ever,
    broken_before,
    broken_after,
    crashes_in_the_store,
]


@pytest.mark.parametrize("crash", CRASHES, ids=lambda guard: guard.__name__)
@pytest.mark.parametrize("around", [[], [through], [Counted(), through]], ids=len)
def test_a_broken_guard_fails_closed_and_says_nothing_of_the_content(crash: Any, around: Any) -> None:
    outcome = play([*around, crash, through], ask("alice@example.com"), lambda call: say("ok"))
    assert isinstance(outcome.error, GuardFailed)
    assert outcome.error.guard == crash.__name__
    assert outcome.reply is None
    error: BaseException | None = outcome.error
    while error is not None:
        assert "alice" not in f"{error}{error!r}{getattr(error, 'detail', dict)()}"
        error = error.__cause__ or error.__context__
    assert pickle.loads(pickle.dumps(outcome.error)).detail() == outcome.error.detail()


def test_the_place_of_an_accident_is_named() -> None:
    error = play(broken_before, ask(), []).error
    assert "KeyError at example_guards.py:" in str(error)


def test_a_refusal_is_no_accident() -> None:
    outcome = play(refuses_at_once, ask(), [])
    assert isinstance(outcome.error, Denied)
    assert outcome.calls == []


def test_an_outer_guard_may_handle_what_an_inner_one_refuses() -> None:
    def kind(call: Call) -> Flow:
        try:
            reply: Reply = yield call
        except Denied:
            return say("sorry")
        return reply

    assert play([kind, refuses_at_once], ask(), []).text == "sorry"


def test_a_call_may_take_as_many_steps_as_allowed_and_no_more() -> None:
    def patient(call: Call) -> Flow:
        for _ in range(5):
            yield from clock()
        reply: Reply = yield call
        return reply

    assert play(chain([patient], steps=7), ask(), [say("ok")]).text == "ok"
    assert isinstance(play(chain([patient], steps=6), ask(), [say("ok")]).error, GuardFailed)


@given(SCRIPTS)
def test_no_flow_is_left_open(script: Any) -> None:
    open_flows: list[int] = []

    def watched(call: Call) -> Flow:
        open_flows.append(1)
        try:
            reply: Reply = yield call
            return reply
        finally:
            open_flows.pop()

    play([watched, calls_for_ever, watched], ask(), script)
    assert open_flows == []


def test_a_flow_that_is_dropped_closes_its_guards() -> None:
    closed: list[str] = []

    def watched(call: Call) -> Flow:
        try:
            reply: Reply = yield call
            return reply
        finally:
            closed.append("closed")

    def stubborn(call: Call) -> Flow:
        try:
            reply: Reply = yield call
            return reply
        finally:
            yield Wait(1)

    flow = chain([watched, stubborn, watched])(ask())
    next(flow)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a stubborn generator is reported by the interpreter
        flow.close()
        gc.collect()
    assert closed == ["closed", "closed"]


def test_waiting_is_virtual_when_played() -> None:
    def slow(call: Call) -> Flow:
        yield from wait(3_600)
        reply: Reply = yield call
        return reply

    assert play(slow, ask(), [say("ok")]).seconds == 3_600
