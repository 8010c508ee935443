"""Ways past the guards: content that is easily taken for structure, and paths of two meanings."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import screen
from guards.mask import Mask
from guards.permit import Permit
from guards.retry import Retry
from guards.secrets import Secrets
from orchestrator import Orchestrator
from orchestrator.boundaries import _shapes
from orchestrator.boundaries._exchange import exchange
from orchestrator.boundaries._mcp.tools import said
from orchestrator.boundaries._messages import Answer, Ask
from orchestrator.boundaries._wire import find
from policies import Policy

MAIL = "ann@example.com"
SECRET = "AKIAQ4VZ7J3MX2NPLTRW"
MASKED = Policy.of(model=[Mask(entities=("EMAIL_ADDRESS",))])
REDACTED = Policy.of(model=[screen(Secrets(), at=("reply",), then="redact")])
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
MESSAGES, GOOGLE = "/v1/messages", "/v1beta/models/m:generateContent"
JSON = [(b"content-type", b"application/json")]


def asked(policy: Policy, path: str, body: Any, method: str = "POST") -> tuple[list[Ask], Answer]:
    """What an upstream is asked, and what the client is answered, where the upstream says nothing."""
    sent: list[Ask] = []

    def send(ask: Ask) -> Answer:
        sent.append(ask)
        return Answer(200, JSON, b"{}")

    ask = Ask(method, path, JSON, json.dumps(body).encode())
    return sent, exchange(Orchestrator(policy), ask, send)


def answered(policy: Policy, path: str, body: Any) -> bytes:
    """What a client gets of an upstream's reply."""
    ask = Ask("POST", path, JSON, b'{"model": "m", "messages": [], "input": "hi"}')
    answer = exchange(Orchestrator(policy), ask, lambda ask: Answer(200, JSON, json.dumps(body).encode()))
    assert answer.status == 200
    return answer.body


def streamed(policy: Policy, path: str, *values: Any) -> bytes:
    """The same of a stream."""
    data = "".join(f"data: {json.dumps(one)}\n\n" for one in values).encode()
    handler: Callable[[Any], Any] = lambda request: httpx2.Response(  # noqa: E731
        200, content=data, headers={"content-type": "text/event-stream"}
    )
    with Orchestrator(policy).client(httpx2.MockTransport(handler)) as client:
        body = {"model": "m", "messages": [], "input": "hi", "stream": True}
        return bytes(client.post(f"http://up{path}", json=body).content)


def chat(content: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


PLAIN = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "0301234567"}}
HIDDEN = {
    "a data URL in front": (CHAT, chat(f"data:;base64, {MAIL}")),
    "a data URL in front of a block": (CHAT, chat([{"type": "text", "text": f"data:x;base64,\n{MAIL}"}])),
    "a data URL in a URL": (
        CHAT,
        chat([{"type": "image_url", "image_url": {"url": f"data:a/b;base64,AA {MAIL}"}}]),
    ),
    "a data URL in an item": (
        RESPONSES,
        {"model": "m", "input": [{"role": "user", "content": f"data:;base64, {MAIL}"}]},
    ),
    "a data URL in a turn": (
        GOOGLE,
        {"contents": [{"role": "user", "parts": [{"text": f"data:;base64, {MAIL}"}]}]},
    ),
    "metadata": (CHAT, {**chat("hi"), "metadata": {"name": MAIL, "id": MAIL, "type": MAIL}}),
    "variables": (RESPONSES, {"model": "m", "prompt": {"id": "p", "variables": {"name": MAIL}}}),
    "labels": (GOOGLE, {"contents": [], "labels": {"key": MAIL}}),
}


@pytest.mark.parametrize("where", HIDDEN)
def test_what_looks_like_structure_is_masked_where_a_provider_reads_it_as_text(where: str) -> None:
    path, body = HIDDEN[where]
    [ask], _ = asked(MASKED, path, body)
    assert MAIL.encode() not in ask.body
    assert b"EMAIL_ADDRESS_1" in ask.body


@settings(max_examples=100, deadline=None)
@given(text=st.text("abcXYZ019+/= \n", min_size=1).filter(str.strip))
def test_a_document_in_plain_text_is_content_whatever_it_says(text: str) -> None:
    wire = find("POST", MESSAGES)
    assert wire is not None
    source = {**PLAIN["source"], "data": text}  # type: ignore[dict-item]
    parts = wire.asked({"messages": [{"role": "user", "content": [{**PLAIN, "source": source}]}]})
    assert text in [part.text for part in parts]


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=60))
def test_attachments_in_base64_are_left_as_they_are(data: bytes) -> None:
    from base64 import b64encode, urlsafe_b64encode

    for coded in (b64encode(data).decode(), urlsafe_b64encode(data).decode()):
        url = f"data:image/png;charset=x;base64,{coded}"
        assert _shapes.opaque(("image_url", "url"), url)
        assert _shapes.opaque(("image_url",), url)
        assert _shapes.opaque(("source", "data"), coded)
        assert not _shapes.opaque(("content",), url)


