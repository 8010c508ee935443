"""messages: HTTP requests and responses as the exchange has them, without any library's classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from orchestrator.boundaries._json import spell
from orchestrator.boundaries._wire import find

Headers: TypeAlias = list[tuple[bytes, bytes]]

HOPS = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer"
    b" transfer-encoding upgrade".split()
)
"""Headers that belong to one connection, and not to the exchange."""
SIZED = frozenset({b"content-length", b"content-encoding"})


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: `path` with its query, as it was asked or is to be sent.

    `value` is the body as it was read, and `model` the provider's name for the model that it asks.
    """

    method: str
    path: str
    headers: Headers
    body: bytes = field(repr=False)
    value: Any = field(default=None, repr=False)
    model: str = ""

    def renamed(self, model: str) -> Ask:
        """The same request for another model, as the provider calls it."""
        wire = find(self.method, self.path)
        if wire is None or model == self.model:
            return self
        path, value = wire.with_model(self.path, self.value, model)
        return Ask(self.method, path, self.headers, spell(self.body, self.value, value), value, model)


@dataclass(slots=True)
class Answer:
    """A response: a whole `body`, or `chunks` of one, an iterator that is async where `send` is.

    `close` ends it before its end; `extra` is the sender's own, and is given back with an answer that is
    not another one.
    """

    status: int
    headers: Headers
    body: bytes = field(default=b"", repr=False)
    chunks: Any = field(default=None, repr=False)
    close: Callable[[], Any] = lambda: None
    extra: Any = field(default=None, repr=False)

    def header(self, name: bytes) -> bytes:
        return next((value for one, value in self.headers if one.lower() == name), b"")


def travelling(headers: Headers) -> Headers:
    """Headers that go on with an answer."""
    named = {
        one.strip().lower()
        for name, value in headers
        if name.lower() == b"connection"
        for one in value.split(b",")
    }
    return [(name, value) for name, value in headers if name.lower() not in HOPS | named]


class Status(Exception):
    """An answer that is no reply: what the upstream said instead, for `upstream_error` to read.

    It is `whole` where it can be told to the client as it came.
    """

    def __init__(self, answer: Answer, body: Any = None, *, whole: bool = True) -> None:
        super().__init__(f"status {answer.status}")
        self.answer, self.body, self.whole = answer, body, whole
        self.status_code = answer.status
        self.headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers
        }
        self.response = self


class Garbled(Exception):
    """An answer with a good status that is no reply of any known shape."""
