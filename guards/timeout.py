"""timeout: one attempt may take so long and no longer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from guards._flow import Flow
from guards._types import Call, Reply
from guards._units import Seconds

MODEL_SECONDS = 30.0
TOOL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Timeout:
    """Bounds each attempt to `seconds`; by default 30 for a model, 10 for a tool.

    The driver keeps it: an async attempt is cancelled, a sync one is left behind and its late result
    dropped.  Either way the guards further out meet an `UpstreamError` whose kind is timeout.
    """

    seconds: Seconds | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds must be more than 0, not {self.seconds}")

    def __call__(self, call: Call) -> Flow:
        default = MODEL_SECONDS if call.kind == "model" else TOOL_SECONDS
        seconds = default if self.seconds is None else self.seconds
        reply: Reply = yield replace(
            call, timeout=seconds if call.timeout is None else min(seconds, call.timeout)
        )
        return reply


guard = Timeout
