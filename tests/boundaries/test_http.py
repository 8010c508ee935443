"""Any httpx or httpx2 client crosses the line guarded: what leaves, what comes back, and what goes wrong."""

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import brotli
import httpx
import httpx2
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Call, Exhausted, Flow, GuardError, Reply, screen
from guards._models import Model
from guards._types import Ended
from guards._value import replace
from guards.budget import Budget
from guards.cache import Cache
from guards.fallback import Fallback
from guards.mask import Mask
from guards.retry import Retry
from guards.schema import Schema
from guards.secrets import Secrets
from guards.timeout import Timeout
from orchestrator import Orchestrator, VirtualClock, World
from orchestrator.boundaries._messages import Ask
from orchestrator.boundaries._sse import Reader
from policies import Policy

MAIL = "ann@example.com"
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


URL = "http://up/v1/chat/completions"


def ask(client: Any, *, stream: bool = False, text: str = "hello", **more: Any) -> Any:
    said = [{"role": "user", "content": text}]
    return client.post(URL, json={"model": "m-1", "messages": said, "stream": stream, **more})


def frame(text: str, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice], **more}


def events(*values: Any) -> bytes:
    told = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return "".join(f"data: {one}\n\n" for one in told).encode()


class Bytes(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body in pieces, which knows how many of them were read, and whether it was closed."""

    def __init__(self, pieces: list[bytes], fails: Exception | None = None) -> None:
        self.pieces, self.fails, self.read, self.closed = pieces, fails, 0, False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.read += 1
            yield piece
        if self.fails is not None:
            raise self.fails

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


EVENT_STREAM = {"content-type": "text/event-stream"}


def streaming(*pieces: bytes, fails: Exception | None = None) -> tuple[Callable[[Any], Any], list[Bytes]]:
    """An upstream that streams these bytes, and the bodies that it gave."""
    given: list[Bytes] = []

    def handler(request: Any) -> Any:
        given.append(Bytes(list(pieces), fails))
        return httpx2.Response(200, stream=given[-1], headers=EVENT_STREAM)

    return handler, given


def data_of(body: bytes) -> list[Any]:
    """The values of a stream's events."""
    reader = Reader()
    said = [event.data for event in reader.feed(body) if event.data is not None]
    return [one if one == "[DONE]" else json.loads(one) for one in said]


def text_of(values: list[Any]) -> dict[int, str]:
    """The text of each choice in a stream's values."""
    texts: dict[int, str] = {}
    for value in values:
        for choice in value.get("choices", ()) if isinstance(value, dict) else ():
            said = choice["delta"].get("content") or ""
            texts[choice["index"]] = texts.get(choice["index"], "") + said
    return texts


def error_of(values: list[Any]) -> str:
    return next((value["error"]["code"] for value in values if "error" in value), "")


SECRET = "AKIAQ4VZ7J3MX2NPLTRW"
POLICIES = {
    "mask": [Mask(entities=("EMAIL_ADDRESS",))],
    "redact": [screen(Secrets(), then="redact")],
    "block": [screen(Secrets(), then="block")],
    "both": [Mask(entities=("EMAIL_ADDRESS",)), screen(Secrets(), at=("reply",), then="block")],
    "none": [],
}
WORDS = st.sampled_from(
    ["ann@example.com", "<EMAIL_ADDRESS_1>", SECRET, "hi", " ", "é", "😀", '"', "\n", "{asked}"]
)
SAYINGS = st.lists(WORDS, max_size=6).map(" ".join)
CUTS = st.lists(st.integers(0, 2_000), max_size=12)


def cut(body: str | bytes, places: list[int]) -> list[Any]:
    return [body[a:b] for a, b in pairwise(sorted({0, len(body), *(p % (len(body) + 1) for p in places)}))]


def answering(said: str, pieces: list[int], bytes_cut: list[int], *, stream: bool) -> Callable[[Any], Any]:
    """An upstream that says this, with what it was asked in it, its events and its bytes cut anywhere."""

    def handler(request: Any) -> Any:
        answer = said.replace("{asked}", json.loads(request.content)["messages"][-1]["content"])
        if not stream:
            body = Bytes(cut(json.dumps(completion(answer)).encode(), bytes_cut))
            return httpx2.Response(200, stream=body, headers={"content-type": "application/json"})
        told = events(*map(frame, cut(answer, pieces)), frame("", finish="stop"), "[DONE]")
        return httpx2.Response(200, stream=Bytes(cut(told, bytes_cut)), headers=EVENT_STREAM)

    return handler


def by_function(
    policy: Policy, prompt: str, said: str, pieces: list[int], *, stream: bool
) -> tuple[str, str]:
    """What a decorated function that talks chat completions gives, and the code of its error."""
    gate, texts = Orchestrator(policy), []

    @gate.model("m-1")
    def whole(messages: list[Any]) -> Any:
        return completion(said.replace("{asked}", messages[-1]["content"]))

    @gate.model("m-1")
    def flowing(messages: list[Any]) -> Iterator[Any]:
        for piece in cut(said.replace("{asked}", messages[-1]["content"]), pieces):
            yield frame(piece)
        yield frame("", finish="stop")

    asked = [{"role": "user", "content": prompt}]
    try:
        if not stream:
            return whole(asked)["choices"][0]["message"]["content"], ""
        texts.extend(chunk["choices"][0]["delta"]["content"] for chunk in flowing(asked))
    except GuardError as error:
        return "".join(texts), error.code
    return "".join(texts), ""


@settings(max_examples=120, deadline=None)
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
def test_for_any_request_and_reply_in_any_bytes_the_transport_gives_what_the_function_boundary_does(
    name: str, prompt: str, said: str, pieces: list[int], bytes_cut: list[int], stream: bool
) -> None:
    policy = Policy.of(model=POLICIES[name])
    expected = by_function(policy, prompt, said, pieces, stream=stream)

    for response in both(
        httpx2,
        policy,
        answering(said, pieces, bytes_cut, stream=stream),
        lambda client: ask(client, stream=stream, text=prompt),
    ):
        if stream and response.status_code == 200:
            values = data_of(response.content)
            assert (text_of(values).get(0, ""), error_of(values)) == expected
        elif response.status_code == 200:
            assert (response.json()["choices"][0]["message"]["content"], "") == expected
        else:
            assert ("", response.json()["error"]["code"]) == expected


@settings(max_examples=60, deadline=None)
@given(
    places=CUTS,
    coding=st.sampled_from(["gzip", "deflate", "br", "zstd", "raw deflate"]),
    stream=st.booleans(),
)
def test_a_compressed_reply_is_read_and_passes_as_it_came_where_nothing_changed(
    places: list[int], coding: str, stream: bool
) -> None:
    plain = (
        events(frame("hi"), frame("", finish="stop"), "[DONE]")
        if stream
        else json.dumps(completion("hi")).encode()
    )
    packed = PACKED[coding](plain)
    headers = {
        "content-encoding": coding.rsplit(maxsplit=1)[-1],
        **(EVENT_STREAM if stream else {"content-type": "application/json"}),
    }

    def handler(request: Any) -> Any:
        return httpx2.Response(200, stream=Bytes(cut(packed, places)), headers=headers)

    policy = Policy.of(model=POLICIES["mask"])
    for response in both(httpx2, policy, handler, lambda client: ask(client, stream=stream)):
        # A client that cannot decode it gets what it would have got.
        assert response.content in ((plain,) if stream or coding != "zstd" else (plain, packed))
        assert ("content-encoding" in response.headers) is not stream


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw deflate": lambda body: zlib.compress(body, wbits=-zlib.MAX_WBITS),
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def test_a_block_in_mid_stream_is_an_error_event_and_closes_the_upstream_at_once() -> None:
    pieces = [events(frame(f"all is well {n} ")) for n in range(30)]
    rest = [events(frame(SECRET), frame(" and more")), *pieces * 10]
    handler, given = streaming(*pieces, *rest)
    for response in both(httpx2, Policy.of(model=POLICIES["block"]), handler, lambda c: ask(c, stream=True)):
        values = data_of(response.content)
        assert error_of(values[-1:]) == "blocked"
        assert text_of(values)[0].startswith("all is well 0")
        assert SECRET not in response.text
    assert all(body.closed and body.read < 250 for body in given)


TROUBLES = {
    "cut off": (streaming(events(frame("hi"))), "upstream_error"),
    "broken": (streaming(events(frame("hi")), fails=httpx2.ReadError("gone")), "upstream_error"),
    "no json": (streaming(events(frame("hi"), "{")), "upstream_error"),
    "no utf-8": (streaming(events(frame("hi")), b"data: \xff\n\n"), "upstream_error"),
    "endless": (streaming(events(frame("hi")), *[b"data: " + b"x" * 4_000_000] * 5), "upstream_error"),
    "unknown": (streaming(events(frame("hi"), {"text": "x"})), "denied"),
    "its own": (streaming(events(frame("hi"), {"error": {"code": "theirs"}})), "theirs"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_stream_in_trouble_ends_with_an_error_and_never_as_if_it_were_whole(trouble: str) -> None:
    (handler, given), code = TROUBLES[trouble]
    for response in both(
        httpx2, MASKED_ALWAYS, handler, lambda c: ask(c, stream=True, text="ann@example.com")
    ):
        values = data_of(response.content)
        assert error_of(values[-1:]) == code
        assert "[DONE]" not in values
    assert all(body.closed for body in given)


MASKED_ALWAYS = Policy.of(model=[screen(Secrets(), then="redact"), *POLICIES["mask"]])


def test_what_a_provider_says_between_the_events_goes_no_farther() -> None:
    handler, _ = streaming(
        b": ann says\n\n", events(frame("hi")), b": more\n\n", events(frame("", finish="stop"))
    )
    for response in both(httpx2, MASKED_ALWAYS, handler, lambda c: ask(c, stream=True)):
        assert b"says" not in response.content
        assert b"more" not in response.content
        assert text_of(data_of(response.content)) == {0: "hi"}


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (httpx2.ConnectError("no"), 502),
        (httpx2.ReadTimeout("late"), 504),
        (httpx2.RemoteProtocolError("lied about its length"), 502),
        ((200, b"<html>", "text/html"), 502),
        ((200, b'{"choices"', "application/json"), 502),
        ((200, b'["no object"]', "application/json"), 502),
        ((200, b"", "text/event-stream"), 502),
    ],
    ids=range(7),
)
def test_an_upstream_that_gives_no_reply_is_an_error_in_the_provider_s_shape(
    answer: Any, status: int
) -> None:
    def handler(request: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer[0], content=answer[1], headers={"content-type": answer[2]})

    for stream in (False, True):
        for response in both(httpx2, MASKED, handler, lambda c, stream=stream: ask(c, stream=stream)):
            assert response.status_code == status
            assert response.json()["error"]["code"] == "upstream_error"


def test_an_upstream_s_own_error_travels_as_it_came() -> None:
    body = b'{"error":  {"message":"busy", "type": "x"}}'
    headers = {
        "retry-after": "9",
        "x-request-id": "r",
        "x-ratelimit-remaining-requests": "0",
        "connection": "close",
    }

    def handler(request: Any) -> Any:
        return httpx2.Response(429, content=body, headers=headers)

    for response in both(httpx2, MASKED, handler, ask):
        assert (response.status_code, response.content) == (429, body)
        assert all(response.headers[name] == headers[name] for name in list(headers)[:3])
        assert "connection" not in response.headers


def test_a_guard_that_crashes_is_a_500_that_names_it_and_quotes_nothing() -> None:
    def broken(call: Call) -> Flow:
        raise RuntimeError(call.text)
        yield call

    for response in both(
        httpx2, Policy.of(model=[broken]), lambda request: None, lambda c: ask(c, text="private")
    ):
        assert response.status_code == 500
        assert "broken" in response.json()["error"]["message"]
        assert response.headers["x-should-retry"] == "false"
        assert "private" not in response.text


def noting(ended: list[Ended]) -> Any:
    def noted(call: Call) -> Flow:
        reply: Reply = yield call

        def after(end: Ended) -> Any:
            ended.append(end)
            yield from ()

        return replace(reply, after=(*reply.after, after))

    return noted


def test_a_client_that_leaves_closes_the_upstream_at_once_and_is_charged_for_what_had_come() -> None:
    pieces = [events(frame("word ")) for _ in range(50)]
    handler, given = streaming(*pieces)
    ended: list[Ended] = []
    gate = Orchestrator(Policy.of(model=[noting(ended)]))
    with (
        gate.client(httpx2.MockTransport(handler)) as client,
        client.stream("POST", URL, json={"model": "m", "messages": [], "stream": True}) as response,
    ):
        assert next(response.iter_bytes())
    assert given[0].closed
    assert given[0].read < 5
    assert [(end.size >= 5, type(end.error)) for end in ended] == [(True, GeneratorExit)]

    async def there() -> None:
        async with (
            gate.async_client(httpx2.MockTransport(handler)) as client,
            client.stream("POST", URL, json={"model": "m", "messages": [], "stream": True}) as response,
        ):
            async for _ in response.aiter_bytes():
                break

    asyncio.run(there())
    assert given[1].closed
    assert len(ended) == 2


def test_tokens_are_asked_for_where_a_guard_counts_them_and_the_client_is_not_told_unasked() -> None:
    asked: list[Any] = []
    usage = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}
    last = {"id": "c-1", "object": "chat.completion.chunk", "choices": [], "usage": usage}
    told = events(frame("hi", usage=None), frame("", finish="stop", usage=None), last, "[DONE]")

    def handler(request: Any) -> Any:
        asked.append(json.loads(request.content).get("stream_options"))
        return httpx2.Response(200, content=told, headers=EVENT_STREAM)

    policy = Policy.of(model=[Budget(tokens=100_000)])
    for response in both(httpx2, policy, handler, lambda c: ask(c, stream=True)):
        assert b"usage" not in response.content
        assert text_of(data_of(response.content)) == {0: "hi"}
    wanted = {"include_usage": True}
    for response in both(httpx2, policy, handler, lambda c: ask(c, stream=True, stream_options=wanted)):
        assert response.content == told
    assert asked == [wanted] * 4


