"""Texts made to be costly: work grows with the text alone, and what is held of it has a bound."""

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards._stream import HELD_CHARACTERS, Window
from guards._text._leaks import Leaks
from guards._text._prefix import longest, partial
from guards._text._scan import sought
from tests.guards.pieces import PROSE, TOLD, checks, said

MARK = "bcdzfghjkmnpqrstvwxb"
CHECKS: dict[str, Any] = {name: kind(**TOLD.get(name, [{}])[0]) for name, kind in checks().items()}
STREAMED = {name: check for name, check in CHECKS.items() if check.window is not None}
STREAMED["canary"] = Leaks(MARK, "".join(PROSE), 20, 0.5)
HOSTILE = [
    "[",
    "//",
    "```\n",
    "a b ",
    "%25",
    "&amp;",
    "QUJD",
    "61 ",
    ".- ",
    "password: ",
    "betting ",
    "0x",
    "\n; curl ",
]


def steps(work: Callable[[], object]) -> int:
    """How many calls a piece of work makes, which is the same on any machine."""
    count = 0

    def counted(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def flow(check: Any, text: str, size: int) -> int:
    """Let a text pass, and give the most that was held of it."""
    window, most = Window(check, "warn"), 0
    for at in range(0, len(text), size):
        window.feed(text[at : at + size])
        most = max(most, len(window.held))
    window.end()
    return most


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_stream_s_work_grows_with_its_text_alone(name: str, piece: str) -> None:
    check = STREAMED[name]
    flow(check, piece * 20, 64)
    short, long = piece * (300 // len(piece)), piece * (1_200 // len(piece))
    assert steps(lambda: flow(check, long, 60)) <= 8 * steps(lambda: flow(check, short, 60)) + 2_000


@pytest.mark.parametrize("name", STREAMED)
@settings(max_examples=5, deadline=None)
@given(data=st.binary(max_size=100), size=st.integers(1, 40), times=st.integers(1, 5))
def test_any_bytes_pass_or_are_refused(name: str, data: bytes, size: int, times: int) -> None:
    check = STREAMED[name]
    for text in (data.decode("latin-1"), data.decode("utf-8", "surrogateescape")):
        assert flow(check, text * times, 10 * size) <= HELD_CHARACTERS + 2 * check.window
        list(check(said(text)))


@pytest.mark.parametrize("regex", ["a+", "(a)\\1", "a(?=b)", "a(?!bc)", "(?i:a)", "a*"])
def test_a_pattern_that_no_stream_can_hold_is_refused(regex: str) -> None:
    with pytest.raises(ValueError, match="the pattern"):
        sought(regex)


@settings(max_examples=150, deadline=None)
@given(
    regex=st.sampled_from(
        [r"(?<!a)b{1,3}+c", r"^ab?\b", r"(?>a|ab)c", r"(?<=a)[^b]{0,2}c", r"a(?!b)", r"a.{0,2}\Z", r"[^a]b$"]
    ),
    text=st.text("abc \n", max_size=12),
    more=st.text("abc \n", max_size=6),
)
def test_whatever_may_become_a_match_is_known_as_begun(regex: str, text: str, more: str) -> None:
    begun = partial(regex, re.MULTILINE, around=True).search(text)
    assert begun is not None
    settled = [
        one.span() for one in re.compile(regex, re.MULTILINE).finditer(text) if one.start() < begun.start()
    ]
    later = [
        one.span()
        for one in re.compile(regex, re.MULTILINE).finditer(text + more)
        if one.start() < begun.start()
    ]
    assert settled == later
    assert longest(regex) <= 5
