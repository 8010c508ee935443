"""Where a policy meets agent frameworks: one short module each, which imports its framework."""

from __future__ import annotations

from guards._errors import Blocked, Denied, Invalid, Rejected

REFUSALS = (Blocked, Denied, Invalid, Rejected)
"""What a model is told as a tool's answer, so that it can do otherwise; other errors end the agent's run."""
