"""content: a phrase is found however it is written, in one piece or in passing, and judged in its context.

The words themselves are not written out here: they are taken from the shipped rules.
"""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Blocked, Finding, Part, screen
from guards._stream import Window
from guards._text import _lexicon
from guards._text._classifier import WINDOW
from guards._text._lexicon import APART, LONGEST, SPAN, Rule, lexicon, read, shipped
from guards.content import CATEGORIES, MESSAGES, TELLABLE, USUAL, Content
from orchestrator.testing import play, say
from tests.engine.example_guards import ask

LEXICON = Content(flag=None)
TABLE = """common you a
class thing = zorb|big zorb|zarbs
rule hate 0.9 en (you|ye) (are|) (a|) <thing>
rule violence 0.8 en plinth (the|all the|) quux
rule profanity 0.4 de fnordling
"""
SMALL = _lexicon.Lexicon(read(TABLE))


def phrases(rule: Rule) -> st.SearchStrategy[str]:
    """What a rule finds."""

    @st.composite
    def drawn(draw: Any) -> str:
        words: list[str] = []
        for slot in rule.slots:
            choices = [phrase for some in slot.choices.values() for phrase in some]
            words += draw(st.sampled_from([*choices, *([()] if slot.optional else [])]))
        return " ".join(words)

    return drawn().filter(lambda text: len(text) <= SPAN)


def found(guard: Content, text: str, **more: Any) -> list[Finding]:
    return list(guard(Part(text=text, **more)))


def rules() -> st.SearchStrategy[Rule]:
    return st.sampled_from(shipped())


@settings(max_examples=300, deadline=None)
@given(st.data(), rules())
def test_every_phrase_of_every_rule_is_found_as_what_it_is(data: Any, rule: Rule) -> None:
    text = data.draw(phrases(rule))
    assert any(
        (hit.category, hit.start <= 4, hit.end >= 4 + len(text)) == (rule.category, True, True)
        for hit in lexicon(()).find(f"zzz {text}, zzz")
        if hit.score >= rule.score
    )


LEET = str.maketrans("oieas", "01345")
FORMS: dict[str, Any] = {
    "as it is": lambda text: text,
    "in capitals": str.upper,
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "with hidden characters": lambda text: "\u200b".join(text),
    "with accents": lambda text: "".join(c + "\u0301" if c.isalpha() else c for c in text),
    "in look-alikes": lambda text: text.translate(
        str.maketrans("oieacp", "\u043e\u0456\u0435\u0430\u0441\u0440")
    ),
    "digits for letters": lambda text: " ".join(w.translate(LEET) if len(w) > 1 else w for w in text.split()),
    "with stars": lambda text: " ".join(
        w[0] + "*" * (len(w) - 2) + w[-1] if len(w) > 3 else w for w in text.split()
    ),
    "drawn out": lambda text: " ".join(w[:2] + w[1:] + w[-1] * 3 if len(w) > 3 else w for w in text.split()),
    "apart": lambda text: "  ".join(" ".join(w) for w in text.split()),
    "with odd gaps": lambda text: text.replace(" ", " _ "),
    "in lines": lambda text: text.replace(" ", "\n"),
}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["zorb", "big zorb", "zarbs"]))
def test_a_phrase_is_found_however_it_is_written(form: str, thing: str) -> None:
    text = FORMS[form](f"you are a {thing}" if form != "apart" else "plinth quux")
    (hit,) = SMALL.find(f"-- {text} --")
    assert (
        f"-- {text} --"[hit.start : hit.end].strip() == text.rstrip("\u200b\u0301") or form == "with accents"
    )


def test_words_stand_alone_and_sentences_end_phrases() -> None:
    for text in (
        "you are azorb",
        "you are a zorbs",
        "you are a. zorb",
        "you are a? big zorb",
        "plinth: quux",
    ):
        assert SMALL.find(text) == []
    assert SMALL.find("you, a zorb") != []
    assert SMALL.find("a1b2 aaa c*d e@f zz") == []
    assert SMALL.find("you " + "\u200b" * SPAN + "zorb") == []
    assert SMALL.find("plin" + "t" * LONGEST + "h quux") == []
    assert SMALL.find(" ".join("plinthquux" + "x" * APART)) == []


