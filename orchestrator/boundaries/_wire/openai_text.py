"""openai_text: OpenAI's embeddings and its old completions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from guards._body import put
from guards._types import Part, Reply
from orchestrator.boundaries import _shapes
from orchestrator.boundaries._wire._wire import member, texts
from orchestrator.boundaries._wire.openai_chat import OpenAI, OpenAIChat


class OpenAIEmbeddings(OpenAI):
    """Texts in, numbers out: what is asked is guarded, and there is no text in the reply."""

    path = re.compile(r"/embeddings$", re.IGNORECASE)
    talk = "input"
    deaf = True

    def said(self, body: Any, text: str) -> Any:
        return body

    def told(self, reply: Reply, model: str) -> dict[str, Any]:
        return {
            "object": "list",
            "data": [],
            "model": model,
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        }

    def events(self, body: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Any]:
        yield body


class OpenAICompletions(OpenAIChat):
    path = re.compile(r"/(?<!chat/)completions$", re.IGNORECASE)
    talk = "prompt"

    def appended(self, body: dict[str, Any], parts: list[Part]) -> dict[str, Any]:
        said = body.get("prompt")
        prompts = said if isinstance(said, list) else [said or ""]
        made = [_shapes.appended(one, parts) if isinstance(one, str) else one for one in prompts]
        return {**body, "prompt": made if isinstance(said, list) else made[0]}

    def formatted(self, body: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        return body

    def said(self, body: Any, text: str) -> Any:
        return put(body, [(("choices", 0, "text"), text)]) if member(body, ("choices", 0)) else body

    def told(self, reply: Reply, model: str) -> dict[str, Any]:
        used = reply.usage
        return {
            "id": "cmpl-wardline",
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
            "choices": [{"index": 0, "text": texts(reply), "logprobs": None, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": used.input,
                "completion_tokens": used.output,
                "total_tokens": used.input + used.output,
            },
        }

    def events(self, body: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Any]:
        yield body
        yield "[DONE]"
