"""dialects: the simulated provider as chat completions, Anthropic's messages and OpenAI's responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from guards._types import Reply, Usage
from orchestrator.boundaries._wire.anthropic import AnthropicMessages
from orchestrator.boundaries._wire.openai_responses import OpenAIResponses
from orchestrator.sim.provider import Answer

STOPS = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
PIECE = 7
"""Characters in each piece of a tool's streamed arguments."""


class Chat:
    """Chat completions, which is how the provider itself answers."""

    def asked(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The request as a chat completion's."""
        return body

    def told(self, body: dict[str, Any]) -> dict[str, Any]:
        """The reply, or the error, from a chat completion's."""
        return body

    def events(self, answer: Answer, body: Mapping[str, Any]) -> Iterator[tuple[float, str, str]]:
        """The events of a stream, each with the seconds that pass before it, its name and its data."""
        whole = answer.body or {}
        frame = {name: whole[name] for name in ("id", "created", "model")} | {
            "object": "chat.completion.chunk"
        }
        options = body.get("stream_options")
        usage = isinstance(options, dict) and options.get("include_usage") is True
        more: dict[str, Any] = {"usage": None} if usage else {}

        def event(delta: Mapping[str, Any], finish: str | None = None) -> tuple[float, str, str]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            return 0.0, "", json.dumps({**frame, "choices": [choice], **more}, ensure_ascii=False)

        yield event({"role": "assistant", "content": ""})
        for seconds, text in answer.chunks:
            yield seconds, *event({"content": text})[1:]
        for delta in _called(whole["choices"][0]["message"]):
            yield event({"tool_calls": [delta]})
        if answer.wire:
            return  # the connection is lost before the end is told
        yield event({}, whole["choices"][0]["finish_reason"])
        if usage:
            yield 0.0, "", json.dumps({**frame, "choices": [], "usage": whole["usage"]})
        yield 0.0, "", "[DONE]"


def _called(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The deltas of a message's tool calls."""
    for index, call in enumerate(message.get("tool_calls") or ()):
        text = call["function"]["arguments"]
        yield {"index": index, **call, "function": {**call["function"], "arguments": ""}}
        for at in range(0, len(text), PIECE):
            yield {"index": index, "function": {"arguments": text[at : at + PIECE]}}


class Anthropic(Chat):
    wire = AnthropicMessages()

    def asked(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        system, messages = body.get("system"), body.get("messages")
        first = [{"role": "system", "content": system}] if system else []
        asked = {**body, "messages": [*first, *messages] if isinstance(messages, list) else messages}
        return asked | _wanted((body.get("output_config") or {}).get("format"))

    def told(self, body: dict[str, Any]) -> dict[str, Any]:
        if "error" in body:
            kind = "overloaded_error" if body["error"]["type"] == "server_error" else body["error"]["type"]
            return {"type": "error", "error": {"type": kind, "message": body["error"]["message"]}}
        message, finish = body["choices"][0]["message"], body["choices"][0]["finish_reason"]
        said = [{"type": "text", "text": message["content"]}] if message.get("content") else []
        used = [_used(call) for call in message.get("tool_calls") or ()]
        made = self.wire.told(Reply(usage=_tokens(body)), body["model"])
        stopped = STOPS.get(finish, "end_turn")
        return {**made, "id": body["id"], "content": [*said, *used], "stop_reason": stopped}

    def events(self, answer: Answer, body: Mapping[str, Any]) -> Iterator[tuple[float, str, str]]:
        for value in self.wire.events(self.told(answer.body or {}), body):
            delta = value.get("delta") if value["type"] == "content_block_delta" else None
            if answer.wire and value["type"] in ("content_block_stop", "message_delta", "message_stop"):
                return
            if delta is None:
                yield 0.0, value["type"], json.dumps(value)
            elif delta["type"] == "text_delta":
                for seconds, text in answer.chunks:
                    yield seconds, value["type"], json.dumps({**value, "delta": {**delta, "text": text}})
            else:
                for piece in _pieces(delta["partial_json"]):
                    grown = {**value, "delta": {**delta, "partial_json": piece}}
                    yield 0.0, value["type"], json.dumps(grown)


class Responses(Chat):
    wire = OpenAIResponses()

    def asked(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        said, system = body.get("input"), body.get("instructions")
        first = [{"role": "system", "content": system}] if system else []
        items = [{"role": "user", "content": said}] if isinstance(said, str) else said
        asked = {**body, "messages": [*first, *items] if isinstance(items, list) else items}
        return asked | _wanted((body.get("text") or {}).get("format"))

    def told(self, body: dict[str, Any]) -> dict[str, Any]:
        if "error" in body:
            return body
        message = body["choices"][0]["message"]
        made = self.wire.told(Reply(usage=_tokens(body)), body["model"])
        said = made["output"] if message.get("content") else []
        for item in said:
            item["content"][0]["text"] = message["content"]
        called = [_item(call) for call in message.get("tool_calls") or ()]
        cut = body["choices"][0]["finish_reason"] == "length"
        status = (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}} if cut else {}
        )
        return {**made, "id": body["id"], "output": [*said, *called], **status}

    def events(self, answer: Answer, body: Mapping[str, Any]) -> Iterator[tuple[float, str, str]]:
        for value in self.wire.events(self.told(answer.body or {}), body):
            kind = value["type"]
            if answer.wire and kind.endswith((".done", ".completed")):
                return
            if kind == "response.output_text.delta":
                pieces = list(answer.chunks)
            elif kind == "response.function_call_arguments.delta":
                pieces = [(0.0, piece) for piece in _pieces(value["delta"])]
            else:
                yield 0.0, kind, json.dumps(value)
                continue
            for seconds, text in pieces:
                yield seconds, kind, json.dumps({**value, "delta": text})


def _wanted(form: Any) -> dict[str, Any]:
    """The structured output that is asked for, as chat completions have it."""
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return {}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _tokens(body: Mapping[str, Any]) -> Usage:
    told = body["usage"]
    return Usage(input=told["prompt_tokens"], output=told["completion_tokens"])


def _used(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    given = json.loads(function["arguments"])
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": given}


def _item(call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{call['id']}",
        "call_id": call["id"],
        "status": "completed",
        **call["function"],
    }


def _pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


DIALECTS: Mapping[str, Chat] = {
    "/v1/chat/completions": Chat(),
    "/chat/completions": Chat(),
    "/v1/messages": Anthropic(),
    "/v1/responses": Responses(),
}
"""How each path is answered."""
