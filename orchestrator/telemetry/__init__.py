"""Evidence of what calls did: events and where they go, and the audit log."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from orchestrator.telemetry.audit import AuditError, AuditLog, Verdict, export, verify
    from orchestrator.telemetry.events import Trace
    from orchestrator.telemetry.evidence import Evidence
    from orchestrator.telemetry.logs import Logs
    from orchestrator.telemetry.metrics import Metrics
    from orchestrator.telemetry.spans import Spans

__all__ = [
    "AuditError",
    "AuditLog",
    "Evidence",
    "Logs",
    "Metrics",
    "Spans",
    "Trace",
    "Verdict",
    "export",
    "verify",
]

_HOME = {"Evidence": "evidence", "Logs": "logs", "Metrics": "metrics", "Spans": "spans", "Trace": "events"}


def __getattr__(name: str) -> object:
    """Import each on first use, so that whoever wants no evidence pays for none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"orchestrator.telemetry.{_HOME.get(name, 'audit')}"), name)
