"""Operators: what stands in a value's place hides it, keeps its form, and comes back if it may."""

from itertools import pairwise
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import Blocked
from guards._pii._find import Span
from guards._pii._operators import Operator, Operators, _iban, _luhn
from guards._pii._vault import Unmask, Vault
from guards.mask import Mask
from orchestrator.testing import play, say
from tests.engine.example_guards import ask

KEY = "0123456789abcdef"
OPERATORS = st.sampled_from(get_args(Operator))
ENTITIES = ["PERSON", "EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "PHONE_NUMBER", "LOCATION"]
VALUES = {
    "PERSON": "Ann Lee",
    "EMAIL_ADDRESS": "ann@example.com",
    "CREDIT_CARD": "4111 1111 1111 1111",
    "IBAN_CODE": "DE89 3704 0044 0532 0130 00",
    "PHONE_NUMBER": "+1 212-555-0188",
    "LOCATION": "Oslo",
}


@st.composite
def letters(draw: Any) -> tuple[str, list[Span]]:
    """A text with values in it, and where they stand."""
    text, spans = "", []
    for entity in draw(st.lists(st.sampled_from(ENTITIES), max_size=4)):
        text += draw(st.sampled_from(["to ", "(", '{"a": "', "x, ", "\\ ", "John "]))
        spans.append(Span(len(text), len(text) + len(VALUES[entity]), entity))
        text += VALUES[entity] + draw(st.sampled_from([" ", ".", '"', ") ", "\n"]))
    return text, spans


@settings(max_examples=300)
@given(
    letters(),
    st.dictionaries(st.sampled_from(ENTITIES), OPERATORS),
    st.lists(st.integers(0, 120), max_size=20),
)
def test_nothing_of_a_value_is_sent_and_what_may_come_back_does(
    letter: Any, chosen: dict[str, Any], cuts: list[int]
) -> None:
    text, spans = letter
    vault = Vault()
    masked = vault.mask(text, spans, Operators(chosen, KEY))
    for span in spans:
        assert VALUES[span.entity] not in masked
    back = vault.unmask(masked)
    if not {"redact", "partial", "hash"} & set(chosen.values()):
        assert back == text
    edges = sorted(min(cut, len(masked)) for cut in cuts)
    passing = Unmask(vault)
    chunks = [masked[a:b] for a, b in pairwise([0, *edges, len(masked)])]
    assert "".join([*map(passing.feed, chunks), passing.end()]) == back
    assert vault.mask(text, spans, Operators(chosen, KEY)) == masked  # the same again


@given(st.text(max_size=20), st.sampled_from(["redact", "partial", "hash", "surrogate"]))
def test_any_value_may_be_operated_on(value: str, operator: Any) -> None:
    token = Operators({"PHONE_NUMBER": operator}, KEY).token("PHONE_NUMBER", value, lambda made: False)
    if token is not None and operator == "surrogate":
        assert len(token.text) == len(value)
        assert token.text != value


@pytest.mark.parametrize(
    ("operator", "entity", "expected"),
    [
        ("redact", "EMAIL_ADDRESS", "<EMAIL_ADDRESS>"),
        ("partial", "CREDIT_CARD", "**** **** **** 1111"),
        ("partial", "LOCATION", "****"),
        ("placeholder", "LOCATION", None),
    ],
)
def test_what_stands_there(operator: Any, entity: str, expected: str | None) -> None:
    token = Operators({entity: operator}).token(entity, VALUES[entity], lambda made: False)
    assert (token and token.text) == expected


def test_a_hash_depends_on_value_and_key() -> None:
    def hashed(value: str, key: str) -> str:
        token = Operators({"PERSON": "hash"}, key).token("PERSON", value, lambda made: False)
        assert token is not None
        return token.text

    assert hashed("Ann", "k") == hashed("Ann", "k") != hashed("Ann", "other")
    assert hashed("Bob", "k") != hashed("Ann", "k")
    assert hashed("Ann", "k").startswith("<PERSON#")


def test_what_is_encrypted_presidio_can_decrypt() -> None:
    from presidio_anonymizer.operators import Decrypt

    vault = Vault()
    masked = vault.mask("I am Ann Lee", [Span(5, 12, "PERSON")], Operators({"PERSON": "encrypt"}, KEY))
    assert Decrypt().operate(masked.removeprefix("I am "), {"key": KEY}) == "Ann Lee"


@given(st.from_regex(r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}", fullmatch=True))
def test_a_surrogate_card_passes_the_luhn_check(value: str) -> None:
    digits = [int(char) for char in _luhn(value) if char.isdigit()][::-1]
    assert sum(sum(divmod(d * 2, 10)) if i % 2 else d for i, d in enumerate(digits)) % 10 == 0


@given(st.from_regex(r"[A-Z]{2}[0-9]{2} ?[0-9A-Z]{4,30}", fullmatch=True))
def test_a_surrogate_iban_passes_its_check(value: str) -> None:
    made = _iban(value).replace(" ", "")
    assert int("".join(str(int(char, 36)) for char in made[4:] + made[:4])) % 97 == 1


def test_a_surrogate_is_never_something_that_was_said() -> None:
    operators = Operators({"LOCATION": "surrogate"}, KEY)
    first = Vault().mask("Oslo", [Span(0, 4, "LOCATION")], operators)
    again = Vault().mask("Oslo", [Span(0, 4, "LOCATION")], operators, beside=f"not {first}")
    assert first != again != "Oslo"
    vault = Vault()
    vault.mask("Oslo", [Span(0, 4, "LOCATION")], operators)
    later = vault.mask(f"meet in {first}", [])
    assert later == "meet in <TEXT_1>"
    assert vault.unmask(later) == f"meet in {first}"
    everything = operators.token("LOCATION", "Oslo", lambda made: True)
    assert everything is None  # a placeholder will do


def test_operators_work_in_the_guard() -> None:
    guard = Mask(operators={"EMAIL_ADDRESS": "surrogate", "CREDIT_CARD": "partial"}, key=KEY)
    outcome = play(guard, ask("ann@example.com pays with 4111 1111 1111 1111"), lambda call: say(call.text))
    assert "ann@" not in outcome.calls[0].text
    assert "@example." in outcome.calls[0].text
    assert outcome.text == "ann@example.com pays with **** **** **** 1111"
    assert KEY not in repr(guard)


@pytest.mark.parametrize("stream", [True, False])
def test_what_the_model_brings_up_itself_follows_the_policy(stream: bool) -> None:
    def answer(new: Any, operator: Any = "placeholder") -> Any:
        guard = Mask(new=new, operators={"EMAIL_ADDRESS": operator}, key=KEY)
        call = ask("I am ann@example.com", stream=stream)
        return play(guard, call, lambda call: say(f"{call.text}, ask bob@example.org"))

    assert answer("allow").text == "I am ann@example.com, ask bob@example.org"
    reported = answer("report")
    assert reported.text == "I am ann@example.com, ask bob@example.org"
    assert [event.data.get("side") for event in reported.events if event.what == "found"] == [None, "reply"]
    assert answer("redact").text == "I am ann@example.com, ask <EMAIL_ADDRESS>"
    assert answer("redact", "surrogate").text == "I am ann@example.com, ask <EMAIL_ADDRESS>"
    blocked = answer("block")
    assert isinstance(blocked.error, Blocked)
    assert not any(call.stream for call in blocked.calls)
    assert play(Mask(new="block"), ask("hi"), [say("fine")]).text == "fine"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"operators": {"PERSON": "redact"}}, "PERSON is not among the entities"),
        ({"operators": {"US_SSN": "hash"}}, "hash needs a secret; give it as `key: "),
        ({"operators": {"US_SSN": "encrypt"}, "key": "short"}, "16, 24 or 32 bytes, not 5"),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Mask(**settings)


def test_without_faker_a_surrogate_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from guards._pii import _operators

    _operators._faker.cache_clear()
    monkeypatch.setitem(sys.modules, "faker", None)
    with pytest.raises(ValueError, match=r"pip install 'wardline\[surrogates\]'"):
        Operators({"PERSON": "surrogate"}).token("PERSON", "Ann", lambda made: False)