PIECES = st.sampled_from(
    [
        "you", "ye", "are", "a", "big", "zorb", "zarbs", "z0rb", "z*rb", "zoorrrb", "zorbs", "plinth",
        "quux", "the", "all", "fnordling", ",", ".", "!", "_", "-", "'", '"', "\u200b", "\u0301", "p", "l",
        "i", "n", "t", "h", "q", "u", "x", "0", "*", "$", "aaa", "\u0456", "zorb\u0301", "$quux",
        "quux$", "\ufb03", "x1", "@a",
    ]
)  # fmt: skip
SOUP = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", " ", "  ", "\n"])), max_size=40).map(
    lambda some: "".join(a + b for a, b in some)
)


class Small:
    """A check over the small table."""

    window = SPAN

    def __call__(self, part: Part) -> Iterator[Finding]:
        for hit in SMALL.find(part.text):
            yield Finding(
                code=hit.category, message="", start=hit.start, end=hit.end, fix="#", score=hit.score
            )

    def pending(self, text: str) -> int:
        return SMALL.pending(text)


@settings(max_examples=600, deadline=None)
@given(SOUP, st.integers(0, 2**32), st.integers(1, 30))
@example("you are", 0, 3)
@example("p l i n t h  q u u x", 1, 2)
def test_a_stream_in_any_chunks_equals_the_whole_and_lets_out_nothing_of_a_match(
    text: str, seed: int, size: int
) -> None:
    text = "You see: " + text
    chance, cuts = random.Random(seed), [0]
    while cuts[-1] < len(text):
        cuts.append(min(len(text), cuts[-1] + chance.randint(1, size)))
    notes: list[Finding] = []
    window, blocking, out, base = Window(Small(), "redact", notes.extend), Window(Small(), "block"), "", 0  # type: ignore[arg-type]
    whole = SMALL.find(text)
    for start, end in pairwise(cuts):
        out += window.feed(text[start:end])
    out += window.end()
    expected = play(screen(Small(), then="redact", at=("reply",)), ask(), [say(text)]).text
    assert out == expected
    assert len(notes) == len(whole)
    passed = ""
    try:
        for start, end in pairwise(cuts):
            passed += blocking.feed(text[start:end])
        passed += blocking.end()
    except Blocked:
        base = min(hit.start for hit in whole)
        assert text[:base].startswith(passed)
    else:
        assert whole == []
        assert passed == text


@settings(max_examples=100, deadline=None)
@given(st.data(), rules(), st.integers(1, 9))
def test_the_shipped_rules_hold_back_a_phrase_until_it_is_known(data: Any, rule: Rule, size: int) -> None:
    text = f"so: {data.draw(phrases(rule))}, or"
    window = Window(Content(flag=None, thresholds=dict.fromkeys(CATEGORIES, 0.1)), "block")
    passed, blocked = "", False
    try:
        for at in range(0, len(text), size):
            passed += window.feed(text[at : at + size])
        passed += window.end()
    except Blocked:
        blocked = True
    assert blocked
    assert len(passed) <= min(hit.start for hit in lexicon(()).find(text))


@pytest.mark.parametrize("gap", range(120, 300, 7))
def test_what_is_read_around_a_word_makes_no_words_of_parts(gap: int) -> None:
    for shift in range(7):
        text = f"xplinth quux {'ww ' * 9}{'-' * (gap + shift)} plinth, zorb"
        assert SMALL.find(text) == []
        assert SMALL.find(text[1:]) != []


def test_no_more_is_held_than_may_still_become_a_phrase() -> None:
    for text in ("q " * (APART + 9), "you" + "\u200b" * (SPAN + 20), "z" * (LONGEST + 1), "zorb. ", "w" * 99):
        window = Window(Small(), "block")
        assert window.feed(text).strip() == text.strip()
    for text in ("q " * APART, "you" + "\u200b" * 50, "zor", "you are a "):
        assert Window(Small(), "block").feed(text) == ""


