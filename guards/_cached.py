"""Cached replies: how a call becomes a key, a reply a text and a reply again, and what a key's state is.

A state is `{"reply", "until", "flight", "lease", "pending"}`: the reply that every guard has accepted and
until when it is fresh, the number of the last call that was sent for it, until when that call is waited
for, and what it brought back before the guards further out have judged it.
"""

from __future__ import annotations

import json
import sys
from hashlib import blake2b
from typing import Any

from guards._arguments import PARAMETERS
from guards._body import members
from guards._types import Call, Kind, Origin, Part, Path, Reply, Role
from guards._value import maker, replace
from guards._wishes import Wishing, clock, update

new_part, new_reply = maker(Part), maker(Reply)
OPTION = "cache"
"""The option under which a call tells guards further in where its cached reply is."""
DECODE = json.JSONDecoder().decode
PASSING = frozenset({OPTION, "idempotency_key", PARAMETERS})
PLAIN = frozenset({bool, int, float, bytes})
ENDED_WELL = frozenset(
    {"", "stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "function_call", "completed"}
)
"""How a whole reply ends; one that was cut short or refused is not kept."""


class Unkeepable(Exception):
    """A call or a reply cannot be written down faithfully."""


def digest(call: Call, secret: bytes) -> str:
    """A keyed digest of all that the reply may depend on.  Raises `Unkeepable` where that is not known."""
    known = {part.at for part in call.parts}
    whole = (
        call.kind,
        call.target,
        call.via,
        call.stream,
        _options(call) if call.options else "",
        [(part.text, part.role, part.kind, part.name, part.at) for part in call.parts],
        _rest(call.raw, (), known),
    )
    # Of plain values alone, `repr` tells all apart, and is the quickest to do so.
    return blake2b(repr(whole).encode(), key=secret, digest_size=20).hexdigest()


def blake_key(secret: bytes) -> bytes:
    """Any secret as the key of a digest."""
    return secret if len(secret) <= 64 else blake2b(secret).digest()


def _options(call: Call) -> Any:
    return [(key, _rest(call.options[key], (), set())) for key in sorted(call.options) if key not in PASSING]


def _rest(value: Any, at: Path, known: set[Path]) -> Any:
    """A value without the texts that are parts: those are as the guards made them."""
    kind = type(value)
    if kind is str:
        return 0 if at in known else (value,)
    if value is None or kind in PLAIN:
        return value
    if kind is dict:
        return [(key, _rest(one, (*at, key), known)) for key, one in value.items() if _plain_key(key)]
    if isinstance(value, type):
        return kind.__name__, value.__module__, value.__qualname__
    held = members(value)
    if held is None or isinstance(value, (set, frozenset)):
        raise Unkeepable(f"an argument of type {kind.__name__} cannot be written down")
    inside = [(key, _rest(one, (*at, key), known)) for key, one in held if _plain_key(key)]
    return kind.__module__, kind.__qualname__, inside


def _plain_key(key: Any) -> bool:
    if type(key) is str or type(key) in PLAIN or key is None:
        return True
    raise Unkeepable(f"a key of type {type(key).__name__} cannot be written down")


def written(reply: Reply) -> str:
    """A reply as a text.  Raises `Unkeepable` for one that would not be the same again."""
    if reply.live or reply.source or reply.finish not in ENDED_WELL:
        raise Unkeepable
    whole = (
        [(p.text, p.role, p.kind, p.name, p.at, p.origin) for p in reply.parts],
        reply.model,
        reply.finish,
        reply.plain,
        _kept(reply.value),
        _kept(reply.raw),
    )
    try:
        return json.dumps(whole, allow_nan=False)
    except (TypeError, ValueError):
        raise Unkeepable from None


def read(text: str) -> Reply | None:
    """The reply again; None where the class of something in it is not loaded any more."""
    parts, model, finish, plain, value, raw = DECODE(text)
    try:
        value, raw = _again(value), _again(raw)
    except Unkeepable:
        return None
    return new_reply(
        parts=tuple([_part(*one) for one in parts]),
        model=model,
        finish=finish,
        plain=plain,
        value=value,
        raw=raw,
        source=OPTION,
    )


def _part(text: str, role: Role, kind: Kind, name: str, at: list[str | int], origin: Origin) -> Part:
    return new_part(text=text, role=role, kind=kind, name=name, at=tuple(at), origin=origin)


def _kept(value: Any) -> Any:
    """A value as JSON: itself, or what a Pydantic model dumps to; a list of those."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and any(_pydantic(type(one)) for one in value):
        return {"list": [_kept(one) for one in value]}
    if _pydantic(type(value)):
        kind = type(value)
        dumped = value.model_dump(mode="json", exclude_unset=True)
        kept = {"model": [kind.__module__, kind.__qualname__], "json": dumped}
    else:
        kept = {"json": value}
    try:
        same = _again(json.loads(json.dumps(kept, allow_nan=False))) == value
    except (TypeError, ValueError):
        raise Unkeepable from None
    if not same:
        raise Unkeepable
    return kept


def _again(kept: Any) -> Any:
    if kept is None or type(kept) is str:
        return kept
    if "list" in kept:
        return [_again(one) for one in kept["list"]]
    if "model" not in kept:
        return kept["json"]
    module, name = kept["model"]
    kind: Any = sys.modules.get(module)  # never imported from what a store says
    for step in name.split("."):
        kind = getattr(kind, step, None)
    if not _pydantic(kind):
        raise Unkeepable
    return kind.model_validate(kept["json"])


def _pydantic(kind: Any) -> bool:
    return (
        isinstance(kind, type) and hasattr(kind, "__pydantic_core_schema__") and hasattr(kind, "model_dump")
    )


def stale(call: Call) -> Wishing[Reply | None]:
    """The reply that a cache further out still holds for this call, even when it is past its time."""
    key = call.options.get(OPTION)
    if key is None:
        return None
    now = yield from clock()

    def held(state: Any) -> tuple[Any, str]:
        return state, state["reply"] if state and now < state["gone"] else ""

    text = yield from update(key, held)
    kept = read(text) if text else None
    return None if kept is None else replace(kept, source="stale")
