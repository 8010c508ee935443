"""gateway: an HTTP server that speaks the providers' own protocols and guards what passes.

An ASGI application without a framework, as it has few routes of its own.  `wardline serve` runs it on
uvicorn, in one process or several, each of which makes its own application from `Settings`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from guards._errors import Denied, Exhausted, GuardError
from orchestrator._engine.drive import World
from orchestrator._engine.upstream import upstream_error
from orchestrator.boundaries._exchange import aexchange, refused
from orchestrator.boundaries._gateway.keys import Key, Keys
from orchestrator.boundaries._gateway.served import Served
from orchestrator.boundaries._gateway.settings import Settings
from orchestrator.boundaries._gateway.upstreams import KEY_HEADERS, Upstreams
from orchestrator.boundaries._json import Unreadable, parse
from orchestrator.boundaries._messages import Answer, Ask, Headers, travelling
from orchestrator.boundaries._wire import find, spoken
from orchestrator.stores.sqlite import Sqlite

if TYPE_CHECKING:
    from orchestrator.telemetry.anomalies import Alert
    from orchestrator.telemetry.evidence import Evidence

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

LOG = logging.getLogger("wardline.gateway")
POLICY = b"x-wardline-policy"
REQUEST = b"x-wardline-request"
"""The header that tells a client by which id `wardline why` knows its request."""
OURS = frozenset({POLICY, b"host", b"content-length"}) | frozenset(
    b"cookie forwarded x-client-ip x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto"
    b" x-real-ip".split()
)
"""Headers that are for the gateway, or made anew on the way, or say of the client what no provider needs."""
JSON: Headers = [(b"content-type", b"application/json")]
SEVERAL = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several processes count together."""
RELOAD_SECONDS = 2.0
GRACE = 1.0
"""How much longer than the guards the gateway waits, in seconds, for whatever they do not bound."""


class Refused(Exception):
    """A request that goes no farther, with the error and the status that tell it."""

    def __init__(self, status: int, error: GuardError) -> None:
        super().__init__(str(error))
        self.status, self.error = status, error


def application() -> Gateway:
    """What uvicorn serves in a process of `wardline serve`."""
    return Gateway(Settings.inherited())


def check(settings: Settings) -> None:
    """Raise what is wrong with settings before any process starts: ValueError, or `PolicyError`."""
    from policies import load

    Upstreams.read(settings.upstreams, settings.key_envs, settings.key_files)
    for source in settings.named().values():
        load(source)
    if settings.keys:
        Keys(settings.keys).close()
    _world(settings)
    _alarms(settings)


