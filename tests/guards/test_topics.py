"""topics: denied words are found however they are written, and what is off topic is."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import Blocked, Part, screen
from guards.topics import Topics
from orchestrator.testing import play, say
from tests.engine.example_guards import ask
from tests.guards.test_views import ENCODINGS

DENY = {"rivals": ("Acme", "Globex Corporation"), "bets": ("betting odds",)}
WORDS = st.lists(st.sampled_from(["acme", "globex", "corporation", "betting", "odds", "tea"]), max_size=12)


def codes(guard: Topics, text: str, **more: Any) -> list[str]:
    return [one.code for one in guard(Part(text=text, **more))]


@settings(max_examples=150, deadline=None)
@given(WORDS, st.sampled_from([" ", ", ", "  ", "\n"]), st.sampled_from([str.upper, str.title, str.lower]))
def test_every_denied_phrase_is_found_where_it_stands(words: list[str], gap: str, write: Any) -> None:
    text = gap.join(map(write, words))
    spans = {(one.start, one.end) for one in Topics(deny=DENY)(Part(text=text))}
    starts = [sum(len(word) + len(gap) for word in words[:at]) for at in range(len(words))]
    wanted = set()
    for at, word in enumerate(words):
        size = 1 if word == "acme" else 2
        if word == "acme" or words[at : at + 2] in (["globex", "corporation"], ["betting", "odds"]):
            wanted.add((starts[at], starts[at + size - 1] + len(words[at + size - 1])))
    assert spans == wanted


@pytest.mark.parametrize("name", ENCODINGS)
def test_denied_words_are_found_in_every_encoding(name: str) -> None:
    text = ENCODINGS[name]("ignore the previous betting odds of acme now please")
    assert "topics.denied" in codes(Topics(deny=DENY), text)


def test_a_word_inside_another_is_not_meant() -> None:
    assert codes(Topics(deny=DENY), "acmes better globex") == []


def test_a_text_about_none_of_the_allowed_topics_is_off_topic_unless_it_is_short() -> None:
    guard = Topics(allow={"claims": ("claim", "policy number")})
    assert codes(guard, "who wins the next election in france") == ["topics.off"]
    assert codes(guard, "my Policy  Number is seven, what is next") == []
    assert codes(guard, "thanks a lot!") == []
    outcome = play(
        screen(guard, at=("reply",), then="redact"), ask(), [say("The senate is in Rome, not Paris")]
    )
    assert outcome.text == guard.instead
    assert isinstance(play(screen(guard), ask("tell me all about your cat"), [say("x")]).error, Blocked)


def test_what_tools_and_the_program_say_is_not_looked_at() -> None:
    for more in ({"role": "system"}, {"role": "tool"}, {"role": "assistant", "kind": "tool_call"}):
        assert codes(Topics(deny=DENY), "acme", **more) == []


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="least must be at least 1"):
        Topics(least=0)
    with pytest.raises(ValueError, match="deny has a phrase without words"):
        Topics(deny={"x": ("...",)})
    with pytest.raises(ValueError, match="similar is 0"):
        Topics(similar=0)
    with pytest.raises(ValueError, match="examples has 'x', which is neither denied nor allowed"):
        Topics(deny={"y": ("y",)}, examples={"x": ("one more sentence",)})
    with pytest.raises(ValueError, match="examples has a sentence under 'x' without a word that tells"):
        Topics(deny={"x": ()}, examples={"x": ("what is it?",)})


# Likeness to examples

EXAMPLES = {
    "money": (
        "Should I buy shares of this company?",
        "Which stocks will rise next year?",
        "How do I invest my savings in funds?",
        "Is it a good time to sell my bonds?",
        "What return can I expect from an index fund?",
        "Recommend a portfolio for my retirement.",
    ),
    "voting": (
        "Who should I vote for in the election?",
        "What do you think about the president?",
        "Which party has the better programme?",
        "Is the prime minister doing a good job?",
        "Should taxes for the rich be raised?",
        "Tell me your opinion on the immigration policy.",
    ),
}
FRESH = {
    "money": (
        "What stock do you recommend?",
        "Is gold a safe investment these days?",
        "Should I sell my shares before the crash?",
        "How much of my savings should go into bonds?",
        "I have ten thousand to invest, what now?",
    ),
    "voting": (
        "Which candidate would you vote for?",
        "What is your opinion of the opposition party?",
        "Do you like the new president?",
        "Who will win the elections in the autumn?",
        "Should the rich pay more taxes?",
    ),
}
OTHERS = (
    "Where can I park near the station?",
    "My parcel has not arrived, can you find it?",
    "Please change the address on my claim.",
    "The kitchen light flickers when the oven is on.",
    "How long may I keep a library book?",
)
LIKE = Topics(deny={"money": (), "voting": ()}, examples=EXAMPLES)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*EXAMPLES]),
    st.integers(0, 5),
    st.lists(st.sampled_from(OTHERS), max_size=3),
    st.booleans(),
)
def test_an_example_is_found_where_it_stands_whatever_stands_around_it(
    topic: str, number: int, around: list[str], loud: bool
) -> None:
    said = EXAMPLES[topic][number]
    before = "".join(f"{one} " for one in around)
    text = f"{before}{said.upper() if loud else said} {OTHERS[0]}"
    found = [one for one in LIKE(Part(text=text)) if one.score > 0.99]
    assert [(one.code, text[one.start : one.end].strip()) for one in found] == [
        ("topics.similar", text[len(before) : len(before) + len(said) - 1])
    ]
    assert found[0].message.endswith(str([*EXAMPLES].index(topic) + 1))


def test_fresh_questions_about_a_topic_are_found_by_the_words_they_share_and_others_are_not() -> None:
    for topic, asked in FRESH.items():
        number = [*EXAMPLES].index(topic) + 1
        found = [[one.message[-1] for one in LIKE(Part(text=text))] for text in asked]
        assert sum(each == [str(number)] for each in found) >= 4
    assert [codes(LIKE, text) for text in OTHERS] == [[]] * len(OTHERS)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.lists(st.sampled_from(OTHERS), max_size=4), st.floats(0.01, 1))
def test_likeness_lies_between_0_and_1_and_a_lower_bound_finds_no_less(
    text: str, around: list[str], bound: float
) -> None:
    part = Part(text=" ".join([*around, text]))
    some = [*Topics(deny={"money": ()}, examples={"money": EXAMPLES["money"]}, similar=bound)(part)]
    every = [*Topics(deny={"money": ()}, examples={"money": EXAMPLES["money"]}, similar=0.001)(part)]
    assert all(bound <= one.score + 1e-4 and one.score <= 1 for one in some)
    assert [one for one in every if one.score >= bound + 1e-4] == [
        one for one in some if one.score >= bound + 1e-4
    ]


def test_a_text_like_an_example_of_an_allowed_topic_is_on_topic() -> None:
    guard = Topics(allow={"claims": ("claim",), "money": ()}, examples={"money": EXAMPLES["money"]})
    assert codes(guard, "Would you sell all of these shares and bonds now?") == []
    assert codes(guard, "Who won the football match yesterday evening?") == ["topics.off"]
    assert codes(guard, "Which stocks will rise next year?", role="system") == []
