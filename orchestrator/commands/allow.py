"""wardline allow: let pass, by keyed digest, what a guard finds and should not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import click

from orchestrator.commands.explain_finding import table


@click.command("allow")
@click.argument("file", type=click.File(encoding="utf-8"), default="-")
@click.option(
    "-p",
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The policy file that is edited.",
)
@click.option("--guard", required=True, help="The guard that is to let it pass, as `secrets`.")
@click.option("--line", type=int, help="Where that guard stands, if the policy has several.")
@click.option("--number", type=int, multiple=True, help="Which finding, as the table counts them.")
@click.option("--all", "every", is_flag=True, help="All of them.")
@click.option("--role", type=click.Choice(["user", "assistant", "system", "tool"]), default="user")
@click.option(
    "--key-env", default="WARDLINE_ALLOW_KEY", show_default=True, help="The variable with the digests' key."
)
def command(
    file: IO[str],
    policy: Path,
    guard: str,
    line: int | None,
    number: Sequence[int],
    every: bool,
    role: Any,
    key_env: str,
) -> None:
    """Let a guard pass what it finds in a text, from now on: a digest of it goes into the policy file.

    Only a keyed digest (HMAC-SHA256) of each found text is kept. The key, 16 characters or more, stays in the
    environment; the policy refers to it.

    \b
    Example:
      WARDLINE_ALLOW_KEY=0123456789abcdef wardline allow -p policy.yaml --guard secrets letter.txt
    """
    from guards._allowed import SHORTEST_KEY
    from guards._flow import bare
    from orchestrator.findings import Seen, allow, finder, row, said
    from policies import load

    place = _place(load(policy), policy, guard, line)
    text = file.read()
    found = [one for one in finder(place[1].guard)(said(text, role)) if text[one.start : one.end].strip()]
    chosen = found if every or len(found) == 1 else [one for n, one in enumerate(found, 1) if n in number]
    if not chosen:
        told = table([row(Seen(*place, one)) for one in found])
        raise click.ClickException(f"say which with --number, or --all\n{told}" if found else told)
    key = getattr(bare(place[1].guard), "allow_key", "") or os.environ.get(key_env, "")
    if len(key) < SHORTEST_KEY:
        raise click.ClickException(
            f"{key_env} holds {len(key)} characters; the key needs {SHORTEST_KEY} or more, such as what "
            "`openssl rand -hex 16` prints"
        )
    new = allow(policy, place[1], text, chosen, key, key_env)
    click.echo(f"{policy}:{place[1].line}: {guard} lets {new} more text{'s' * (new != 1)} pass")


def _place(loaded: Any, policy: Path, guard: str, line: int | None) -> tuple[str, Any]:
    """The guard that is meant, which stands in the file itself."""
    from guards._flow import bare
    from orchestrator.findings import looking

    named = [one for one in looking(loaded, guard) if hasattr(bare(one[1].guard), "allow_digests")]
    own = [one for one in named if one[1].file == str(policy) and line in (None, one[1].line)]
    if len(own) == 1:
        return own[0]
    if own:
        lines = " and ".join(str(placed.line) for _, placed in own)
        raise click.ClickException(f"{policy} has {guard} in the lines {lines}; say which with --line")
    files = sorted({placed.file for _, placed in named} - {str(policy)})
    cure = f"it stands in {files[0]}: edit that" if files else "add it, or name another guard"
    raise click.ClickException(f"{policy} has no guard {guard} here that can let texts pass; {cure}")
