"""Option types that several commands share."""

from __future__ import annotations

from typing import Any

import click

from guards._units import DURATION, SIZE, Unit


class Measured(click.ParamType[Any]):
    """A number with a unit, as policies write them: 30s, 2MB."""

    def __init__(self, unit: Unit) -> None:
        self.unit, self.name = unit, unit.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.unit.read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


SECONDS, BYTES = Measured(DURATION), Measured(SIZE)
