"""Errors: safe to log, safe to pickle, structured, and named after what happened."""

import json
import pickle
from typing import Any

import pytest

import guards
from guards import (
    Blocked,
    Call,
    Denied,
    Exhausted,
    Finding,
    GuardError,
    GuardFailed,
    Invalid,
    Part,
    PolicyError,
    Problem,
    Rejected,
    Run,
    Unavailable,
    UpstreamError,
)

SECRET = "alice@example.com"
CALL = Call(kind="model", target="m", parts=(Part(text=SECRET),), run=Run(request_id="r1"))
FOUND = (Finding(code="pii.email", message="an e-mail address", start=0, end=5, score=0.5),)

ERRORS: list[tuple[GuardError, str, dict[str, Any]]] = [
    (Blocked(FOUND, "reply"), "reply blocked: pii.email", {"code": "blocked", "side": "reply"}),
    (Blocked(FOUND, "call", "Not here."), "call blocked: pii.email", {"refusal": "Not here."}),
    (
        Invalid(3, ((Problem("/a", "integer"),), (Problem("", "an object"),))),
        "no valid reply after 3 attempts: /: an object",
        {
            "code": "invalid",
            "problems": [[{"path": "/a", "need": "integer"}], [{"path": "", "need": "an object"}]],
        },
    ),
    (Invalid(1, ()), "no valid reply after 1 attempts: ", {"problems": []}),
    (
        Exhausted("budget", partial=SECRET),
        "budget exhausted",
        {"code": "exhausted", "bound": "budget", "partial": True},
    ),
    (Unavailable("m", ("a", "b")), "m is unavailable; tried a, b", {"retryable": True, "tried": ["a", "b"]}),
    (Unavailable("m"), "m is unavailable", {"code": "unavailable"}),
    (Denied("no role"), "denied: no role", {"code": "denied", "reason": "no role", "retryable": False}),
    (Rejected("ann", "too dear"), "rejected by ann: too dear", {"by": "ann"}),
    (
        GuardFailed("mask", "KeyError at mask.py:3"),
        "guard mask failed: KeyError at mask.py:3",
        {"guard": "mask"},
    ),
    (UpstreamError("m", 429, 2.5, "status"), "m failed: status 429", {"retryable": True, "retry_after": 2.5}),
    (UpstreamError("m", 400, kind="status"), "m failed: status 400", {"retryable": False, "status": 400}),
    (UpstreamError("m", kind="timeout"), "m failed: timeout", {"retryable": True, "kind": "timeout"}),
    (UpstreamError("m"), "m failed: error", {"retryable": False}),
    (
        PolicyError("p.yaml", 3, 5, "model.0", "no", "yes"),
        "p.yaml:3:5: model.0: no (yes)",
        {"line": 3, "hint": "yes"},
    ),
    (PolicyError("p.yaml", 0, 0, "", "no such file"), "p.yaml: no such file", {"code": "policy"}),
]


@pytest.mark.parametrize(("error", "text", "detail"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_says_what_where_and_nothing_of_the_content(
    error: GuardError, text: str, detail: dict[str, Any]
) -> None:
    error.locate(CALL, 2, 0.25)
    assert str(error) == text
    said = error.detail()
    assert said.items() >= detail.items()
    assert (said["boundary"], said["request_id"], said["attempts"], said["cost"]) == ("model", "r1", 2, 0.25)
    assert said["target"] == "m"
    assert SECRET not in json.dumps(said) + str(error) + repr(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.detail(), again.partial) == (text, said, error.partial)


def test_every_error_has_a_code_and_stands_in_the_tree() -> None:
    kinds = [
        kind for kind in vars(guards).values() if isinstance(kind, type) and issubclass(kind, GuardError)
    ]
    assert len({kind.code for kind in kinds}) == len(kinds)
    tree = __import__("guards._errors").__dict__["_errors"].__doc__
    assert all(kind.__name__ in tree for kind in kinds)


def test_what_an_upstream_raised_is_named_by_its_kind_only() -> None:
    error = UpstreamError("m")
    error.__cause__ = ValueError(SECRET)
    assert str(error) == "m failed: ValueError"


def test_an_accident_without_a_place_is_named_all_the_same() -> None:
    assert str(GuardFailed.of("g", KeyError(SECRET))) == "guard g failed: KeyError"
