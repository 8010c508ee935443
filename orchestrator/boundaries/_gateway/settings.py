"""settings: what a gateway was told on its command line, as its processes are given it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

VARIABLE = "WARDLINE_SERVE"
"""The environment variable in which a process of the gateway finds its settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Names of files and variables, and bounds; never a secret.

    `policies` are `NAME=FILE`, or a file or a shipped policy's name alone, which then goes by `default`.
    `upstreams` are `NAME=URL`.  `body_bytes` bounds a request's body, `body_seconds` the time it may take to
    come, and `seconds` the whole exchange.
    """

    policies: tuple[str, ...] = ("default",)
    upstreams: tuple[str, ...] = ()
    key_envs: tuple[str, ...] = ()
    key_files: tuple[str, ...] = ()
    keys: str = ""
    store: str = ""
    store_key_env: str = ""
    traces: str = ""
    metrics: bool = True
    alerts: tuple[str, ...] = ()
    alert_key_env: str = ""
    unknown: Literal["pass", "refuse"] = "refuse"
    body_bytes: int = 20_000_000
    body_seconds: float = 60.0
    seconds: float = 600.0

    def named(self) -> dict[str, str]:
        """The policies by name.  Raises ValueError where two have the same one."""
        named: dict[str, str] = {}
        for said in self.policies:
            name, equals, source = said.partition("=")
            name, source = (name, source) if equals else ("default", said)
            if name in named:
                raise ValueError(f"two policies go by {name!r}; write NAME=FILE for each but one")
            named[name] = source
        return named

    def environment(self) -> dict[str, str]:
        """How another process is given these settings."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def inherited(cls) -> Self:
        return cls.of(json.loads(os.environ[VARIABLE]))

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """From values by name, lists for tuples."""
        fields: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in said.items()
        }
        return cls(**fields)
