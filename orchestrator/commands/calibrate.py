"""wardline calibrate: from which score on a guard should act, on labelled texts of your own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click


@click.command("calibrate")
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--guard", required=True, help="A guard with a score: injection, content or judge.")
@click.option("-p", "--policy", help="A policy with that guard; default: the guard as it comes.")
@click.option("--at-once", type=click.IntRange(1, 1_000), default=8, show_default=True, help="Of a judge.")
@click.option("--seed", type=int, default=0, show_default=True, help="Makes the intervals repeatable.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
def command(
    data: Sequence[Path], guard: str, policy: str | None, at_once: int, seed: int, as_json: bool
) -> None:
    """Thresholds for 1 % and 0.1 % false alarms, for all texts and by source, and the policy line for them.

    DATA has a JSON object a line, gzipped or not: `text`, `label` that is 1 where something is to be found,
    and where they matter `source` and `role`. The last columns show how a threshold that was set on the other
    sources does on this one. A judge's helper is asked about every text, which may cost money.

    \b
    Examples:
      wardline calibrate labelled.jsonl --guard injection -p policy.yaml
      wardline calibrate labelled.jsonl --guard judge -p policy.yaml --at-once 4
    """
    from orchestrator.evaluation._rows import DataError, read
    from orchestrator.evaluation.calibration import SCALES, CalibrationError, calibrate, placed_guard, scaled
    from orchestrator.evaluation.calibration import as_json as jsonable
    from policies import load, loads

    try:
        known = load(policy) if policy else loads(json.dumps({"wardline": 1, "model": [{"use": guard}]}))
        placed = placed_guard(known, guard)
        rows = [row for file in data for row in read(file, guard)]
        if not rows:
            raise CalibrationError("there are no texts in this data")
        told: dict[str, Any] = {}
        for name, mine in scaled(placed, rows).items():
            scored = _scored(known, placed, SCALES[name], mine, at_once)
            told[name] = calibrate(scored, seed)
    except (DataError, CalibrationError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({name: jsonable(figures) for name, figures in told.items()}, indent=1))
        return
    for name, figures in told.items():
        _print(placed, name, figures)


def _scored(policy: Any, placed: Any, scale: Any, rows: list[Any], at_once: int) -> list[Any]:
    import asyncio

    from orchestrator.evaluation.calibration import judged, scores

    if placed.use != "judge":
        return scores(placed, scale, rows)
    answers = asyncio.run(judged(policy, placed, rows, at_once))
    scored = [one for one in answers if one is not None]
    if len(scored) < len(answers):
        click.echo(f"warning: no verdict on {len(answers) - len(scored)} of {len(answers)} texts", err=True)
    return scored


def _print(placed: Any, name: str, figures: list[Any]) -> None:
    from orchestrator.evaluation.calibration import SCALES, line, table

    whole = figures[0]
    click.echo(f"{name}: {whole.texts:,} texts, {whole.positive:,} of them to be found")
    click.echo("\n".join(table(figures)))
    if any(whole.own):
        click.echo(f"\n{line(placed, SCALES[name], whole)}")