def test_a_reply_from_the_cache_is_the_provider_s_again_for_whoever_streams_or_not() -> None:
    count = 0

    def handler(request: Any) -> Any:
        nonlocal count
        count += 1
        assert json.loads(request.content)["stream"] is False
        return httpx2.Response(200, json=completion("hi"))

    gate = Orchestrator(Policy.of(model=[Cache(ttl=60.0, scope="everyone")]))
    with gate.client(httpx2.MockTransport(handler)) as client:
        assert [ask(client).json() for _ in range(2)] == [completion("hi")] * 2
        assert count == 1
        for _ in range(2):
            assert text_of(data_of(ask(client, stream=True).content)) == {0: "hi"}
        assert count == 2


def test_guards_that_choose_models_have_no_say_about_embeddings_and_masking_has() -> None:
    asked: list[bytes] = []

    def handler(request: Any) -> Any:
        asked.append(request.content)
        return httpx2.Response(
            200, json={"object": "list", "data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 3}}
        )

    policy = Policy.of(model=[Schema(schema={"type": "object"}), Mask(entities=("EMAIL_ADDRESS",))])
    body = {"model": "e", "input": ["to ann@example.com", "b"]}
    for response in both(httpx2, policy, handler, lambda c: c.post("http://up/v1/embeddings", json=body)):
        assert response.json()["data"] == [{"embedding": [0.5]}]
    assert all(b"ann@" not in one and b"EMAIL_ADDRESS_1" in one for one in asked)
    assert len(asked) == 2


def test_attempts_of_one_request_carry_one_idempotency_key() -> None:
    keys: list[str] = []

    def handler(request: Any) -> Any:
        keys.append(request.headers["idempotency-key"])
        return httpx2.Response(503 if len(keys) % 2 else 200, json=completion("hi"))

    policy = Policy.of(model=[Retry(attempts=2, base=0.0, max=0.0)])
    assert all(response.status_code == 200 for response in both(httpx2, policy, handler, ask))
    assert len(keys) == 4
    assert len(set(keys)) == 2


def test_a_policy_without_guards_does_not_read_what_passes() -> None:
    handler, _ = streaming(b"no event", b"at all")
    for response in both(httpx2, Policy.of(), handler, lambda c: c.post(URL, content=b"{no json")):
        assert response.content == b"no eventat all"


def test_what_is_fixed_by_the_policy_is_answered_in_the_provider_s_shape() -> None:
    def handler(request: Any) -> Any:
        return httpx2.Response(503, json={})

    policy = Policy.of(model=[Fallback(reply="later")])
    for stream in (False, True):
        for response in both(httpx2, policy, handler, lambda c, stream=stream: ask(c, stream=stream)):
            if stream:
                assert text_of(data_of(response.content)) == {0: "later"}
                assert response.headers["content-type"] == "text/event-stream"
            else:
                assert response.json()["choices"][0]["message"]["content"] == "later"


@settings(max_examples=150, deadline=None)
@given(
    pieces=st.lists(
        st.binary(max_size=20)
        | st.sampled_from(
            [events(frame("hi")), b"data: ", b"\n\n", b"[DONE]", b'{"choices": [', b"\r", b"event: error"]
        ),
        max_size=8,
    ),
    kind=st.sampled_from(["application/json", "text/event-stream", "text/html"]),
)
def test_any_bytes_of_an_upstream_end_as_a_reply_or_an_error(pieces: list[bytes], kind: str) -> None:
    def handler(request: Any) -> Any:
        return httpx2.Response(200, stream=Bytes(pieces), headers={"content-type": kind})

    for response in both(httpx2, MASKED_ALWAYS, handler, lambda c: ask(c, stream=True)):
        if response.status_code == 200:
            values = data_of(response.content)
            assert all(value == "[DONE]" or isinstance(value, dict) for value in values)
            assert error_of(values) or not values or "[DONE]" in values or response.content
        else:
            assert response.json()["error"]["code"] in ("upstream_error", "denied")


def test_a_request_that_came_compressed_is_read_and_leaves_as_plain_where_it_changed() -> None:
    asked: list[Any] = []
    headers = {"content-encoding": "gzip", "content-type": "application/json"}

    def handler(request: Any) -> Any:
        asked.append((request.content, request.headers.get("content-encoding")))
        return httpx2.Response(200, json=completion("hi"))

    for text in ("hello", MAIL):
        plain = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
        packed = gzip.compress(plain)
        both(httpx2, MASKED, handler, lambda c, packed=packed: c.post(URL, content=packed, headers=headers))
        changed = plain.replace(MAIL.encode(), b"<EMAIL_ADDRESS_1>")
        assert asked[-2:] == [(packed, "gzip") if text == "hello" else (changed, None)] * 2
    odd = {**headers, "content-encoding": "rot13"}
    for response in both(httpx2, MASKED, handler, lambda c: c.post(URL, content=b"x", headers=odd)):
        assert response.status_code == 400


def test_a_reply_in_an_unknown_coding_is_an_error_whole_or_streamed() -> None:
    def handler(request: Any) -> Any:
        body = json.loads(request.content)
        kind = EVENT_STREAM if body["stream"] else {"content-type": "application/json"}
        return httpx2.Response(200, stream=Bytes([b"x"]), headers={"content-encoding": "rot13", **kind})

    for stream in (False, True):
        for response in both(httpx2, MASKED, handler, lambda c, stream=stream: ask(c, stream=stream)):
            assert response.status_code == 502


def test_a_model_of_the_policy_is_asked_by_its_id_in_the_body_or_in_azure_s_path() -> None:
    asked: list[Any] = []

    def handler(request: Any) -> Any:
        asked.append((request.url.path, json.loads(request.content).get("model")))
        return httpx2.Response(200, json=completion("hi"))

    named: list[str] = []

    def noted(call: Call) -> Flow:
        named.append(call.target)
        return (yield call)

    policy = Policy.of(model=[noted], models={"small": Model(id="gpt-mini", price="none")})
    said = {"messages": [{"role": "user", "content": "hi"}]}
    both(httpx2, policy, handler, lambda c: c.post(URL, json={"model": "small", **said}))
    both(httpx2, policy, handler, lambda c: c.post(URL, json={"model": "gpt-mini", **said}))
    azure = "http://up/openai/deployments/small/chat/completions?api-version=1"
    both(httpx2, policy, handler, lambda c: c.post(azure, json=said))
    deployed = "/openai/deployments/gpt-mini/chat/completions"
    assert asked == [("/v1/chat/completions", "gpt-mini")] * 4 + [(deployed, None)] * 2
    assert named == ["small"] * 6


def test_an_ask_for_another_model_keeps_the_spelling_of_all_else() -> None:
    body = b'{ "model":"a/b", "n": 1.0 }'
    asked = Ask("POST", "/v1/chat/completions", [], body, json.loads(body), "a/b")
    renamed = asked.renamed("b")
    assert (renamed.body, renamed.model, renamed.path) == (b'{ "model":"b", "n": 1.0 }', "b", asked.path)
    assert asked.renamed("a/b") is asked


def test_a_stream_that_is_too_late_ends_with_the_deadline() -> None:
    clock = VirtualClock()

    class Slow(Bytes):
        def __iter__(self) -> Iterator[bytes]:
            for piece in self.pieces:
                clock.advance(2.0)
                yield piece

    def handler(request: Any) -> Any:
        return httpx2.Response(200, stream=Slow([events(frame("hi "))] * 10), headers=EVENT_STREAM)

    gate = Orchestrator(Policy.of(model=[noting([])]), world=World(clock=clock))
    with gate.session(timeout=5.0), gate.client(httpx2.MockTransport(handler)) as client:
        values = data_of(ask(client, stream=True).content)
    assert error_of(values[-1:]) == "exhausted"
    assert text_of(values)[0] in ("hi ", "hi hi ")


def test_what_a_guard_says_when_the_stream_is_over_reaches_the_client() -> None:
    def late(call: Call) -> Flow:
        reply: Reply = yield call

        def after(end: Ended) -> Any:
            raise Exhausted("budget (usd)")
            yield

        return replace(reply, after=(after,))

    handler, _ = streaming(events(frame("hi"), frame("", finish="stop")))
    for response in both(httpx2, Policy.of(model=[late]), handler, lambda c: ask(c, stream=True)):
        assert error_of(data_of(response.content)[-1:]) == "exhausted"


def test_every_choice_of_a_stream_is_filtered_apart_and_ends_with_all_of_its_text() -> None:
    told = [frame(piece, index) for piece in ("<EMAIL_", "ADDRESS_1", "> ok") for index in (0, 1)]
    handler, _ = streaming(events(*told, frame("", 0, "stop"), frame("", 1, "stop"), "[DONE]"))
    for response in both(httpx2, MASKED, handler, lambda c: ask(c, stream=True, text=MAIL)):
        assert text_of(data_of(response.content)) == {0: f"{MAIL} ok", 1: f"{MAIL} ok"}


def test_a_client_is_of_the_newest_library_or_of_its_transport_s_own() -> None:
    gate = Orchestrator(MASKED)
    with gate.client() as client, gate.client(httpx.HTTPTransport(verify=False)) as other:
        assert isinstance(client, httpx2.Client)
        assert isinstance(other, httpx.Client)
    library = httpx2.AsyncClient
    assert isinstance(gate.async_client(), library)


def test_without_a_library_the_error_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    assert isinstance(Orchestrator(MASKED).client(), httpx.Client)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match="pip install httpx2"):
        Orchestrator(MASKED).client()