def test_little_is_held_back_of_ordinary_prose() -> None:
    prose = (
        "The committee met on Tuesday to talk about the new bridge over the river. Most of them liked the "
        "second plan, because it needs less steel and can be built by the end of the year. They want to hear "
        "what people in the town think of it before the work begins, and you can send your ideas by mail. "
    ) * 5
    window, held = Window(LEXICON, "block"), []
    for char in prose:
        window.feed(char)
        held.append(len(window.held))
    held.sort()
    assert sum(held) / len(held) <= 8
    assert held[int(len(held) * 0.99)] <= 32


# What findings lead to


def worst_of(category: str) -> str:
    """The likeliest phrase of a category, in English."""
    rule = max(
        (one for one in shipped() if one.category == category and one.language == "en"), key=lambda r: r.score
    )
    words = [
        min((p for some in slot.choices.values() for p in some), key=len)
        for slot in rule.slots
        if not slot.optional
    ]
    return " ".join(word for phrase in words for word in phrase)


@pytest.mark.parametrize("category", CATEGORIES)
def test_each_category_is_found_has_a_threshold_and_can_be_left_out(category: Any) -> None:
    text = f"well, {worst_of(category)}"
    (one,) = [f for f in found(LEXICON, text) if f.code == f"content.{category}"]
    assert one.advisory == (one.score < USUAL[category])
    assert one.advisory == (category == "profanity")
    assert (one.fix, one.message) == ("[removed]", MESSAGES[category])
    for least in (0.01, 1.0):
        again = [
            f for f in found(Content(flag=None, thresholds={category: least}), text) if f.code == one.code
        ]
        assert [f.advisory for f in again] == [one.score < least]
    others = tuple(other for other in CATEGORIES if other != category)
    assert not any(f.code == one.code for f in found(Content(flag=None, categories=others), text))
    assert not any(f.code == one.code for f in found(Content(flag=None, languages=("de",)), text))


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize(
    "before", ['he said "{}"', "she called me that: {}", "the word {} is rude", "\u201c{}\u201d"]
)
def test_what_is_quoted_or_reported_counts_half_where_that_changes_its_meaning(
    category: Any, before: str
) -> None:
    text = before.format(worst_of(category))
    code = f"content.{category}"
    (told,) = [f for f in found(LEXICON, text) if f.code == code]
    (meant,) = [f for f in found(Content(flag=None, reporting=False), text) if f.code == code]
    assert told.score == (meant.score / 2 if category in TELLABLE else meant.score)


def test_an_earlier_sentence_reports_nothing() -> None:
    text = f"She said no. {worst_of('harassment')}"
    assert not any(f.advisory for f in found(LEXICON, text) if f.code == "content.harassment")


def test_messages_contain_nothing_that_the_rules_find() -> None:
    for message in MESSAGES.values():
        assert found(LEXICON, message) == []


INNOCENT = [
    "How do I kill a child process in Linux without killing its parent?",
    "Use a bath bomb with lavender oil, it is the bomb.",
    "The patient should be shot with an X-ray beam twice.",
    "Many Muslims, Jews and gay people live in this street; the Turks own the bakery.",
    "Scunthorpe, Essex and Penistone are towns in England.",
    "The cocktail bar serves a great screwdriver, shitake soup and Dickens quotes.",
    "She breast-fed her baby and asked the midwife about cracked nipples.",
    "The suicide prevention hotline can be reached at any time.",
    "Black people and women were denied the vote for a long time.",
    "You are a star! You are so kind.",
    "He shot the ball over the bar, and we beat them 3:1.",
    "My dog died yesterday and I am sad.",
    "Wie baue ich eine Bank aus Holz?",
    "Que puta madre significa esa frase es otra historia.",
    "How to make a cake, how to build a shed, how to cook rice.",
]


