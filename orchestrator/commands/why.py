"""wardline why: one request, step by step."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.commands._traces import JSON, TRACES, echo_json, reading


@click.command("why")
@click.argument("request_id")
@TRACES
@click.option("-p", "--policy", help="Also what the same tokens would cost on each model of this policy.")
@JSON
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with a waterfall."
)
def command(request_id: str, traces: Path, policy: str | None, as_json: bool, html: Path | None) -> None:
    """Explain what one request did, and why it took and cost what it did.

    Its steps, attempts, repairs, fallbacks and waits with time and money on each, the most expensive branch,
    and what would have been cheaper.

    \b
    Examples:
      wardline why 8f14e45fceea167a --traces traces.db
      wardline why 8f14e45fceea167a --traces traces.db -p policy.yaml --html why.html
    """
    from orchestrator.telemetry import _told, _waterfall
    from orchestrator.telemetry.why import explain
    from policies import load

    models = load(policy).models if policy else {}
    with reading(traces) as store:
        events = store.events(request_id)
    if not events:
        raise click.ClickException(f"{traces} has no events of {request_id}; `wardline trace` lists requests")
    told = explain(events, models)
    if html is not None:
        html.write_text(_waterfall.page(told), encoding="utf-8")
    if as_json:
        echo_json(told.to_dict())
    else:
        click.echo(_told.why(told))
