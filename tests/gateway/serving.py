"""A gateway on loopback, served by uvicorn in a thread of the test, before any upstream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from orchestrator.boundaries._gateway.protocol import Bounded
from orchestrator.boundaries._gateway.settings import Settings
from orchestrator.boundaries.gateway import Gateway


@contextmanager
def serving(application: Any) -> Iterator[str]:
    """The base URL of an ASGI application that takes connections; drained and stopped at the end."""
    config = uvicorn.Config(
        application,
        port=0,
        http=Bounded,
        ws="none",
        lifespan="on",
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    server, started = uvicorn.Server(config), threading.Event()
    startup = server.startup

    async def told(sockets: Any = None) -> None:
        await startup(sockets)
        started.set()

    server.startup = told  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert started.wait(30)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def gateway(upstream: str, *policies: str, **more: Any) -> Iterator[str]:
    """A gateway's base URL."""
    with serving(Gateway(Settings(policies=policies, upstreams=(f"up={upstream}",), **more))) as url:
        yield url
