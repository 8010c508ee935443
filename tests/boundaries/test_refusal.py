"""What each error of ours is in HTTP."""

import pytest

from guards import (
    Blocked,
    Denied,
    Exhausted,
    Finding,
    GuardError,
    GuardFailed,
    Invalid,
    Unavailable,
    UpstreamError,
)
from guards._errors import Rejected
from orchestrator.boundaries._refusal import refusal

FOUND = (Finding(code="pii.email", message="an address"),)
WAIT = Unavailable.now("m", "its breaker is open", 2.1)
LIMIT = Unavailable.now("m", "the user's rate limit is reached", 0.2)


def twice() -> GuardError:
    error = UpstreamError("m", kind="connection")
    error.attempts = 2
    return error


@pytest.mark.parametrize(
    ("error", "status", "again", "wait"),
    [
        (Blocked(FOUND, "call"), 400, False, None),
        (Invalid(2, ()), 422, False, None),
        (Denied("no"), 403, False, None),
        (Rejected("ann", "no"), 403, False, None),
        (Exhausted("deadline"), 504, False, None),
        (Exhausted("context window"), 400, False, None),
        (Exhausted("budget (usd)"), 402, False, None),
        (Exhausted("budget (tokens)"), 429, False, None),
        (WAIT, 503, True, b"3"),
        (LIMIT, 429, True, b"1"),
        (Unavailable("m", ("a", "b")), 503, False, None),
        (GuardFailed("mask", "KeyError"), 500, False, None),
        (UpstreamError("m", kind="timeout"), 504, True, None),
        (UpstreamError("m", kind="connection"), 502, True, None),
        (UpstreamError("m"), 502, False, None),
        (twice(), 502, False, None),
        (GuardError(), 500, False, None),
    ],
    ids=range(17),
)
def test_an_error_has_its_status_and_says_whether_another_try_can_help(
    error: GuardError, status: int, again: bool, wait: bytes | None
) -> None:
    told = refusal(error)
    headers = dict(told.headers)
    assert told.status == status
    assert (b"x-should-retry" not in headers) is again
    assert headers.get(b"retry-after") == wait
    assert told.detail["code"] == error.code
    assert refusal(error, 418).status == 418


def test_a_policy_s_own_words_are_what_the_user_is_told() -> None:
    assert refusal(Blocked(FOUND, "call", "We cannot help with that.")).message == "We cannot help with that."
