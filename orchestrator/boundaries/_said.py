"""A result of somebody else's shape, shown to guards as the texts in it that a model may read."""

from __future__ import annotations

from typing import Any

from guards._body import put
from guards._types import Path


class Said(list[str]):
    """Texts in their order, and the result that they stand in, at these places."""

    def __init__(self, whole: Any, held: list[tuple[Path, str]]) -> None:
        super().__init__(text for _, text in held)
        self._whole, self._places = whole, [at for at, _ in held]

    def result(self) -> Any:
        """The result with the texts as they are now."""
        edits: list[tuple[Path, Any]] = list(zip(self._places, self, strict=True))
        return put(self._whole, edits) if edits else self._whole
