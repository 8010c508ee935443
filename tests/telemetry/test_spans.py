"""Spans: each event one span with its id, parent and times, by the real SDK, over OTLP to a real receiver."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guards import Blocked, screen
from guards._models import Model, Price
from guards.fallback import Fallback
from guards.invisible import Invisible
from guards.retry import Retry
from guards.schema import Schema
from orchestrator import Orchestrator, VirtualClock, World
from orchestrator._engine.session import current
from orchestrator._engine.trace import traceparent
from orchestrator.telemetry import Evidence, Spans, Trace
from orchestrator.telemetry import _semconv as names
from orchestrator.telemetry._names import Names
from orchestrator.telemetry.events import Teller
from orchestrator.testing import Rehearsal, plans, policies
from orchestrator.testing._chaos import scope_of
from orchestrator.testing._guarantees import secrets
from policies import Policy, loads

MODELS = {
    "m": Model(id="gpt-5", price=Price(input=1e6, output=1e6)),
    "n": Model(id="claude-5", price=Price(input=2e6, output=2e6)),
}


class Receiver:
    """What an OTLP collector does with traces: take them over HTTP and decode them."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *said: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/traces"

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        thread.join()
        receiver.server.server_close()


def read(attributes: Any) -> dict[str, Any]:
    """Attributes as they were before they were packed."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def test_a_session_with_repairs_a_fallback_and_tools_arrives_at_a_collector_as_one_tree() -> None:
    heard: list[Trace] = []
    with receiving() as receiver:
        resource = Resource.create({"service.name": "claims"})
        spans = Spans(OTLPSpanExporter(endpoint=receiver.endpoint), resource=resource)
        with Evidence(spans=spans, sinks=[heard.append], key="k" * 16) as evidence:
            schema = Schema({"type": "integer"}, attempts=2)
            policy = Policy.of(
                model=[schema, Fallback(models=("n",)), Retry(attempts=2, base=0.1)], models=MODELS
            )
            gate = Orchestrator(policy, world=World(clock=VirtualClock()), evidence=evidence)
            tool = gate.tool("look")(lambda word: word)
            answers = iter(["no number", '{"a": 1}', "7"])

            @gate.model("m")
            def ask(prompt: str, model: str = "gpt-5") -> Any:
                if model == "gpt-5":
                    raise ConnectionError
                tool("x")
                usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
                return {"choices": [{"message": {"content": next(answers)}}], "usage": usage, "model": model}

            with gate.session(session="s", user="ann"):
                ask("how many?")
        assert not evidence.failures
    request = receiver.requests[0].resource_spans[0]
    assert read(request.resource.attributes)["service.name"] == "claims"
    assert request.scope_spans[0].scope.name == "wardline"
    got = {span.span_id.hex(): span for span in receiver.spans}
    assert len(got) == len(heard)
    for each in heard:
        span = got[each.id]
        assert span.trace_id.hex() == each.trace
        assert span.parent_span_id.hex() == each.parent
        assert (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9 == pytest.approx(
            each.seconds, abs=1e-6
        )
        assert (span.status.code == 2) is each.failed
    kinds = Counter((span.name, span.kind) for span in got.values())
    internal, client = 1, 3
    assert kinds["invoke_agent", internal] == kinds["guarded m", internal] == 1
    assert kinds["chat gpt-5", client] == 6  # three questions, two attempts each, and then the other model
    assert kinds["chat claude-5", client] == kinds["execute_tool look", internal] == 3
    assert kinds["schema re-asked", internal] == 2
    assert kinds["fallback fell back", internal] == 3
    assert kinds["waited", internal] == 3
    chats = [read(span.attributes) for span in got.values() if span.name == "chat claude-5"]
    for chat in chats:
        assert chat[names.PROVIDER] == "anthropic"
        assert chat[names.OPERATION] == "chat"
        assert (chat[names.INPUT_TOKENS], chat[names.OUTPUT_TOKENS], chat[names.COST]) == (3, 2, 10.0)
    assert sum(read(span.attributes).get(names.COST, 0.0) for span in got.values()) == 30.0
    attempts = {each.id for each in heard if each.what == "call" and each.model == "claude-5"}
    assert {each.parent for each in heard if each.what == "crossed" and each.target == "look"} == attempts
    assert "ann" not in json.dumps([str(span) for span in got.values()])


def test_a_block_is_told_by_code_and_the_span_has_failed() -> None:
    exporter = InMemorySpanExporter()
    evidence = Evidence(spans=Spans(processor=SimpleSpanProcessor(exporter)))
    gate = Orchestrator(Policy.of(model=[screen(Invisible())]), evidence=evidence)
    with pytest.raises(Blocked):
        gate.model("m")(lambda prompt: prompt)("a\u202eb")
    (span,) = exporter.get_finished_spans()
    told = dict(span.attributes or {})
    assert told[names.ERROR_TYPE] == told[names.OUTCOME] == "blocked"
    assert told[names.CODES]
    assert not span.status.is_ok


@settings(max_examples=30, phases=[Phase.explicit, Phase.generate], deadline=None)
@given(policies(), st.data())
def test_the_spans_of_any_plan_are_its_events_and_say_nothing_else(text: str, data: st.DataObject) -> None:
    policy = loads(text)
    rehearsal = Rehearsal(policy)
    world = replace(rehearsal._world(), traced=True)
    played = rehearsal.play(data.draw(plans(scope_of(policy))), world=world)
    exporter = InMemorySpanExporter()
    spans, tell = Spans(processor=SimpleSpanProcessor(exporter)), Teller(Names("k" * 16), policy)
    traces = [tell(event) for outcome in played.outcomes for event in outcome.events]
    for trace in traces:
        spans(trace)
    traces = [each for each in traces if each.what != "reserved"]
    got = exporter.get_finished_spans()
    assert [f"{span.context.span_id:016x}" for span in got if span.context] == [each.id for each in traces]
    assert [f"{span.parent.span_id:016x}" if span.parent else "" for span in got] == [
        each.parent for each in traces
    ]
    cost = sum((span.attributes or {}).get(names.COST, 0.0) for span in got)  # type: ignore[misc, arg-type]
    assert cost == pytest.approx(sum(each.cost or 0.0 for each in traces if each.what == "crossed"))
    shown = "".join(span.to_json() for span in got)
    for ask, _ in played:
        for value in secrets(ask, rehearsal.guards(ask)):
            assert value not in shown


@pytest.mark.parametrize("way", ["sync", "async"])
def test_our_spans_stand_in_the_programs_own_and_around_those_that_it_makes_inside(way: str) -> None:
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer, heard = provider.get_tracer("program"), list[Trace]()
    gate = Orchestrator(Policy.of(), evidence=Evidence(sinks=[heard.append]))
    sent: list[str] = []

    def answer(prompt: str) -> str:
        with tracer.start_as_current_span("inner"):
            sent.append(traceparent(current()))
        return "ok"

    async def later(prompt: str) -> str:
        return answer(prompt)

    with tracer.start_as_current_span("outer"):
        if way == "sync":
            gate.model("m")(answer)("hi")
        else:
            asyncio.run(gate.model("m")(later)("hi"))
        after = otel.get_current_span().get_span_context()
    inner, outer = exporter.get_finished_spans()
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.context is not None
    assert after == outer.context
    attempt, crossing = heard
    assert int(crossing.parent, 16) == outer.context.span_id
    assert attempt.parent == crossing.id
    assert inner.parent.span_id == int(attempt.id, 16)
    assert {int(each.trace, 16) for each in heard} | {inner.context.trace_id} == {outer.context.trace_id}
    assert sent == [f"00-{attempt.trace}-{attempt.id}-01"]


def test_an_event_of_no_trace_is_no_span_and_two_ways_out_are_refused() -> None:
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    Spans(processor=processor)(Trace(what="found"))
    assert exporter.get_finished_spans() == ()
    with pytest.raises(ValueError, match="not both"):
        Spans(exporter, processor=processor)


def test_the_endpoint_is_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint.removesuffix("/v1/traces"))
        with Evidence(spans=Spans()) as evidence:
            Orchestrator(Policy.of(), evidence=evidence).model("m")(lambda prompt: "ok")("hi")
    assert [span.name for span in receiver.spans] == ["chat m", "guarded m"]


@pytest.mark.parametrize(
    ("model", "whose"),
    [("gpt-5-mini", "openai"), ("anthropic/claude-5", "anthropic"), ("own", "_OTHER"), ("", "_OTHER")],
)
def test_providers_are_told_by_the_models_name(model: str, whose: str) -> None:
    assert names.provider(model) == whose