class Gateway:
    """The ASGI application.  Raises ValueError, or `PolicyError`, for settings that cannot be served."""

    def __init__(self, settings: Settings, world: World | None = None) -> None:
        self.settings = settings
        self.upstreams = Upstreams.read(settings.upstreams, settings.key_envs, settings.key_files)
        self.keys = Keys(settings.keys) if settings.keys else None
        self.metrics = _metrics() if settings.metrics else None
        self.evidence = _evidence(settings, self.metrics)
        self.served = Served(settings.named(), world or _world(settings), self.evidence)
        self._client: Any = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with self.running():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What lasts as long as the process: connections to the upstreams, and the watch on the policies."""
        import aiohttp

        # The guards bound time, and the bytes are the provider's own.
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
        )
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, RuntimeError, ValueError):  # only a main thread has signals
            loop.add_signal_handler(signal.SIGHUP, lambda: self.served.reload(every=True))
        reloading = loop.create_task(self._reload())
        try:
            yield
        finally:
            reloading.cancel()
            if self.evidence is not None:
                await asyncio.to_thread(self.evidence.close)
            await self.served.aclose()
            await self._client.close()
            self._client = None

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            await asyncio.to_thread(self.served.reload)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        headers: Headers = scope["headers"]
        own = self._routes.get((scope["method"], scope["path"]))
        try:
            answer = None if own is None else own(self, headers)
            if answer is None:
                await self._passing(scope, receive, send)
                return
        except Refused as no:
            answer = refused(_speaker(scope), no.error, no.status)
        await _say(send, answer)

    async def _passing(self, scope: Message, receive: Receive, send: Send) -> None:
        """A request for an upstream; a client that leaves takes everything with it."""
        headers: Headers = scope["headers"]
        key = self._key(headers)
        gate = self._gate(headers, key)
        ask = _ask(scope, await self._body(receive, headers), bare=key is not None)
        me = asyncio.current_task()
        leaving = asyncio.ensure_future(_left(receive, me))
        begun = False
        try:
            async with asyncio.timeout(self.settings.seconds + GRACE):
                with gate.session(**self._named(gate, key)) as run:
                    answer = await aexchange(gate, ask, self._send, unknown=self.settings.unknown)
                    answer.headers = [*answer.headers, (REQUEST, run.request_id.encode())]
                    begun = True
                    await _say(send, answer)
        except TimeoutError:
            if begun:
                raise  # uvicorn closes the connection: a client must not take the half for the whole
            await _say(send, refused(_speaker(scope), Exhausted("deadline")))
        except asyncio.CancelledError:
            if not leaving.done():
                raise
        except Exception as accident:
            if begun:
                raise
            error = upstream_error("upstream", accident)
            await _say(send, refused(_speaker(scope), error))
        finally:
            leaving.cancel()

    def _named(self, gate: Any, key: Key | None) -> dict[str, Any]:
        """In whose name a request is made; without guards, its time is bounded outside alone."""
        named: dict[str, Any] = {} if gate.open else {"timeout": self.settings.seconds}
        if key is not None:
            named |= {"user": key.user, "roles": key.roles, "tags": {"key": key.id}}
        return named

    async def _send(self, ask: Ask) -> Answer:
        """Make a request to the upstream that its model names."""
        import yarl

        upstream, ask = self._chosen(ask)
        response = await self._client.request(
            ask.method,
            yarl.URL(upstream.address(ask.path), encoded=True),
            data=ask.body or None,
            headers=[
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in upstream.keyed(ask.path, ask.headers)
            ],
            allow_redirects=False,
        )
        return Answer(
            response.status,
            list(response.raw_headers),
            chunks=response.content.iter_any().__aiter__(),
            close=response.close,
        )

    def _chosen(self, ask: Ask) -> tuple[Any, Ask]:
        """The upstream of a request, and the request with the model's name there.

        One that no guard has read is read only where it may name an upstream.
        """
        wire = find(ask.method, ask.path)
        if wire is None:
            return self.upstreams.known[0], ask
        if ask.value is None and self.upstreams.may_be_named(ask.body, ask.path):
            with suppress(Unreadable):
                value = parse(ask.body)
                if isinstance(value, dict):
                    ask = Ask(ask.method, ask.path, ask.headers, ask.body, value, wire.model(ask.path, value))
        upstream, model = self.upstreams.chosen(ask.model)
        return upstream, ask.renamed(model)

    def _healthy(self, headers: Headers) -> Answer:
        return Answer(200, JSON, b'{"status": "ok"}')

    def _ready(self, headers: Headers) -> Answer:
        if self._client is None:
            return Answer(503, JSON, b'{"status": "not ready"}')
        return Answer(200, JSON, b'{"status": "ready"}')

    def _counted(self, headers: Headers) -> Answer | None:
        """What Prometheus reads; of all processes, where there are several."""
        if self.metrics is None:
            return None
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.metrics.registry
        if SEVERAL in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            registry.register(self.metrics)
        return Answer(200, [(b"content-type", CONTENT_TYPE_LATEST.encode())], generate_latest(registry))

    def _models(self, headers: Headers) -> Answer | None:
        """The models of the caller's policy that its key may ask; where it names none, the upstream's."""
        key = self._key(headers)
        known = self._gate(headers, key).policy.models
        if not known:
            return None
        rows = [
            {"id": name, "object": "model", "created": 0, "owned_by": "wardline"}
            for name in known
            if key is None or key.may(name)
        ]
        return Answer(200, JSON, json.dumps({"object": "list", "data": rows}).encode())

    _routes = {  # noqa: RUF012 - never changed
        ("GET", "/healthz"): _healthy,
        ("GET", "/readyz"): _ready,
        ("GET", "/metrics"): _counted,
        ("GET", "/v1/models"): _models,
    }

    def _key(self, headers: Headers) -> Key | None:
        """The virtual key of a request; None where the gateway has no keys."""
        if self.keys is None:
            return None
        for name, value in headers:
            if name in KEY_HEADERS:
                secret = value.decode("latin-1").removeprefix("Bearer ").strip()
                if (key := self.keys.find(secret, time.time())) is not None:
                    return key
        raise Refused(401, Denied("this gateway needs a virtual key that works; ask its owner for one"))

    def _gate(self, headers: Headers, key: Key | None) -> Any:
        """The policy that a request chooses among those its key allows; the first one without a choice."""
        name = next((value.decode("latin-1") for one, value in headers if one == POLICY), self.served.first)
        # Without keys there is nobody who would be allowed another policy than the one for all.
        if name != self.served.first and not (key is not None and key.allows(name) and name in self.served):
            raise Refused(403, Denied("this key may not choose that policy"))
        try:
            return self.served.gate(name, key)
        except ValueError as error:
            raise Refused(403, Denied(f"the bounds of this key cannot be kept: {error}")) from None

    async def _body(self, receive: Receive, headers: Headers) -> bytes:
        """The whole body, within its bounds."""
        most, pieces, size = self.settings.body_bytes, list[bytes](), 0
        told = next((value for name, value in headers if name == b"content-length"), b"")
        too_large = Refused(413, Denied(f"the body is larger than {most} bytes"))
        if told.isdigit() and int(told) > most:
            raise too_large
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refused(400, Denied("the client left"))
                    pieces.append(message.get("body", b""))
                    size += len(pieces[-1])
                    if size > most:
                        raise too_large
                    if not message.get("more_body"):
                        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except TimeoutError:
            raise Refused(408, Denied("the body did not come in time")) from None


async def _left(receive: Receive, request: asyncio.Task[Any] | None) -> None:
    """Cancel a request whose client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if request is not None:
        request.cancel()


