"""retry: again when it may help, never sooner than asked, never past the deadline, never more than said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards import Blocked, Call, Finding, Run, UpstreamError
from guards.retry import Retry
from orchestrator.testing import Late, play, say
from tests.engine.example_guards import ask

PASSING = st.builds(
    lambda status, after: UpstreamError("m", status, after, "status"),
    st.sampled_from([408, 409, 429, 500, 502, 503, 504, 529]),
    st.none() | st.floats(0, 60),
) | st.sampled_from([TimeoutError(), ConnectionError()])
LASTING = st.sampled_from(
    [ValueError(), UpstreamError("m", 400, kind="status"), Blocked((Finding(code="c", message="m"),), "call")]
)
RETRIES = st.builds(
    lambda attempts, base, longer, jitter: Retry(attempts, base, base + longer, jitter),
    st.integers(1, 5),
    st.floats(0, 10),
    st.floats(0, 30),
    st.sampled_from(["full", "none"]),
)


@given(RETRIES, st.lists(PASSING, max_size=6), st.integers(0, 9))
def test_it_tries_until_it_works_or_the_attempts_are_used(guard: Retry, faults: list[Any], seed: int) -> None:
    outcome = play(guard, ask(), [*faults, say("ok")], seed=seed)
    assert outcome.attempts == min(guard.attempts, len(faults) + 1)
    assert (outcome.error is None) == (len(faults) < guard.attempts)


@given(RETRIES, st.lists(PASSING, min_size=1, max_size=6), st.integers(0, 9))
def test_it_waits_at_least_as_asked_and_at_most_its_backoff(
    guard: Retry, faults: list[Any], seed: int
) -> None:
    outcome = play(guard, ask(), [*faults, say("ok")], seed=seed)
    retried = faults[: outcome.attempts - 1]
    asked = [getattr(fault, "retry_after", None) or 0.0 for fault in retried]
    most = [min(guard.max, guard.base * 2**n) for n in range(len(retried))]
    waits = [event.data["seconds"] for event in outcome.events if event.what == "retry"]
    assert outcome.seconds == pytest.approx(sum(waits))
    for waited, least, upper in zip(waits, asked, most, strict=True):
        assert least <= waited <= max(least, upper)
        if guard.jitter == "none":
            assert waited == max(least, upper)


@given(RETRIES, LASTING)
def test_what_will_not_pass_is_not_tried_again(guard: Retry, fault: Any) -> None:
    outcome = play(guard, ask(), [fault, say("ok")])
    assert outcome.attempts == 1
    assert outcome.error is not None


@given(RETRIES, st.lists(st.tuples(st.floats(0, 20), PASSING), max_size=6), st.floats(0.1, 60))
def test_it_never_passes_the_deadline(guard: Retry, faults: list[Any], deadline: float) -> None:
    script = [Late(seconds, fault) for seconds, fault in faults]
    outcome = play(guard, ask(run=Run(deadline=deadline)), [*script, say("ok")])
    assert outcome.seconds <= deadline
    if isinstance(outcome.error, UpstreamError):
        assert outcome.error.retryable  # the last failure itself, not a bare "out of time"


@given(st.floats(60.1, 1e9))
def test_a_server_that_asks_for_too_much_is_not_waited_for(seconds: float) -> None:
    outcome = play(Retry(), ask(), [UpstreamError("m", 429, seconds, "status"), say("ok")])
    assert (outcome.attempts, outcome.seconds) == (1, 0)
    assert isinstance(outcome.error, UpstreamError)
    assert outcome.error.retry_after == seconds
    patient = play(Retry(max_retry_after=1e9), ask(), [UpstreamError("m", 429, seconds, "status"), say("ok")])
    assert (patient.text, patient.seconds >= seconds) == ("ok", True)


@pytest.mark.parametrize(
    ("options", "attempts"), [({}, 1), ({"idempotent": True}, 3), ({"idempotent": False}, 1)]
)
def test_only_an_idempotent_tool_is_tried_again(options: dict[str, Any], attempts: int) -> None:
    call = Call(kind="tool", target="t", options=options)
    assert play(Retry(), call, [TimeoutError()] * 5).attempts == attempts


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"attempts": 0}, "at least 1, not 0"),
        ({"base": -1.0}, "must not be negative"),
        ({"base": 9.0, "max": 3.0}, "more than max"),
        ({"base": float("nan")}, "must not be negative"),
        ({"max_retry_after": -1.0}, "must not be negative"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Retry(**settings)


def test_a_thousand_retries_do_not_overflow() -> None:
    outcome = play(Retry(attempts=1_500, jitter="none"), ask(), [ConnectionError()] * 1_500)
    assert outcome.attempts == 1_500
