"""key: virtual keys of the gateway, created, listed and revoked."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from orchestrator.commands._options import SECONDS

KEYS = click.option(
    "-k",
    "--keys",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default="keys.db",
    show_default=True,
    help="The file that holds the digests of the keys.",
)


@click.group()
def command() -> None:
    """Create, list and revoke the virtual keys of `wardline serve`.

    \b
    Example:
      wardline key create ann --role agent --usd 5 --window 24h
    """


@command.command()
@click.argument("user")
@KEYS
@click.option("--role", "roles", multiple=True, help="A role of the user; may be given again.")
@click.option("--policy", "policies", multiple=True, help="A policy it may choose by name; globs.")
@click.option("--model", "models", multiple=True, default=["*"], show_default=True, help="Models; globs.")
@click.option("--usd", type=float, help="At most so many US dollars a window.")
@click.option("--tokens", type=int, help="At most so many tokens a window.")
@click.option("--calls", type=int, help="At most so many calls a window.")
@click.option(
    "--window", type=SECONDS, help="After how long the bounds begin anew, as 24h; without it, never."
)
@click.option("--requests", type=float, help="At most so many requests a minute.")
@click.option("--expires", type=SECONDS, help="After how long it stops to work, as 720h.")
def create(
    user: str,
    file: Path,
    roles: Sequence[str],
    policies: Sequence[str],
    models: Sequence[str],
    expires: float | None,
    **bounds: Any,
) -> None:
    """Make a key for USER and print its secret, once; only its digest is kept.

    \b
    Example:
      wardline key create ann --role agent --requests 60
    """
    from orchestrator.boundaries._gateway.keys import Key

    try:
        key = Key(
            user=user,
            roles=tuple(roles),
            policies=tuple(policies),
            models=tuple(models),
            expires=None if expires is None else time.time() + expires,
            **bounds,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    keys = _opened(file)
    made, secret = keys.create(key)
    keys.close()
    click.echo(f"key {made.id} for {made.user}; its secret is shown this once:", err=True)
    click.echo(secret)


@command.command("list")
@KEYS
@click.option("--json", "as_json", is_flag=True, help="The same as JSON lines.")
def listed(file: Path, as_json: bool) -> None:
    """Each key's id, user, roles, bounds and state; never a secret.

    \b
    Example:
      wardline key list
    """
    keys = _opened(file, there=True)
    for key in keys:
        if as_json:
            click.echo(json.dumps(asdict(key)))
            continue
        bounds = [
            f"{name} {value:g}"
            for name in ("usd", "tokens", "calls", "window", "requests")
            if (value := getattr(key, name)) is not None
        ]
        over = key.expires is not None and key.expires <= time.time()
        state = "revoked" if key.revoked else "expired" if over else "works"
        click.echo(
            f"{key.id}  {state:<8} {key.user:<20} {','.join(key.roles):<20} {', '.join(bounds)}".rstrip()
        )
    keys.close()


@command.command()
@click.argument("ids", nargs=-1, required=True)
@KEYS
def revoke(ids: Sequence[str], file: Path) -> None:
    """Refuse keys from their next request on, by their ids.

    \b
    Example:
      wardline key revoke 1f0c77aa
    """
    keys = _opened(file, there=True)
    unknown = [number for number in ids if not keys.revoke(number)]
    keys.close()
    if unknown:
        raise click.ClickException(f"{file} has no working key {', '.join(unknown)}; see `wardline key list`")


def _opened(file: Path, there: bool = False) -> Any:
    from orchestrator.boundaries._gateway.keys import Keys

    if there and not file.exists():
        raise click.ClickException(f"{file} is not there; make a key with `wardline key create`")
    try:
        return Keys(file)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
