"""wardline stats: figures over the calls in a trace store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orchestrator.commands._traces import JSON, TRACES, echo_json, filtered, reading, which


@click.command("stats")
@TRACES
@filtered
@click.option(
    "--by",
    type=click.Choice(["target", "model", "user", "policy", "boundary"]),
    default="target",
    show_default=True,
)
@JSON
def command(traces: Path, by: Any, as_json: bool, **filters: str) -> None:
    """Latency, error, block, repair, escalation and cache rates, tokens and cost.

    \b
    Examples:
      wardline stats --traces traces.db --since 24h
      wardline stats --traces traces.db --by user --json
    """
    from orchestrator.telemetry import _told
    from orchestrator.telemetry.figures import figures

    with reading(traces) as store:
        rows = figures(store.crossings(which(**filters)), store.helped(), by)
    if as_json:
        echo_json([row.to_dict() for row in rows])
    else:
        click.echo(_told.figures(rows, by))
