"""Every check there is: what it makes of a stream, in any chunking, is what it makes of the whole text.

Checks are found, not listed: a new one is held to this without an edit here.
"""

import importlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings

from guards import Call, Check, Finding, Part, screen
from guards._allowed import Unlisted, digest
from guards._flow import settle
from guards._stream import Window, serious
from guards._types import Reply
from orchestrator.testing import play
from tests.guards.pieces import NAMES, TOLD, checks, flows, passed, said

CHECKS, KEY = checks(), "0123456789abcdef"
SETTINGS = [(name, told) for name in CHECKS for told in ({}, *TOLD.get(name, ()))]


def made(name: str, told: dict[str, Any]) -> Check:
    check: Check = CHECKS[name](**told)
    return check


def places(found: Any) -> list[tuple[str, int, int]]:
    return [(one.code, one.start, one.end) for one in found]


STREAMED = [(name, told) for name, told in SETTINGS if made(name, told).window is not None]


@pytest.mark.parametrize(("name", "told"), STREAMED)
@settings(max_examples=40, deadline=None)
@given(chunks=flows())
def test_a_redacted_stream_is_the_redacted_whole(name: str, told: Any, chunks: list[str]) -> None:
    check, text, found = made(name, told), "".join(chunks), list[Finding]()
    whole, all_found = settle(check, Reply(parts=(said(text),)), "redact", "reply")
    assert passed(Window(check, "redact", found.extend), chunks) == (whole.text, None)
    assert places(found) == places(all_found)


@pytest.mark.parametrize(("name", "told"), STREAMED)
@settings(max_examples=40, deadline=None)
@given(chunks=flows())
@example(chunks=["acme", "\u202e", "The"])
@example(chunks=["4ss", "@", "d", "b.x ", "@", "ss "])
@example(chunks=["b e t t i n g  o d d s n", "a"])
def test_no_beginning_of_a_blocked_match_is_let_go(name: str, told: Any, chunks: list[str]) -> None:
    check, text = made(name, told), "".join(chunks)
    found = sorted(serious(check(said(text))), key=lambda one: (one.start, one.end, one.code))
    out, blocked = passed(Window(check, "block"), chunks)
    assert text.startswith(out)
    assert len(out) <= min((one.start for one in found), default=len(text))
    assert places(blocked.findings if blocked else [])[:1] == places(found)[:1]


@settings(max_examples=60, deadline=None)
@given(chunks=flows())
@example(chunks=["see https://evil.com/?b=", "1 "])
def test_what_a_policy_lets_pass_is_let_pass_in_a_stream_too(chunks: list[str]) -> None:
    texts = ["acme", "area 51", "ACME", "https://evil.com/?b=1", "//evil.com/x", "DROP TABLE users"]
    for name in ("topics", "links", "code", "secrets"):
        check = Unlisted(made(name, TOLD.get(name, [{}])[0]), [digest(one, KEY) for one in texts], KEY)
        found = list[Finding]()
        whole, expected = settle(check, Reply(parts=(said("".join(chunks)),)), "redact", "reply")
        assert passed(Window(check, "redact", found.extend), chunks) == (whole.text, None)
        assert places(found) == places(expected)


# What a stream costs is known when it is over, so a budget ends a whole reply sooner.
GUARDS = [(name, told) for name in NAMES if name != "budget" for told in TOLD.get(name, [{}])]


@pytest.mark.parametrize(("name", "told"), GUARDS)
@pytest.mark.parametrize("kind", ["model", "tool"])
@settings(max_examples=8, deadline=None)
@given(chunks=flows())
def test_a_streamed_reply_ends_as_a_whole_one(name: str, told: Any, kind: Any, chunks: list[str]) -> None:
    guard, text = as_guard(name, told), "".join(chunks)
    role: Any = "assistant" if kind == "model" else "tool"
    parts = (
        Part(text=text, role=role, kind="text" if kind == "model" else "tool_result", origin="untrusted"),
    )

    def answers(asked: Call) -> Reply:
        return Reply(live=True) if asked.stream else Reply(parts=parts)

    call = Call(kind=kind, target="t", parts=(Part(text="You are kind.", role="system", origin="trusted"),))
    live = play(guard, replace(call, stream=True), answers, chunks=chunks)
    whole = play(guard, call, answers)
    assert ending(live) == ending(whole)
    assert live.text == whole.text


def as_guard(name: str, told: dict[str, Any]) -> Any:
    kind = importlib.import_module(f"guards.{name}").guard
    return screen(kind(**told), then="redact") if name in CHECKS else kind(**told)


def ending(outcome: Any) -> str:
    return "" if outcome.error is None else str(outcome.error.code)
