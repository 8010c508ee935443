"""wardline explain-finding: why something was found, or what a finding's code means."""

from __future__ import annotations

import json
from typing import IO, Any

import click


@click.command("explain-finding")
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@click.option("-p", "--policy", default="default", show_default=True, help="A policy file, or a name.")
@click.option("--guard", default="", help="Only this guard's findings.")
@click.option(
    "--role",
    type=click.Choice(["user", "assistant", "system", "tool"]),
    default="user",
    show_default=True,
    help="Who says the text; what a tool says is untrusted.",
)
@click.option("--code", help="Say what a code means instead, as it stands in an event or an audit log.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def command(file: IO[str], policy: str, guard: str, role: Any, code: str | None, as_json: bool) -> None:
    """Why something is found: the guard, the rule, the view that was read, the score, and where.

    Nothing of the text is shown or kept.

    \b
    Examples:
      wardline explain-finding -p policy.yaml letter.txt
      wardline explain-finding --code secrets.github
    """
    from orchestrator.findings import meaning, row, said, seen
    from policies import load

    if code is not None:
        try:
            click.echo("\n".join(meaning(code)))
        except LookupError as error:
            raise click.ClickException(str(error)) from None
        return
    rows = [row(one) for one in seen(load(policy), said(file.read(), role), guard)]
    click.echo(json.dumps(rows) if as_json else table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    """Findings in numbered lines."""
    if not rows:
        return "nothing is found"
    lines = [f"{'':>3} {'at':<10}{'code':<28}{'view':<14}{'score':>7}{'start':>8}{'end':>8}  then, and why"]
    for number, one in enumerate(rows, 1):
        place = f"{one['path']:<10}{one['code']:<28}{one['view']:<14}{one['score']:>7.3f}"
        lines.append(f"{number:>3} {place}{one['start']:>8}{one['end']:>8}  {one['then']}: {one['why']}")
    return "\n".join(lines)
