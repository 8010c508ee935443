"""openai_responses: OpenAI's responses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from guards._body import leaves
from guards._types import Kind, Part, Reply, Role
from orchestrator.boundaries import _shapes
from orchestrator.boundaries._wire._wire import texts
from orchestrator.boundaries._wire.openai_chat import OpenAI

# Strings of an input item that say what it is.
ITEM = _shapes.STRUCTURE | {"call_id", "detail", "file_id", "name", "phase", "server_label"}
ENDS = frozenset({"response.completed", "response.failed", "response.incomplete", "error"})


class OpenAIResponses(OpenAI):
    path = re.compile(r"/responses$", re.IGNORECASE)
    talk = "input"
    system = frozenset({"instructions"})

    def spoken(self, value: Any) -> Iterable[Part]:
        if not isinstance(value, list):
            return super().spoken(value)
        return [part for n, item in enumerate(value) for part in _item(item, n)]

    def appended(self, body: dict[str, Any], parts: list[Part]) -> dict[str, Any]:
        said = body.get("input")
        items = [{"role": "user", "content": said}] if isinstance(said, str) else list(said or ())
        return {**body, "input": [*items, *(self.message(part) for part in parts)]}

    def formatted(self, body: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        text = body.get("text")
        told = text if isinstance(text, dict) else {}
        if told.get("format") is not None:
            return body
        rest = wanted.get("json_schema") or {}
        return {**body, "text": {**told, "format": {"type": wanted.get("type"), **rest}}}

    def said(self, body: Any, text: str) -> Any:
        return {**body, "output": [_message(text)]}

    def told(self, reply: Reply, model: str) -> dict[str, Any]:
        used = reply.usage
        return {
            "id": "resp_wardline",
            "object": "response",
            "created_at": 0,
            "status": "completed",
            "model": model,
            "output": [_message(texts(reply))],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": used.input,
                "input_tokens_details": {"cached_tokens": used.cached},
                "output_tokens": used.output,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": used.input + used.output,
            },
        }

    def event_name(self, value: Any) -> str:
        kind = value.get("type") if isinstance(value, Mapping) else None
        return kind if isinstance(kind, str) else ""

    def events(self, body: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Any]:
        number = count()

        def event(kind: str, **more: Any) -> dict[str, Any]:
            return {"type": kind, "sequence_number": next(number), **more}

        begun = {**body, "status": "in_progress", "output": [], "usage": None}
        yield event("response.created", response=begun)
        for index, item in enumerate(body.get("output") or ()):
            place = {"output_index": index, "item_id": item.get("id") or ""}
            yield event("response.output_item.added", output_index=index, item=_empty(item))
            for kind, more in _growing(item):
                yield event(kind, **place, **more)
            yield event("response.output_item.done", output_index=index, item=item)
        ended = "response.incomplete" if body.get("status") == "incomplete" else "response.completed"
        yield event(ended, response=body)

    def last(self, value: Any) -> bool:
        return self.event_name(value) in ENDS

    def failed(self, value: Any) -> bool:
        return self.event_name(value) == "error"

    def error_event(self, status: int, message: str, code: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        # `error` within is what the provider's own client raises by.
        told = self.error(status, message, code, detail)
        return {
            "type": "error",
            "code": code,
            "message": message,
            "param": None,
            "sequence_number": 0,
            **told,
        }


def _item(item: Any, number: int) -> Iterator[Part]:
    """The parts of one input item: a message, a tool's call or result, or what the model reasoned."""
    kind, role = _kind(item)
    for at, text in leaves(item, ("input", number)):
        inside = at[2:]
        # What tools take and give is content throughout.
        looked = kind == "text" or len(inside) == 1
        if looked and inside and (inside[-1] in ITEM or _shapes.opaque(inside, text)):
            continue
        yield Part(text=text, role=role, kind=kind, at=at, origin=_shapes.ORIGINS.get(role, "untrusted"))


def _kind(item: Any) -> tuple[Kind, Role]:
    type_ = str(_shapes.field(item, "type") or "message")
    if type_.endswith("_output"):
        return "tool_result", "tool"
    if type_.endswith("_call"):
        return "tool_call", "assistant"
    if type_ == "reasoning":
        return "text", "assistant"
    return "text", _shapes.ROLES.get(str(_shapes.field(item, "role")), "user")


def _message(text: str) -> dict[str, Any]:
    content = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": "msg_wardline",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [content],
    }


def _empty(item: Mapping[str, Any]) -> dict[str, Any]:
    """An output item as it begins."""
    begun = {name: [] if name in ("content", "summary") else value for name, value in item.items()}
    if "arguments" in begun:
        begun["arguments"] = ""
    return {**begun, "status": "in_progress"} if "status" in begun else begun


def _growing(item: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What comes while an output item grows, each with the kind of its event."""
    for number, part in enumerate(item.get("content") or ()):
        place = {"content_index": number}
        empty = {**part, **({"text": ""} if "text" in part else {})}
        yield "response.content_part.added", {**place, "part": empty}
        if part.get("type") == "output_text":
            yield "response.output_text.delta", {**place, "delta": part.get("text"), "logprobs": []}
            yield "response.output_text.done", {**place, "text": part.get("text"), "logprobs": []}
        yield "response.content_part.done", {**place, "part": part}
    if "arguments" in item:
        yield "response.function_call_arguments.delta", {"delta": item["arguments"]}
        more = {"arguments": item["arguments"], "name": item.get("name")}
        yield "response.function_call_arguments.done", more
