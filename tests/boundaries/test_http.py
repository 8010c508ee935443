"""Any httpx or httpx2 client crosses the line guarded: what leaves, what comes back, and what goes wrong."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest

from guards.mask import Mask
from orchestrator import Orchestrator
from policies import Policy

MASKED = Policy.of(model=[Mask(entities=("EMAIL_ADDRESS",))])


def completion(text: str, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        **more,
    }


def both(
    library: Any, policy: Policy, handler: Callable[[Any], Any], send: Callable[[Any], Any], **options: Any
) -> list[Any]:
    """What a sync and an async client of a library get; `send` makes the request."""
    gate = Orchestrator(policy)
    transport = library.MockTransport(handler)
    with gate.client(transport, **options) as client:
        here = send(client)

    async def there() -> Any:
        async with gate.async_client(transport, **options) as aclient:
            return await send(aclient)

    return [here, asyncio.run(there())]


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_what_a_policy_masks_never_leaves_and_is_back_in_the_reply(library: Any) -> None:
    asked: list[bytes] = []

    def handler(request: Any) -> Any:
        asked.append(request.content)
        return library.Response(
            200, json=completion("I wrote to <EMAIL_ADDRESS_1>"), headers={"x-request-id": "r"}
        )

    body = b'{ "model":"m-1", "n": 1.0e0, "messages": [{"role": "user","content": "to ann@example.com"}]}'
    kind = {"content-type": "application/json"}
    for response in both(
        library,
        MASKED,
        handler,
        lambda c: c.post("http://up/v1/chat/completions", content=body, headers=kind),
    ):
        assert response.json() == completion("I wrote to ann@example.com")
        assert response.headers["x-request-id"] == "r"
    expected = body.replace(b"ann@example.com", b"<EMAIL_ADDRESS_1>")
    assert asked == [expected, expected]


def test_a_path_of_no_known_provider_passes_untouched_or_not_at_all() -> None:
    def handler(request: Any) -> Any:
        return httpx2.Response(200, content=request.content)

    def send(client: Any) -> Any:
        return client.post("http://up/v1/audio", content=b"ann@example.com")

    assert {one.content for one in both(httpx2, MASKED, handler, send)} == {b"ann@example.com"}
    for refused in both(httpx2, MASKED, handler, send, unknown="refuse"):
        assert refused.status_code == 404
        assert refused.json()["error"]["code"] == "denied"
        assert refused.headers["x-should-retry"] == "false"
    listed = both(httpx2, MASKED, handler, lambda c: c.get("http://up/v1/models"), unknown="refuse")
    assert {one.status_code for one in listed} == {200}


BAD = [
    (b"{", "application/json", 400),
    (b"[]", "application/json", 400),
    (b'{"model": "m", "model": "n"}', "application/json", 400),
    (b'{"messages": "\xff"}', "application/json", 400),
    (b'{"messages": ' + b"[" * 50_000, "application/json", 400),
    (b'{"messages": ' + b"[" * 200 + b'"x"' + b"]" * 200 + b"}", "application/json", 403),
    (b"{}", "text/plain", 415),
]


@pytest.mark.parametrize(("body", "kind", "status"), BAD, ids=range(len(BAD)))
def test_a_request_that_cannot_be_read_is_refused_before_anybody_is_asked(
    body: bytes, kind: str, status: int
) -> None:
    def handler(request: Any) -> Any:
        raise AssertionError("asked")

    for response in both(
        httpx2,
        MASKED,
        handler,
        lambda c: c.post("http://up/v1/chat/completions", content=body, headers={"content-type": kind}),
    ):
        assert response.status_code == status
        assert json.loads(response.content)["error"]["message"]
        assert response.headers["x-should-retry"] == "false"
