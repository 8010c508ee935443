"""The simulated provider: the same question gets the same answers, whoever asks, how and in which order."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator import VirtualClock
from orchestrator._engine.upstream import upstream_error
from orchestrator.sim import FAULTS, PROFILES, Answer, Profile, Provider, SimStatus, SimTimeout, Tier

INVOICE = "Invoice no: INV-7\nDate: 12 March 2026\nTotal: EUR 1,234.50\nContact: <EMAIL_ADDRESS_1>\n"
SCHEMA = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "issue_date": {"type": "string", "format": "date"},
        "total": {"type": "number"},
        "currency": {"enum": ["EUR", "USD"]},
        "email": {"type": "string"},
    },
    "required": ["invoice_number", "total"],
    "additionalProperties": False,
}
TRUE = {
    "invoice_number": "INV-7",
    "issue_date": "2026-03-12",
    "total": 1234.5,
    "currency": "EUR",
    "email": "<EMAIL_ADDRESS_1>",
}


def asked(text: str = INVOICE, **more: Any) -> dict[str, Any]:
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
    body = {"model": "sim", "messages": [{"role": "user", "content": text}], "response_format": wanted}
    return {**body, **more}


def said(answer: Answer) -> str:
    text: str = answer.result()["choices"][0]["message"]["content"]
    return text


def seen(answer: Answer) -> tuple[Any, ...]:
    return answer.status, answer.body, str(answer.error), answer.seconds, answer.chunks, answer.faults


QUESTIONS = st.lists(st.sampled_from([asked(f"{INVOICE}Page {n}") for n in range(4)]), max_size=12)


@given(QUESTIONS, st.integers(0, 99), st.sampled_from(sorted(PROFILES)), st.randoms(use_true_random=False))
def test_answers_depend_on_the_question_and_not_on_the_order_of_calls(
    questions: list[dict[str, Any]], seed: int, faults: str, shuffle: Any
) -> None:
    def answers(order: list[dict[str, Any]]) -> Counter[str]:
        provider = Provider(faults, seed)
        return Counter(repr((question["messages"], seen(provider.answer(question)))) for question in order)

    other = list(questions)
    shuffle.shuffle(other)
    assert answers(questions) == answers(other)


def test_threads_get_the_answers_that_one_caller_would_get() -> None:
    questions = [asked(f"{INVOICE}Page {n % 10}") for n in range(60)]
    alone, shared = Provider("storm", 3), Provider("storm", 3)
    with ThreadPoolExecutor(8) as pool:
        together = Counter(repr(seen(answer)) for answer in pool.map(shared.answer, questions))
    assert together == Counter(repr(seen(alone.answer(question))) for question in questions)


@given(st.integers(0, 99))
@settings(max_examples=20)
def test_after_a_reset_everything_is_asked_for_the_first_time(seed: int) -> None:
    provider = Provider("storm", seed)
    first = [seen(provider.answer(asked())) for _ in range(5)]
    provider.reset()
    assert [seen(provider.answer(asked())) for _ in range(5)] == first


@given(st.integers(0, 200), st.sampled_from(["none", "rough", "storm"]))
@settings(max_examples=40)
@example(14, "storm")
def test_sync_async_and_streamed_calls_agree_on_text_time_and_failure(seed: int, faults: str) -> None:
    messages, options = asked()["messages"], {"response_format": asked()["response_format"]}
    clocks = [VirtualClock() for _ in range(4)]
    providers = [Provider(faults, seed) for _ in range(4)]

    async def awaited() -> Any:
        return (await providers[1].async_function(clocks[1])(messages, **options))["choices"]

    async def iterated() -> str:
        stream = providers[3].async_stream_function(clocks[3])
        return "".join([piece async for piece in stream(messages, **options)])

    def ended(call: Any) -> Any:
        try:
            return call()
        except (SimTimeout, SimStatus) as error:
            return str(error)

    plain = ended(lambda: providers[0].function(clocks[0])(messages, **options)["choices"])
    assert ended(lambda: asyncio.run(awaited())) == plain
    streamed = ended(lambda: "".join(providers[2].stream_function(clocks[2])(messages, **options)))
    assert ended(lambda: asyncio.run(iterated())) == streamed
    assert streamed == (plain if isinstance(plain, str) else plain[0]["message"]["content"])
    assert clocks[0].now() == clocks[1].now() == Provider(faults, seed).answer(asked()).seconds
    assert clocks[2].now() == clocks[3].now()
    assert clocks[2].now() == pytest.approx(clocks[0].now(), rel=0.01)


def test_without_a_clock_nothing_waits() -> None:
    provider = Provider(Profile(name="down", rates={"timeout": 1.0}))
    messages = asked()["messages"]

    async def awaited() -> None:
        with pytest.raises(SimTimeout):
            await provider.async_function()(messages)
        with pytest.raises(SimTimeout):
            assert [piece async for piece in provider.async_stream_function()(messages)]

    with pytest.raises(SimTimeout):
        provider.function()(messages)
    with pytest.raises(SimTimeout):
        list(provider.stream_function()(messages))
    asyncio.run(awaited())
    provider = Provider()

    async def heard() -> str:
        return "".join([piece async for piece in provider.async_stream_function()(messages)])

    whole = provider.function()(messages)["choices"][0]["message"]["content"]
    assert "".join(provider.stream_function()(messages)) == asyncio.run(heard()) == whole


def storm(count: int = 600, faults: str = "storm") -> Counter[str]:
    provider = Provider(faults, 1)
    return Counter(fault for n in range(count) for fault in provider.answer(asked(f"{INVOICE}{n}")).faults)


def test_in_a_storm_every_fault_occurs() -> None:
    assert storm().keys() == set(FAULTS)


def test_a_worse_profile_has_more_of_every_fault() -> None:
    for fault in FAULTS:
        calm, rough, worst = (PROFILES[name].rate(fault) for name in ("calm", "rough", "storm"))
        assert 0 < calm < rough < worst < 1
    counts = [storm(300, name).total() for name in ("none", "calm", "rough", "storm")]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[1] < counts[2] < counts[3]


@given(st.text(max_size=60), st.integers(0, 9))
@settings(max_examples=40)
def test_without_faults_every_answer_is_well(text: str, seed: int) -> None:
    answer = Provider("none", seed).answer(asked(text))
    assert (answer.status, answer.faults, answer.error) == (200, (), None)
    assert isinstance(json.loads(said(answer)), dict)
    assert "".join(piece for _, piece in answer.chunks) == said(answer)


def only(fault: str, **more: Any) -> Provider:
    return Provider(Profile(name=fault, rates={fault: 1.0}, reask=1.0, **more), 5)


@pytest.mark.parametrize("fault", ["prose", "fence", "duplicate"])
def test_dressed_answers_hold_the_json_inside(fault: str) -> None:
    text = said(only(fault).answer(asked()))
    assert not text.startswith("{") or fault == "duplicate"
    assert json.JSONDecoder().raw_decode(text, text.index("{"))[0] == TRUE


@pytest.mark.parametrize("fault", ["trailing_comma", "python_literals", "empty", "refusal", "truncated"])
def test_broken_answers_are_no_json(fault: str) -> None:
    answer = only(fault).answer(asked())
    assert answer.result()["choices"][0]["finish_reason"] == ("length" if fault == "truncated" else "stop")
    with pytest.raises(ValueError):
        json.loads(said(answer))


def test_careless_answers_are_json_that_does_not_fit() -> None:
    missing = json.loads(said(only("missing_field").answer(asked())))
    invented = json.loads(said(only("invented_field").answer(asked())))
    wrong = json.loads(said(only("wrong_type").answer(asked())))
    assert missing.keys() < TRUE.keys() < invented.keys()
    assert wrong.keys() == TRUE.keys()
    assert [type(wrong[name]) is not type(TRUE[name]) for name in TRUE].count(True) == 1


def test_every_kind_of_value_can_come_in_a_wrong_type() -> None:
    text = "Paid: yes\nParts:\n- bolts\n- nuts\nShip to: Ann\nCount: 3\n"
    kinds = {
        "paid": {"type": "boolean"},
        "parts": {"type": "array", "items": {"type": "string"}},
        "count": {"type": "integer"},
        "customer": {"type": "object", "properties": {"paid": {"type": "boolean"}}},
        "missing": {"type": ["string", "null"]},
    }
    right = {
        "paid": True,
        "parts": ["bolts", "nuts"],
        "count": 3,
        "customer": {"paid": True},
        "missing": None,
    }
    for name, kind in kinds.items():
        schema = {"type": "object", "properties": {name: kind}, "required": [name]}
        body = asked(text, response_format={"type": "json_schema", "json_schema": {"schema": schema}})
        assert json.loads(said(Provider().answer(body))) == {name: right[name]}
        value = json.loads(said(only("wrong_type").answer(body)))[name]
        assert isinstance(value, str)
    assert json.loads(said(only("wrong_type").answer(asked("7", response_format={
        "type": "json_schema", "json_schema": {"schema": {"type": "integer", "minimum": 4}}
    })))) == "4"  # fmt: skip


def test_failures_look_like_those_of_real_clients() -> None:
    limited = only("rate_limit").answer(asked())
    failure = upstream_error("model", limited.error or Exception())
    assert (limited.status, failure.status, failure.retryable) == (429, 429, True)
    assert failure.retry_after == float(limited.headers["retry-after"]) > 0
    down = only("server_error").answer(asked())
    assert down.status in (500, 503, 529)
    assert upstream_error("model", down.error or Exception()).retryable
    assert str(down.error).startswith(f"status {down.status}: ")
    hanging = only("timeout", hang=77.0).answer(asked())
    assert (hanging.status, hanging.body, hanging.seconds) == (0, None, 77.0)
    assert upstream_error("model", hanging.error or Exception()).kind == "timeout"
    with pytest.raises(SimTimeout):
        Answer(status=0, body=None, seconds=1.0).result()


def test_a_slow_answer_is_the_same_answer_later() -> None:
    slow, quick = only("slow").answer(asked()), Provider("none", 5).answer(asked())
    assert said(slow) == said(quick)
    assert slow.seconds > 4 * quick.seconds


def test_a_model_does_better_when_it_is_told_what_was_wrong() -> None:
    feedback = [
        {"role": "assistant", "content": "I found nothing."},
        {"role": "user", "content": "The previous reply is not valid.\n- /total: need number"},
    ]

    def slips(more: list[dict[str, str]]) -> int:
        provider, count = Provider("storm", 2), 0
        for n in range(200):
            body = asked(f"{INVOICE}{n}")
            answer = provider.answer({**body, "messages": [*body["messages"], *more]})
            count += bool(set(answer.faults) - {"rate_limit", "server_error", "timeout", "slow"})
        return count

    assert slips(feedback) < 0.6 * slips([])


def test_a_reask_is_answered_from_the_material_and_not_from_the_feedback() -> None:
    body = asked()
    wrong = {"role": "assistant", "content": "Total: EUR 9.99"}
    told = {"role": "user", "content": "That is invalid. Total: must be a number"}
    answer = Provider().answer({**body, "messages": [*body["messages"], wrong, told]})
    assert json.loads(said(answer)) == TRUE
    in_one = Provider().answer(asked(f"{INVOICE}\n\nYour previous reply is not valid: /total: need number"))
    assert json.loads(said(in_one)) == TRUE


def test_a_conversation_that_goes_on_is_no_reask() -> None:
    messages = [
        {"role": "user", "content": "Invoice no: INV-7"},
        {"role": "assistant", "content": "What is the total?"},
        {"role": "tool", "content": "Total: EUR 1,234.50"},
    ]
    value = json.loads(said(Provider().answer(asked(messages=messages))))
    assert value == {"invoice_number": "INV-7", "total": 1234.5, "currency": "EUR"}


def test_the_schema_may_stand_in_the_text() -> None:
    told = f"Answer with JSON that fits this schema: {json.dumps(SCHEMA)}"
    system = {"role": "system", "content": told}
    user = {"role": "user", "content": [{"type": "text", "text": INVOICE}, {"type": "image_url"}, 7]}
    answer = Provider().answer({"messages": [system, user]})
    assert json.loads(said(answer)) == TRUE
    in_one = Provider().answer({"messages": [{"role": "user", "content": f"{told}\n\n{INVOICE}"}]})
    assert json.loads(said(in_one)) == TRUE
    nobody = Provider().answer({"messages": [{"role": "system", "content": f"{told}\n{INVOICE}"}]})
    assert json.loads(said(nobody)) == TRUE


def test_json_without_a_schema_is_what_the_text_labels() -> None:
    answer = Provider().answer(asked(response_format={"type": "json_object"}))
    assert json.loads(said(answer))["invoice_no"] == "INV-7"


def test_a_question_is_answered_with_the_sentence_that_tells() -> None:
    text = "The ship left on Monday. It carries tiles. It is due in Valencia in June."
    asking = {"role": "user", "content": f"{text}\nWhen is it due in Valencia?"}
    answer = Provider().answer({"messages": [asking]})
    assert "due in Valencia in June" in said(answer)
    assert "When is it" not in said(answer)
    assert said(Provider().answer({"messages": [{"role": "user", "content": None}]})) == (
        "There is no text to answer from."
    )


def test_a_plain_answer_keeps_placeholders_and_can_be_said_twice() -> None:
    body = {"messages": [{"role": "user", "content": "Please write to <EMAIL_ADDRESS_1> today."}]}
    once = said(Provider().answer(body))
    assert "<EMAIL_ADDRESS_1>" in once
    assert said(only("duplicate").answer(body)) == f"{once}\n\n{once}"
    assert only("fence").answer(body).faults == ()
    assert only("truncated").answer(body).faults == ("truncated",)


@given(st.integers(1, 80))
@settings(max_examples=20)
def test_an_answer_keeps_within_the_tokens_it_may_have(limit: int) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        answer = Provider().answer(asked(**{name: limit}))
        assert answer.result()["usage"]["completion_tokens"] <= limit
        cut = answer.result()["choices"][0]["finish_reason"] == "length"
        assert cut == (len(said(Provider().answer(asked()))) > 4 * limit)


def test_usage_counts_four_bytes_a_token() -> None:
    usage = Provider().answer(asked("äöü")).result()["usage"]
    assert usage["prompt_tokens"] == 2
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_small_model_is_quicker_and_slips_more_often() -> None:
    provider = Provider("storm", 1, {"mine": Tier(slips=0.0, first=9.0)})
    small, large = provider.tier("gpt-5-mini"), provider.tier("sim-large")
    assert small.slips > provider.tier("gpt-5").slips > large.slips
    assert small.first < large.first
    answer = provider.answer(asked(model="mine"))
    assert provider.tier("mine").first == 9.0
    assert not set(answer.faults) - {"rate_limit", "server_error", "timeout", "slow"}


@pytest.mark.parametrize(
    "body",
    [{}, {"messages": []}, {"messages": "hi"}, {"messages": ["hi"]}, {"messages": [{"content": "hi"}]}],
)
def test_a_request_that_is_none_gets_the_error_of_an_api(body: dict[str, Any]) -> None:
    answer = Provider().answer(body)
    assert answer.status == 400
    assert "messages" in (answer.body or {})["error"]["message"]
    with pytest.raises(SimStatus, match="status 400"):
        answer.result()


def test_a_request_may_hold_what_json_does_not_know() -> None:
    bodies = [asked(extra=object()) for _ in range(2)]
    assert seen(Provider("storm").answer(bodies[0])) == seen(Provider("storm").answer(bodies[1]))


def test_keys_tell_the_same_questions_apart() -> None:
    provider = Provider("storm", 4)
    first = {key: seen(provider.answer(asked(), key=key)) for key in map(str, range(8))}
    other = Provider("storm", 4)
    assert {key: seen(other.answer(asked(), key=key)) for key in reversed(first)} == first
    assert len({repr(answer) for answer in first.values()}) > 1


def test_what_was_asked_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.sim.provider.REMEMBERED", 2)
    provider = Provider("storm", 4)
    first = seen(provider.answer(asked("one")))
    provider.answer(asked("two"))
    provider.answer(asked("three"))
    assert seen(provider.answer(asked("one"))) == first


def test_wrong_profiles_are_refused() -> None:
    with pytest.raises(ValueError, match="no fault profile 'wild'; there are none, calm, rough, storm"):
        Provider("wild")
    with pytest.raises(ValueError, match="no fault 'gremlins'"):
        Profile(name="x", rates={"gremlins": 0.1})
    with pytest.raises(ValueError, match="between 0 and 1"):
        Profile(name="x", rates={"empty": 1.5})
