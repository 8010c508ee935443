"""Which guards stand where: the file format, its loader, linter and pictures, and ready policies.

Nothing here is imported before it is used: YAML and Pydantic load with the first policy file.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from guards._errors import PolicyError
    from guards._helpers import Helper
    from guards._models import Model, Price
    from policies._explain import explain, worst_case
    from policies._find import known
    from policies._lint import Advice, lint
    from policies._load import load, loads, shipped, starter
    from policies._policy import Example, Placed, Policy
    from policies._schema import schema

__all__ = [
    "Advice",
    "Example",
    "Helper",
    "Model",
    "Placed",
    "Policy",
    "PolicyError",
    "Price",
    "explain",
    "known",
    "lint",
    "load",
    "loads",
    "schema",
    "shipped",
    "starter",
    "worst_case",
]

_HOME = {
    "guards._errors": ("PolicyError",),
    "policies._explain": ("explain", "worst_case"),
    "policies._find": ("known",),
    "policies._lint": ("Advice", "lint"),
    "policies._load": ("load", "loads", "shipped", "starter"),
    "guards._helpers": ("Helper",),
    "guards._models": ("Model", "Price"),
    "policies._policy": ("Example", "Placed", "Policy"),
    "policies._schema": ("schema",),
}


def __getattr__(name: str) -> object:
    for module, names in _HOME.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
