"""openai_chat: chat completions, as OpenAI, Azure, Mistral and most other providers have them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from guards._body import put
from guards._types import Path, Reply
from orchestrator.boundaries._wire._wire import Wire, member, parted, spread, texts

TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}


DEPLOYED = re.compile(r"(/deployments/)([^/?]+)(/)", re.IGNORECASE)


class OpenAI(Wire):
    """What OpenAI's endpoints have in common, Azure's among them, which name the model in the path."""

    def model(self, path: str, body: Mapping[str, Any]) -> str:
        found = DEPLOYED.search(parted(path)[0])
        return super().model(path, body) if found is None else found[2]

    def with_model(self, path: str, body: dict[str, Any], model: str) -> tuple[str, dict[str, Any]]:
        bare, query = parted(path)
        if DEPLOYED.search(bare) is None:
            return super().with_model(path, body, model)
        return DEPLOYED.sub(lambda found: f"{found[1]}{model}{found[3]}", bare) + query, body

    def event_name(self, value: Any) -> str:
        return ""

    def error(self, status: int, message: str, code: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        usual = "server_error" if status >= 500 else "invalid_request_error"
        kind = TYPES.get(status, usual)
        return {"error": {"message": message, "type": kind, "param": None, "code": code, "detail": detail}}


class OpenAIChat(OpenAI):
    path = re.compile(r"/chat/completions$", re.IGNORECASE)

    def metered(self, body: dict[str, Any]) -> dict[str, Any]:
        options = body.get("stream_options")
        told = options if isinstance(options, dict) else {}
        if told.get("include_usage") is True:
            return body
        return {**body, "stream_options": {**told, "include_usage": True}}

    def formatted(self, body: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        return body if body.get("response_format") is not None else {**body, "response_format": wanted}

    def said(self, body: Any, text: str) -> Any:
        choices = member(body, ("choices",))
        if (
            not isinstance(choices, list)
            or not choices
            or not isinstance(member(choices[0], ("message",)), dict)
        ):
            return body
        message = spread(choices[0]["message"], ("tool_calls", "function_call"), content=text)
        return {**body, "choices": [{**choices[0], "message": message}]}

    def cleared(self, body: Any) -> Any:
        choices = body.get("choices")
        spoken: list[tuple[Path, Any]] = [
            (("choices", n, "message", "audio"), None)
            for n, choice in enumerate(choices if isinstance(choices, list) else ())
            if member(choice, ("message", "audio")) is not None
        ]
        return super().cleared(put(body, spoken))

    def told(self, reply: Reply, model: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": texts(reply), "refusal": None}
        return {
            "id": "chatcmpl-wardline",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": reply.usage.input,
                "completion_tokens": reply.usage.output,
                "total_tokens": reply.usage.input + reply.usage.output,
            },
        }

    def events(self, body: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Any]:
        frame = spread(body, ("choices", "usage"), object="chat.completion.chunk")
        for choice in body.get("choices") or ():
            rest = spread(choice, ("message", "finish_reason"))
            delta = dict(choice.get("message") or {})
            if isinstance(calls := delta.get("tool_calls"), list):
                delta["tool_calls"] = [{"index": n, **call} for n, call in enumerate(calls)]
            yield {**frame, "choices": [{**rest, "delta": delta, "finish_reason": None}]}
            over = {"index": choice.get("index"), "delta": {}, "finish_reason": choice.get("finish_reason")}
            yield {**frame, "choices": [over]}
        if member(asked, ("stream_options", "include_usage")) is True:
            yield {**frame, "choices": [], "usage": body.get("usage")}
        yield "[DONE]"
