"""Where the content sits in what model functions take and give: messages, completions, streamed chunks.

Shapes are recognised by their fields, as mappings or as objects, so that no provider's package is imported:
OpenAI chat completions and responses, Anthropic messages, Google's candidates.  Anything else is read as
plain strings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from guards._body import get, leaves, members
from guards._errors import Denied
from guards._types import Kind, Origin, Part, Path, Reply, Role, Usage

# Strings that say what a block is, not what it says.  A field not named here counts as content.
STRUCTURE = frozenset(
    {"type", "role", "id", "tool_call_id", "tool_use_id", "media_type", "mime_type", "status"}
)

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
}
ORIGINS: Mapping[Role, Origin] = {"system": "trusted", "user": "user"}
SYSTEM_PARAMETERS = frozenset({"system", "system_prompt", "instructions"})


# Without blanks: words with blanks between them would be base64, too.
BASE64 = re.compile(r"[A-Za-z0-9+/_=\r\n-]*")
DATA_URL = re.compile(r"data:[^,\s]{0,200};base64,[A-Za-z0-9+/_=\r\n-]*")
# What only the provider, or only a decoder of images, can read; a changed character would break it.
TYPED = frozenset({"media_type", "mimeType", "mime_type", "type"})
SEALED = frozenset({"encrypted_content", "signature", "thoughtSignature", "thought_signature"})


def opaque(inside: Path, text: str) -> bool:
    """Whether a string is no text: a kind of block, an attachment in base64, a provider's seal or setting."""
    last = inside[-1] if inside else ""
    if last in SEALED or last in TYPED or "cache_control" in inside:
        return True
    if last in ("data", "file_data") and BASE64.fullmatch(text) is not None:
        return True
    # What a person writes may begin like an attachment; that alone makes it none.
    attached = isinstance(last, str) and (
        last in ("data", "file_data") or last.lower().endswith(("url", "uri"))
    )
    return attached and DATA_URL.fullmatch(text) is not None


def field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def is_messages(value: Any) -> bool:
    """Chat messages: a non-empty list in which everything has a role and content or tool calls."""
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(isinstance(field(message, "role"), str) for message in value)
        and any(field(message, "content") is not None for message in value)
    )


def asked(name: str, value: Any) -> Iterator[Part]:
    """The content of one argument of a model function."""
    if is_messages(value):
        for index, message in enumerate(value):
            yield from _message(message, (name, index))
        return
    role: Role = "system" if name in SYSTEM_PARAMETERS else "user"
    for at, text in leaves(value, (name,)):
        yield Part(text=text, role=role, name=name, at=at, origin=ORIGINS[role])


def _message(message: Any, at: Path) -> Iterator[Part]:
    if members(message) is None:
        raise Denied(f"a message of type {type(message).__name__} cannot be read; pass it as a dict")
    role = ROLES.get(field(message, "role"), "user")
    for path, text in leaves(message, at):
        inside = path[len(at) :]
        silent = _structural(inside) or ("input" not in inside and opaque(inside, text))
        if silent and not _plain(message, inside):
            continue
        kind = _kind(message, role, inside)
        said_by: Role = "tool" if kind == "tool_result" else role
        yield Part(text=text, role=said_by, kind=kind, at=path, origin=ORIGINS.get(said_by, "untrusted"))


def _plain(message: Any, inside: Path) -> bool:
    """Whether a string is content for all its name: a plain document, or a field of a tool's result."""
    if inside[-1] in TYPED:
        return len(inside) > 5 and isinstance(inside[-2], str) and inside[-2] != "source"
    return inside[-1] == "data" and field(get(message, inside[:-1]), "type") == "text"


def _structural(inside: Path) -> bool:
    """Whether a string says what its message or block is; what tools take and give is content throughout."""
    if "input" in inside:
        return False
    if len(inside) == 1:
        return inside[0] in STRUCTURE
    if inside[0] == "tool_calls" and inside[2:] == ("function", "name"):
        return True
    # A block of the message, or of a tool's result in it.
    in_block = len(inside) in (3, 5) and set(inside[:-1:2]) <= {"content", "tool_calls"}
    return in_block and (inside[-1] in STRUCTURE or (len(inside) == 3 and inside[-1] == "name"))


