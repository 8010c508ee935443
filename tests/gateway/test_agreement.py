"""The gateway says what the transport says, to the byte; and so what the function boundary does."""

import asyncio
import json
from typing import Any

import httpx2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator import Orchestrator
from orchestrator.boundaries._gateway.settings import Settings
from orchestrator.boundaries._messages import Answer, Ask
from orchestrator.boundaries.gateway import Gateway
from policies import Policy
from tests.boundaries.test_http import CUTS, POLICIES, SAYINGS, SECRET, URL, answering


class Serving:
    """Always the one policy."""

    first = "default"

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def gate(self, name: str, key: Any) -> Orchestrator:
        return Orchestrator(self.policy)


def through_gateway(policy: Policy, handler: Any, body: Any) -> tuple[int, bytes, bytes]:
    """What a client of the gateway gets, and what the upstream got."""
    sent: list[bytes] = []
    it = Gateway(Settings(upstreams=("up=http://up",), metrics=False))
    it.served = Serving(policy)  # type: ignore[assignment]

    async def send(ask: Ask) -> Answer:
        sent.append(ask.body)
        answer = handler(httpx2.Request(ask.method, URL, content=ask.body))
        return Answer(200, answer.headers.raw, chunks=aiter(answer.stream))

    it._send = send  # type: ignore[method-assign]

    async def main() -> tuple[int, bytes, bytes]:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=it)) as client:
            response = await client.post(URL, json=body)
            return response.status_code, response.content, b"|".join(sent)

    return asyncio.run(main())


def through_transport(policy: Policy, handler: Any, body: Any) -> tuple[int, bytes, bytes]:
    sent: list[bytes] = []

    def seen(request: Any) -> Any:
        sent.append(request.content)
        return handler(request)

    with Orchestrator(policy).client(httpx2.MockTransport(seen)) as client:
        response = client.post(URL, json=body)
        return response.status_code, response.content, b"|".join(sent)


@settings(max_examples=80)
@given(
    name=st.sampled_from(sorted(POLICIES)),
    prompt=SAYINGS,
    said=SAYINGS,
    pieces=CUTS,
    bytes_cut=CUTS,
    stream=st.booleans(),
)
@example(
    name="both", prompt="ann@example.com", said=f"{{asked}} {SECRET}", pieces=[3], bytes_cut=[7], stream=True
)
def test_for_any_request_and_reply_in_any_bytes_the_gateway_gives_what_the_transport_does(
    name: str, prompt: str, said: str, pieces: list[int], bytes_cut: list[int], stream: bool
) -> None:
    policy = Policy.of(model=POLICIES[name])

    handler = answering(said, pieces, bytes_cut, stream=stream)
    body = {"model": "m-1", "messages": [{"role": "user", "content": prompt}], "stream": stream}
    assert _plain(through_gateway(policy, handler, body)) == _plain(through_transport(policy, handler, body))


def _plain(ended: tuple[int, bytes, bytes]) -> tuple[int, Any, bytes]:
    """An ending without the request's own id, which is drawn anew for each."""
    status, body, sent = ended
    if status != 200:
        told = json.loads(body)
        told["error"].pop("detail", None)
        return status, told, sent
    lines = [line for line in body.split(b"\n\n") if b'"request_id"' not in line]
    return status, lines, sent
