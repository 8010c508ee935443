"""Bodies are read strictly, and keep their spelling where nothing changed."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards._body import leaves, put, without
from orchestrator.boundaries._json import Unreadable, parse, spell, write

TEXT = st.text(max_size=8) | st.sampled_from(['"', "\\", "]}", "\\u0041", "é"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
INDENTS = st.sampled_from([None, 1, "\t"])


@settings(max_examples=200, deadline=None)
@given(value=VALUES, indent=INDENTS, ascii_only=st.booleans())
def test_what_did_not_change_is_the_same_bytes(value: Any, indent: Any, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    old = parse(text)
    assert old == value
    assert spell(text, old, old) is text
    assert parse(write(value)) == value


@settings(max_examples=200, deadline=None)
@given(value=VALUES, indent=INDENTS, data=st.data())
@example(value=[{"a": "x"}, "y"], indent=None, data=None)
def test_a_changed_text_is_spliced_in_and_all_else_keeps_its_spelling(
    value: Any, indent: Any, data: Any
) -> None:
    text = json.dumps(value, indent=indent).encode()
    old = parse(text)
    places = [at for at, _ in leaves(old) if at]
    chosen = places if data is None else data.draw(st.lists(st.sampled_from(places))) if places else []
    new = put(old, [(at, "new é\n") for at in chosen])
    made = spell(text, old, new)
    assert parse(made) == new
    assert len(made) - len(text) == sum(
        len(b'"new \xc3\xa9\\n"') - len(json.dumps(_at(old, at))) for at in set(chosen)
    )


def _at(value: Any, at: Any) -> Any:
    for key in at:
        value = value[key]
    return value


@settings(max_examples=100, deadline=None)
@given(members=st.lists(st.dictionaries(TEXT, SCALARS, max_size=3), min_size=1, max_size=5), data=st.data())
def test_members_that_go_or_come_leave_the_others_as_they_were(members: list[Any], data: Any) -> None:
    text = b'{ "n" : 1.50, "messages" :' + json.dumps(members, indent=2).encode() + b"}"
    old = parse(text)
    gone = data.draw(st.sets(st.sampled_from(range(len(members)))))
    new = without(old, [("messages", index) for index in gone])
    new = {**new, "messages": [*new["messages"], {"role": "user"}], "more": True}
    made = spell(text, old, new)
    assert parse(made) == new
    assert b'"n" : 1.50' in made


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1, "a": 2}',
        b'"\xff"',
        b"[" * 100_000,
        b"9" * 10_000,
        b"{} {}",
        "{}".encode("utf-16"),
    ],
    ids=range(8),
)
def test_a_body_that_two_readers_would_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(body)
    assert len(str(caught.value)) < 80


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        value = parse(body)
    except Unreadable:
        return
    assert repr(json.loads(body.decode())) == repr(value)


def test_half_a_surrogate_pair_stays_the_escape_that_it_was() -> None:
    text = rb'{"a": "\ud800", "b": "x"}'
    old = parse(text)
    assert spell(text, old, {**old, "b": "\ud800y"}) == rb'{"a": "\ud800", "b": "\ud800y"}'