def _kind(message: Any, role: Role, inside: Path) -> Kind:
    """What a string in a message is part of; Anthropic's tool results stand in the user's messages."""
    block = get(message, inside[:2]) if inside[0] == "content" and len(inside) > 1 else None
    if inside[0] in ("tool_calls", "function_call") or field(block, "type") == "tool_use":
        return "tool_call"
    return "tool_result" if role == "tool" or field(block, "type") == "tool_result" else "text"


def appended(value: Any, parts: Iterable[Part]) -> Any:
    """Chat messages, or a prompt, with what a guard adds."""
    if isinstance(value, (list, tuple)):
        return type(value)((*value, *({"role": part.role, "content": part.text} for part in parts)))
    return "\n\n".join([value, *map(_quoted, parts)])


def _quoted(part: Part) -> str:
    """What a guard adds, in a prompt; the model's own words are told apart from what it is asked."""
    if part.role != "assistant":
        return part.text
    return f"Your previous reply was, between the lines:\n---\n{part.text}\n---"


SPOKEN = ("content", "refusal", "reasoning_content", "reasoning")
"""Under what names a chat message says what the model says."""


def heard(value: Any) -> Reply:
    """What a model function returned, as a reply."""
    for read in (_chat_completion, _completion, _response, _message_reply, _candidates):
        if (parts := read(value)) is not None:
            return Reply(
                parts=tuple(parts),
                usage=streamed_usage(value),
                model=str(field(value, "model") or either(value, "modelVersion", "model_version") or ""),
                finish=_finish(value),
                raw=value,
            )
    parts = [Part(text=text, role="assistant", at=at, origin="untrusted") for at, text in leaves(value)]
    return Reply(parts=tuple(parts), plain=not isinstance(value, str), raw=value)


def _chat_completion(value: Any) -> list[Part] | None:
    choices = field(value, "choices")
    if not isinstance(choices, (list, tuple)) or not choices or field(choices[0], "message") is None:
        return None
    parts: list[Part] = []
    for index, choice in enumerate(choices):
        message, at = field(choice, "message"), ("choices", index, "message")
        parts.extend(_named(message, at, *SPOKEN))
        parts.extend(_named(field(message, "audio"), (*at, "audio"), "transcript"))
        if not isinstance(field(message, "content"), str):
            blocks = leaves(field(message, "content"), (*at, "content"))
            parts.extend(_said(text, where) for where, text in blocks if not _structural(where[len(at) :]))
        called: list[tuple[Path, Any]] = [
            (("tool_calls", n, "function"), field(call, "function")) for n, call in _calls(message)
        ]
        called.append((("function_call",), field(message, "function_call")))
        for where, function in called:
            if isinstance(text := field(function, "arguments"), str):
                parts.append(_said(text, (*at, *where, "arguments"), tool=field(function, "name") or ""))
        for n, call in _calls(message):
            if isinstance(text := field(custom := field(call, "custom"), "input"), str):
                where = (*at, "tool_calls", n, "custom", "input")
                parts.append(_said(text, where, tool=field(custom, "name") or ""))
    return parts


def _completion(value: Any) -> list[Part] | None:
    """Of the old completions, whose choices are texts."""
    choices = field(value, "choices")
    if (
        not isinstance(choices, (list, tuple))
        or not choices
        or not isinstance(field(choices[0], "text"), str)
    ):
        return None
    return [part for n, choice in enumerate(choices) for part in _named(choice, ("choices", n), "text")]