@pytest.mark.parametrize("text", INNOCENT)
def test_nothing_comes_of_what_only_sounds_alike(text: str) -> None:
    assert [one.code for one in found(LEXICON, text) if not one.advisory] == []


def test_the_program_s_own_text_is_not_looked_at() -> None:
    assert found(LEXICON, worst_of("hate"), role="system") == []
    assert found(Content(), INSULT, role="system") == []


# The score of the classifier


INSULT = "You are a stupid, worthless idiot, shut up, you pathetic dumb loser. You are such a moron! " * 2


def test_the_score_is_recorded_at_the_end_of_a_stream_and_blocks_nothing() -> None:
    guard = screen(Content(categories=("sexual",)), at=("reply",))
    text = INSULT
    whole = play(guard, ask(), [say(text)])
    live = play(guard, ask(stream=True), [say("", live=True)], chunks=[text[:9], text[9:]])
    for outcome in (whole, live):
        assert outcome.text == text
        (event,) = [event for event in outcome.events if event.what == "found"]
        (one,) = event.findings
        assert (one.code, one.advisory) == ("content.toxic", True)
        assert text[one.start : one.end].strip()
    assert "".join(live.chunks[:-1]) != ""


def test_with_block_the_score_acts_and_the_reply_is_judged_whole() -> None:
    guard = screen(Content(categories=("sexual",), block=0.9), at=("reply",), then="redact")
    outcome = play(guard, ask(stream=True), lambda call: say(INSULT, live=call.stream))
    assert not outcome.calls[0].stream
    assert "[removed]" in outcome.text
    plain = "The train to Ghent leaves at nine from platform four."
    assert found(Content(block=0.9), plain) == []
    assert play(screen(Content()), ask(plain), [say(plain)]).text == plain


def test_without_flag_there_is_no_score_and_the_guard_is_light() -> None:
    assert [one for one in found(LEXICON, INSULT) if one.code == "content.toxic"] == []
    assert (LEXICON.heavy, Content().heavy) == (False, True)
    assert (LEXICON.window, Content().window, Content(block=0.9).window) == (WINDOW, WINDOW, None)


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"flag": 0.0}, "flag: 0.0 is no threshold"),
        ({"thresholds": {"hate": 1.5}}, "hate: 1.5 is no threshold"),
        ({"flag": 0.9, "block": 0.5}, "block must be at least `flag`"),
        ({"flag": None, "block": 0.5}, "block must be at least `flag`"),
    ],
)
def test_thresholds_that_cannot_be_are_refused(settings_: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Content(**settings_)


# Hostile texts


@pytest.mark.parametrize(
    "text", ["a ", "you ", "you a big ", "zorb ", "f*", "a a1", "\u200b", "'", "aaa", "p l ", "@", "\ud800"]
)
def test_work_grows_with_the_text_and_no_faster(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    own = _lexicon._reached

    def counted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return own(*args)

    monkeypatch.setattr(_lexicon, "_reached", counted)
    counts = []
    for size in (2_000, 8_000):
        calls = 0
        SMALL.find(text * size)
        counts.append(calls)
    assert counts[1] <= 4 * counts[0] + 100


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_can_be_looked_at(text: str) -> None:
    for one in found(Content(), text):
        assert 0 <= one.start < one.end <= len(text)
    assert 0 <= lexicon(()).pending(text) <= len(text)


@settings(max_examples=200, deadline=None)
@given(SOUP | st.from_regex(_lexicon.SPELT))
@example("s h u t up")
@example("so i.d.i_o t")
@example("i - d - i - o - t")
@example("i _d _i _o")
def test_letters_are_only_looked_for_apart_where_they_are(text: str) -> None:
    found = SMALL.find(text), lexicon(()).find(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_lexicon, "_apart", lambda text: True)
        assert (SMALL.find(text), lexicon(()).find(text)) == found
    assert _lexicon._apart(text) or not _lexicon.SPELT.search(text)
