"""canary: a leaked mark or prompt is found however it is written, and an honest reply passes."""

import base64
import codecs
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import Blocked, Call, Part
from guards.canary import Canary
from orchestrator.evaluation._encodings import NAMED
from orchestrator.testing import play, say

PROMPT = (
    "You are the assistant of a small bank. You help with accounts and cards, you never promise a rate, and "
    "you send every complaint to a person who works in the branch of the customer, with a short summary."
)


def call(system: str = PROMPT) -> Call:
    parts = (Part(text=system, role="system", origin="trusted"), Part(text="hi"))
    return Call(kind="model", target="m", parts=parts)


WRITINGS = {
    "plain": lambda mark: f"it is {mark}",
    "upper": str.upper,
    "split": "-".join,
    "lines": "\n".join,
    "reversed": lambda mark: mark[::-1],
    "base64": lambda mark: base64.b64encode(mark.encode()).decode(),
    "base64 within": lambda mark: base64.b64encode(f"so {mark}!".encode()).decode(),
    "urlsafe": lambda mark: "x" + base64.urlsafe_b64encode(mark.encode()).decode(),
    "hex": lambda mark: mark.encode().hex(),
    "hex escapes": lambda mark: "".join(f"\\x{ord(char):02x}" for char in mark),
    "url": lambda mark: "".join(f"%{ord(char):02X}" for char in mark),
    "quoted": quote,
    "rot13": lambda mark: codecs.encode(mark, "rot13"),
    **{
        f"{name}, in a sentence": lambda mark, code=code: code(f"it is {mark}!")
        for name, code in NAMED.items()
    },
}


def replied(guard: Canary, write: Any) -> Any:
    def answers(asked: Call) -> Any:
        text = asked.parts[0].text
        return say(write(text.split("reference ")[1].split(":")[0]))

    return play(guard, call(), answers)


@pytest.mark.parametrize("way", WRITINGS)
def test_the_mark_is_found_however_it_is_written(way: str) -> None:
    assert isinstance(replied(Canary(), WRITINGS[way]).error, Blocked)
    told = replied(Canary(then="warn"), WRITINGS[way])
    assert told.error is None
    assert told.events


def test_the_prompt_s_own_words_are_a_leak() -> None:
    for text in (PROMPT, f"My rules say: {PROMPT[:150]}", PROMPT.upper().replace(",", "")):
        assert isinstance(play(Canary(), call(), [say(text)]).error, Blocked)
    assert play(Canary(run=0, share=0), call(), [say(PROMPT)]).error is None


@settings(max_examples=40, deadline=None)
@given(st.permutations(PROMPT.split()), st.integers(1, 40))
def test_the_prompt_in_other_words_is_a_leak_as_long_as_half_of_its_runs_of_four_stay(
    others: list[str], every: int
) -> None:
    words = PROMPT.split()
    said = [
        other if n % every == 0 else word for n, (word, other) in enumerate(zip(words, others, strict=True))
    ]
    runs = {tuple(words[at : at + 4]) for at in range(len(words) - 3)}
    left = sum(tuple(said[at : at + 4]) in runs for at in range(len(said) - 3)) / len(runs)
    leaked = isinstance(play(Canary(run=0), call(), [say(" ".join(said))]).error, Blocked)
    assert leaked if left >= 0.5 else True
    if every == 1 and others != words and left == 0:
        assert not leaked


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_an_honest_reply_passes_as_it_is(text: str) -> None:
    assert play(Canary(), call(), [say(text)]).text == text


def test_a_call_without_a_system_text_and_a_tool_are_left_as_they_are() -> None:
    plain = Call(kind="model", target="m", parts=(Part(text="hi"),))
    assert play(Canary(), plain, [say("ok")]).calls[0].text == "hi"
    tool = Call(kind="tool", target="t", parts=(Part(text="hi", role="system"),))
    assert play(Canary(), tool, [say("ok")]).calls[0].text == "hi"


@pytest.mark.parametrize(("setting", "cause"), [({"run": -1}, "run"), ({"then": "cut"}, "then")])
def test_wrong_settings_are_refused(setting: Any, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        Canary(**setting)
