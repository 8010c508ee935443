"""What the commands that read a trace store have in common."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from orchestrator.telemetry._stored import Stored, Which

F = TypeVar("F", bound=Callable[..., Any])

TRACES = click.option(
    "--traces",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="WARDLINE_TRACES",
    required=True,
    help="A trace store; or set WARDLINE_TRACES.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
FILTERS = (
    click.option("--since", help="As 1h, 30m or 2026-11-21T14:00 (UTC)."),
    click.option("--until", help="The same."),
    click.option("--target", default="", help="A model or tool as the policy names it."),
    click.option("--model", default="", help="A model as its provider names it."),
    click.option(
        "--outcome", default="", help="As ok, cached, blocked, invalid; or failed, for all of those."
    ),
    click.option("--user", default="", help="A user, with the key that digests them; or the digest itself."),
    click.option("--key-env", default="WARDLINE_KEY", show_default=True, help="The variable with that key."),
    click.option("--policy", default="", help="A policy's digest."),
)


def filtered(command: F) -> F:
    """A command that takes every filter."""
    for option in reversed(FILTERS):
        command = option(command)
    return command


def which(since: str, until: str, user: str, key_env: str, **named: str) -> Which:
    """The crossings that a command's filters mean."""
    from orchestrator.telemetry._names import Names
    from orchestrator.telemetry._stored import Which

    key = os.environ.get(key_env, "")
    digest = Names(key).digest("user", user) if user and key else user
    return Which(since=_moment(since), until=_moment(until), user=digest, **named)


def _moment(said: str | None) -> float | None:
    """A time ago, or one in UTC, in seconds since 1970."""
    from guards._units import DURATIONS, Unit

    if said is None:
        return None
    try:
        if "-" not in said:
            return time.time() - float(Unit("time", "1h or 30m", tuple(DURATIONS.items()), False).read(said))
        at = datetime.fromisoformat(said)
    except ValueError:
        raise click.UsageError(f"{said!r} is no time; write 1h, 30m or 2026-11-21T14:00") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


@contextmanager
def reading(traces: Path) -> Iterator[Stored]:
    """An opened trace store, and what its writers dropped told beside the result."""
    from orchestrator.telemetry._stored import stored

    with stored(traces) as store:
        yield store
        if dropped := store.dropped():
            click.echo(f"warning: {dropped:,} events found no room and are not in the store", err=True)


def echo_json(told: Any) -> None:
    click.echo(json.dumps(told, ensure_ascii=False, indent=2))