def test_a_stream_that_begins_when_nobody_waits_any_more_is_closed() -> None:
    clock = VirtualClock()
    begins, given = streaming(events(frame("hi"), frame("", finish="stop")))

    def handler(request: Any) -> Any:
        clock.advance(9.0)
        return begins(request)

    gate = Orchestrator(Policy.of(model=[Timeout(seconds=2.0)]), world=World(clock=clock))
    with gate.client(httpx2.MockTransport(handler)) as client:
        assert ask(client, stream=True).status_code == 504
    with gate.session(timeout=5.0), gate.client(httpx2.MockTransport(handler)) as client:
        assert ask(client, stream=True).status_code == 504
    assert [body.closed for body in given] == [True, True]


def test_a_stream_that_begins_with_the_provider_s_error_is_told_as_it_came_after_another_try() -> None:
    first = b": wait\n\n", events({"error": {"code": "theirs", "message": "busy"}})
    handler, given = streaming(*first)
    policy = Policy.of(model=[Fallback(models=("other",), errors=("failed", "unavailable"))], models=OTHER)
    for response in both(httpx2, policy, handler, lambda c: ask(c, stream=True)):
        assert error_of(data_of(response.content)) == "theirs"
    assert len(given) == 4
    assert all(body.closed for body in given)


OTHER = {"other": Model(id="other", price="none")}


def test_a_reply_that_is_far_too_large_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.boundaries._coding.LARGEST_BODY", 1_000)
    given: list[Bytes] = []

    def handler(request: Any) -> Any:
        given.append(Bytes([b" " * 100] * 1_000))
        return httpx2.Response(200, stream=given[-1], headers={"content-type": "application/json"})

    for response in both(httpx2, MASKED, handler, ask):
        assert response.status_code == 502
    assert all(body.closed and body.read == 11 for body in given)


def test_a_helper_is_not_asked_by_the_program_s_own_request() -> None:
    def judging(call: Call) -> Flow:
        return (yield replace(call, via="nobody"))

    def handler(request: Any) -> Any:
        raise AssertionError("asked")

    for response in both(httpx2, Policy.of(model=[judging]), handler, ask):
        assert response.status_code in (403, 500)
