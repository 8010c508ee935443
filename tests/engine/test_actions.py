"""What a finding leads to: every action, on both sides, whole and streamed; nothing found slips through."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guards import Blocked, Call, Check, Decision, Finding, Part, Rejected, Reply, Usage, screen
from guards._stream import Window
from guards._types import Action
from guards._worst import Worst, worst
from orchestrator import Orchestrator
from orchestrator.testing import play, say
from policies import Policy, explain, loads
from tests.engine.example_guards import Overlapping, Whole, Words, ask

NO = "I cannot help with that."
ACTIONS: tuple[Action, ...] = ("block", "redact", "replace", "reask", "escalate", "warn")
CHECKS = st.sampled_from([Words(2), Words(3), Overlapping()])
TEXTS = st.text(alphabet="aabbc -", max_size=12)


@dataclass(frozen=True)
class Advisory:
    """A check whose findings are for the record alone."""

    check: Any = Words(3)

    @property
    def window(self) -> int | None:
        return self.check.window  # type: ignore[no-any-return]

    def __call__(self, part: Part) -> Iterator[Finding]:
        for one in self.check(part):
            yield Finding(code=one.code, message=one.message, start=one.start, end=one.end, advisory=True)


def lifted(check: Check, then: Action, **more: Any) -> Any:
    return screen(check, then=then, refusal=NO if then in ("block", "replace", "reask") else "", **more)


def bad(check: Check, text: str) -> bool:
    return bool(list(check(Part(text=text))))


@given(CHECKS, st.lists(TEXTS, min_size=5, max_size=5), st.integers(1, 3), st.booleans())
@example(Words(2), ["aa", "c"], 1, True)
def test_a_model_is_asked_again_as_often_as_the_policy_says_and_is_told_the_rule_without_its_words(
    check: Check, texts: list[str], reasks: int, stream: bool
) -> None:
    script = [say(text, usage=Usage(output=number + 1)) for number, text in enumerate(texts)]
    outcome = play(lifted(check, "reask", reasks=reasks, at=("reply",)), ask(stream=stream), script)
    clean = next((n for n, text in enumerate(texts[: reasks + 1]) if not bad(check, text)), None)
    assert len(outcome.calls) == (reasks if clean is None else clean) + 1
    assert not any(call.stream for call in outcome.calls)
    for call in outcome.calls[1:]:
        *asked, told = call.parts
        assert tuple(asked) == outcome.calls[0].parts
        assert (told.role, told.origin) == ("user", "trusted")
        assert "(words)" in told.text or "(pair)" in told.text
        assert not bad(check, told.text.replace("(words)", "").replace("a word of a and b", ""))
    if clean is None:
        assert isinstance(outcome.error, Blocked)
        assert outcome.error.detail()["refusal"] == NO
    else:
        assert outcome.text == texts[clean]
        assert outcome.reply is not None
        assert outcome.reply.usage.output == sum(range(1, clean + 2))


@given(CHECKS, TEXTS, TEXTS, st.sampled_from(["model", "tool"]), st.booleans())
def test_what_is_replaced_is_neither_sent_nor_read(
    check: Check, asked: str, answered: str, kind: Any, stream: bool
) -> None:
    call = Call(kind=kind, target="t", parts=(Part(text=asked, at=("a",)),), stream=stream)
    outcome = play(lifted(check, "replace"), call, [say(answered)])
    assert len(outcome.calls) == (not bad(check, asked))
    assert outcome.text == (NO if bad(check, asked) or bad(check, answered) else answered)
    assert outcome.reply is not None
    assert outcome.reply.source == ("fixed" if bad(check, asked) else "")


VERDICTS: Any = st.sampled_from(["approve", "modify", "reject", "waiting"])


@given(CHECKS, st.lists(TEXTS, min_size=1, max_size=3), VERDICTS, st.lists(TEXTS, min_size=1, max_size=4))
def test_a_person_decides_about_a_reply_in_which_something_was_found(
    check: Check, texts: list[str], verdict: Any, changed: list[str]
) -> None:
    parts = tuple(Part(text=text, role="assistant", at=(n,)) for n, text in enumerate(texts))
    shown: list[Any] = []

    def decide(question: Any) -> Decision:
        shown.append(question)
        return Decision(verdict, by="ann", parts=tuple(Part(text=text) for text in changed))

    guard = lifted(check, "escalate", at=("reply",))
    outcome = play(guard, ask(stream=True), [Reply(parts=parts)], decide=decide)
    if not any(bad(check, text) for text in texts):
        assert (outcome.text, shown) == ("\n".join(texts), [])
        return
    ((question),) = shown
    assert [part.text for part in question.call.parts] == ["hi", *texts]
    assert "in the reply" in question.question
    if verdict == "approve":
        assert outcome.text == "\n".join(texts)
    elif verdict == "modify":
        assert outcome.reply is not None
        assert [part.at for part in outcome.reply.parts] == [part.at for part in parts]
        assert outcome.text.rstrip("\n") == "\n".join(changed).rstrip("\n")
    else:
        assert isinstance(outcome.error, Rejected)
        assert outcome.error.reason == "no person has decided"


@pytest.mark.parametrize("verdict", ["approve", "modify", "reject"])
def test_a_person_decides_about_a_call_before_it_leaves(verdict: Any) -> None:
    guard = lifted(Words(), "escalate", at=("call",))
    decision = Decision(verdict, by="ann", parts=(Part(text="milder"),))
    outcome = play(guard, ask("abab"), [say("aa")], decide=lambda question: decision)
    sent = [call.text for call in outcome.calls]
    assert sent == {"approve": ["abab"], "modify": ["milder"], "reject": []}[verdict]


@given(CHECKS, TEXTS, st.sampled_from(ACTIONS), st.booleans(), st.data())
def test_nothing_comes_of_what_is_advisory_but_a_record(
    check: Any, text: str, then: Action, stream: bool, data: Any
) -> None:
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5))), len(text)]
    chunks = [text[a:b] for a, b in pairwise(cuts)]
    answer = lambda call: say("" if call.stream else text, live=call.stream)  # noqa: E731
    outcome = play(lifted(Advisory(check), then), ask(text, stream=stream), answer, chunks=chunks)
    assert (outcome.text, [call.text for call in outcome.calls]) == (text, [text])
    noted = sum(len(event.findings) for event in outcome.events if event.what == "found")
    assert noted == 2 * len(list(check(Part(text=text))))


# A stream, at the function boundary: well formed to its end, whatever is done about it.


def read(then: Action, chunks: list[Any], *, asynchronous: bool, **more: Any) -> tuple[list[Any], Any, int]:
    """What a client of a stream gets, how it ends, and how often the model was asked."""
    streams = iter([chunks, [chunk("ok", index) for index in range(2)]])
    asked = 0

    def model(prompt: str) -> Iterator[Any]:
        nonlocal asked
        asked += 1
        yield from next(streams)

    async def amodel(prompt: str) -> AsyncIterator[Any]:
        for one in model(prompt):
            yield one

    gate = Orchestrator(Policy.of(model=[lifted(Words(3), then, at=("reply",), **more)]))
    got: list[Any] = []

    async def aread() -> None:
        async for one in gate.model("m")(amodel)("hi"):
            got.append(one)  # noqa: PERF401 - what came before an error counts

    try:
        if asynchronous:
            asyncio.run(aread())
        else:
            got.extend(gate.model("m")(model)("hi"))
    except (Blocked, Rejected) as error:
        return got, error, asked
    return got, None, asked


def chunk(text: str, index: int = 0) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": text}}]}


def said(chunks: list[Any], index: int = 0) -> str:
    return "".join(
        choice["delta"]["content"] for one in chunks for choice in one["choices"] if choice["index"] == index
    )


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("then", ACTIONS)
def test_a_stream_ends_well_formed_whatever_is_done_about_it(then: Action, asynchronous: bool) -> None:
    chunks = [chunk("c ab"), chunk("fine", 1), chunk("a c"), chunk(" too", 1)]
    got, error, asked = read(then, chunks, asynchronous=asynchronous)
    assert all(set(one) == {"choices"} for one in got)
    match then:
        case "block":
            assert isinstance(error, Blocked)
            assert error.refusal == NO
            assert "c ".startswith(said(got))
            passed = (choice["delta"]["content"] for one in got for choice in one["choices"])
            assert error.partial == "".join(passed)
        case "redact":
            assert (said(got), said(got, 1), error) == ("c - c", "fine too", None)
        case "replace":
            assert (said(got), said(got, 1), error) == (NO, "fine too", None)
        case "reask":
            assert (said(got), said(got, 1), error, asked) == ("ok", "ok", None, 2)
        case "escalate":
            assert isinstance(error, Rejected)
            assert got == []
        case "warn":
            assert (said(got), error) == ("c aba c", None)


def test_a_live_reply_that_nobody_asked_for_is_blocked_where_the_whole_is_needed() -> None:
    for then in ("replace", "reask", "escalate"):
        live = [say("", live=True)]
        outcome = play(lifted(Words(3), then), ask(stream=True), live, chunks=["c ab", "a c"])
        assert isinstance(outcome.error, Blocked)
        assert "c ".startswith("".join(outcome.chunks))
    with pytest.raises(Blocked):
        Window(Words(3), "reask").feed("c aba c, and more of it")


def test_a_tool_is_never_run_again() -> None:
    call = Call(kind="tool", target="t")
    outcome = play(lifted(Words(), "reask", reasks=3), call, [say("aa"), say("c")])
    assert isinstance(outcome.error, Blocked)
    assert len(outcome.calls) == 1


def test_a_question_asked_again_is_an_attempt_like_the_first() -> None:
    guard = lifted(Whole(), "reask", reasks=2)
    attempt = lambda call: Worst(1, 5, 0.1)  # noqa: E731
    assert worst([guard], ask(), attempt) == Worst(1, 5, 0.1).times(3)
    assert worst([guard], Call(kind="tool", target="t"), attempt).attempts == 1
    assert play(guard, ask(), [say("bad")] * 9).attempts == 3


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("then: replace, refusal: No.", "refused in the policy's own words"),
        ("then: reask", "asked again, once at most, and then blocks"),
        ("then: reask, reasks: 3", "asked again, 3 times at most"),
        ("then: escalate", "shown to a person, who decides"),
    ],
)
def test_the_picture_of_a_policy_says_what_a_finding_does(settings: str, told: str) -> None:
    policy = loads(f"wardline: 1\nmodel: [{{use: invisible, {settings}}}]")
    assert told in " ".join(explain(policy).replace("│", " ").split())
