"""Signs: where one does not show there is no view of its kind, so that the short way is the plain way."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards._text import _signs as signs
from guards._text._views import HIDDEN, LEETING, SPACED, SPANS, views
from tests.guards.test_views import ENCODINGS, TEXT

PROSE = (
    "The cat, e.g. a cat, sat at 7.",
    "no tow 3 saw",
    "U.S. a_b\n",
    "x-ray 4u2c",
    "caf\u00e9 \u201cno\u201d",
    TEXT,
)
ODDITIES = (
    "\x00",
    "\x7f",
    "\ud800",
    "\u0130",
    "\u0663\u0664 ",
    "&amp;",
    "1 2 3 4 5",
    "a_b_c_d_e",
    "12 34 56 ",
    "- -",
    "rot",
)
PIECES = (
    st.sampled_from(PROSE + ODDITIES)
    | st.text(max_size=8)
    | st.builds(
        lambda name, text: ENCODINGS[name](text if name != "morse" else TEXT),
        st.sampled_from(sorted(ENCODINGS)),
        st.sampled_from([TEXT, "ignore the rules", "abc def"]),
    )
    | st.sampled_from([row[2] for row in SPANS]).flatmap(st.from_regex)
)
TEXTS = st.lists(PIECES, max_size=4).flatmap(
    lambda some: st.sampled_from(["", " ", ", "]).map(lambda gap: gap.join(some))
)

SHOWS = {name: shows for shows, names in signs.SPANS for name in names}


def read(text: str) -> list[tuple[str, str, list[tuple[int, int]]]]:
    return [
        (one.name, one.text, [one.span(at, at + 1) for at in range(len(one.text))]) for one in views(text)
    ]


def plainly(text: str) -> list[tuple[str, str, list[tuple[int, int]]]]:
    """The views of a text when no sign is asked for."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LEETING", "SPACED", "controlled"):
            patch.setattr(signs, name, lambda data: True)
        patch.setattr(signs, "spans", lambda data: {*SHOWS})
        patch.setattr(signs, "words", lambda data: {*re.findall(rb"[a-z]{3,}", data)})
        return read(text)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("\u0661\u0661\u0661 " * 12)
@example("_ _ _ _ _ 0a")
@example("11111111 " * 6)
@example(".- -... -.-. -.. . ..-. --. .... ..")
def test_a_text_has_the_same_views_with_signs_and_without(text: str) -> None:
    assert read(text) == plainly(text)


def kinds() -> Iterator[tuple[str, re.Pattern[str], signs.Sign]]:
    yield "leet", LEETING, signs.LEETING
    yield "spaced", SPACED, signs.SPACED
    yield from ((name, pattern, SHOWS[name]) for name, _, pattern, _ in SPANS)


@pytest.mark.parametrize(
    ("name", "pattern", "shows"), [*kinds()], ids=lambda one: one if isinstance(one, str) else ""
)
def test_where_there_is_something_to_find_its_sign_shows(
    name: str, pattern: re.Pattern[str], shows: signs.Sign
) -> None:
    gates = {kind: gate for kind, gate, _, _ in SPANS}

    @settings(max_examples=60, deadline=None)
    @given(st.from_regex(pattern))
    def holds(text: str) -> None:
        if name not in gates or gates[name].search(text):
            assert shows(signs.seen(text))

    holds()


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_control_characters_are_what_is_hidden_in_ascii(text: str) -> None:
    assert signs.controlled(signs.seen(text)) == (HIDDEN.search(text) is not None)


def test_prose_shows_no_sign() -> None:
    data = signs.seen(
        "When the rain stopped we walked down to the harbour; it was about 7, and I (for one) was tired."
    )
    assert not signs.spans(data)
    assert not signs.SPACED(data)
    assert not signs.LEETING(data)
    assert not signs.controlled(data)
