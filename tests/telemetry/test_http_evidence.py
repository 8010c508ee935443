"""Evidence over HTTP: a request goes on with its caller's trace, and is told like any other call."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from guards._models import Model, Price
from guards.retry import Retry
from orchestrator import Orchestrator, VirtualClock, World
from orchestrator._engine.trace import continued
from orchestrator.telemetry import Evidence, Trace
from policies import Policy
from tests.telemetry.test_evidence import adds_up

CALLER = f"00-{'a' * 32}-{'b' * 16}-01"
MODELS = {"m-1": Model(id="m-1", price=Price(input=1e6, output=1e6))}
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
BODY = {"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}


class Upstream:
    """A provider that is busy at first, and notes the headers that it was sent."""

    def __init__(self, stream: bool, busy: int = 1) -> None:
        self.stream, self.busy, self.headers = stream, busy, list[Any]()

    def __call__(self, request: Any) -> Any:
        self.headers.append(request.headers.get_list("traceparent"))
        if len(self.headers) <= self.busy:
            return httpx2.Response(503, json={"error": {"message": "busy"}})
        if not self.stream:
            choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
            return httpx2.Response(200, json={"model": "m-1", "choices": [choice], "usage": USAGE})
        chunks: list[Any] = [
            {"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": None}]},
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": USAGE},
        ]
        text = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        return httpx2.Response(200, content=text.encode(), headers={"content-type": "text/event-stream"})


def asked(gate: Orchestrator, upstream: Upstream, way: str, **headers: str) -> int:
    transport, url = httpx2.MockTransport(upstream), "http://up/v1/chat/completions"
    body = {**BODY, "stream": True, "stream_options": {"include_usage": True}} if upstream.stream else BODY
    if way == "sync":
        with gate.client(transport) as client:
            return int(client.post(url, json=body, headers=headers).status_code)

    async def later() -> int:
        async with gate.async_client(transport) as client:
            return int((await client.post(url, json=body, headers=headers)).status_code)

    return asyncio.run(later())


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_every_attempt_is_sent_on_in_the_callers_trace_and_told(way: str, stream: bool) -> None:
    heard: list[Trace] = []
    policy = Policy.of(model=[Retry(base=0.0)], models=MODELS)
    gate = Orchestrator(policy, world=World(clock=VirtualClock()), evidence=Evidence(sinks=[heard.append]))
    upstream = Upstream(stream)
    assert asked(gate, upstream, way, traceparent=CALLER) == 200
    assert [len(sent) for sent in upstream.headers] == [1, 1]
    places = [continued(sent[0]) for sent in upstream.headers]
    attempts = [each for each in heard if each.what == "call"]
    assert [(place.trace, place.span) for place in places if place] == [
        (each.trace, each.id) for each in attempts
    ]
    crossing = heard[-1]
    assert (crossing.what, crossing.trace, crossing.parent) == ("crossed", "a" * 32, "b" * 16)
    assert (crossing.cost, crossing.input, crossing.output, crossing.outcome) == (7.0, 3, 4, "ok")
    assert [each.outcome for each in attempts] == ["upstream_error", "ok"]
    assert ("streamed" in [each.what for each in heard]) is stream
    assert adds_up(heard) == 1


@pytest.mark.parametrize("way", ["sync", "async"])
def test_where_nobody_takes_notes_the_callers_header_goes_on_as_it_is(way: str) -> None:
    upstream = Upstream(stream=False)
    asked(Orchestrator(Policy.of(model=[Retry(base=0.0)])), upstream, way, traceparent=CALLER)
    assert upstream.headers == [[CALLER], [CALLER]]
    bare = Upstream(stream=False, busy=0)
    asked(Orchestrator(Policy.of(model=[Retry()])), bare, way)
    assert bare.headers == [[]]
