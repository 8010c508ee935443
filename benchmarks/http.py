"""What the HTTP transport costs beyond a client's own work: a 2 KB exchange, and each streamed event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from benchmarks._measure import Figure, cpu
from benchmarks.overhead import passes
from guards import screen
from guards.links import Links
from orchestrator import Orchestrator
from policies import Policy

EVENTS = 200
URL = "http://upstream/v1/chat/completions"
KIND = {"content-type": "application/json"}


def body(*, stream: bool) -> bytes:
    said = [{"role": "user", "content": "lorem ipsum dolor " * 25} for _ in range(4)]
    return json.dumps({"model": "m", "messages": said, "stream": stream}).encode()


def reply() -> bytes:
    message = {"role": "assistant", "content": "lorem ipsum dolor " * 100}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 500, "completion_tokens": 500, "total_tokens": 1_000}
    whole = {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(whole).encode()


def events() -> list[bytes]:
    frame = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    deltas: list[dict[str, Any]] = [{"delta": {"content": f"word {n}. "}} for n in range(EVENTS - 1)]
    choices = [{"index": 0, "finish_reason": None, **one} for one in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    told = [b"data: %b\n\n" % json.dumps({**frame, "choices": [one]}).encode() for one in choices]
    return [*told, b"data: [DONE]\n\n"]


def figures() -> Iterator[Figure]:
    import httpx2

    whole, told = reply(), events()

    class Stream(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from told

    def handle(request: Any) -> Any:
        if b'"stream": true' in request.content:
            kind = {"content-type": "text/event-stream"}
            return httpx2.Response(200, stream=Stream(), headers=kind)
        return httpx2.Response(200, content=whole, headers=KIND)

    inner = httpx2.MockTransport(handle)

    def exchange(client: Any, *, number: int = 400) -> float:
        asked = body(stream=False)
        return cpu(lambda: client.post(URL, content=asked, headers=KIND), number=number, rounds=7)

    def stream(client: Any) -> float:
        asked = body(stream=True)

        def read() -> None:
            with client.stream("POST", URL, content=asked, headers=KIND) as response:
                for _ in response.iter_raw():
                    pass

        return cpu(read, number=10, rounds=7) / EVENTS

    bare = httpx2.Client(transport=inner)
    base, flow = exchange(bare), stream(bare)
    links = screen(Links(), at=("reply",), then="redact")
    cases = (
        ("an empty policy", Policy.of(), "<= 120 µs", "<= 10 µs"),
        ("one guard that passes", Policy.of(model=[passes]), "<= 300 µs", "<= 10 µs"),
        ("links looked for in the reply", Policy.of(model=[links]), "", ""),
    )
    for name, policy, goal, goal_of_an_event in cases:
        client = Orchestrator(policy).client(inner)
        yield Figure(f"HTTP transport, 2 KB, {name}: adds", exchange(client) - base, "µs", goal)
        yield Figure(f"HTTP transport, an event, {name}: adds", stream(client) - flow, "µs", goal_of_an_event)