PATHS = [
    "/v1//chat/completions",
    "/v1/chat//completions",
    "//v1/chat/completions//",
    "/V1/Chat/Completions",
    "/openai/Deployments/m/Chat/Completions?api-version=1",
    "/v1/chat%2Fcompletions",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_lenient_servers_take_for_a_known_one_is_guarded_as_that(path: str) -> None:
    [ask], _ = asked(MASKED, path, chat(MAIL))
    assert MAIL.encode() not in ask.body
    assert type(find("POST", path)).__name__ == "OpenAIChat"


@pytest.mark.parametrize("kind", ["models", "tunedModels", "endpoints"])
def test_tuned_models_of_google_are_guarded_as_the_others_are(kind: str) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": MAIL}]}]}
    [ask], _ = asked(MASKED, f"/v1beta/{kind}/m:generateContent", body)
    assert MAIL.encode() not in ask.body


WINDING = [
    ("POST", "/v1/x/../chat/completions"),
    ("POST", "/v1/chat/./completions"),
    ("POST", "/v1/messages/%2e%2E/messages"),
    ("POST", "/openai/deployments/cheap/../../../v1/chat/completions"),
    ("GET", "/v1/models/../files/f/content"),
    ("GET", "/v1/models/..%2ffiles/f/content"),
]


@pytest.mark.parametrize(("method", "path"), WINDING)
def test_a_path_that_goes_up_again_is_refused_by_whoever_asks(method: str, path: str) -> None:
    sent, answer = asked(MASKED, path, chat(MAIL), method)
    assert not sent
    assert answer.status == 404


SAID = [
    (CHAT + "?x=/deployments/cheap/", {**chat("hi"), "model": "dear"}),
    ("/v1beta/models/dear:generateContent?x=/models/cheap:", {"contents": []}),
    ("/v1beta/models/dear%3AgenerateContent?x=/models/cheap:", {"contents": []}),
]


@pytest.mark.parametrize(("path", "body"), SAID)
def test_a_query_never_says_which_model_is_asked(path: str, body: Any) -> None:
    sent, answer = asked(Policy.of(model=[Permit(tools=("cheap",))]), path, body)
    assert not sent
    assert answer.status == 403
    [ask], _ = asked(Policy.of(model=[Permit(tools=("dear",))]), path, body)
    assert ask.path == path


USED = {"usage": {"input_tokens": 1, "output_tokens": 1}}


def choice(**message: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "message": {"role": "assistant", **message}}]}


def output(**item: Any) -> dict[str, Any]:
    return {"model": "m", "output": [item], **USED}


def blocks(**block: Any) -> dict[str, Any]:
    return {"model": "m", "content": [block], **USED}


