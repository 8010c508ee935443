"""Server-sent events are the same at any split of the bytes."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.boundaries._sse import Event, Reader, TooLong, written

LINE = st.text(alphabet=st.sampled_from("a: é😀{"), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, str | None]]]:
    """A stream as the standard allows it, and the events in it."""
    text, expected = draw(st.sampled_from(["", "\ufeff"])), []
    for _ in range(draw(st.integers(1, 4))):
        end = draw(ENDS)
        name, data = draw(st.sampled_from(["", "delta"])), draw(st.lists(LINE, max_size=3))
        comments = draw(st.lists(LINE.map(lambda line: f":{line}"), max_size=2))
        lines = [*comments, *([f"event: {name}"] if name else []), *(f"data: {line}" for line in data)]
        if not lines:
            continue
        text += "".join(line + end for line in lines) + end
        expected.append((name, "\n".join(data) if data else None))
    return text.encode(), expected


def cut(body: bytes, places: list[int]) -> list[bytes]:
    return [body[a:b] for a, b in pairwise(sorted({0, len(body), *(p % (len(body) + 1) for p in places)}))]


def read(pieces: list[bytes]) -> list[Event]:
    reader = Reader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.end()


@settings(max_examples=300, deadline=None)
@given(stream=streams(), places=st.lists(st.integers(0, 200), max_size=20))
@example(stream=(b"data: \xc3\xa9\r\n\r\ndata: b\n\n", [("", "é"), ("", "b")]), places=[7, 9, 10, 11, 12])
def test_events_are_the_same_at_any_split(
    stream: tuple[bytes, list[tuple[str, str | None]]], places: list[int]
) -> None:
    body, expected = stream
    events = read(cut(body, places))
    assert [(event.name, event.data) for event in events] == expected
    whole = b"".join(event.raw for event in events)
    assert whole == body.removeprefix(b"\xef\xbb\xbf") if expected else not whole


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"\n", b"\r", b"data:", b"\r\n\r\n"]), max_size=20))
def test_any_bytes_are_read_or_refused_and_none_come_twice(pieces: list[bytes]) -> None:
    try:
        events = read(pieces)
    except UnicodeDecodeError:
        return
    assert len(b"".join(event.raw for event in events)) <= len(b"".join(pieces))
    assert [(e.name, e.data) for e in read([b"".join(pieces)])] == [(e.name, e.data) for e in events]


def test_an_event_that_does_not_end_is_refused_with_no_more_kept_than_it_may_have() -> None:
    reader = Reader(most=1_000)
    for _ in range(125):
        reader.feed(b"data: xx")
    with pytest.raises(TooLong):
        reader.feed(b"data: xx")
    assert len(reader._held) <= 1_008


def test_an_event_that_was_cut_off_is_none() -> None:
    assert read([b"data: {", b"\n"]) == []
    assert read([b"data: {\r\r"])[0].data == "{"


def test_what_is_written_is_read_again() -> None:
    assert read([written("error", b"{}") + written("", b"[DONE]")]) == [
        Event("error", "{}", b"event: error\ndata: {}\n\n"),
        Event("", "[DONE]", b"data: [DONE]\n\n"),
    ]
