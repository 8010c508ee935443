"""anthropic: messages, and the count of their tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from guards._types import Part, Reply
from orchestrator.boundaries._json import write
from orchestrator.boundaries._wire._wire import Wire, texts

TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# What a streamed block starts with, and by what kind of delta its text then comes.
GROWING = {
    "text": ("text", "", "text_delta", "text"),
    "thinking": ("thinking", "", "thinking_delta", "thinking"),
    "tool_use": ("input", {}, "input_json_delta", "partial_json"),
    "server_tool_use": ("input", {}, "input_json_delta", "partial_json"),
}


class AnthropicMessages(Wire):
    path = re.compile(r"/v1/messages$", re.IGNORECASE)
    system = frozenset({"system"})

    def message(self, part: Part) -> Any:
        role = "assistant" if part.role == "assistant" else "user"
        return {"role": role, "content": part.text}

    def formatted(self, body: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        config = body.get("output_config")
        told = config if isinstance(config, dict) else {}
        schema = (wanted.get("json_schema") or {}).get("schema")
        if schema is None or told.get("format") is not None:
            return body
        return {**body, "output_config": {**told, "format": {"type": "json_schema", "schema": schema}}}

    def said(self, body: Any, text: str) -> Any:
        return {**body, "content": [{"type": "text", "text": text}]}

    def told(self, reply: Reply, model: str) -> dict[str, Any]:
        return {
            "id": "msg_wardline",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": texts(reply)}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": reply.usage.input, "output_tokens": reply.usage.output},
        }

    def events(self, body: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Any]:
        usage = body.get("usage") or {}
        begun = {**body, "content": [], "stop_reason": None, "stop_sequence": None}
        yield {"type": "message_start", "message": {**begun, "usage": {**usage, "output_tokens": 0}}}
        for index, block in enumerate(body.get("content") or ()):
            yield from _block(index, block)
        ended = {"stop_reason": body.get("stop_reason"), "stop_sequence": body.get("stop_sequence")}
        yield {"type": "message_delta", "delta": ended, "usage": usage}
        yield {"type": "message_stop"}

    def last(self, value: Any) -> bool:
        return self.event_name(value) == "message_stop"

    def failed(self, value: Any) -> bool:
        return self.event_name(value) == "error"

    def error(self, status: int, message: str, code: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        kind = TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
        said = {"type": kind, "message": message, "code": code, "detail": detail}
        return {"type": "error", "error": said, "request_id": detail.get("request_id") or None}


def _block(index: int, block: Mapping[str, Any]) -> Iterator[Any]:
    """The events of one content block."""
    name, empty, kind, carries = GROWING.get(str(block.get("type")), ("", None, "", ""))
    start = {**block, name: empty} if name else block
    signature = block.get("signature") if name == "thinking" else None
    if signature is not None:
        start = {**start, "signature": ""}
    yield {"type": "content_block_start", "index": index, "content_block": start}
    if name:
        text = block.get(name)
        if name == "input":
            text = write(text).decode()
        yield _delta(index, {"type": kind, carries: text})
    if signature is not None:
        yield _delta(index, {"type": "signature_delta", "signature": signature})
    yield {"type": "content_block_stop", "index": index}


def _delta(index: int, delta: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


class AnthropicCount(AnthropicMessages):
    """Asks how many tokens a request has: what is asked is guarded, and there is no text in the reply."""

    path = re.compile(r"/v1/messages/count_tokens$", re.IGNORECASE)
    deaf = True
