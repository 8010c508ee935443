"""What a function takes, told by its type hints, so that arguments can be judged before it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NotRequired, Optional, get_type_hints

from guards._arguments import as_json
from orchestrator.boundaries._signature import Parameters


def taken(function: Callable[..., Any]) -> Any:
    """The arguments of a function by name, as a type that Pydantic validates.

    A parameter without a hint, or with one that JSON cannot be validated against, takes anything.
    """
    from pydantic import ConfigDict
    from typing_extensions import TypedDict

    function = getattr(function, "__func__", function)  # of a static or a class method
    parameters = Parameters.of(function)
    hints = _hints(function)
    fields = {
        name: _field(parameter, hints.get(name, Any))
        for name, parameter in parameters.signature.parameters.items()
        if name not in (parameters.owner, parameters.rest)
    }
    make: Any = TypedDict  # checkers want its fields written down
    made = make("Arguments", fields)
    made.__pydantic_config__ = ConfigDict(extra="allow" if parameters.rest else "forbid")
    return made


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except Exception:  # a hint may name what is imported for type checkers alone
        return {}


def _field(parameter: inspect.Parameter, hint: Any) -> Any:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return NotRequired[_judged(tuple[hint, ...])]
    if parameter.kind is parameter.VAR_KEYWORD:
        return NotRequired[_judged(dict[str, hint])]
    if parameter.default is parameter.empty:
        return _judged(hint)
    return NotRequired[_judged(hint, parameter.default)]


def _judged(hint: Any, default: Any = inspect.Parameter.empty) -> Any:
    """A hint, or as much of it as can be validated and lets the default pass."""
    from pydantic import TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(hint)
        adapter.json_schema()
        if default is not inspect.Parameter.empty:
            adapter.validate_python(default)
    except ValidationError:
        return Optional[hint] if as_json(default, lenient=True) is None else Any  # noqa: UP045 - any hint
    except Exception:
        return Any
    return hint
