"""JSON bodies: read strictly, and written so that whatever did not change keeps its own spelling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
TOKEN = re.compile(rb"[\[{]|[\]}]|" + STRING, re.DOTALL)
SCALAR = re.compile(STRING + rb"|[^\s,\]}]+", re.DOTALL)
SPACE = re.compile(rb"[ \t\r\n]*")


class Unreadable(ValueError):
    """Bytes that are no JSON, or that two readers would read differently; says why, and quotes nothing."""


def parse(body: bytes) -> Any:
    """The value of a JSON text in UTF-8.  Raises `Unreadable`, for a repeated key too."""
    try:
        return DECODE(body.decode("utf-8"))
    except Unreadable:
        raise
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"{error.msg} at character {error.pos}") from None
    except ValueError:
        raise Unreadable("it has a number that is too long") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise Unreadable("it has a key twice in one object")
    return made


DECODE = json.JSONDecoder(object_pairs_hook=_members).decode
PLAIN = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
ESCAPED = json.JSONEncoder(separators=(",", ":")).encode


def write(value: Any) -> bytes:
    """A value as compact JSON; half a surrogate pair stays the escape that it was."""
    try:
        return PLAIN(value).encode()
    except UnicodeEncodeError:
        return ESCAPED(value).encode()


def spell(text: bytes, old: Any, new: Any) -> bytes:
    """The JSON of `new`, which shares with `old`, the value of `text`, whatever did not change.

    What is the same object in both keeps its spelling, its spaces and its numbers.
    """
    if new is old:
        return text
    start = SPACE.match(text).end()  # type: ignore[union-attr]  # it matches nothing, too
    end = _end(text, start)
    return b"".join([text[:start], *_spelled(text, start, end, old, new), text[end:]])


class Member(NamedTuple):
    """Where one member of an object or array stands in the text: its key, if it has one, and its value."""

    key: Any
    key_start: int
    start: int
    end: int


def _spelled(text: bytes, start: int, end: int, old: Any, new: Any) -> Iterator[bytes]:
    if new is old:
        yield text[start:end]
    elif type(old) is dict and type(new) is dict:
        yield from _object(text, start, end, old, new)
    elif type(old) is list and type(new) is list:
        yield from _array(text, start, end, old, new)
    else:
        yield write(new)


def _object(
    text: bytes, start: int, end: int, old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[bytes]:
    held = {member.key: member for member in _walk(text, start)}
    if list(held) == list(new):
        yield from _in_place(text, start, end, [(held[key], old[key], new[key]) for key in new])
        return
    members = []
    for key, value in new.items():
        if (member := held.get(key)) is None:
            members.append(write(key) + b":" + write(value))
            continue
        named = text[member.key_start : member.start]
        members.append(named + b"".join(_spelled(text, member.start, member.end, old[key], value)))
    yield b"{" + b",".join(members) + b"}"


def _array(text: bytes, start: int, end: int, old: list[Any], new: list[Any]) -> Iterator[bytes]:
    held = list(_walk(text, start))
    if len(old) == len(new):
        yield from _in_place(text, start, end, list(zip(held, old, new, strict=True)))
        return
    # Members went or came: those that stayed are the same objects.
    known = {id(one): text[member.start : member.end] for one, member in zip(old, held, strict=True)}
    yield b"[" + b",".join(known.get(id(one)) or write(one) for one in new) + b"]"


def _in_place(
    text: bytes, start: int, end: int, members: Iterable[tuple[Member, Any, Any]]
) -> Iterator[bytes]:
    done = start
    for member, old, new in members:
        if new is not old:
            yield text[done : member.start]
            yield from _spelled(text, member.start, member.end, old, new)
            done = member.end
    yield text[done:end]


def _walk(text: bytes, start: int) -> Iterator[Member]:
    """The members of the object or array that begins at `start`."""
    named, at = text[start : start + 1] == b"{", start + 1
    number = 0
    while True:
        at = _skip(text, at, b",")
        if text[at : at + 1] in (b"}", b"]"):
            return
        key_start = at
        key: Any = number
        if named:
            stop = _end(text, at)
            key = json.loads(text[at:stop])
            at = _skip(text, stop, b":")
        end = _end(text, at)
        yield Member(key, key_start, at, end)
        at, number = end, number + 1


def _skip(text: bytes, at: int, sign: bytes) -> int:
    """Past white space, and one sign among it."""
    at = SPACE.match(text, at).end()  # type: ignore[union-attr]
    return SPACE.match(text, at + 1).end() if text[at : at + 1] == sign else at  # type: ignore[union-attr]


def _end(text: bytes, start: int) -> int:
    """Where the value that begins at `start` ends."""
    if text[start : start + 1] not in (b"{", b"["):
        return SCALAR.match(text, start).end()  # type: ignore[union-attr]
    depth = 0
    for token in TOKEN.finditer(text, start):
        sign = text[token.start()]
        if sign in b"{[":
            depth += 1
        elif sign in b"}]":
            depth -= 1
            if depth == 0:
                return token.end()
    raise Unreadable("it ends in the middle")  # pragma: no cover - it was read before
