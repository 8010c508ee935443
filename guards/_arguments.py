"""What a tool is called with as it stands now, by name; and a call with other arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guards._body import leaves, patch, without
from guards._types import Call, Part
from guards._value import replace

PARAMETERS = "parameters"
"""The option under which a boundary says what a tool takes: a JSON Schema, or a Python type of a mapping."""
OWNER = "owner"
"""The option that names the argument on which a method is called, which is no argument of the tool."""
LISTING = "listing"
"""The option of a call that only asks whether a tool is there for this run; it has no arguments yet."""


def arguments(call: Call) -> Any:
    """The arguments with every change that guards have made: a mapping, or the text that a model wrote."""
    placed = [part for part in call.parts if part.at or isinstance(call.raw, str)]
    if call.raw is None:
        return {str(part.at[-1] if part.at else part.name): part.text for part in call.parts}
    given = without(patch(call.raw, placed), call.dropped)
    owner = call.options.get(OWNER)
    return given if owner is None else {name: one for name, one in given.items() if name != owner}


def as_json(value: Any, *, lenient: bool = False) -> Any:
    """A value as JSON has it.  What JSON cannot hold raises ValueError, or stands as null if `lenient`."""
    if type(value) in (str, int, float, bool, type(None)):
        return value
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=(lambda other: None) if lenient else None)


def called_with(call: Call, given: Mapping[str, Any]) -> Call:
    """The call with other arguments, and a part for each text in them."""
    known = {part.at: part for part in call.parts if part.at}
    parts = [
        replace(old, text=text)
        if (old := known.get(at)) is not None
        else Part(text=text, role="assistant", kind="tool_call", name=str(at[0]), at=at, origin="untrusted")
        for at, text in leaves(given)
    ]
    owner = call.options.get(OWNER)
    raw = given if owner is None else {owner: call.raw[owner], **given}
    return replace(call, parts=tuple(parts), raw=raw, dropped=())
