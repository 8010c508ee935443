"""Where state lives: each store applies a pure change to the state under a key, atomically."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

Change: TypeAlias = Callable[[Any], tuple[Any, Any]]


class Store(Protocol):
    """`change(state) -> (state, answer)` is applied once, atomically; no state is None, and None removes it.

    What `change` raises passes through and leaves the state as it was.
    """

    def update(self, key: str, change: Change, /) -> Any: ...
    async def aupdate(self, key: str, change: Change, /) -> Any: ...
