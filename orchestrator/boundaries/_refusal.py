"""refusal: what an error of ours is in HTTP: its status, what is told, and whether to try again."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

from guards._errors import (
    Blocked,
    Denied,
    Exhausted,
    GuardError,
    GuardFailed,
    Invalid,
    Rejected,
    Unavailable,
    UpstreamError,
)

DOLLARS = "usd"


class Refusal(NamedTuple):
    """`message` is for the client's user, `detail` for its program; neither has content."""

    status: int
    message: str
    headers: list[tuple[bytes, bytes]]
    detail: Mapping[str, Any]


def refusal(error: GuardError, status: int | None = None) -> Refusal:
    """An error as a response; `status` where it is known better."""
    status = _status(error) if status is None else status
    headers: list[tuple[bytes, bytes]] = []
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        headers.append((b"retry-after", b"%d" % ceil(wait)))
    if not _again(error):
        headers.append((b"x-should-retry", b"false"))
    message = (isinstance(error, Blocked) and error.refusal) or str(error)
    return Refusal(status, message, headers, error.detail())


def _status(error: GuardError) -> int:
    match error:
        case Blocked():
            return 400
        case Invalid():
            return 422
        case Denied() | Rejected():
            return 403
        case Exhausted():
            return _exhausted(error.bound)
        case Unavailable():
            return 429 if "rate limit" in error.reason else 503
        case GuardFailed():
            return 500
        case UpstreamError():
            return 504 if error.kind == "timeout" else 502
    return 500


def _exhausted(bound: str) -> int:
    if bound == "deadline":
        return 504
    if bound == "context window":
        return 400
    return 402 if DOLLARS in bound else 429


def _again(error: GuardError) -> bool:
    """Whether the client may try again: nobody here has, and it can help."""
    if isinstance(error, UpstreamError):
        return error.retryable and error.attempts <= 1
    return isinstance(error, Unavailable) and error.retry_after is not None
