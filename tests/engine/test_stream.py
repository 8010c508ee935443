"""Guarantee 5: a stream in any chunking equals the whole text, and no part of a blocked match gets out."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guards import Blocked, Check, Exhausted, Finding, Part, screen
from guards._stream import Pipe, Window, mend
from orchestrator.testing import play, say
from tests.engine.example_guards import Overlapping, Whole, Words, ask

CHECKS = st.sampled_from([Words(2), Words(3), Words(4), Overlapping()])
TEXTS = st.text(alphabet="aabbc -", max_size=40)
FINDINGS = st.lists(
    st.builds(
        lambda start, length, fix: Finding(code="c", message="m", start=start, end=start + length, fix=fix),
        st.integers(0, 20),
        st.integers(1, 6),
        st.sampled_from(["*", "", None]),
    ),
    max_size=6,
)


@st.composite
def chunked(draw: Any, texts: st.SearchStrategy[str] = TEXTS) -> tuple[str, list[str]]:
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=len(text))))
    return text, [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]


def passed(window: Any, chunks: list[str]) -> tuple[str, bool]:
    """What came out, and whether it ended blocked."""
    out = ""
    try:
        for chunk in chunks:
            out += window.feed(chunk)
        return out + window.end(), False
    except Blocked:
        return out, True


@given(CHECKS, chunked())
@example(Words(4), ("abab", ["ab", "ab"]))
@example(Overlapping(), ("aaa", ["a", "a", "a"]))
def test_redacting_a_stream_equals_redacting_the_whole(check: Check, flow: tuple[str, list[str]]) -> None:
    text, chunks = flow
    whole = play(screen(check, then="redact"), ask(), [say(text)]).text
    found: list[Finding] = []
    assert passed(Window(check, "redact", found.extend), chunks) == (whole, False)
    assert len(found) == len(list(check(Part(text=text))))


@given(CHECKS, chunked())
def test_no_part_of_a_blocked_match_is_emitted(check: Check, flow: tuple[str, list[str]]) -> None:
    text, chunks = flow
    matches = list(check(Part(text=text)))
    out, blocked = passed(Window(check, "block"), chunks)
    assert blocked == bool(matches)
    assert text.startswith(out)
    assert len(out) <= min((match.start for match in matches), default=len(text))


@given(CHECKS, chunked())
def test_warning_changes_nothing(check: Check, flow: tuple[str, list[str]]) -> None:
    text, chunks = flow
    assert passed(Window(check, "warn"), chunks) == (text, False)


@given(chunked())
def test_filters_in_a_row_equal_their_guards_in_a_row(flow: tuple[str, list[str]]) -> None:
    text, chunks = flow
    guards = [screen(Words(3), then="redact"), screen(Overlapping(), then="redact")]
    whole = play(guards, ask(), [say(text)])
    live = play(guards, ask(stream=True), [say("", live=True)], chunks=chunks)
    assert live.text == whole.text


@given(CHECKS, st.integers(1, 200))
def test_no_more_is_held_back_than_a_match_can_reach(check: Any, length: int) -> None:
    window = Window(check, "block")
    for fed in range(1, length):
        window.feed("-")
        assert len(window.held) <= 2 * check.window
        assert fed - len(window.held) >= 0


def test_matches_that_overlap_without_end_are_refused_at_a_bound() -> None:
    window = Window(Overlapping(), "redact", most=10)
    with pytest.raises(Exhausted, match="held-back stream text"):
        "".join(window.feed("a") for _ in range(100))


def test_a_check_without_a_window_gets_the_whole_reply() -> None:
    outcome = play(screen(Whole()), ask(stream=True), lambda call: say("bad", live=call.stream))
    assert not outcome.calls[0].stream
    assert isinstance(outcome.error, Blocked)
    with pytest.raises(TypeError, match="no window"):
        Window(Whole(), "block")


@given(st.text(alphabet="abcdef", max_size=20), FINDINGS)
def test_mending_leaves_nothing_of_a_fixed_span_and_all_of_the_rest(text: str, found: list[Finding]) -> None:
    found = [replace(f, start=min(f.start, len(text)), end=min(f.end, len(text))) for f in found]
    covered = {i for f in found if f.fix is not None for i in range(f.start, f.end)}
    marked = mend(text, [replace(f, fix=None if f.fix is None else "#") for f in found if f.start < f.end])
    assert marked.replace("#", "") == "".join(c for i, c in enumerate(text) if i not in covered)


def test_screens_say_what_they_found_without_saying_what_it_was() -> None:
    outcome = play(screen(Words(), then="redact"), ask("abab and aa"), [say("bb")])
    assert outcome.calls[0].text == "- and -"
    assert outcome.text == "-"
    call, _, reply, _ = outcome.events
    assert (call.what, call.guard, len(call.findings)) == ("found", "words", 2)
    assert len(reply.findings) == 1
    assert "abab" not in repr(outcome.events)


def test_a_screen_looks_only_where_it_is_told() -> None:
    only_call = play(screen(Words(), at=("call",)), ask(), [say("aa")])
    assert only_call.text == "aa"
    only_reply = play(screen(Words(), at=("reply",)), ask("aa"), [say("-")])
    assert only_reply.calls[0].text == "aa"
    assert isinstance(play(screen(Words()), ask("aa"), []).error, Blocked)


def test_findings_of_a_stream_are_recorded() -> None:
    outcome = play(
        screen(Words(), then="warn"), ask(stream=True), [say("", live=True)], chunks=["a", "a - bb"]
    )
    assert [len(event.findings) for event in outcome.events if event.what == "found"] == [2]


def test_a_pipe_without_filters_passes_everything_at_once() -> None:
    pipe = Pipe(())
    assert (pipe.feed("a"), pipe.end()) == ("a", "")
