"""Guarantees 1 and 2: what is masked never leaves, and what comes back is what was there."""

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Call, Part, Reply, Run
from guards._pii import _find
from guards._pii._again import Known
from guards._pii._entities import LABELS
from guards._pii._find import PATTERNS, Span, finder
from guards._pii._labels import ALIASES
from guards._pii._vault import PLACEHOLDER, Unmask, Vault, found
from guards.mask import Mask
from guards.retry import Retry
from guards.schema import Schema
from orchestrator import VirtualClock, World
from orchestrator.testing import play, say
from tests.engine.example_guards import FAULTS, ask

# Fragments of placeholders, of their damage, and of what stands around them.
PIECES = st.sampled_from(
    [
        "<",
        ">",
        "[",
        "]",
        "(",
        ")",
        "\\",
        "&lt;",
        "&gt;",
        "&",
        "\\u003c",
        "\\u003e",
        "_",
        " ",
        "-",
        "*",
        "`",
        "s",
        ";",
        "PERSON",
        "person",
        "TEXT",
        "TERM",
        "PERSON_1",
        "<PERSON_1>",
        "<person 1>",
        "[PERSON_2]",
        "<TEXT_1>",
        "<PERSONS_1>",
        "<PERSON_1",
        "PERSON_10",
        "<PERSON_1b>",
        "PERS",
        "\\\\",
        "0",
        "1",
        "2",
        "12",
        "Ann",
        "Lee",
        "x",
        "\n",
        '"',
        "é",
        "\ud800",
        "\x00",
        "lt",
        "u003c",
        '{"a": "',
        '"}',
        "{",
        "}",
        '["',
        '\\"',
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=14).map("".join)


@st.composite
def marked(draw: Any) -> tuple[str, list[Span]]:
    text = draw(TEXTS)
    spans = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 6)))
        spans.append(Span(start, end, draw(st.sampled_from(["PERSON", "TERM", "EMAIL_ADDRESS"]))))
    return text, spans


def cut(text: str, cuts: list[int]) -> list[str]:
    edges = sorted(min(place, len(text)) for place in cuts)
    return [text[a:b] for a, b in pairwise([0, *edges, len(text)])]


def flowed(vault: Vault, chunks: list[str]) -> str:
    passing = Unmask(vault)
    return "".join([*map(passing.feed, chunks), passing.end()])


@settings(max_examples=1_500)
@given(st.lists(marked(), min_size=1, max_size=3), st.lists(st.integers(0, 80), max_size=20))
@example([("\\x", [Span(1, 2, "PERSON")])], [])
@example([("<PERSON_1>", []), ("Ann", [Span(0, 3, "PERSON")])], [])
@example([("PERSON_1Ann", [Span(8, 11, "TERM")]), ("Bob", [Span(0, 3, "PERSON")])], [])
def test_unmasking_what_was_masked_gives_the_text_back(turns: list[Any], cuts: list[int]) -> None:
    vault = Vault()
    masked = [(text, vault.mask(text, spans)) for text, spans in turns]
    for text, placed in masked:
        assert vault.unmask(placed) == text
        assert flowed(vault, cut(placed, cuts)) == text


