"""Numbers with units, as people write them in a policy: `30s`, `1m`, `20_000`, `2MB`.

A guard's field says which it takes by its type, `timeout: Seconds`.  The types are plain numbers to
everybody but the policy loader, which asks them how to read a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
SIZES = {"B": 1, "KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
SIZES |= {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@dataclass(frozen=True, slots=True)
class Unit:
    """How one kind of number is written: its suffixes, and whether it is whole."""

    name: str
    example: str
    factors: tuple[tuple[str, float], ...]
    whole: bool

    @property
    def pattern(self) -> str:
        return rf"^[0-9][0-9_]*(\.[0-9]+)?({'|'.join(suffix for suffix, _ in self.factors)})$"

    def read(self, value: Any) -> Any:
        """A text with a suffix as a number; anything else as it is, for the ordinary checks to judge."""
        if not isinstance(value, str):
            return value
        if not (match := re.match(self.pattern, value)):
            raise ValueError(f"{value!r} is not a {self.name}; write it like {self.example}")
        number = float(value[: match.start(2)].replace("_", "")) * dict(self.factors)[match[2]]
        return int(number) if self.whole else number

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:
        return {"anyOf": [handler(core), {"type": "string", "pattern": self.pattern}]}


DURATION = Unit("duration", "30s, 1.5m or 2h", tuple(DURATIONS.items()), False)
SIZE = Unit("size", "20KB or 2MB", tuple(SIZES.items()), True)
Seconds: TypeAlias = Annotated[float, DURATION]
Bytes: TypeAlias = Annotated[int, SIZE]
