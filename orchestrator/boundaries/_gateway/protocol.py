"""protocol: connections whose headers are bounded in size and in time."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
HEADER_BYTES = 64 * 1024


class TooLarge(Exception):
    """The headers of a request are larger than they may be; the parser gives it on as its own error."""


class Bounded(HttpToolsProtocol):
    """Closes a connection whose request's headers are too large, or not whole in time.

    The server itself bounds the time between requests, and the gateway that of bodies.
    """

    header_seconds, header_bytes = HEADER_SECONDS, HEADER_BYTES
    _late: asyncio.TimerHandle | None = None
    _size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._whole()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._size = 0
        if self._late is None:
            self._wait()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._whole()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if self._size > self.header_bytes:
            self._refuse(b"431 Request Header Fields Too Large", "the headers are too large")
        else:
            self._refuse(b"400 Bad Request", "this is no HTTP request")

    def _wait(self) -> None:
        self._late = self.loop.call_later(self.header_seconds, self._given_up)

    def _whole(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _given_up(self) -> None:
        self._late = None
        self._refuse(b"408 Request Timeout", "the headers did not come in time")

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self.header_bytes:
            raise TooLarge

    def _refuse(self, status: bytes, why: str) -> None:
        body = b'{"error": {"message": "%s", "type": "invalid_request_error"}}' % why.encode()
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close"
        self.transport.write(head % (status, len(body)) + b"\r\n\r\n" + body)
        self.transport.close()
