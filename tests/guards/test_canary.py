"""canary: a leaked mark or prompt is found however it is written, and an honest reply passes."""

import base64
import codecs
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Blocked, Call, Finding, Part
from guards._stream import Window
from guards._text._leaks import Coded, Forms, Leaks, Said
from guards.canary import Canary
from orchestrator.evaluation._encodings import NAMED
from orchestrator.testing import play, say
from tests.engine.example_guards import ask
from tests.guards.pieces import TEXTS, flows, passed, said

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


MARK = "bcdzfghjkmnpqrstvwxb"
PIECES = (
    st.sampled_from(
        [write(MARK) for write in WRITINGS.values()] + [MARK[:9], MARK[9:], MARK[::-1][:15], "%6", "0"]
    )
    | st.integers(0, 40).flatmap(lambda at: st.integers(at, at + 25).map(lambda end: " ".join(WORDS[at:end])))
    | st.text("bcdB0x%\\6 \n-", max_size=5)
    | TEXTS
)
WORDS = PROMPT.split()


@settings(max_examples=50, deadline=None)
@given(chunks=flows(st.lists(PIECES, max_size=5).map("".join)), run=st.sampled_from([0, 3, 5]))
@example(chunks=list("0x" + MARK.encode().hex()), run=0)
@example(chunks=list("".join(f"%{ord(char):02X}" for char in MARK)), run=0)
@example(chunks=["\u0391\u03a3", "\u0391 b"], run=0)
def test_a_leak_in_a_stream_is_that_in_the_whole_and_nothing_of_it_gets_out(
    chunks: list[str], run: int
) -> None:
    check, text = Leaks(MARK, PROMPT + " \u0391\u03a3\u0391", run, 0.5), "".join(chunks)
    whole, found = sorted(check(said(text)), key=place), list[Finding]()
    assert passed(Window(check, "warn", found.extend), chunks) == (text, None)
    assert sorted(found, key=place) == whole
    out, blocked = passed(Window(check, "block"), chunks)
    assert (blocked is None) == (not whole)
    rows = [one.start for one in whole if one.code != "canary.share"]
    assert len(out) <= min(rows, default=len(text))


def place(one: Finding) -> tuple[int, int, str]:
    return one.start, one.end, one.code


def test_a_stream_passes_as_it_comes_until_the_mark_does() -> None:
    told = ask(stream=True)
    calm = play(Canary(), told, [say("", live=True)], chunks=["The rates ", "are fine."])
    assert calm.text == "The rates are fine."
    assert len(calm.chunks[0]) > 5
    system = call()
    outcome = play(
        Canary(run=5), replace(system, stream=True), [say("", live=True)], chunks=["My text: ", *PROMPT]
    )
    assert isinstance(outcome.error, Blocked)
    assert outcome.error.partial in ("My text", "My text:", "My text: ")


def plainly(leaks: Leaks, text: str) -> list[Finding]:
    """What is found when nothing says beforehand that there is nothing to find."""
    with pytest.MonkeyPatch.context() as patch:
        for which in (Forms, Coded):
            patch.setattr(which, "stands", lambda self, text: True)
        patch.setattr(Said, "strange", lambda self, text: False)
        return leaks(Part(text=text))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(PIECES, max_size=5),
    st.sampled_from(["", " ", "\u0345"]),
    st.sampled_from([0, 3, 5]),
)
@example([PROMPT.upper()[:90], "\u017fend"], " ", 5)
@example(["8", MARK[1:]], " ", 5)
@example(WORDS[:7], "\u0345", 5)
@example(WORDS[:3], " ", 3)
@example([MARK[:9].encode().hex("\n"), MARK[9:].encode().hex(" ").upper()], " ", 5)
def test_what_says_that_there_is_no_leak_is_right(pieces: list[str], gap: str, run: int) -> None:
    leaks = Leaks(MARK, PROMPT, run, 0.1)
    text = gap.join(pieces)
    assert leaks(Part(text=text)) == plainly(leaks, text)
