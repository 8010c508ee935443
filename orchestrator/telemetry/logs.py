"""logs: a structured line for each event, with what it takes to find the others of its request."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO, TypeAlias

from orchestrator.telemetry.events import Trace

Log: TypeAlias = Callable[[int, str, Mapping[str, Any]], object]
QUIET = frozenset({"call", "waited", "reserved", "streamed"})


class Logs:
    """A sink that logs as `wardline`: failures as warnings, details for debugging, and the rest as info.

    By structlog, where the program has set that up; else by `logging`, whose message is then one JSON object.
    With `stream`, the JSON lines go there and nowhere else.  Each line has `request`, `trace`, `span` and
    `parent`, to be joined by.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._log = _lines(stream) if stream is not None else _structured() or _stdlib()

    def __call__(self, trace: Trace) -> None:
        told = trace.to_dict()
        what, span = told.pop("what"), told.pop("id", "")
        self._log(level(trace), what, {"span": span, **told})


def level(trace: Trace) -> int:
    """How loud an event is."""
    if trace.failed or trace.outcome == "block":
        return logging.WARNING
    return logging.DEBUG if trace.what in QUIET else logging.INFO


def _structured() -> Log | None:
    """By structlog; one that nobody has set up would print to where the program's own output goes."""
    structlog = sys.modules.get("structlog")
    if structlog is None or not structlog.is_configured():
        return None
    logger = structlog.get_logger("wardline")
    return lambda level, what, told: logger.log(level, what, **told)


def _stdlib() -> Log:
    logger = logging.getLogger("wardline")

    def log(level: int, what: str, told: Mapping[str, Any]) -> None:
        if logger.isEnabledFor(level):
            logger.log(level, "%s", _line(level, what, told))

    return log


def _lines(stream: TextIO) -> Log:
    return lambda level, what, told: stream.write(f"{_line(level, what, told)}\n")


def _line(level: int, what: str, told: Mapping[str, Any]) -> str:
    return json.dumps({"event": what, "level": logging.getLevelName(level).lower(), **told})
