"""Server-sent events, read at any split of the bytes and written again."""

from __future__ import annotations

import re
from typing import NamedTuple

LARGEST_EVENT = 16 * 1024 * 1024
"""How many bytes one event may have; no provider's has a hundredth of it."""
LINE_END = rb"(?:\r\n|\n|\r(?!\n))"
ENDS = re.compile(LINE_END + LINE_END)
LINES = re.compile(r"\r\n|\n|\r")
BOM = b"\xef\xbb\xbf"


class TooLong(ValueError):
    """An event that has not ended within `LARGEST_EVENT` bytes."""


class Event(NamedTuple):
    """One event as it came: its name, its data (None for a comment alone), and its bytes."""

    name: str
    data: str | None
    raw: bytes


class Reader:
    """Bytes in, whole events out."""

    def __init__(self, most: int = LARGEST_EVENT) -> None:
        self._held, self._seen, self._most, self._begun = bytearray(), 0, most, False

    def feed(self, data: bytes) -> list[Event]:
        """The events that end in these bytes.  Raises `TooLong`, and `UnicodeDecodeError`."""
        held = self._held
        held += data
        events, done, at = [], 0, max(0, self._seen - 3)
        # A line end at the very end may be the first half of one.
        whole = len(held) - held.endswith(b"\r")
        while (end := ENDS.search(held, at, whole)) is not None:
            at = end.end()
            events.append(self._event(bytes(held[done:at])))
            done = at
        del held[:done]
        self._seen = whole - done
        if len(held) > self._most:
            raise TooLong
        return events

    def end(self) -> list[Event]:
        """What came after the last whole event; an event that was cut off is none."""
        rest = bytes(self._held)
        self._held.clear()
        return [self._event(rest)] if ENDS.search(rest) else []

    def _event(self, raw: bytes) -> Event:
        if not self._begun:
            self._begun, raw = True, raw.removeprefix(BOM)
        if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:
            return Event("", raw[6:-2].decode(), raw)  # as nearly all of them are
        name, data = "", list[str]()
        for line in LINES.split(raw.decode()):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
        return Event(name, "\n".join(data) if data else None, raw)


def written(name: str, data: bytes) -> bytes:
    """An event of one line of data."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data) if name else b"data: %b\n\n" % data
