"""What a policy names by its import path."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def imported(path: str) -> Any:
    """What an import path, `package.module:Name`, leads to.  Raises ValueError."""
    module, colon, name = path.partition(":")
    if not colon:
        raise ValueError(f"{path!r} is neither a .json file nor an import path; write package.module:Name")
    try:
        return getattr(import_module(module), name)
    except (Exception, SystemExit) as error:  # a module may do anything while it is imported
        raise ValueError(f"{path!r} cannot be imported: {type(error).__name__}: {error}") from None
