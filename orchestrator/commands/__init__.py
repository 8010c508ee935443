"""Commands, one module each: a file `calibrate.py` with a click command `command` is `wardline calibrate`.

A module is imported when its command is called or helped with; an underscore in its name is a dash in the
command's.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import click


class Commands(click.Group):
    """A group that has, beside its own commands, those of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_named()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _named():
            return super().get_command(ctx, cmd_name)
        command: click.Command = import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        return command


def _named() -> list[str]:
    return [
        found.name.replace("_", "-") for found in iter_modules(__path__) if not found.name.startswith("_")
    ]