def _candidates(value: Any) -> list[Part] | None:
    candidates = field(value, "candidates")
    if not isinstance(candidates, (list, tuple)):
        return None
    parts: list[Part] = []
    for at, part in _candidate_parts(candidates):
        parts.extend(_named(part, at, "text"))
        for name in ("functionCall", "function_call"):
            if (called := field(part, name)) is not None:
                given = leaves(field(called, "args"), (*at, name, "args"))
                parts.extend(_said(text, where, tool=field(called, "name")) for where, text in given)
    found = [pair for at, part in _candidate_parts(candidates) for pair in leaves(part, at)]
    return [*parts, *_beside(found, parts)]


def _candidate_parts(candidates: Iterable[Any]) -> Iterator[tuple[Path, Any]]:
    for number, candidate in enumerate(candidates):
        for place, part in enumerate(field(field(candidate, "content"), "parts") or ()):
            yield ("candidates", number, "content", "parts", place), part


def either(value: Any, *names: str) -> Any:
    """The first of some fields that is there."""
    return next((found for name in names if (found := field(value, name)) is not None), None)


def _calls(message: Any) -> Iterable[tuple[int, Any]]:
    return enumerate(field(message, "tool_calls") or ())


def _response(value: Any) -> list[Part] | None:
    output = field(value, "output")
    if not isinstance(output, (list, tuple)) or field(value, "usage") is None:
        return None
    parts = []
    for index, item in enumerate(output):
        for number, block in enumerate(field(item, "content") or ()):
            if isinstance(text := field(block, "text"), str):
                parts.append(_said(text, ("output", index, "content", number, "text")))
            if isinstance(text := field(block, "refusal"), str):
                parts.append(_said(text, ("output", index, "content", number, "refusal")))
        given = [(name, field(item, name)) for name in ("arguments", "input")]
        parts.extend(
            _said(text, ("output", index, name), tool=field(item, "name"))
            for name, text in given
            if isinstance(text, str)
        )
    return [*parts, *_beside(leaves(output, ("output",)), parts)]


def _message_reply(value: Any) -> list[Part] | None:
    content = field(value, "content")
    if not isinstance(content, (list, tuple)) or field(value, "usage") is None:
        return None
    parts: list[Part] = []
    for index, block in enumerate(content):
        at = ("content", index)
        parts.extend(_named(block, at, "text", "thinking"))
        for path, text in leaves(field(block, "input"), (*at, "input")):
            parts.append(_said(text, path, tool=field(block, "name")))
    return [*parts, *_beside(leaves(content, ("content",)), parts)]


def _beside(found: Iterable[tuple[Path, str]], parts: list[Part]) -> list[Part]:
    """What else a reply says: results of the provider's own tools, code it ran, summaries, citations."""
    read = {part.at for part in parts}
    return [
        Part(text=text, role="assistant", kind="tool_result", at=at, origin="untrusted")
        for at, text in found
        if at not in read and at[-1] not in ASIDE and ODDS.isdisjoint(at) and not opaque(at, text)
    ]


def _named(block: Any, at: Path, *names: str) -> Iterator[Part]:
    for name in names:
        if isinstance(text := field(block, name), str):
            yield _said(text, (*at, name))


def _said(text: str, at: Path, tool: Any = None) -> Part:
    kind: Kind = "text" if tool is None else "tool_call"
    return Part(text=text, role="assistant", kind=kind, name=tool or "", at=at, origin="untrusted")


FINISHES = {
    "max_tokens": "length",
    "refusal": "content_filter",
    "stop": "stop",
    "safety": "content_filter",
    "recitation": "content_filter",
    "prohibited_content": "content_filter",
}


def _finish(value: Any) -> str:
    """Why the model stopped, in the words of chat completions."""
    if choices := field(value, "choices") or field(value, "candidates"):
        said = either(choices[0], "finish_reason", "finishReason")
    elif (said := field(value, "stop_reason")) is None:
        said = field(field(value, "incomplete_details"), "reason")
    said = str(getattr(said, "value", said) or "")
    return FINISHES.get(said.lower(), "length" if said == "max_output_tokens" else said)