@settings(max_examples=1_500)
@given(TEXTS, st.lists(st.integers(0, 80), max_size=30))
@example("<PERSON_1 " + "x" * 9, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
def test_a_stream_in_any_chunking_is_unmasked_as_the_whole(text: str, cuts: list[int]) -> None:
    vault = Vault()
    for name in ("Ann", 'Bob "B" Lee'):
        vault.issue("PERSON", name)
    vault.issue("TEXT", "x")
    assert flowed(vault, cut(text, cuts)) == vault.unmask(text)
    assert flowed(vault, list(text)) == vault.unmask(text)


@given(marked())
def test_nothing_of_a_masked_span_is_left(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    vault = Vault()
    masked = vault.mask(text, spans)
    hidden = {i for span in spans for i in range(span.start, span.end)}
    shown = "".join(char for i, char in enumerate(text) if i not in hidden)
    kept = iter(shown)
    outside = masked
    for key in vault.values:
        outside = outside.replace(f"<{key}>", "")
    assert all(char in kept for char in outside)  # what is left is, in order, from outside the spans


MANGLED = [
    "<PERSON_1>",
    "<person_1>",
    "< PERSON_1 >",
    "<PERSON 1>",
    "PERSON_1",
    "[PERSON_1]",
    "&lt;PERSON_1&gt;",
    "\\<PERSON\\_1\\>",
    "<PERSON\\_1>",
    "<PERSONS_1>",
    "<PERSON-1>",
    "<PERSON_1",
    "PERSON_1>",
    "<PERSON_01>",
    "\\u003cPERSON_1\\u003e",
]


@pytest.mark.parametrize("mangled", MANGLED)
def test_a_mangled_placeholder_is_restored(mangled: str) -> None:
    vault = Vault()
    vault.issue("PERSON", "Ann")
    assert vault.unmask(f"Dear {mangled}, hello") == "Dear Ann, hello"
    assert flowed(vault, list(f"Dear {mangled}, hello")) == "Dear Ann, hello"
    assert vault.unmask(f"**{mangled}**'s `{mangled}`") == "**Ann**'s `Ann`"


@pytest.mark.parametrize(
    "other",
    [
        "<PERSON_99>",
        "person 1",
        "PERSON_1s",
        "<PERSON_10>",
        "XPERSON_1",
        "<PERSON_>",
        "<MAN_1>",
        "[PERSON_2](http://x)",
    ],
)
def test_anything_else_is_left_alone(other: str) -> None:
    vault = Vault()
    vault.issue("PERSON", "Ann")
    assert vault.unmask(f"a {other} b") == f"a {other} b"


@given(st.integers(2, 30), st.sampled_from(MANGLED))
def test_no_placeholder_is_ever_taken_for_another(count: int, mangled: str) -> None:
    vault = Vault()
    names = [f"name{n}x" for n in range(1, count + 1)]
    assert [vault.issue("PERSON", name) for name in names] == [f"<PERSON_{n}>" for n in range(1, count + 1)]
    for number, name in enumerate(names, 1):
        assert vault.unmask(mangled.replace("1", str(number))) == name


def test_the_same_value_keeps_its_placeholder() -> None:
    outcome = play(Mask(), ask("ann@example.com, bob@example.com and ann@example.com"), [say("ok")])
    assert outcome.calls[0].text == "<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2> and <EMAIL_ADDRESS_1>"


def test_text_that_resists_is_masked_whole() -> None:
    text = "\\" * 12 + "Ann"
    vault = Vault()
    assert vault.mask(text, [Span(12, 15, "PERSON")]) == "<TEXT_1>"
    assert vault.unmask("<TEXT_1>") == text


def test_prose_is_not_held_back_and_nothing_is_held_for_long() -> None:
    vault = Vault()
    vault.issue("PERSON", "Ann")
    passing = Unmask(vault)
    for prose in (
        "the quick brown fox ",
        "Dear Customer We Have Received ",
        "a < b && c > d ",
        "\n- see [Notes] ",
    ):
        assert passing.feed(prose) == prose
    assert passing.feed("to <PERSON_1>") == "to Ann"
    for _ in range(1_000):
        passing.feed("A_")
        assert len(passing.held) <= 140


PERSONAL = [
    "ann@example.com",
    "4111 1111 1111 1111",
    "536-90-4399",
    "DE89370400440532013000",
    "+1 212-555-0188",
]


def contents(calls: list[Call]) -> str:
    return "\n".join(part.text for call in calls for part in call.parts)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), st.sampled_from(PERSONAL)),
        min_size=1,
        max_size=4,
    ),
    st.lists(
        st.sampled_from(["no json", '{"a": 1}', "{}", '{"to": "<EMAIL_ADDRESS_1>"}']).map(say) | FAULTS,
        max_size=5,
    ),
    st.booleans(),
)
def test_no_masked_value_leaves_in_any_call_event_or_error(parts: Any, script: Any, echo: bool) -> None:
    schema = {"type": "object", "required": ["to"], "properties": {"to": {"type": "string", "pattern": "@"}}}
    call = Call(
        kind="model",
        target="m",
        parts=tuple(
            Part(text=f"say {value} now", role=role, at=("m", n)) for n, (role, value) in enumerate(parts)
        ),
    )
    answers = iter(script)

    def answer(call: Call) -> Any:
        return (
            say(call.parts[0].text)
            if echo and len(call.parts) == len(parts)
            else next(answers, TimeoutError())
        )

    outcome = play([Schema(schema), Retry(), Mask()], call, answer)
    left = contents(outcome.calls) + repr(outcome.events) + str(outcome.error)
    left += json.dumps(getattr(outcome.error, "detail", dict)())
    assert not [n for n, (_, value) in enumerate(parts) if value in left]


