"""One file for each provider's bodies; `find` knows them by the path of a request."""

from __future__ import annotations

import re
from urllib.parse import unquote

from orchestrator.boundaries._wire._wire import Wire
from orchestrator.boundaries._wire.anthropic import AnthropicCount, AnthropicMessages
from orchestrator.boundaries._wire.google import GoogleGenerate
from orchestrator.boundaries._wire.openai_chat import OpenAIChat
from orchestrator.boundaries._wire.openai_responses import OpenAIResponses
from orchestrator.boundaries._wire.openai_text import OpenAICompletions, OpenAIEmbeddings

WIRES: tuple[Wire, ...] = (
    OpenAIChat(),
    AnthropicMessages(),
    OpenAIResponses(),
    GoogleGenerate(),
    OpenAIEmbeddings(),
    OpenAICompletions(),
    AnthropicCount(),
)


SLASHES = re.compile("/+")
DOTS = re.compile(r"(?:^|[/\\])\.\.?(?:[/\\]|$)")


def find(method: str, path: str) -> Wire | None:
    """The wire that a request speaks; None for one that asks no model, as far as is known."""
    if method.upper() != "POST":
        return None
    # As servers read it that are not strict: a slash twice is one, as at the end.
    bare = SLASHES.sub("/", unquote(path.partition("?")[0])).rstrip("/")
    if winding(path):
        return None
    return next((wire for wire in WIRES if wire.path.search(bare)), None)


def winding(path: str) -> bool:
    """Whether a path goes up again, so that servers differ about what it names."""
    return DOTS.search(unquote(path.partition("?")[0])) is not None


def spoken(headers: list[tuple[bytes, bytes]]) -> Wire:
    """The wire in whose shape an error is told on a path that no wire knows."""
    names = {name.lower() for name, _ in headers}
    return WIRES[1] if b"anthropic-version" in names else WIRES[3] if b"x-goog-api-key" in names else WIRES[0]


__all__ = ["WIRES", "Wire", "find", "spoken", "winding"]