def usage(value: Any) -> Usage:
    """Tokens as OpenAI and Anthropic report them.  Anthropic counts cache reads beside its input tokens."""
    if value is None:
        return Usage()
    if either(value, "promptTokenCount", "prompt_token_count") is not None:
        return _google_usage(value)
    output = _count(value, "output_tokens", "completion_tokens")
    details = field(value, "prompt_tokens_details") or field(value, "input_tokens_details")
    if details is not None:
        cached = _count(details, "cached_tokens")
        return Usage(input=_count(value, "input_tokens", "prompt_tokens"), output=output, cached=cached)
    cached = _count(value, "cache_read_input_tokens")
    written = _count(value, "cache_creation_input_tokens")
    fresh = _count(value, "input_tokens", "prompt_tokens")
    return Usage(input=fresh + cached + written, output=output, cached=cached)


def _google_usage(value: Any) -> Usage:
    said = _count(value, "candidatesTokenCount", "candidates_token_count")
    thought = _count(value, "thoughtsTokenCount", "thoughts_token_count")
    return Usage(
        input=_count(value, "promptTokenCount", "prompt_token_count"),
        output=said + thought,
        cached=_count(value, "cachedContentTokenCount", "cached_content_token_count"),
    )


def streamed_usage(chunk: Any) -> Usage:
    """The tokens that a chunk of a stream tells, in all so far; zeros where it tells none."""
    if isinstance(chunk, str):
        return Usage()
    holders = (chunk, field(chunk, "message"), field(chunk, "response"))
    told = next((told for one in holders if (told := field(one, "usage")) is not None), None)
    return usage(either(chunk, "usageMetadata", "usage_metadata") if told is None else told)


def _count(value: Any, *names: str) -> int:
    for name in names:
        if isinstance(number := field(value, name), int):
            return number
    return 0


def deltas(chunk: Any) -> list[tuple[tuple[Any, ...], Path, str]] | None:
    """The texts of a streamed chunk, each with its channel and its place; None for an unknown shape."""
    if isinstance(chunk, str):
        return [((), (), chunk)]
    choices, kind = field(chunk, "choices"), field(chunk, "type")
    if isinstance(choices, (list, tuple)):
        return [found for n, choice in enumerate(choices) for found in _choice_deltas(choice, n)]
    if isinstance(candidates := field(chunk, "candidates"), (list, tuple)):
        return [found for n, candidate in enumerate(candidates) for found in _grown(candidate, n)]
    if not isinstance(kind, str):
        return None
    delta = field(chunk, "delta")
    if isinstance(delta, str):  # OpenAI responses: the delta is the text itself
        place = (kind, field(chunk, "output_index"), either(chunk, "content_index", "summary_index"))
        return [(place, ("delta",), delta)]
    channel = ("block", field(chunk, "index"))
    return [
        ((*channel, name), ("delta", name), text)
        for name in ("text", "thinking", "partial_json")
        if isinstance(text := field(delta, name), str)
    ]


def _grown(candidate: Any, number: int) -> Iterator[tuple[tuple[Any, ...], Path, str]]:
    for at, part in _candidate_parts([candidate]):
        if isinstance(text := field(part, "text"), str):
            kind = "thought" if field(part, "thought") else "text"
            yield ("choice", _index(candidate), kind), ("candidates", number, *at[2:], "text"), text


def _index(candidate: Any) -> Any:
    return field(candidate, "index") or 0


