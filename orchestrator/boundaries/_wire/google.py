"""google: generateContent, of Gemini and of Vertex; the model and whether it streams stand in the path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from guards._body import leaves
from guards._types import Kind, Part, Reply, Role
from orchestrator.boundaries import _shapes
from orchestrator.boundaries._wire._wire import SETTINGS, Wire, parted, texts

STATUSES = {
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
PATH = re.compile(r"/(?:models|tunedModels|endpoints)/([^/:]+):(generateContent|streamGenerateContent)$")
NAMED = re.compile(r"(/(?:models|tunedModels|endpoints)/)([^/:?]+)(:|%3A)", re.IGNORECASE)
# Strings of a part that say what it is.
PART = frozenset({"fileUri", "file_uri", "id", "mimeType", "mime_type", "name"})
CALLED: Mapping[Any, tuple[Kind, Role]] = {
    "functionCall": ("tool_call", "assistant"),
    "function_call": ("tool_call", "assistant"),
    "functionResponse": ("tool_result", "tool"),
    "function_response": ("tool_result", "tool"),
}


class GoogleGenerate(Wire):
    path = PATH
    talk = "contents"
    system = frozenset({"systemInstruction", "system_instruction"})
    settings = SETTINGS | {"cachedContent", "safetySettings", "toolConfig"}

    def spoken(self, value: Any) -> Iterable[Part]:
        if not isinstance(value, list):
            return super().spoken(value)
        return [part for n, turn in enumerate(value) for part in _turn(turn, n)]

    def model(self, path: str, body: Mapping[str, Any]) -> str:
        found = NAMED.search(parted(path)[0])
        return found[2] if found else ""

    def with_model(self, path: str, body: dict[str, Any], model: str) -> tuple[str, dict[str, Any]]:
        bare, query = parted(path)
        return NAMED.sub(lambda found: f"{found[1]}{model}{found[3]}", bare) + query, body

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return ":streamGenerateContent" in path

    def whole(self, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        bare, _, query = path.replace(":streamGenerateContent", ":generateContent").partition("?")
        kept = "&".join(one for one in query.split("&") if one and not one.startswith("alt="))
        return f"{bare}?{kept}" if kept else bare, body

    def message(self, part: Part) -> Any:
        role = "model" if part.role == "assistant" else "user"
        return {"role": role, "parts": [{"text": part.text}]}

    def formatted(self, body: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        config = body.get("generationConfig")
        told = config if isinstance(config, dict) else {}
        if told.get("responseMimeType") is not None:
            return body
        more: dict[str, Any] = {"responseMimeType": "application/json"}
        if (schema := (wanted.get("json_schema") or {}).get("schema")) is not None:
            more["responseJsonSchema"] = schema
        return {**body, "generationConfig": {**told, **more}}

    def said(self, body: Any, text: str) -> Any:
        first = (body.get("candidates") or [{}])[0]
        content = {"role": "model", "parts": [{"text": text}]}
        return {**body, "candidates": [{**first, "content": content}]}

    def told(self, reply: Reply, model: str) -> dict[str, Any]:
        content = {"role": "model", "parts": [{"text": texts(reply)}]}
        return {
            "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}],
            "modelVersion": model,
            "usageMetadata": {
                "promptTokenCount": reply.usage.input,
                "candidatesTokenCount": reply.usage.output,
                "totalTokenCount": reply.usage.input + reply.usage.output,
            },
        }

    def events(self, body: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Any]:
        yield body

    def event_name(self, value: Any) -> str:
        return ""

    def error(self, status: int, message: str, code: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        told = STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
        said = {"code": status, "message": message, "status": told}
        return {"error": {**said, "details": [{"reason": code, "domain": "wardline", "metadata": detail}]}}


def _turn(turn: Any, number: int) -> Iterator[Part]:
    """The parts of one turn of the conversation."""
    said_by = _shapes.ROLES.get(str(_shapes.field(turn, "role") or "user"), "user")
    for at, text in leaves(turn, ("contents", number)):
        inside = at[2:]
        if inside == ("role",):
            continue
        kind, role = CALLED.get(inside[2] if len(inside) > 2 else "", ("text", said_by))
        # What tools take and give is content throughout.
        if inside and len(inside) <= 4 and (inside[-1] in PART or _shapes.opaque(inside, text)):
            continue
        yield Part(text=text, role=role, kind=kind, at=at, origin=_shapes.ORIGINS.get(role, "untrusted"))
