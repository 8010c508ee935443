"""Every provider's bodies: what is asked and by whom, what is answered and streamed, and errors."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guards import Call, Part, Reply
from guards._body import get, leaves, patch
from guards._types import Usage
from guards._value import replace
from orchestrator.boundaries import _shapes
from orchestrator.boundaries._json import write
from orchestrator.boundaries._wire import WIRES, Wire, find, spoken

TALKING = [wire for wire in WIRES if not wire.deaf]
TEXTS = st.text(min_size=1, max_size=30)


def name(wire: Wire) -> str:
    return type(wire).__name__


CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "TRUSTED rule"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "USER asks"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": "CALL"}'}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "RESULT"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "description": "DEFINED", "parameters": {"type": "object"}},
        }
    ],
    "temperature": 0.5,
    "tool_choice": "auto",
}
RESPONSES = {
    "model": "m",
    "instructions": "TRUSTED rule",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "USER asks"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": "CALL"}'},
        {"type": "function_call_output", "call_id": "c", "output": "RESULT"},
    ],
    "tools": [{"type": "function", "name": "f", "description": "DEFINED", "parameters": {"type": "object"}}],
}
MESSAGES = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "TRUSTED rule", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "USER asks"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": "CALL"}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "RESULT"}]},
    ],
    "tools": [{"name": "f", "description": "DEFINED", "input_schema": {"type": "object", "required": ["a"]}}],
}
CONTENTS = {
    "systemInstruction": {"parts": [{"text": "TRUSTED rule"}]},
    "contents": [
        {
            "role": "user",
            "parts": [{"text": "USER asks"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}],
        },
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": "CALL"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"r": "RESULT"}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "description": "DEFINED"}]}],
}
ASKED = {
    "/v1/chat/completions": CHAT,
    "/openai/deployments/d/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": MESSAGES,
    "/v1beta/models/m:generateContent": CONTENTS,
    "/v1beta/models/m:streamGenerateContent": CONTENTS,
}
KINDS = [
    ("DEFINED", "system", "text", "trusted"),
    ("TRUSTED rule", "system", "text", "trusted"),
    ("USER asks", "user", "text", "user"),
    ("CALL", "assistant", "tool_call", "untrusted"),
    ("RESULT", "tool", "tool_result", "untrusted"),
]


@pytest.mark.parametrize("path", ASKED)
def test_every_text_of_a_request_is_a_part_with_who_said_it(path: str) -> None:
    wire = find("POST", path)
    assert wire is not None
    parts = wire.asked(ASKED[path])
    found = [
        (json.loads(p.text)["a"] if p.text.startswith("{") else p.text, p.role, p.kind, p.origin)
        for p in parts
    ]
    assert found == KINDS
    assert all(get(ASKED[path], part.at) == part.text for part in parts)


@pytest.mark.parametrize(
    "path", ["/v1/threads/t/messages", "/v1/audio/speech", "/", "/v1/chat/completions/c-1"]
)
def test_what_asks_no_known_model_is_no_wire(path: str) -> None:
    assert find("POST", path) is None
    assert find("GET", "/v1/chat/completions") is None


@pytest.mark.parametrize("wire", TALKING, ids=name)
@settings(max_examples=30, deadline=None)
@given(text=TEXTS)
def test_a_reply_that_no_provider_gave_is_read_as_its_text(wire: Wire, text: str) -> None:
    reply = Reply(parts=(Part(text=text, role="assistant"),), usage=Usage(input=3, output=5))
    body = wire.told(reply, "m")
    heard = wire.heard(body)
    assert (heard.text, heard.model, heard.usage, heard.finish in ("stop", "end_turn", "")) == (
        text,
        "m",
        reply.usage,
        True,
    )
    assert wire.retold(body, heard) is body
    changed = wire.retold(body, replace(heard, parts=(Part(text=f"{text}!"),)))
    assert wire.heard(changed).text == f"{text}!"


def streamed(wire: Wire, body: Any) -> tuple[str, list[str]]:
    """The text and the arguments in a replay of a reply."""
    text, arguments = "", dict[Any, str]()
    values = [value for value in wire.events(body, {}) if not isinstance(value, str)]
    assert wire.last(values[-1]) or wire.last(values[-2])
    for value in values:
        for channel, _, delta in _shapes.deltas(value) or ():
            if _shapes.is_arguments(channel):
                arguments[channel] = arguments.get(channel, "") + delta
            else:
                text += delta
    return text, list(arguments.values())


@pytest.mark.parametrize("wire", TALKING, ids=name)
@settings(max_examples=30, deadline=None)
@given(text=TEXTS)
def test_a_whole_reply_replayed_as_a_stream_says_the_same(wire: Wire, text: str) -> None:
    body = wire.told(Reply(parts=(Part(text=text, role="assistant"),)), "m")
    assert streamed(wire, body) == (text, [])


def test_a_replayed_stream_has_the_calls_of_tools_and_the_seals_of_thoughts() -> None:
    called = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [called]}}
    chat = {"id": "c", "choices": [{**choice, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1}}
    wire = WIRES[0]
    assert streamed(wire, chat) == ("", ['{"a":1}'])
    asked = {"stream_options": {"include_usage": True}}
    assert list(wire.events(chat, asked))[-2]["usage"] == {"prompt_tokens": 1}
    blocks = [
        {"type": "thinking", "thinking": "so", "signature": "sealed"},
        {"type": "text", "text": "hi"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        {"type": "redacted_thinking", "data": "xx"},
    ]
    message = {
        "id": "m",
        "type": "message",
        "content": blocks,
        "usage": {"input_tokens": 1},
        "stop_reason": "tool_use",
    }
    assert streamed(WIRES[1], message) == ("sohi", ['{"a":1}'])
    assert any("sealed" in json.dumps(value) for value in WIRES[1].events(message, {}))
    item = {"type": "function_call", "id": "i", "name": "f", "arguments": '{"a":1}', "status": "completed"}
    assert streamed(WIRES[2], {"output": [item], "status": "incomplete"}) == ("", ['{"a":1}'])


@pytest.mark.parametrize("wire", WIRES, ids=name)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422, 429, 500, 503, 504])
def test_an_error_is_told_as_the_provider_tells_it_with_our_code(wire: Wire, status: int) -> None:
    told = wire.error(status, "why", "blocked", {"request_id": "r"})
    assert told["error"]["message"] == "why"
    assert "blocked" in json.dumps(told)
    assert wire.failed(wire.error_event(status, "why", "blocked", {}))
    assert not wire.failed(wire.told(Reply(), "m"))


FORMAT = {"type": "json_schema", "json_schema": {"name": "reply", "schema": {"type": "object"}}}


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1beta/models/m:generateContent"]
)
def test_structured_output_is_asked_for_where_the_program_chose_none(path: str) -> None:
    wire = find("POST", path)
    assert wire is not None
    body = dict(ASKED[path])
    call = Call(kind="model", target="m", options={"response_format": FORMAT})
    made = wire.rebuilt(body, call, call.parts)
    assert '"type":"object"' in write(made).decode().replace(write(body).decode(), "")
    assert made != body
    assert wire.rebuilt(made, call, call.parts) == made


@pytest.mark.parametrize("path", [*ASKED, "/v1/completions"])
def test_a_re_ask_stands_at_the_end_of_the_conversation(path: str) -> None:
    wire = find("POST", path)
    assert wire is not None
    body = dict(ASKED.get(path) or {"prompt": "USER asks"})
    parts = wire.asked(body)
    call = Call(kind="model", target="m", parts=parts)
    again = call.add(Part(text="REPLY", role="assistant"), Part(text="AGAIN", role="user"))
    made = wire.rebuilt(body, again, call.parts)
    last = [part for part in wire.asked(made) if "REPLY" in part.text or "AGAIN" in part.text]
    assert "AGAIN" in last[-1].text
    assert "REPLY" in last[0].text
    assert last == list(wire.asked(made))[-len(last) :]
    assert wire.rebuilt(body, call, call.parts) is body


def test_a_prompt_given_as_a_text_becomes_a_conversation_when_it_is_asked_again() -> None:
    wire = WIRES[2]
    body = {"input": "USER asks"}
    assert [(part.text, part.role) for part in wire.asked(body)] == [("USER asks", "user")]
    made = wire.appended(body, [Part(text="AGAIN")])
    assert made["input"] == [{"role": "user", "content": "USER asks"}, {"role": "user", "content": "AGAIN"}]


def test_the_model_of_a_google_request_stands_in_its_path() -> None:
    wire, path = WIRES[3], "/v1beta/models/a:streamGenerateContent?alt=sse&key=k"
    assert find("POST", path) is wire
    assert wire.model(path, {}) == "a"
    assert wire.with_model(path, {}, "b")[0] == "/v1beta/models/b:streamGenerateContent?alt=sse&key=k"
    assert wire.streams(path, {})
    assert wire.whole(path, {})[0] == "/v1beta/models/a:generateContent?key=k"
    assert wire.whole("/v1/models/a:streamGenerateContent?alt=sse", {})[0] == "/v1/models/a:generateContent"


def test_google_s_replies_are_read_with_their_tokens_and_calls() -> None:
    parts = [
        {"text": "so", "thought": True},
        {"text": "hi"},
        {"functionCall": {"name": "f", "args": {"a": "x"}}},
    ]
    used = {
        "promptTokenCount": 3,
        "candidatesTokenCount": 4,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 1,
    }
    body = {
        "candidates": [{"content": {"parts": parts}, "finishReason": "MAX_TOKENS"}],
        "usageMetadata": used,
    }
    heard = _shapes.heard(body)
    assert [(p.text, p.kind, p.name) for p in heard.parts] == [
        ("so", "text", ""),
        ("hi", "text", ""),
        ("x", "tool_call", "f"),
    ]
    assert (heard.finish, heard.usage) == ("length", Usage(input=3, output=6, cached=1))
    assert patch(body, heard.parts) is body
    assert [(channel[-1], text) for channel, _, text in _shapes.deltas(body) or ()] == [
        ("thought", "so"),
        ("text", "hi"),
    ]
    assert _shapes.closes(body) == {("choice", 0)}


def test_an_old_completion_is_read_whole_and_in_passing() -> None:
    body = {"choices": [{"index": 0, "text": "hi", "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    assert _shapes.heard(body).text == "hi"
    assert [text for _, _, text in _shapes.deltas(body) or ()] == ["hi"]
    several = {"prompt": ["a", [1, 2]]}
    made = WIRES[5].appended(several, [Part(text="AGAIN")])
    assert made == {"prompt": ["a\n\nAGAIN", [1, 2]]}


def test_a_changed_reply_does_not_keep_the_odds_of_the_text_that_it_had() -> None:
    wire = WIRES[0]
    body = wire.told(Reply(parts=(Part(text="secret", role="assistant"),)), "m")
    body["choices"][0]["logprobs"] = {"content": [{"token": "secret"}]}
    heard = wire.heard(body)
    made = wire.retold(body, heard.rewrite(lambda part: "-"))
    assert "secret" not in json.dumps(made)


def test_an_error_on_an_unknown_path_is_told_in_the_client_s_own_shape() -> None:
    assert [
        name(spoken(headers)) for headers in ([], [(b"Anthropic-Version", b"1")], [(b"x-goog-api-key", b"k")])
    ] == [
        "OpenAIChat",
        "AnthropicMessages",
        "GoogleGenerate",
    ]


@settings(max_examples=200, deadline=None)
@given(
    body=st.dictionaries(
        st.sampled_from(
            ["model", "messages", "input", "contents", "system", "tools", "prompt", "stream", "text"]
        ),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["role", "content", "type", "text", "parts", "tool_calls", "function", "name"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=10,
        ),
    )
)
def test_any_body_is_read_and_every_part_is_where_it_says(body: dict[str, Any]) -> None:
    for wire in WIRES:
        places = dict(leaves(body))
        for part in wire.asked(body):
            assert places[part.at] == part.text
        heard = wire.heard(body)
        assert all(places[part.at] == part.text for part in heard.parts)
        assert wire.retold(body, heard) is body
        list(wire.events(body, {}))
        wire.failed(body)
        wire.last(body)
        _shapes.deltas(body)
