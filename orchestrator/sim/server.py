"""The simulated provider as an HTTP server: chat completions, Anthropic's messages and OpenAI's responses."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from orchestrator.boundaries._sse import written
from orchestrator.sim.dialects import DIALECTS, Chat
from orchestrator.sim.provider import Answer, Provider

CHAT = Chat()
LARGEST_BODY = 10_000_000
IDLE_SECONDS = 60.0
BROKEN = {
    "garbled": (b'{"choices": [{"message": {"conte', "application/json"),
    "html": (b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A server that is up.  A client's base URL is `url` with `/v1` behind it."""

    host: str
    port: int
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def wait(self) -> None:
        """Until interrupted."""
        self.stopping.wait()


@contextmanager
def serve(
    provider: Provider,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    time_scale: float = 0.0,
    hold: float = 5.0,
) -> Iterator[Serving]:
    """Serve until the `with` block ends; every thread and connection ends with it.

    Port 0 takes a free one.  `time_scale` turns the provider's seconds into real ones (0 answers at once);
    a server that hangs holds its connection for as long, and `hold` seconds at least, then closes it.
    """
    if time_scale < 0 or hold < 0:
        raise ValueError("time_scale and hold are not negative")
    server = Server(provider, host, port, time_scale, hold)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="wardline-sim", daemon=True)
    thread.start()
    bound = server.server_address
    try:
        yield Serving(host=str(bound[0]), port=int(bound[1]), stopping=server.stopping)
    finally:
        server.stop()
        thread.join()


class Server(ThreadingHTTPServer):
    """Handles each connection in a thread of its own, and ends them all when it stops."""

    daemon_threads = False  # so that closing the server waits for them
    request_queue_size = 128

    def __init__(self, provider: Provider, host: str, port: int, time_scale: float, hold: float) -> None:
        self.provider, self.time_scale, self.hold = provider, time_scale, hold
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._lock:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def pause(self, seconds: float) -> None:
        """Let the provider's time pass, or less if the server stops."""
        if seconds * self.time_scale > 0:
            self.stopping.wait(seconds * self.time_scale)

    def hang(self, seconds: float) -> None:
        self.stopping.wait(max(self.hold, seconds * self.time_scale))


class Refused(Exception):
    """A request that is answered with an error; `close` ends the connection, as its body was not read."""

    def __init__(self, status: int, message: str, *, close: bool = False) -> None:
        super().__init__(status, message)
        self.status, self.message, self.close = status, message, close


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "wardline-sim"
    sys_version = ""
    timeout = IDLE_SECONDS
    posts: ClassVar[tuple[str, ...]] = tuple(DIALECTS)
    gets: ClassVar[tuple[str, ...]] = ("/v1/models", "/healthz")

    def log_message(self, *args: Any) -> None:
        """Quiet: what a client sent is nobody's log line."""

    def do_GET(self) -> None:
        if self._path == "/healthz":
            self._send(200, {"status": "ok"})
        elif self._path == "/v1/models":
            self._send(200, self._models())
        else:
            self._refuse(self._missing(self.posts, "POST"))

    def do_POST(self) -> None:
        try:
            if self._path not in self.posts:
                raise self._missing(self.gets, "GET")
            body = self._body()
        except Refused as refused:
            self._refuse(refused)
            return
        answer = self.server.provider.answer(self._dialect.asked(body))
        if answer.status == 0:
            self.server.hang(answer.seconds)
            self.close_connection = True
        elif answer.wire and not (body.get("stream") is True and answer.chunks):
            self.server.pause(answer.seconds)
            self._break(answer.wire)
        elif body.get("stream") is True and answer.status == 200:
            self._stream(answer, body)
        else:
            self.server.pause(answer.seconds)
            self._send(answer.status, self._dialect.told(answer.body or {}), answer.headers)

    @property
    def _dialect(self) -> Chat:
        return DIALECTS.get(self._path) or CHAT

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _missing(self, other: tuple[str, ...], method: str) -> Refused:
        if self._path in other:
            return Refused(405, f"use {method} for {self._path}", close=True)
        return Refused(404, "there is nothing here; try POST /v1/chat/completions", close=True)

    def _body(self) -> dict[str, Any]:
        size = self.headers.get("content-length", "")
        if not size.isdecimal() or len(size) > 15:
            raise Refused(411, "a Content-Length is needed", close=True)
        if int(size) > LARGEST_BODY:
            raise Refused(413, f"the body is larger than {LARGEST_BODY} bytes", close=True)
        try:
            body = json.loads(self.rfile.read(int(size)))
        except (ValueError, RecursionError):
            raise Refused(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise Refused(400, "the body is not a JSON object")
        return body

    def _models(self) -> dict[str, Any]:
        names = ["sim", "sim-small", "sim-large", *self.server.provider.models]
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "wardline"} for name in names]
        return {"object": "list", "data": models}

    def _refuse(self, refused: Refused) -> None:
        self.close_connection = self.close_connection or refused.close
        error = {"message": refused.message, "type": "invalid_request_error", "param": None, "code": None}
        self._send(refused.status, self._dialect.told({"error": error}))

    def _send(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("connection", "close")
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _break(self, wire: str) -> None:
        """No answer, or one that no client of the API can read."""
        self.close_connection = True
        if wire == "drop":
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        content, kind = BROKEN[wire]
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("connection", "close")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, answer: Answer, body: Mapping[str, Any]) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("cache-control", "no-cache")
        self.send_header("connection", "close")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for seconds, name, event in self._dialect.events(answer, body):
            self.server.pause(seconds)
            if self.server.stopping.is_set():
                return
            self._chunk(written(name, event.encode("utf-8", "backslashreplace")))
        if not answer.wire:
            self._chunk(b"")

    def _chunk(self, content: bytes) -> None:
        """One chunk of a body whose length nobody knows; the empty one ends it."""
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))


def events(answer: Answer, body: Mapping[str, Any]) -> Iterator[tuple[float, str]]:
    """The events of a streamed chat completion, each with the seconds that pass before it."""
    return ((seconds, event) for seconds, _, event in CHAT.events(answer, body))
