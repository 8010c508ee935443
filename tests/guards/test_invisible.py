"""invisible: what nobody sees is found, and what scripts and emoji need is left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards import Part, screen
from guards.invisible import Invisible
from orchestrator.testing import play, say
from tests.engine.example_guards import ask


def codes(text: str) -> list[str]:
    return [finding.code.removeprefix("invisible.") for finding in Invisible()(Part(text=text))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain text\twith\r\nlines", []),
        ("a\x00b\x1b[31m\x85", ["control"] * 3),
        ("abc\u202edef\u2069", ["bidi"] * 2),
        ("abc\u200edef \u061c\u200f", ["bidi"] * 3),
        ("\u05e9\u05dc\u05d5\u05dd\u200f! \u200e\u0633", []),  # Hebrew and Arabic, with direction marks
        ("a\u206ab\ufff9c", ["zero_width"] * 2),
        ("x\U000e0fff", ["tag"]),
        ("pass\u200bword\ufeff", ["zero_width"] * 2),
        ("pass\u200dword", ["zero_width"]),
        ("\u200dx\u200c", ["zero_width"] * 2),
        ("hi\U000e0068\U000e0069", ["tag"] * 2),
        ("x\U000e0101", ["selector"]),
        ("\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", []),  # Persian, with its joiner
        (
            "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f\u200d\U0001f525",
            [],
        ),  # emoji of several parts
        ("\u0915\u094d\u200d\u0937", []),  # Devanagari
        ("caf\u00e9 na\u00efve \u65e5\u672c\u8a9e", []),
    ],
)
def test_what_nobody_sees_is_found(text: str, found: list[str]) -> None:
    assert codes(text) == found


@given(st.text() | st.text(alphabet="a\u05d0\u0915\u200b\u200d\u200e\u200f\U0001f468"))
def test_redacting_leaves_nothing_to_find_and_everything_visible(text: str) -> None:
    once = play(screen(Invisible(), then="redact"), ask(), [say(text)]).text
    gone = {finding.start for finding in Invisible()(Part(text=text))}
    assert once == "".join(char for index, char in enumerate(text) if index not in gone)
    assert all(char in text for char in once)
    assert not codes(once)


@given(st.lists(st.text(alphabet="a\u05d0\u0915\u200b\u200d\u200e\u200f\U0001f468", max_size=3)))
def test_neighbours_count_in_a_stream_as_in_the_whole(chunks: list[str]) -> None:
    whole = play(screen(Invisible(), then="redact"), ask(), [say("".join(chunks))])
    live = play(screen(Invisible(), then="redact"), ask(stream=True), [say("", live=True)], chunks=chunks)
    assert live.text == whole.text
