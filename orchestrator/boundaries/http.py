"""http: a transport for httpx and httpx2 clients, so that any SDK that takes one crosses the line guarded.

Neither library is imported before it is used, and neither's classes are subclassed but for the streams
that a client insists on: a response is built by the library of the request.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Self

from orchestrator.boundaries._exchange import Unknown, aexchange, exchange, touches
from orchestrator.boundaries._messages import Answer, Ask, travelling

if TYPE_CHECKING:
    from orchestrator._engine.orchestrator import Orchestrator

LIBRARIES = ("httpx2", "httpx")
CONNECTIONS, KEPT_ALIVE = 1_000, 100
"""How many connections a client has at most, as the providers' own clients do."""


class Guarding:
    """What both transports do alike: requests to asks, answers to responses."""

    def __init__(self, gate: Orchestrator, inner: Any, *, unknown: Unknown = "pass") -> None:
        self._gate, self._inner, self._unknown = gate, inner, unknown

    def _touches(self, request: Any) -> bool:
        return touches(self._gate, request.method, _path(request), self._unknown)


class GuardTransport(Guarding):
    """Stands around a transport of `httpx.Client` or `httpx2.Client`; both are closed together."""

    def handle_request(self, request: Any) -> Any:
        if not self._touches(request):
            return self._inner.handle_request(request)

        def send(ask: Ask) -> Answer:
            response = self._inner.handle_request(_request(request, ask))
            return _answer(response, iter(response.stream), response.stream.close)

        request.read()
        return _response(request, exchange(self._gate, _ask(request), send, unknown=self._unknown), "Here")

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._inner.__exit__(*error)


class AsyncGuardTransport(Guarding):
    """Stands around a transport of `httpx.AsyncClient` or `httpx2.AsyncClient`."""

    async def handle_async_request(self, request: Any) -> Any:
        if not self._touches(request):
            return await self._inner.handle_async_request(request)

        async def send(ask: Ask) -> Answer:
            response = await self._inner.handle_async_request(_request(request, ask))
            return _answer(response, aiter(response.stream), response.stream.aclose)

        await request.aread()
        answer = await aexchange(self._gate, _ask(request), send, unknown=self._unknown)
        return _response(request, answer, "There")

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._inner.__aexit__(*error)


def client(gate: Orchestrator, inner: Any = None, *, unknown: Unknown = "pass", **options: Any) -> Any:
    """A sync client; see `Orchestrator.client`."""
    library = _library(inner)
    inner = inner or library.HTTPTransport(limits=_limits(library))
    transport = GuardTransport(gate, inner, unknown=unknown)
    return library.Client(transport=transport, **{"follow_redirects": True, **options})


def async_client(gate: Orchestrator, inner: Any = None, *, unknown: Unknown = "pass", **options: Any) -> Any:
    """An async client; see `Orchestrator.async_client`."""
    library = _library(inner)
    inner = inner or library.AsyncHTTPTransport(limits=_limits(library))
    transport = AsyncGuardTransport(gate, inner, unknown=unknown)
    return library.AsyncClient(transport=transport, **{"follow_redirects": True, **options})


def _limits(library: Any) -> Any:
    return library.Limits(max_connections=CONNECTIONS, max_keepalive_connections=KEPT_ALIVE)


def _library(inner: Any) -> Any:
    """The library that a transport is of, or else the newest that is installed."""
    for kind in type(inner).__mro__:
        if (top := kind.__module__.partition(".")[0]) in LIBRARIES:
            return import_module(top)
    for name in LIBRARIES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ImportError("an HTTP client needs httpx2 or httpx; install one: pip install httpx2")


def _path(request: Any) -> str:
    path: bytes = request.url.raw_path
    return path.decode("ascii")


def _ask(request: Any) -> Ask:
    return Ask(request.method, _path(request), request.headers.raw, request.content)


def _request(first: Any, ask: Ask) -> Any:
    """The request that is sent for an ask; the client's own where that is what is asked."""
    path = _path(first)
    if ask.path == path and ask.body is first.content and ask.headers == travelling(first.headers.raw):
        return first
    url = first.url if ask.path == path else first.url.copy_with(raw_path=ask.path.encode("ascii"))
    return type(first)(
        ask.method, url, headers=ask.headers, content=ask.body, extensions=dict(first.extensions)
    )


def _answer(response: Any, chunks: Any, close: Any) -> Answer:
    return Answer(
        response.status_code, response.headers.raw, chunks=chunks, close=close, extra=response.extensions
    )


def _response(request: Any, answer: Answer, kind: str) -> Any:
    """An answer as a response of the library that the request is of."""
    library = sys.modules[type(request).__module__.partition(".")[0]]
    more = {"headers": answer.headers, "request": request, "extensions": answer.extra or {}}
    if answer.chunks is None:
        return library.Response(answer.status, content=answer.body, **more)
    return library.Response(answer.status, stream=_streams(library)[kind](answer), **more)


@cache
def _streams(library: Any) -> dict[str, Any]:
    """The kinds of stream that a library's clients insist on."""

    class Here(library.SyncByteStream):  # type: ignore[misc]  # known only now
        def __init__(self, answer: Answer) -> None:
            self._answer = answer

        def __iter__(self) -> Iterator[bytes]:
            yield from self._answer.chunks

        def close(self) -> None:
            self._answer.close()

    class There(library.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, answer: Answer) -> None:
            self._answer = answer

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in self._answer.chunks:
                yield chunk

        async def aclose(self) -> None:
            await self._answer.close()

    return {"Here": Here, "There": There}
