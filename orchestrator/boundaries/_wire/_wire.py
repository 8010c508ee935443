"""What the providers' bodies have in common: reading what is asked, and writing it and the reply again."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from guards._body import get, leaves, patch, put, without
from guards._types import Call, Part, Path, Reply
from orchestrator.boundaries import _shapes

# Strings of a definition, a schema or a setting that name things: another word there would break it.
NAMES = frozenset({
    "$anchor", "$defs", "$id", "$ref", "$schema", "contentEncoding", "contentMediaType", "effort", "format",
    "id", "key", "media_type", "mimeType", "mime_type", "model", "name", "pattern", "role", "type",
    "verbosity",
})  # fmt: skip
LISTED = frozenset({"required", "propertyOrdering"})
# Fields whose members the program names as it likes: no key in them says that a string is only a name.
FREE = frozenset({"labels", "metadata", "variables"})
# Fields of a request that say how it is answered, in one word; every other string counts as content.
SETTINGS = frozenset({
    "encoding_format", "include", "inference_geo", "modalities", "model", "prompt_cache_key",
    "previous_response_id", "prompt_cache_retention", "reasoning_effort", "service_tier", "speed", "stop",
    "stop_sequences", "tool_choice", "truncation", "verbosity", "voice",
})  # fmt: skip


class Wire(ABC):
    """How one kind of request and reply is written by a provider.  Without state, and without I/O.

    `talk` is the field that holds the conversation, `system` those that only the developer writes.
    A wire that is `deaf` has replies without text: guards about replies and about models have no say there.
    """

    path: ClassVar[re.Pattern[str]]
    talk: ClassVar[str] = "messages"
    system: ClassVar[frozenset[str]] = frozenset()
    settings: ClassVar[frozenset[str]] = SETTINGS
    deaf: ClassVar[bool] = False

    # What is asked.

    def asked(self, body: Mapping[str, Any]) -> tuple[Part, ...]:
        """The content of a request: definitions first, then what the developer says, then the talk."""
        told: list[Part] = []
        first: list[Part] = []
        said: list[Part] = []
        for name, value in body.items():
            if name in self.settings or not isinstance(value, (str, list, dict)):
                continue
            if name == self.talk:
                said.extend(self.spoken(value))
            elif name in self.system:
                first.extend(self.ruled(name, value))
            else:
                told.extend(defined(name, value))
        return (*told, *first, *said)

    def spoken(self, value: Any) -> Iterable[Part]:
        """The parts of the conversation."""
        return _shapes.asked(self.talk, value)

    def ruled(self, name: str, value: Any) -> Iterator[Part]:
        """The parts of what the developer says."""
        for at, text in leaves(value, (name,)):
            if not (len(at) > 1 and _shapes.opaque(at[1:], text)):
                yield Part(text=text, role="system", name=name, at=at, origin="trusted")

    def model(self, path: str, body: Mapping[str, Any]) -> str:
        said = body.get("model")
        return said if isinstance(said, str) else ""

    def with_model(self, path: str, body: dict[str, Any], model: str) -> tuple[str, dict[str, Any]]:
        return path, {**body, "model": model}

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return body.get("stream") is True

    def whole(self, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The same request, for a reply that is not streamed."""
        rest = {name: value for name, value in body.items() if name != "stream_options"}
        return path, {**rest, "stream": False}

    def metered(self, body: dict[str, Any]) -> dict[str, Any]:
        """The same request, for a stream that tells its tokens; itself where it does in any case."""
        return body

    def rebuilt(self, body: dict[str, Any], call: Call, parts: tuple[Part, ...]) -> dict[str, Any]:
        """The body of a call as the guards made it; `parts` are those that the body had."""
        if call.parts is not parts:
            body = without(patch(body, (part for part in call.parts if part.at)), call.dropped)
            if added := [part for part in call.parts if not part.at]:
                body = self.appended(body, added)
        wanted = call.options.get("response_format")
        return body if wanted is None else self.formatted(body, wanted)

    def appended(self, body: dict[str, Any], parts: list[Part]) -> dict[str, Any]:
        """The body with what guards add, as messages."""
        more = [self.message(part) for part in parts]
        return {**body, self.talk: [*body[self.talk], *more]}

    def message(self, part: Part) -> Any:
        return {"role": part.role, "content": part.text}

    def formatted(self, body: dict[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """The body with the structured output that a guard asks for, where the program chose none."""
        return body

    # What is answered.

    def heard(self, body: Any) -> Reply:
        return _shapes.heard(body)

    def retold(self, body: Any, reply: Reply) -> Any:
        """The reply's body with the texts as the guards made them; itself if they changed none."""
        placed = [part for part in reply.parts if part.at]
        added = [part.text for part in reply.parts if not part.at]
        made = patch(body, placed)
        if added and made is not None:
            made = self.said(made, "\n".join(added))
        return made if made is body else self.cleared(made)

    @abstractmethod
    def said(self, body: Any, text: str) -> Any:
        """A reply's body that says this text, and nothing else."""

    def cleared(self, body: Any) -> Any:
        """A changed reply without what tells its text in another way."""
        return put(body, _shapes.without_odds(body))

    @abstractmethod
    def told(self, reply: Reply, model: str) -> dict[str, Any]:
        """A reply's body for what no provider said."""

    # What streams.

    @abstractmethod
    def events(self, body: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Any]:
        """A whole reply as the values of a stream's events; a string stands for itself."""

    def event_name(self, value: Any) -> str:
        """What the event is called that carries a value."""
        kind = value.get("type") if isinstance(value, Mapping) else None
        return kind if isinstance(kind, str) else ""

    def last(self, value: Any) -> bool:
        """Whether a streamed value says that a reply is over."""
        return bool(_shapes.closes(value))

    def failed(self, value: Any) -> bool:
        """Whether a streamed value is the provider's own error."""
        return isinstance(value, Mapping) and bool(value.get("error")) and not value.get("choices")

    # What goes wrong.

    @abstractmethod
    def error(self, status: int, message: str, code: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        """An error body as the provider's own clients read it."""

    def error_event(self, status: int, message: str, code: str, detail: Mapping[str, Any]) -> dict[str, Any]:
        """The value of the event that ends a stream with an error."""
        return self.error(status, message, code, detail)


def defined(name: str, value: Any) -> Iterator[Part]:
    """What a definition, a schema or a setting says in words."""
    for at, text in leaves(value, (name,)):
        named = at[-1] in NAMES or (len(at) > 2 and at[-2] in LISTED)
        free = len(at) <= 3 and not FREE.isdisjoint(at[-2:-1])
        if free or not (named or _shapes.opaque(at[1:], text)):
            yield Part(text=text, role="system", name=name, at=at, origin="trusted")


def parted(path: str) -> tuple[str, str]:
    """A path, and its query with the mark before it; only the former says which model is asked."""
    bare, mark, query = path.partition("?")
    return bare, mark + query


def member(value: Any, at: Path) -> Any:
    """What stands at a path, or None."""
    try:
        return get(value, at)
    except (LookupError, AttributeError, TypeError):
        return None


def texts(reply: Reply) -> str:
    return "\n".join(part.text for part in reply.parts if part.kind == "text")


def spread(value: Mapping[str, Any], without: Iterable[str], **more: Any) -> dict[str, Any]:
    """A mapping without some members, and with others."""
    gone = set(without)
    return {name: one for name, one in value.items() if name not in gone} | more
