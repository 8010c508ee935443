"""Evidence of what calls did: events and where they go, and the audit log."""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from orchestrator.telemetry.anomalies import Anomalies
    from orchestrator.telemetry.audit import AuditError, AuditLog, Verdict, export, verify
    from orchestrator.telemetry.events import Trace
    from orchestrator.telemetry.evidence import Evidence
    from orchestrator.telemetry.logs import Logs
    from orchestrator.telemetry.metrics import Metrics
    from orchestrator.telemetry.spans import Spans
    from orchestrator.telemetry.traces import TraceStore

__all__ = [
    "Anomalies",
    "AuditError",
    "AuditLog",
    "Evidence",
    "Logs",
    "Metrics",
    "Spans",
    "Trace",
    "TraceStore",
    "Verdict",
    "export",
    "verify",
]

_HOME = {
    "Anomalies": "anomalies",
    "Evidence": "evidence",
    "Logs": "logs",
    "Metrics": "metrics",
    "Spans": "spans",
    "Trace": "events",
    "TraceStore": "traces",
}


def __getattr__(name: str) -> object:
    """Import each on first use, so that whoever wants no evidence pays for none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"orchestrator.telemetry.{_HOME.get(name, 'audit')}"), name)
