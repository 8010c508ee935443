"""Deterministic parsers for what models write instead of clean JSON: nothing invented, nothing lost."""

from guards._salvage._json import Found, candidates, read, strict

__all__ = ["Found", "candidates", "read", "strict"]