def test_what_comes_back_is_restored_in_text_values_and_tool_arguments() -> None:
    vault_makes = '{"to": "<TERM_1>"}'
    guard = Mask(deny=('the "big" one',))
    reply = Reply(
        parts=(
            Part(text="for <TERM_1>", role="assistant", at=("a",)),
            Part(text=vault_makes, role="assistant", kind="tool_call", at=("b",)),
        ),
        value={"to": ["<TERM_1>"]},
    )
    outcome = play(guard, ask('this is The "Big" One'), [reply])
    assert outcome.calls[0].text == "this is <TERM_1>"
    assert outcome.reply is not None
    said, arguments = outcome.reply.parts
    assert said.text == 'for The "Big" One'
    assert json.loads(arguments.text) == {"to": 'The "Big" One'}
    assert outcome.reply.value == {"to": ['The "Big" One']}


def test_a_live_reply_is_restored_as_it_flows() -> None:
    outcome = play(
        Mask(),
        ask("mail ann@example.com", stream=True),
        [say("", live=True)],
        chunks=["to <EMAIL_", "ADDRESS_1>", "!"],
    )
    assert outcome.text == "to ann@example.com!"


def test_a_session_shares_its_placeholders_and_no_other_sees_them() -> None:
    world = World(clock=VirtualClock())
    guard = Mask(scope="session")

    def said(text: str, session: str, reply: str) -> Any:
        return play(guard, ask(text, run=Run(session=session)), [say(reply)], world=world)

    said("ann@example.com", "one", "ok")
    later = said("bob@example.com", "one", "<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_2>")
    assert later.calls[0].text == "<EMAIL_ADDRESS_2>"
    assert later.text == "ann@example.com bob@example.com"
    assert said("hello", "two", "<EMAIL_ADDRESS_1>").text == "<EMAIL_ADDRESS_1>"
    assert said("hello", "", "<EMAIL_ADDRESS_1>").text == "<EMAIL_ADDRESS_1>"


def test_lists_and_roles_say_what_is_masked() -> None:
    guard = Mask(entities=("EMAIL_ADDRESS",), allow=("help@example.com",), deny=("Falcon",), roles=("user",))
    call = ask("falcon help@example.com ann@example.com")
    call = replace(call, parts=(*call.parts, Part(text="ann@example.com", role="system", at=("s",))))
    outcome = play(guard, call, [say("ok")])
    assert [part.text for part in outcome.calls[0].parts] == [
        "<TERM_1> help@example.com <EMAIL_ADDRESS_1>",
        "ann@example.com",
    ]
    codes = [finding.code for event in outcome.events for finding in event.findings]
    assert codes == ["pii.term", "pii.email_address"]


