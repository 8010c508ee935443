"""wardline trace: the requests in a trace store."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import click

from orchestrator.commands._traces import JSON, TRACES, echo_json, filtered, reading, which


@click.command("trace")
@TRACES
@filtered
@click.option("--cost", type=click.FloatRange(0), default=0.0, help="At least so many US dollars.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@JSON
def command(traces: Path, cost: float, limit: int, as_json: bool, **filters: str) -> None:
    """List requests, the latest first; `wardline why` explains one.

    \b
    Examples:
      wardline trace --traces traces.db --since 1h --outcome failed
      wardline trace --traces traces.db --cost 0.50 --target large
    """
    from orchestrator.telemetry import _told

    with reading(traces) as store:
        rows = list(islice(store.requests(which(**filters), least_cost=cost), limit))
    if as_json:
        echo_json([row._asdict() for row in rows])
    else:
        click.echo(_told.requests(rows))
