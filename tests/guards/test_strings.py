"""JSON in passing: what no filter changes stays as written, and what one changes is JSON still."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Blocked, Finding, Part
from guards._flow import settle
from guards._stream import Pipe, Window
from guards._strings import Strings, escaped
from guards._types import Call
from guards.topics import Topics
from tests.engine.example_guards import Words
from tests.guards.pieces import DENIED, TEXTS

SHORT = st.text('ab \\"/\n\u00e9\U0001f600\ud83d\ude00{}[]:,1', max_size=6)
VALUES = st.recursive(
    SHORT | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SHORT, inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.builds(
    lambda value, plain, indent: json.dumps(value, ensure_ascii=plain, indent=indent),
    st.lists(VALUES, max_size=3) | st.dictionaries(SHORT, VALUES, max_size=3),
    st.booleans(),
    st.sampled_from([None, 1]),
)
LOOSE = SHORT | st.builds(lambda text, at: text[:at], DOCUMENTS, st.integers(0, 20)) | TEXTS
CUTS = st.lists(st.integers(0, 60), max_size=20)


def pieces(text: str, cuts: list[int]) -> list[str]:
    return [text[a:b] for a, b in pairwise([0, *sorted(min(cut, len(text)) for cut in cuts), len(text)])]


def passed(filter_: Any, text: str, cuts: list[int]) -> str:
    return "".join([*map(filter_.feed, pieces(text, cuts)), filter_.end()])


class Loud:
    """A filter that writes another letter for one letter, and holds the last character back."""

    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        text = self.held + text
        self.held = text[-1:]
        return text[:-1].replace("b", '"\\')

    def end(self) -> str:
        return self.held.replace("b", '"\\')


def loud(value: Any) -> Any:
    """What the filter makes of every string of a value."""
    if isinstance(value, str):
        return value.replace("b", '"\\')
    if isinstance(value, dict):
        return {loud(key): loud(one) for key, one in value.items()}
    return [loud(one) for one in value] if isinstance(value, list) else value


@settings(max_examples=150, deadline=None)
@given(text=DOCUMENTS | LOOSE, cuts=CUTS)
@example(text='{"a": "\\ud83d', cuts=[9, 10, 11])
@example(text='["\\ud83d\\ude00\\q\\u12"]', cuts=list(range(30)))
@example(text="  ", cuts=[1])
@example(text="[nul", cuts=[])
def test_what_no_filter_changes_stays_as_it_was_written(text: str, cuts: list[int]) -> None:
    assert passed(Strings(lambda: Pipe(())), text, cuts) == text


@settings(max_examples=150, deadline=None)
@given(text=DOCUMENTS, cuts=CUTS)
def test_each_string_is_filtered_as_what_it_says_and_json_stays_json(text: str, cuts: list[int]) -> None:
    assert json.loads(passed(Strings(Loud), text, cuts)) == loud(json.loads(text))


@settings(max_examples=150, deadline=None)
@given(text=DOCUMENTS | LOOSE, cuts=CUTS)
def test_any_text_in_any_chunking_is_filtered_as_the_whole(text: str, cuts: list[int]) -> None:
    assert passed(Strings(Loud), text, cuts) == passed(Strings(Loud), text, [])


@settings(max_examples=100, deadline=None)
@given(text=DOCUMENTS | LOOSE, cuts=CUTS)
@example(text='{"a": "\\u0061cme", "b": 5}', cuts=[8, 9, 12])
def test_streamed_arguments_are_checked_as_whole_ones(text: str, cuts: list[int]) -> None:
    part, check = Part(text=text, role="assistant", kind="tool_call", origin="untrusted"), Words(3)
    whole, found = settle(check, Call(kind="model", target="m", parts=(part,)), "redact", "reply")
    told: list[Finding] = []
    assert passed(Strings(lambda: Window(check, "redact", told.extend)), text, cuts) == whole.text
    assert tuple(told) == found


def test_an_escaped_word_is_found_and_nothing_of_it_let_go() -> None:
    check, text = Topics(deny=DENIED), '{"note": "buy \\u0061cm\\u0065 now"}'
    stream = Strings(lambda: Window(check, "block"))
    at = text.index("\\u0061")
    assert "".join(map(stream.feed, text[: at + 14])) == '{"note": "buy '
    with pytest.raises(Blocked):
        stream.feed(text[at + 14 :])


def test_a_number_that_is_taken_out_becomes_a_string() -> None:
    class Gone:
        def feed(self, text: str) -> str:
            return "<NUMBER>" if text.isdigit() else text

        def end(self) -> str:
            return ""

    assert passed(Strings(Gone), '{"card": 4111, "ok": true}', [11]) == '{"card": "<NUMBER>", "ok": true}'


def test_lone_halves_of_a_character_stay_escaped() -> None:
    assert json.loads(f'"{escaped(chr(0xD83D) + chr(233))}"') == chr(0xD83D) + chr(233)
