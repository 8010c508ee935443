"""serve: the gateway."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import click

from orchestrator.commands._options import BYTES, SECONDS

FILE = click.Path(dir_okay=False)


@click.command()
@click.option(
    "-p",
    "--policy",
    "policies",
    multiple=True,
    default=["default"],
    show_default=True,
    help="A policy file or a shipped one's name; or NAME=FILE, for keys that may choose it. May be repeated.",
)
@click.option(
    "--upstream", "upstreams", multiple=True, help="NAME=URL of a provider; the first is the default."
)
@click.option("--key-env", "key_envs", multiple=True, help="NAME=VARIABLE with that upstream's key.")
@click.option("--key-file", "key_files", multiple=True, help="NAME=FILE with that upstream's key.")
@click.option(
    "-k", "--keys", type=FILE, default="", help="A file of virtual keys; without one, nobody needs one."
)
@click.option("--store", type=FILE, default="", help="An SQLite file for state that processes share.")
@click.option("--store-key-env", default="", help="The variable with the key that seals the store.")
@click.option(
    "--traces", type=FILE, default="", help="An SQLite file for `wardline why`, `trace` and `stats`."
)
@click.option(
    "--metrics/--no-metrics", default=True, show_default=True, help="Whether to count for /metrics."
)
@click.option(
    "--alert",
    "alerts",
    multiple=True,
    help="Who is told of anomalies: log, a webhook's URL, or a command that reads JSON. May be repeated.",
)
@click.option("--alert-key-env", default="", help="The variable with the secret that signs webhooks.")
@click.option(
    "--unknown",
    type=click.Choice(["refuse", "pass"]),
    default="refuse",
    show_default=True,
    help="What becomes of a request whose path no guard can read.",
)
@click.option(
    "--body-bytes", type=BYTES, default=20_000_000, show_default="20MB", help="The largest request."
)
@click.option(
    "--body-seconds", type=SECONDS, default=60.0, show_default="60s", help="How long one may take to come."
)
@click.option(
    "--seconds", type=SECONDS, default=600.0, show_default="10m", help="How long an exchange may take."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option(
    "--connections", type=click.IntRange(1), default=2_000, show_default=True, help="At most, a process."
)
@click.option(
    "--drain", type=SECONDS, default=30.0, show_default="30s", help="How long a stop waits for exchanges."
)
@click.option("--tls-cert", type=FILE, help="A certificate file, for https.")
@click.option("--tls-key", type=FILE, help="Its private key.")
def command(
    host: str,
    port: int,
    workers: int,
    connections: int,
    drain: float,
    tls_cert: str | None,
    tls_key: str | None,
    **said: Any,
) -> None:
    """Serve the providers' own protocols over HTTP, guarded by a policy.

    \b
    Example:
      wardline serve -p policy.yaml --upstream openai=https://api.openai.com/v1
      curl http://127.0.0.1:8080/healthz
    """
    from orchestrator.boundaries._gateway.settings import Settings
    from orchestrator.boundaries._gateway.upstreams import UpstreamsError

    try:
        import uvicorn

        from orchestrator.boundaries import gateway
    except ImportError as error:
        raise click.ClickException(
            f"{error.name} is not installed; the gateway needs `pip install wardline[gateway]`"
        ) from None
    settings = Settings.of(said)
    if workers > 1 and settings.keys and not settings.store:
        raise click.ClickException("with several workers, the bounds of keys need a --store that they share")
    try:
        gateway.check(settings)
    except (UpstreamsError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    os.environ.update(settings.environment())
    if workers > 1 and settings.metrics:
        # Where the processes count together; prometheus_client reads the variable when it is imported.
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="wardline-metrics-"))
    uvicorn.run(
        "orchestrator.boundaries.gateway:application",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        limit_concurrency=connections,
        timeout_graceful_shutdown=int(drain),
        http="orchestrator.boundaries._gateway.protocol:Bounded",
        ws="none",
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        server_header=False,
        access_log=False,
        log_level="warning",
    )