def test_a_call_without_personal_data_is_the_same_object() -> None:
    call = ask("nothing here")
    outcome = play(Mask(entities=(), deny=("x",)), call, [say("<PERSON_1>")])
    assert outcome.calls[0].parts is call.parts
    assert outcome.text == "<PERSON_1>"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"entities": ("PERSON",), "nlp": "none"}, "takes a finder of names; say `nlp: builtin`"),
        ({"entities": ("EMAIL",)}, "unknown entity 'EMAIL'; there are CREDIT_CARD"),
        ({"score": 2.0}, "score goes from 0 to 1"),
        ({"deny": ("",)}, "would mask everything"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Mask(**settings)


# --- against Presidio itself


@pytest.fixture(scope="module")
def presidio() -> Any:
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    for recognizer in registry.recognizers:
        _find._prepared(recognizer)
    return AnalyzerEngine(registry=registry, nlp_engine=_find._words(), supported_languages=["en"])


def test_the_entities_are_those_of_presidio_s_english_registry(presidio: Any) -> None:
    from guards._pii._find import NAMES

    assert set(presidio.get_supported_entities("en")) == set(PATTERNS) | NAMES - {"ADDRESS"}


SENTENCES = st.lists(
    st.sampled_from(
        [
            *PERSONAL,
            "192.168.0.1",
            "https://example.com/a",
            "passport",
            "ssn",
            "call",
            "my",
            "123456789",
            "A1234567",
        ]
    )
    | st.text(alphabet="ab 1-.@", max_size=6),
    max_size=8,
).map(" ".join)


BARE = st.text(alphabet="abcdef:.-@/ xXyz\u0663\uff11", max_size=40)


@settings(max_examples=300)
@given(BARE)
@example("aa:bb:cc:dd:ee:ff")
@example("aabb.ccdd.eeff")
@example("::")
@example("x.de")
@example("abcdefab-abcd-abcd-abcd-abcdefabcdef")
def test_what_is_not_looked_for_is_not_there(presidio: Any, text: str) -> None:
    mine = finder(PATTERNS, 0.0)(text)
    oracle = presidio.analyze(text, "en", entities=list(PATTERNS))
    assert sorted(mine) == sorted(Span(one.start, one.end, one.entity_type, one.score) for one in oracle)


@settings(max_examples=100)
@given(SENTENCES)
def test_patterns_are_found_as_presidio_finds_them(presidio: Any, text: str) -> None:
    mine = finder(PATTERNS, 0.0, (), ())(text)
    oracle = presidio.analyze(text, "en", entities=list(PATTERNS))
    assert sorted(mine) == sorted(Span(one.start, one.end, one.entity_type, one.score) for one in oracle)


def test_presidio_s_questions_about_words_are_answered() -> None:
    from guards._pii._find import _words

    words = _words()
    assert words.is_loaded()
    assert words.is_stopword("the", "en")
    assert words.is_punct(",", "en")
    assert (words.get_supported_languages(), words.get_supported_entities()) == (["en"], [])
    ((text, artifacts),) = words.process_batch(["Two words"], "en")
    assert (text, artifacts.lemmas, artifacts.tokens_indices) == ("Two words", ["two", "words"], [0, 4])
    words.load()


def test_words_around_a_number_count(presidio: Any) -> None:
    find = finder(("US_PASSPORT",), 0.4, (), ())
    assert not find("number 912803456")
    assert find("my passport number 912803456")


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert play(Mask(), ask("ann@example.co.uk"), [say("ok")]).calls[0].text == "<EMAIL_ADDRESS_1>"


# --- what is found once is masked wherever it stands


def told(*texts: str) -> Call:
    parts = tuple(Part(text=text, at=("messages", n)) for n, text in enumerate(texts))
    return Call(kind="model", target="m", parts=parts)


def test_a_value_is_masked_where_the_words_that_explain_it_are_missing() -> None:
    outcome = play(Mask(), told("my passport number is 912803456", "look up 912803456."), [say("ok")])
    assert [part.text for part in outcome.calls[0].parts] == [
        "my passport number is <US_PASSPORT_1>",
        "look up <US_PASSPORT_1>.",
    ]


@pytest.mark.parametrize(
    ("prompt", "value", "placeholder"),
    [
        ("my passport number is 912803456", "912803456", "<US_PASSPORT_1>"),
        ('we owe the "big" one', '"big" one', "<TERM_1>"),
        ("M\u00fcller was here", "M\u00fcller", "<TERM_1>"),
    ],
)
def test_a_re_ask_that_quotes_the_reply_leaks_no_value_in_any_escape(
    prompt: str, value: str, placeholder: str
) -> None:
    guards = [Schema({"type": "object", "required": ["x"]}), Mask(deny=('the "big" one', "M\u00fcller"))]
    for dump in (json.dumps({"to": placeholder}), f"as I said, {placeholder}"):
        outcome = play(guards, ask(prompt), [say(dump), say(dump), say(dump)])
        assert len(outcome.calls) >= 2  # no third time if nothing was corrected
        left = contents(outcome.calls)
        assert not [form for form in (value, json.dumps(value)[1:-1]) if form in left]


def test_a_short_value_is_masked_again_as_a_word_only() -> None:
    found = list(Known({"Al": "TERM"})("Al, Also, Al"))
    assert [(span.start, span.end) for span in found] == [(0, 2), (10, 12)]


def test_the_values_of_a_session_are_masked_in_its_later_calls() -> None:
    world, run = World(clock=VirtualClock()), Run(session="one")
    play(Mask(scope="session"), ask("passport 912803456", run=run), [say("ok")], world=world)
    later = play(Mask(scope="session"), ask("and 912803456?", run=run), [say("ok")], world=world)
    assert later.calls[0].text == "and <US_PASSPORT_1>?"


# --- what comes back


@settings(max_examples=600)
@given(TEXTS, st.lists(st.integers(0, 80), max_size=20))
@example('{"a": "O\\"B"}', [])
@example('{"a": "O"B"}', [3, 9])
@example("{}a", [])
def test_an_echo_is_restored_to_the_letter_whole_and_live(text: str, cuts: list[int]) -> None:
    guard = Mask(entities=(), deny=("Ann", 'O"B', "1", '"}', "{"))
    whole = play(guard, ask(text), lambda call: say(call.text))
    assert whole.text == text
    flowing = [say("", live=True)]
    live = play(guard, ask(text, stream=True), flowing, chunks=cut(whole.calls[0].text, cuts))
    assert live.text == text


VALUES = st.text(max_size=6) | st.sampled_from(['"', "\\", 'Bob "B"\n', "\\u0041"])
PROSE = st.sampled_from(["", "Here: ", "```json\n", 'He said "yes" and [sic]: ', "\n"])


@settings(max_examples=600)
@given(VALUES, PROSE, st.lists(st.integers(0, 90), max_size=20))
def test_json_stays_json_whatever_is_restored_in_it(value: str, before: str, cuts: list[int]) -> None:
    vault = Vault()
    key = vault.issue("TERM", value)
    said = json.dumps({"a": [f"x{key}y", {"b": key}], "c": '"'})
    text = f"{before}{said} and {key}"
    restored = vault.unmask(text)
    assert restored == flowed(vault, cut(text, cuts))
    assert restored.endswith(f" and {value}")
    inside = restored[len(before) : -len(f" and {value}")]
    assert json.loads(inside) == {"a": [f"x{value}y", {"b": value}], "c": '"'}


# --- any text, any thread, any time


@settings(max_examples=60)
@given(st.text(st.characters(), max_size=30) | TEXTS)
@example("\ud800 ann@example.com")
@example("\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))
def test_any_string_is_masked_and_restored(text: str) -> None:
    outcome = play(Mask(), ask(text), lambda call: say(call.text))
    assert outcome.text == text


def test_the_finder_serves_any_number_of_threads() -> None:
    find = finder(("US_SSN",), 0.4, (), ())
    text = " ".join(f"word{n}" for n in range(200)) + " my ssn is 536-90-4399"
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda n: len(find(text.replace("word", f"w{n}x"))), range(24)))
    finally:
        sys.setswitchinterval(interval)
    assert found == [1] * 24


