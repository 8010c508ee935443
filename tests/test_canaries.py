"""Guarantee 1: values planted in every field a call has are looked for in everything that leaves."""

import asyncio
import io
import json
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from pydantic import BaseModel

from guards import Call, Event, GuardError
from guards._pii._find import finder
from guards.mask import Mask
from guards.retry import Retry
from guards.schema import Schema
from guards.timeout import Timeout
from orchestrator import Orchestrator, VirtualClock, World
from orchestrator.telemetry import Evidence, Logs, Metrics, Spans
from policies import Policy

EMAILS = [f"canary{n}.person@example.com" for n in range(12)]
CARDS = ["4111 1111 1111 1111", "5500005555555559", "340000000000009"]
NUMBERS = ["536-90-4399", "DE89370400440532013000", "+1 212-555-0188"]
CANARIES = [*EMAILS, *CARDS, *NUMBERS]


class Form(BaseModel):
    note: str
    lines: list[str]


@dataclass
class Order:
    comment: str
    extra: dict[str, Any]


class Line:
    """One guarded program, and everything that leaves it: calls, events, errors, every sink of evidence."""

    def __init__(self, *guards: Any) -> None:
        self.left: list[str] = []
        self.logs, self.spans, registry = io.StringIO(), InMemorySpanExporter(), CollectorRegistry()
        self.metrics = Metrics(registry)
        evidence = Evidence(
            store=lambda trace: self.left.append(json.dumps(trace.to_dict())),
            spans=Spans(processor=SimpleSpanProcessor(self.spans)),
            metrics=self.metrics,
            logs=Logs(self.logs),
            sinks=[lambda trace: self.left.append(repr(trace))],
        )
        world = World(clock=VirtualClock(), sink=self.note)
        self.gate = Orchestrator(Policy.of(model=guards, tool=guards), world=world, evidence=evidence)

    def note(self, event: Event) -> None:
        self.left += [repr(event), str(event.data), repr(asdict(event))]

    def sent(self, *values: Any) -> None:
        self.left.append(json.dumps(values, default=_plain, ensure_ascii=False))

    def failed(self, error: BaseException) -> None:
        self.left += [str(error), repr(error), "".join(traceback.format_exception(error))]
        if isinstance(error, GuardError):
            self.left += [json.dumps(error.detail())]

    def leaks(self) -> list[int]:
        """Which canaries got out, by number: a failing test prints no value."""
        spans = [span.to_json() for span in self.spans.get_finished_spans()]
        shown = generate_latest(self.metrics.registry).decode()
        everything = "\n".join([*self.left, *spans, shown, self.logs.getvalue()])
        return [number for number, canary in enumerate(CANARIES) if canary in everything]


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else asdict(value)


def everywhere(values: list[str]) -> dict[str, Any]:
    """A call's arguments with a value in every place that content may have."""
    pick = cycle(values)
    return {
        "messages": [
            {"role": "system", "content": f"you serve {next(pick)}"},
            {"role": "user", "content": [{"type": "text", "text": f"I am {next(pick)}"}], "name": next(pick)},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c1", "function": {"name": "f", "arguments": json.dumps({"to": next(pick)})}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": f"found {next(pick)}"},
        ],
        "form": Form(note=next(pick), lines=[next(pick)]),
        "order": Order(next(pick), {"deep": [{"er": (next(pick),)}]}),
        "system": f"be kind to {next(pick)}, {json.dumps({'body': json.dumps({'to': next(pick)})})}",
    }


PLANTED = st.lists(st.sampled_from(CANARIES), min_size=1, max_size=9)
REPLIES = st.lists(
    st.sampled_from(
        ['{"ok": 1}', "no json", "{}", "echo", "timeout", "status", "crash", '{"ok": "<EMAIL_ADDRESS_1>"}']
    ),
    min_size=1,
    max_size=6,
)
SCHEMA = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "integer"}}}
OPERATORS = st.dictionaries(
    st.sampled_from(["EMAIL_ADDRESS", "CREDIT_CARD", "US_SSN"]),
    st.sampled_from(["placeholder", "redact", "partial", "hash", "encrypt", "surrogate"]),
)


@settings(max_examples=60)
@given(PLANTED, REPLIES, OPERATORS, st.sampled_from(["sync", "async", "stream", "tool"]))
def test_no_canary_leaves(planted: list[str], replies: list[str], operators: Any, way: str) -> None:
    mask = Mask(operators=operators, key="0123456789abcdef")
    line = Line(Schema(SCHEMA), Retry(base=0.0), mask, Timeout())
    answers = iter(replies)

    def answer(*arguments: Any) -> str:
        line.sent(*arguments)
        said = next(answers, "{}")
        match said:
            case "echo":
                return json.dumps(arguments[0], default=_plain)
            case "timeout":
                raise TimeoutError("slow")
            case "status":
                raise ConnectionError("gone")
            case "crash":
                raise ValueError("a bug of the program's own")
        return said

    def program(messages: Any, form: Any, order: Any, system: str) -> str:
        return answer(messages, form, order, system)

    async def later(messages: Any, form: Any, order: Any, system: str) -> str:
        return answer(messages, form, order, system)

    async def chunks(messages: Any, form: Any, order: Any, system: str) -> AsyncIterator[str]:
        for chunk in answer(messages, form, order, system):
            yield chunk

    async def gathered(arguments: Any) -> str:
        return "".join([chunk async for chunk in line.gate.model("m")(chunks)(**arguments)])

    arguments = everywhere(planted)
    try:
        if way == "sync":
            line.gate.model("m")(program)(**arguments)
        elif way == "tool":
            line.gate.tool("t", idempotent=True)(program)(**arguments)
        elif way == "async":
            asyncio.run(line.gate.model("m")(later)(**arguments))
        else:
            asyncio.run(gathered(arguments))
    except Exception as error:
        line.failed(error)
        if isinstance(error, GuardError):
            error.partial = None  # what was finished belongs to the program, and travels nowhere by itself
            line.left.append(repr(pickle.dumps(error)))
    assert line.left
    assert line.leaks() == []


def test_the_harness_finds_what_does_leak() -> None:
    line = Line(Retry())

    @line.gate.model("m")
    def ask(messages: Any, form: Any, order: Any, system: str) -> str:
        line.sent(messages, form, order, system)
        return "ok"

    ask(**everywhere(CANARIES))
    assert len(line.leaks()) >= 9


def test_a_guard_that_crashes_on_content_says_nothing_of_it(caplog: pytest.LogCaptureFixture) -> None:
    def clumsy(call: Call) -> Any:
        raise KeyError(call.text)
        yield call

    line = Line(Mask(), clumsy, clumsy)
    caplog.set_level(logging.DEBUG)

    @line.gate.model("m")
    def ask(prompt: str) -> str:
        raise AssertionError

    @line.gate.model("m")
    def stream(prompt: str) -> Iterator[str]:
        raise AssertionError
        yield prompt

    for program in (ask, lambda text: list(stream(text))):
        with pytest.raises(GuardError) as raised:
            program(" ".join(CANARIES))
        line.failed(raised.value)
    finder(("IBAN_CODE",), 0.0, (), ())(f"{NUMBERS[1]} GB00 0000")
    logging.getLogger("presidio-analyzer").error("Failed to validate text %s", NUMBERS[1])
    outer = Line(clumsy)
    with pytest.raises(GuardError) as raised:
        outer.gate.model("m")(lambda prompt: prompt)(" ".join(CANARIES))
    line.failed(raised.value)
    line.left.append(caplog.text)
    assert line.leaks() == []