async def _say(send: Send, answer: Answer) -> None:
    # The server tells its own date.
    headers = [pair for pair in travelling(answer.headers) if pair[0].lower() != b"date"]
    if answer.chunks is None:
        headers = [pair for pair in headers if pair[0].lower() != b"content-length"]
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.chunks is None:
        await send({"type": "http.response.body", "body": answer.body})
        return
    try:
        # Each piece is sent before the next is asked for: whoever reads slowly slows the upstream down.
        async for chunk in answer.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        closing = answer.close()
        if closing is not None:
            await closing
    await send({"type": "http.response.body", "body": b""})


def _ask(scope: Message, body: bytes, *, bare: bool) -> Ask:
    """A request as it goes on; `bare` is one whose key was for the gateway alone."""
    query = scope["query_string"]
    if bare:  # some of Google's clients send their key in it
        query = b"&".join(one for one in query.split(b"&") if not one.lower().startswith(b"key="))
    path = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    gone = OURS | KEY_HEADERS if bare else OURS
    headers = [(name, value) for name, value in travelling(scope["headers"]) if name not in gone]
    return Ask(scope["method"], path, headers, body)


def _speaker(scope: Message) -> Any:
    """The wire in whose shape an error is told."""
    return find(scope["method"], scope["path"]) or spoken(scope["headers"])


def _metrics() -> Any:
    from prometheus_client import CollectorRegistry

    from orchestrator.telemetry.metrics import Metrics

    return Metrics(CollectorRegistry())


def _evidence(settings: Settings, metrics: Any) -> Evidence | None:
    if metrics is None and not (settings.traces or settings.alerts):
        return None
    from orchestrator.telemetry.anomalies import Anomalies
    from orchestrator.telemetry.evidence import Evidence
    from orchestrator.telemetry.traces import TraceStore

    store = TraceStore(settings.traces) if settings.traces else None
    return Evidence(store=store, metrics=metrics, sinks=[Anomalies(one) for one in _alarms(settings)])


def _alarms(settings: Settings) -> list[Callable[[Alert], None]]:
    from orchestrator.telemetry.alarms import alarm

    secret = _secret(settings.alert_key_env, "the secret that signs alerts")
    return [alarm(said, secret) for said in settings.alerts]


def _world(settings: Settings) -> World:
    if not settings.store:
        return World()
    return World(store=Sqlite(settings.store, _secret(settings.store_key_env, "the store's key")))


def _secret(variable: str, what: str) -> str:
    """What a variable of the environment holds; nothing where none is named.  Raises ValueError."""
    if variable and not os.environ.get(variable):
        raise ValueError(f"the environment has no {variable}; set it to {what}")
    return os.environ[variable] if variable else ""