def test_the_vocabulary_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_find, "VOCABULARY", 2_000)
    find = finder(("US_SSN",), 0.4, (), ())
    for number in range(40):
        # Words are told apart only where the ones around a find may count.
        find(" ".join(f"word{number}x{n}" for n in range(100)) + " ssn 536-90-4399")
        assert len(_find._words().nlp.vocab.strings) < 2_000 + 200


def test_a_pattern_that_takes_too_long_fails_instead_of_finding_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from presidio_analyzer import Pattern, PatternRecognizer, pattern_recognizer

    monkeypatch.setattr(pattern_recognizer, "REGEX_TIMEOUT_SECONDS", 0.05)
    slow = Pattern("slow", r"(?:a|aa)+$", 0.5)
    recognizer = _find._prepared(PatternRecognizer("SLOW", patterns=[slow]))
    assert len(recognizer.analyze("aaa", ["SLOW"])) == 1
    with pytest.raises(RuntimeError, match=r"slow took more than 0\.05 seconds"):
        recognizer.analyze("a" * 5_000 + "b", ["SLOW"])
    assert slow.compiled_regex is None  # Presidio's own is left as it was


# --- what stands in JSON, however deep


def nested(text: str, depth: int) -> str:
    """A text in a JSON object in a string of a JSON object, and so on."""
    for _ in range(depth):
        text = json.dumps({"said": text, "n": [1, "x"]})
    return text


def unnested(text: str, depth: int) -> str:
    for _ in range(depth):
        text = json.loads(text)["said"]
    return text


