"""wardline eval: how well something is found, on labelled texts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

DATA = click.argument("data", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group("eval", invoke_without_command=True)
@click.option("--guard", multiple=True, help="Only this guard; several may be named.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON, without times.")
@click.pass_context
def command(context: click.Context, guard: Sequence[str], as_json: bool) -> None:
    """Measure how well the guards that look at texts find what they should, and how fast.

    Without a subcommand, on texts that come with the library: some hundred written for it, attacks in every
    encoding, and a made key of every public format.

    \b
    Examples:
      wardline eval
      wardline eval --guard injection
      wardline eval content labelled.jsonl --guard injection -p policy.yaml
      wardline eval pii labelled.jsonl
    """
    from orchestrator.evaluation._rows import embedded
    from orchestrator.evaluation.content import canary_rows, evaluation_policy, finders

    if context.invoked_subcommand is not None:
        return
    rows, leaked = canary_rows()
    find = {**finders(evaluation_policy()), "canary": leaked}
    if unknown := set(guard) - set(find):
        raise click.UsageError(f"there is no {min(unknown)} here; there are {', '.join(sorted(find))}")
    _print([*embedded(), *rows], {name: find[name] for name in guard or find}, as_json)


@command.command("content")
@DATA
@click.option("--guard", required=True, help="The guard that is to find something, as `secrets`.")
@click.option("-p", "--policy", help="A policy with that guard; default: the one of `wardline eval`.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON, without times.")
def content(data: Path, guard: str, policy: str | None, as_json: bool) -> None:
    """The same for one guard, on texts of your own.

    DATA has a JSON object a line, gzipped or not: `text`, `label` (or `has_secret`) that is 1 where something
    is to be found, and where they matter `source` and `role`.

    \b
    Example:
      wardline eval content labelled.jsonl --guard injection -p policy.yaml
    """
    from orchestrator.evaluation._rows import DataError, read
    from orchestrator.evaluation.content import evaluation_policy, finders
    from policies import load

    find = finders(load(policy) if policy else evaluation_policy())
    if guard not in find:
        raise click.ClickException(f"no {guard} in this policy looks at texts; there is {', '.join(find)}")
    try:
        rows = read(data, guard)
    except DataError as error:
        raise click.ClickException(str(error)) from None
    _print(rows, {guard: find[guard]}, as_json)


def _print(rows: Sequence[Any], find: dict[str, Any], as_json: bool) -> None:
    from orchestrator.evaluation import content

    figures = content.evaluate(rows, find)
    if as_json:
        click.echo(json.dumps(content.as_json(figures), indent=1))
        return
    own = {name: [row for row in rows if row.guard == name] for name in find}
    speeds = {name: content.speed(find[name], many) for name, many in own.items() if many}
    click.echo("\n".join(content.table(figures, speeds)))


@command.command("pii")
@DATA
@click.option("-p", "--policy", multiple=True, default=["default"], help="A policy; several are compared.")
def pii(data: Path, policy: Sequence[str]) -> None:
    """Precision, recall, F1, F2 and share masked, by entity and source, of a policy's mask.

    DATA has a JSON object a line: `text`, `spans` ({start, end, label}) and, where it matters, `source`.
    Misses are shown by their shape, not as they are.

    \b
    Example:
      wardline eval pii labelled.jsonl -p default -p strict
    """
    from orchestrator.evaluation._rows import DataError
    from orchestrator.evaluation.pii import evaluate, read, table
    from orchestrator.personal import mask_of

    try:
        rows = list(read(data))
    except DataError as error:
        raise click.ClickException(str(error)) from None
    guards = {name: mask_of(name) for name in policy}
    scores = {name: evaluate(rows, mask.find, mask.entities) for name, mask in guards.items()}
    click.echo(table(scores))