def candidate(**part: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": [part]}}]}


CALLED = {"type": "custom", "id": "1", "custom": {"name": "f", "input": SECRET}}
TOLD = {
    "reasoning": (CHAT, choice(content="hi", reasoning=SECRET)),
    "transcript": (CHAT, choice(content=None, audio={"id": "a", "data": "AAAA", "transcript": SECRET})),
    "custom tool": (CHAT, choice(content=None, tool_calls=[CALLED])),
    "refusal": (RESPONSES, output(type="message", content=[{"type": "refusal", "refusal": SECRET}])),
    "summary": (RESPONSES, output(type="reasoning", summary=[{"type": "summary_text", "text": SECRET}])),
    "custom call": (RESPONSES, output(type="custom_tool_call", name="f", input=SECRET)),
    "code": (RESPONSES, output(type="code_interpreter_call", code=SECRET)),
    "logs": (
        RESPONSES,
        output(type="code_interpreter_call", code="", outputs=[{"type": "logs", "logs": SECRET}]),
    ),
    "tool of a server": (RESPONSES, output(type="mcp_call", name="f", arguments="{}", output=SECRET)),
    "found": (RESPONSES, output(type="file_search_call", results=[{"text": SECRET}])),
    "odds": (
        RESPONSES,
        output(
            type="message",
            content=[
                {
                    "type": "output_text",
                    "text": SECRET,
                    "logprobs": [{"token": SECRET[:9], "top_logprobs": [{"token": SECRET[:9]}]}],
                }
            ],
        ),
    ),
    "citation": (MESSAGES, blocks(type="text", text="hi", citations=[{"cited_text": SECRET}])),
    "tool result": (MESSAGES, blocks(type="mcp_tool_result", content=[{"type": "text", "text": SECRET}])),
    "ran": (MESSAGES, blocks(type="code_execution_tool_result", content={"stdout": SECRET})),
    "executable": (GOOGLE, candidate(executableCode={"language": "PYTHON", "code": SECRET})),
    "result of code": (GOOGLE, candidate(codeExecutionResult={"outcome": "OUTCOME_OK", "output": SECRET})),
}


@pytest.mark.parametrize("where", TOLD)
def test_whatever_a_reply_says_is_guarded(where: str) -> None:
    path, body = TOLD[where]
    told = answered(REDACTED, path, body)
    assert SECRET[:9].encode() not in told
    assert b"AAAA" not in told


def growing(*deltas: dict[str, Any]) -> list[Any]:
    ended = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return [*({"choices": [{"index": 0, "delta": one}]} for one in deltas), ended]


HALVES = SECRET[:7], SECRET[7:]
ODDS = [
    {"choices": [{"index": 0, "delta": {"content": one}, "logprobs": {"content": [{"token": one}]}}]}
    for one in HALVES
]
GROWING = {
    "reasoning": (CHAT, growing(*({"reasoning": one} for one in HALVES))),
    "transcript": (CHAT, growing(*({"audio": {"transcript": one}} for one in HALVES))),
    "function call": (
        CHAT,
        growing(
            *({"function_call": {"arguments": one}} for one in ('{"a": "' + HALVES[0], HALVES[1] + '"}'))
        ),
    ),
    "custom tool": (
        CHAT,
        growing(*({"tool_calls": [{"index": 0, "custom": {"input": one}}]} for one in HALVES)),
    ),
    "odds": (CHAT, [*ODDS, *growing()]),
    "odds of an item": (
        RESPONSES,
        [
            *(
                {
                    "type": "response.output_text.delta",
                    "output_index": 0,
                    "delta": one,
                    "logprobs": [{"token": one}],
                }
                for one in HALVES
            ),
            {"type": "response.completed", "response": {"output": []}},
        ],
    ),
    "arguments by name": (
        GOOGLE.replace(":g", ":streamG"),
        [
            candidate(functionCall={"name": "f", "args": {"name": SECRET, "id": SECRET}}),
            {"candidates": [{"content": {"parts": []}, "finishReason": "STOP"}]},
        ],
    ),
}


@pytest.mark.parametrize("where", GROWING)
def test_whatever_a_stream_says_is_guarded_across_its_chunks(where: str) -> None:
    path, values = GROWING[where]
    told = streamed(REDACTED, path, *values).decode()
    assert not any(half in told for half in HALVES), told
    assert "error" not in told


def test_what_is_held_of_a_stream_comes_without_what_its_chunk_said_beside_it() -> None:
    first = {"choices": [{"index": 0, "delta": {"content": HALVES[0], "note": SECRET}}]}
    told = streamed(REDACTED, CHAT, first, *growing({"content": HALVES[1]})).decode()
    assert SECRET not in told
    alone = streamed(REDACTED, CHAT, first, *growing()).decode()
    assert SECRET not in alone


def test_what_a_tool_names_by_itself_is_content_and_so_is_the_data_of_an_error() -> None:
    result = {
        "content": [{"type": "image", "data": "AAAA", "mimeType": "image/png"}],
        "structuredContent": {"data": {"type": "1", "code": "2"}, "_meta": "3", "blob": ["4"]},
    }
    assert list(said(result)) == ["1", "2", "3", "4"]
    assert list(said({"error": {"code": -1, "message": "m", "data": {"d": "5"}}})) == ["m", "5"]


NUMBERED = [("/v1/embeddings", "input"), ("/v1/completions", "prompt")]


@pytest.mark.parametrize(("path", "name"), NUMBERED)
@pytest.mark.parametrize("talk", [[5, 7], [[5, 7]], ["hi", [5]]])
def test_a_text_in_numbers_of_tokens_is_refused_where_a_guard_would_read_it(
    path: str, name: str, talk: Any
) -> None:
    sent, answer = asked(MASKED, path, {"model": "m", name: talk})
    assert not sent
    assert (answer.status, b"numbers of tokens" in answer.body) == (400, True)
    sent, answer = asked(Policy.of(model=[Retry()]), path, {"model": "m", name: talk})
    assert len(sent) == 1
    sent, answer = asked(MASKED, path, {"model": "m", name: ["hi"]})
    assert len(sent) == 1