WRITTEN = ["<PERSON_1>", "\\<PERSON\\_1\\>", "\\<person 1>", "&lt;PERSON_1&gt;", "[PERSON_1]", "<PERSONNE_1>"]


@settings(max_examples=250)
@given(
    st.text(max_size=5) | VALUES,
    st.integers(0, 3),
    st.sampled_from(WRITTEN),
    st.text(alphabet='ab \n"<', max_size=3) | st.sampled_from(["é", "\\\\"]),
    st.booleans(),
    st.lists(st.integers(0, 200), max_size=20),
)
def test_a_value_restored_at_any_depth_of_json_leaves_it_json_at_every_level(
    value: str, depth: int, written: str, beside: str, escaped: bool, cuts: list[int]
) -> None:
    vault = Vault()
    vault.issue("PERSON", value)
    text = nested(f"x{beside} {written} y", depth)
    if escaped and depth:  # as some writers of JSON spell the marks of HTML
        text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    restored = vault.unmask(text)
    assert unnested(restored, depth) == f"x{beside} {value} y"
    assert flowed(vault, cut(text, cuts)) == restored


@settings(max_examples=150)
@given(
    VALUES | st.text(max_size=4), st.integers(0, 3), st.booleans(), st.lists(st.integers(0, 90), max_size=9)
)
@example('O"B', 2, True, [])
def test_what_is_masked_in_json_at_any_depth_comes_back_to_the_letter(
    value: str, depth: int, plain: bool, cuts: list[int]
) -> None:
    said = f"to {value}."
    text = nested(said, depth)
    if depth and not plain:
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    spans = [] if not value else list(Known({value: "PERSON"})(text))
    vault = Vault()
    masked = vault.mask(text, spans)
    assert vault.unmask(masked) == text == flowed(vault, cut(masked, cuts))


@given(st.sampled_from(WRITTEN), VALUES)
def test_deeper_than_escapes_are_read_a_placeholder_is_restored_or_left_alone(
    written: str, value: str
) -> None:
    vault = Vault()
    vault.issue("PERSON", value)
    said = unnested(vault.unmask(nested(f"x {written} y", 5)), 5)
    assert said in (f"x {value} y", f"x {written} y")


def test_double_encoded_tool_arguments_and_structured_output_are_restored() -> None:
    value = 'Ann "O" Lee\n'
    inner = json.dumps({"to": "<TERM_1>"})
    reply = Reply(
        parts=(
            Part(text=json.dumps({"body": inner}), role="assistant", kind="tool_call", at=("b",)),
            Part(text="ok", role="assistant", at=("a",)),
        ),
        value={"body": inner, "to": "<TERM_1>"},
    )
    outcome = play(Mask(deny=(value,)), ask(f"for {value}"), [reply])
    assert outcome.reply is not None
    assert json.loads(json.loads(outcome.reply.parts[0].text)["body"]) == {"to": value}
    assert outcome.reply.value["to"] == value
    assert json.loads(outcome.reply.value["body"]) == {"to": value}


# --- labels as models write them


