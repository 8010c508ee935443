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
