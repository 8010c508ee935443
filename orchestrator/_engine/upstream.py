"""What a failure of the model or tool means, read from the exception's shape."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import isfinite
from typing import Any

from guards._errors import UpstreamError
from guards._limits import rate_limits

# Names, not classes: the clients that raise these are never imported here.
TIMEOUTS = ("Timeout", "TimedOut", "Expired")
CONNECTIONS = (
    "APIConnectionError", "ClientConnectionError", "CloseError", "ConnectError", "PayloadError",
    "ProtocolError", "ReadError", "WriteError",
)  # fmt: skip


def upstream_error(target: str, error: Exception) -> UpstreamError:
    """The failure as the guards see it; the exception itself is its `__cause__`."""
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    headers = getattr(response, "headers", None)
    if isinstance(status, int):
        failure = UpstreamError(target, status, retry_after(headers), _reason(status, error))
        failure.limits = rate_limits(headers)
        advice = headers.get("x-should-retry") if headers is not None else None
        if advice in ("true", "false"):  # the server knows best, as its own clients assume
            failure.retryable = failure.advice = advice == "true"
    else:
        failure = UpstreamError(target, kind=_kind(error))
    failure.__cause__ = error
    return failure


def _kind(error: Exception) -> str:
    names = [kind.__name__ for kind in type(error).__mro__]
    if isinstance(error, TimeoutError) or any(word in name for name in names for word in TIMEOUTS):
        return "timeout"
    if isinstance(error, ConnectionError) or any(name.endswith(CONNECTIONS) for name in names):
        return "connection"
    return "error"


QUOTAS = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error"}
)
CONTEXTS = frozenset({"context_length_exceeded"})


def _reason(status: int, error: Exception) -> str:
    """Whether a status stands for a quota that is used up, or a prompt that is too long."""
    codes = _codes(error)
    if status in (402, 429) and codes & QUOTAS:
        return "quota"
    return "context" if status in (400, 413) and codes & CONTEXTS else "status"


def _codes(error: Exception) -> set[str]:
    """The error codes and types that a provider's client found in the body."""
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else {}
    said = [getattr(error, "code", None), getattr(error, "type", None)]
    said += [inner.get("code"), inner.get("type")] if isinstance(inner, Mapping) else []
    return {code for code in said if isinstance(code, str)}


def retry_after(headers: Mapping[str, Any] | None, now: float | None = None) -> float | None:
    """Seconds the server asks to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date."""
    if headers is None:
        return None
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    said = headers.get("retry-after")
    seconds = _number(said)
    if seconds is not None or not isinstance(said, str):
        return seconds
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(said).timestamp()
    except (ValueError, OverflowError):
        return None
    return max(0.0, when - (time.time() if now is None else now))


def _number(said: Any) -> float | None:
    try:
        number = float(said)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) and number >= 0 else None