def _choice_deltas(choice: Any, number: int) -> Iterator[tuple[tuple[Any, ...], Path, str]]:
    delta, at = field(choice, "delta"), ("choices", number, "delta")
    channel = ("choice", field(choice, "index"))
    for name in SPOKEN:
        if isinstance(text := field(delta, name), str):
            yield (*channel, name), (*at, name), text
    if isinstance(text := field(field(delta, "audio"), "transcript"), str):
        yield (*channel, "transcript"), (*at, "audio", "transcript"), text
    if isinstance(text := field(field(delta, "function_call"), "arguments"), str):
        yield (*channel, "tool", None), (*at, "function_call", "arguments"), text
    if isinstance(text := field(choice, "text"), str):
        yield (*channel, "text"), ("choices", number, "text"), text
    for place, call in enumerate(field(delta, "tool_calls") or ()):
        if isinstance(text := field(field(call, "function"), "arguments"), str):
            where = (*at, "tool_calls", place, "function", "arguments")
            yield (*channel, "tool", field(call, "index")), where, text
        if isinstance(text := field(field(call, "custom"), "input"), str):
            where = (*at, "tool_calls", place, "custom", "input")
            yield (*channel, "custom", field(call, "index")), where, text


def is_arguments(channel: tuple[Any, ...]) -> bool:
    """Whether a channel carries what a tool is called with, which is JSON."""
    return "tool" in channel or "partial_json" in channel or "arguments" in str(channel[:1])


# Strings of a streamed chunk that name things; every other string is text.
NAMING = STRUCTURE | SEALED | {
    "call_id", "finishReason", "fingerprint", "finish_reason", "item_id", "mimeType", "model", "modelVersion",
    "name", "object", "previous_response_id", "responseId", "response_id", "service_tier", "stop_reason",
    "stop_sequence", "system_fingerprint", "tool_choice",
}  # fmt: skip


def wholes(chunk: Any) -> list[tuple[Path, str]]:
    """Texts that a chunk repeats or gives at once, such as a whole answer at the end of a stream."""
    return [] if isinstance(chunk, str) else whole(chunk, leaves(chunk))


def whole(chunk: Any, found: Iterable[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """The same, where the strings of the chunk are known."""
    flowing = {at for _, at, _ in deltas(chunk) or ()}
    return [
        (at, text)
        for at, text in found
        if at not in flowing
        and ODDS.isdisjoint(at)
        # What a tool is called with has the names that the tool gives it.
        and (at[-1] not in NAMING or not GIVEN.isdisjoint(at[:-1]))
    ]


ODDS = frozenset({"logprobs", "logprobsResult", "logprobs_result"})
GIVEN = frozenset({"args", "input"})
# An image is a `result`, and what a program has parsed of a text is no text of its own.
ASIDE = NAMING | {"fileUri", "file_uri", "language", "parsed", "result"}


def without_odds(value: Any) -> list[tuple[Path, Any]]:
    """The edits that take away the odds of tokens: they spell a text piece by piece, past any filter."""
    if isinstance(value, str):
        return []
    return odds(value, leaves(value))


def odds(value: Any, found: Iterable[tuple[Path, str]]) -> list[tuple[Path, Any]]:
    """The same, where the strings of the value are known."""
    held = dict.fromkeys(
        at[: 1 + next(n for n, name in enumerate(at) if name in ODDS)]
        for at, _ in found
        if not ODDS.isdisjoint(at)
    )
    return [(at, [] if isinstance(get(value, at), list) else None) for at in held]


def closes(chunk: Any) -> set[tuple[Any, ...]]:
    """The channels, by their first two words, that this chunk says are over."""
    if field(chunk, "type") == "content_block_stop":
        return {("block", field(chunk, "index"))}
    kind = field(chunk, "type")
    if isinstance(kind, str) and kind.endswith(".done"):  # OpenAI responses
        return {(kind.removesuffix("done") + "delta", field(chunk, "output_index"))}
    if isinstance(choices := field(chunk, "choices"), (list, tuple)):
        return {("choice", field(choice, "index")) for choice in choices if field(choice, "finish_reason")}
    if isinstance(choices := field(chunk, "candidates"), (list, tuple)):
        ended = [one for one in choices if either(one, "finishReason", "finish_reason")]
        return {("choice", _index(choice)) for choice in ended}
    return set()


def speaks(chunk: Any) -> bool:
    """Whether a chunk commits the stream: it holds text, or it is of a shape that might."""
    found = deltas(chunk)
    return found is None or any(text for _, _, text in found)
