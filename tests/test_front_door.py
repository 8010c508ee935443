"""What each room shows at its front door: sorted, whole, and nothing by accident."""

import importlib
from types import ModuleType

import pytest

FRONT_DOORS = ["guards", "policies", "orchestrator", "orchestrator.telemetry", "orchestrator.testing"]


@pytest.mark.parametrize("room", FRONT_DOORS)
def test_the_front_door_is_sorted_and_whole(room: str) -> None:
    module = importlib.import_module(room)
    names = module.__all__
    assert names == sorted(names)
    assert all(hasattr(module, name) for name in names)
    shown = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert shown - {"annotations"} <= set(names), "a public name is not in __all__"


@pytest.mark.parametrize("room", FRONT_DOORS)
def test_what_it_shows_says_what_it_is(room: str) -> None:
    module = importlib.import_module(room)
    for name in module.__all__:
        value = getattr(module, name)
        if isinstance(value, type) and value.__module__.partition(".")[0] in (
            "guards",
            "policies",
            "orchestrator",
        ):
            assert value.__doc__, f"{room}.{name} has no docstring"