@pytest.mark.parametrize(
    ("mangled", "key"),
    [
        ("<PERS_1>", "PERSON_1"),
        ("<Personne_1>", "PERSON_1"),
        ("<PERSONA 1>", "PERSON_1"),
        ("<E-MAIL_1>", "EMAIL_ADDRESS_1"),
        ("<EMAIL_1>", "EMAIL_ADDRESS_1"),
        ("<Téléphone_1>", "PHONE_NUMBER_1"),
        ("<PHONE_1>", "PHONE_NUMBER_1"),
        ("&lt;TELEFONNUMMER_1&gt;", "PHONE_NUMBER_1"),
        ("\\<ADRESSE\\_E-MAIL\\_1\\>", "EMAIL_ADDRESS_1"),
        ("<地点_1>", "LOCATION_1"),
        ("<PER_1", None),
        ("<PERS_2>", None),
        ("<ADD_1>", None),
        ("[PERS_1]", None),
        ("PERS_1", None),
        ("<PERSINE_1>", None),
        ("<DATE_1>", None),  # of birth, or any
    ],
)
def test_a_label_translated_or_cut_short_is_restored_where_it_is_clear(mangled: str, key: str | None) -> None:
    vault = Vault()
    for label in ("PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "LOCATION", "DATE_TIME", "DATE_OF_BIRTH"):
        vault.issue(label, f"value of {label}")
    text = f"a {mangled} b"
    assert vault.unmask(text) == (text if key is None else f"a value of {key[:-2]} b")
    assert flowed(vault, list(text)) == vault.unmask(text)


@given(st.data())
def test_no_damaged_label_is_ever_restored_to_another_value(data: Any) -> None:
    vault = Vault()
    numbers = {one: data.draw(st.integers(0, 3), one) for one in data.draw(st.sets(st.sampled_from(LABELS)))}
    issued = {
        vault.issue(one, f"v{one}{number}".lower())[1:-1]: f"v{one}{number}".lower()
        for one, count in numbers.items()
        for number in range(1, count + 1)
    }
    for name, value in issued.items():
        label, _, number = name.rpartition("_")
        for written in {label, *ALIASES.get(label, ()), *(label[:n] for n in range(1, len(label)))}:
            if written in LABELS and written != label:
                continue  # another label's own name
            for mangled in (
                f"<{written}_{number}>",
                f"< {written.lower()} {number} >",
                f"<{written}S-0{number}>",
            ):
                assert vault.unmask(mangled) in (value, mangled)


# --- values that differ in case or spacing alone


def test_spellings_of_a_value_share_a_number_and_each_comes_back_as_it_was() -> None:
    text = "ann@example.com, Ann@Example.com, ANN@example.com and bob@example.com, ann@example.com"
    outcome = play(Mask(), ask(text), lambda call: say(call.text))
    assert outcome.calls[0].text == (
        "<EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_1b>, <EMAIL_ADDRESS_1c> and <EMAIL_ADDRESS_2>, <EMAIL_ADDRESS_1>"
    )
    assert outcome.text == text


@given(st.lists(st.text(alphabet='aAbB "', min_size=1, max_size=4), max_size=40))
def test_every_value_has_one_placeholder_and_a_number_is_shared_by_spellings_alone(values: list[str]) -> None:
    vault = Vault()
    issued = {value: vault.issue("PERSON", value) for value in values}
    again = Vault.load(json.loads(json.dumps(vault.dump())))
    assert len(set(issued.values())) == len(issued)
    numbers: dict[str, set[str]] = {}
    for value, key in issued.items():
        assert vault.issue("PERSON", value) == again.issue("PERSON", value) == key
        assert vault.unmask(key) == again.unmask(key) == value
        numbers.setdefault(key.rstrip(">bcdefghijklmnopqr"), set()).add("".join(value.split()).casefold())
    assert all(len(meant) == 1 for meant in numbers.values())
    assert len({one for meant in numbers.values() for one in meant}) == len(numbers)


def test_spellings_without_end_get_numbers_of_their_own() -> None:
    vault = Vault()
    values = [format(n, "09b").translate({48: "a", 49: "A"}) for n in range(400)]
    keys = [vault.issue("PERSON", value) for value in values]
    assert keys[1] == "<PERSON_1b>"
    assert keys[306] == "<PERSON_1rr>"
    assert keys[307] == "<PERSON_2>"
    assert keys == [vault.issue("PERSON", value) for value in values]
    assert [vault.unmask(key) for key in keys] == values


def test_a_letter_that_a_text_holds_is_not_issued() -> None:
    vault = Vault()
    masked = vault.mask("<PERSON_1b> Ann ANN", [Span(12, 15, "PERSON"), Span(16, 19, "PERSON")])
    assert masked == "<PERSON_1b> <PERSON_1> <PERSON_1c>"


# --- known values in other texts


@settings(max_examples=150)
@given(
    st.dictionaries(st.text(alphabet='ab"é ', min_size=1, max_size=9), st.just("TERM"), max_size=60),
    st.text(alphabet='ab"é \\u0e9', max_size=60),
)
def test_known_values_are_found_wherever_they_stand(values: dict[str, str], text: str) -> None:
    known = Known(values)
    few = sorted({(s.start, s.end) for s in known(text)})
    known.heads = {}
    assert few == sorted({(s.start, s.end) for s in known(text)})


# --- placeholders that were never issued


@pytest.mark.parametrize("stream", [False, True])
def test_a_placeholder_that_was_never_issued_is_left_alone_and_reported(stream: bool) -> None:
    call = ask("ann@example.com says <EMAIL_ADDRESS_7>", stream=stream)
    said = "<EMAIL_ADDRESS_1> <EMAIL_ADDRESS_7> <EMAIL_ADDRESS_99>"
    script = [say("", live=True)] if stream else [say(said)]
    outcome = play(Mask(), call, script, chunks=list(said))
    assert outcome.text == "ann@example.com <EMAIL_ADDRESS_7> <EMAIL_ADDRESS_99>"
    (event,) = [one for one in outcome.events if one.data.get("side") == "reply"]
    assert [finding.code for finding in event.findings] == ["pii.unknown_placeholder"]
    assert event.data["count"] == 1


def test_scores_hold_for_what_the_builtin_finder_of_names_finds_too() -> None:
    text = "I met Ann Lee in Paris."
    found = Mask(entities=("PERSON", "LOCATION")).find(text)
    sure = {span.entity: span.score for span in found}
    assert set(sure) == {"PERSON", "LOCATION"}
    stricter = Mask(entities=("PERSON", "LOCATION"), scores={"PERSON": 1.0, "LOCATION": sure["LOCATION"]})
    assert [span.entity for span in stricter.find(text)] == ["PERSON"] * (sure["PERSON"] == 1.0) + [
        "LOCATION"
    ]


# --- both guarantees at once


MODELS: dict[str, Any] = {
    "as it is": lambda text: text,
    "escaped": lambda text: text.replace("<", "\\<").replace("_", "\\_").replace(">", "\\>"),
    "lower": lambda text: re.sub("<[A-Z_]+", lambda match: match[0].lower(), text),
    "html": lambda text: text.replace("<", "&lt;").replace(">", "&gt;"),
    "spaced": lambda text: re.sub("<([A-Z]+)_([A-Z]*)_?([0-9a-z]+)>", r"< \1_\2 \3 >", text).replace(
        "_ ", " "
    ),
    "quoted": lambda text: json.dumps({"a": json.dumps({"b": text})}),
}


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([*PERSONAL, "ANN@example.com", "5500005555555559"]), min_size=1, max_size=5),
    st.dictionaries(
        st.sampled_from(["EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN", "IBAN_CODE"]),
        st.sampled_from(["placeholder", "encrypt", "surrogate"]),
    ),
    st.sampled_from(sorted(MODELS)),
    st.sampled_from(["text", "tool_call"]),
    st.lists(FAULTS, max_size=2),
    st.lists(st.integers(0, 200), max_size=20),
)
def test_no_value_leaves_and_every_value_comes_back_however_the_model_writes_it(
    values: list[str], operators: Any, model: str, kind: Any, faults: list[Any], cuts: list[int]
) -> None:
    if model not in ("as it is", "quoted"):
        operators = {}  # other stand-ins come back where they are copied exactly
    guard = Mask(operators=operators, key="0123456789abcdef", scope="session")
    world, run = World(clock=VirtualClock()), Run(session="s")
    prompt = "; ".join(values)
    failing = iter(faults)

    def answer(call: Call) -> Any:
        return next(failing, None) or Reply(
            parts=(Part(text=MODELS[model](call.text), role="assistant", kind=kind, at=("a",)),)
        )

    whole = play([Retry(), guard], ask(prompt, run=run), answer, world=world)
    left = contents(whole.calls) + repr(whole.events) + str(whole.error)
    assert not [n for n, value in enumerate(values) if value in left]
    if whole.reply is None:
        return
    said = whole.text if model != "quoted" else json.loads(json.loads(whole.text)["a"])["b"]
    assert said == prompt
    chunks = cut(MODELS[model](whole.calls[-1].text), cuts)
    live = play(guard, ask(prompt, stream=True, run=run), [say("", live=True)], chunks=chunks, world=world)
    assert live.text == whole.text


@given(st.text(alphabet="<[_&\\ltu03cCPERSON EMAIL_ADDRESS_1>]", max_size=40))
@example("<PERSON_1>")
@example("&lt;PERSON 1&gt;")
@example("\\u003cPERSON_1\\u003e")
@example("[PERSON-1]")
@example("PERSON_1")
def test_a_text_without_any_sign_holds_no_placeholder(text: str) -> None:
    assert [one[0] for one in found(PLACEHOLDER, text)] == [one[0] for one in PLACEHOLDER.finditer(text)]
