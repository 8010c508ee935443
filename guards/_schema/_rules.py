"""Rules of a policy over a whole value: what a schema cannot say, across fields, plausible, consistent."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from guards import _cel
from guards._errors import Problem
from guards._imports import imported
from guards._schema._faults import Fault, pointer
from guards._types import Path

Predicate: TypeAlias = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What must hold of a value, and what the model is told where it does not.

    `holds` is a condition in CEL over `value`, the JSON value; or `call` is a Python function by its import
    path, `package.module:name`, that is given the value as the program will get it.  Only true holds:
    anything else, a missing member or an exception among them, does not.  `need` says what is needed, and
    `at` are the JSON pointers of what the model should correct: without them, the whole value.
    """

    name: str
    need: str
    holds: str = ""
    call: str = ""
    at: tuple[str, ...] = ()
    _predicate: Predicate = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.name or not self.need:
            raise ValueError("a rule has a `name`, and says under `need` what the model is told")
        if bool(self.holds) == bool(self.call):
            raise ValueError(f"rule {self.name}: give either `holds`, a condition, or `call`, a function")
        for one in self.at:
            if one and not one.startswith("/"):
                raise ValueError(f"rule {self.name}: at: a JSON pointer starts with /, as in /total")
        predicate = condition(self.holds, self.name) if self.holds else imported(self.call)
        object.__setattr__(self, "_predicate", predicate)

    def faults(self, value: Any) -> tuple[Fault, ...]:
        """What this rule finds wrong with a value, which is as the program would get it."""
        # What a rule cannot judge does not hold; the accident's words may quote the value.
        with suppress(Exception):
            if self._predicate(_as_json(value) if self.holds else value) is True:
                return ()
        return tuple(Fault(steps(one), self.need) for one in self.at or ("",))

    def problems(self) -> tuple[Problem, ...]:
        """The same, told without content: a rule's words are the policy's own."""
        return tuple(Problem(pointer(steps(one)), f"{self.need} ({self.name})") for one in self.at or ("",))


def _as_json(value: Any) -> Any:
    if value is None or type(value) in (dict, list, str, int, float, bool):
        return value
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)


def steps(pointer: str) -> Path:
    """A JSON pointer as a path; digits count as places in a list."""
    names = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    return tuple(int(name) if re.fullmatch("0|[1-9][0-9]{0,8}", name) else name for name in names)


def condition(text: str, name: str) -> Predicate:
    """A condition in CEL over `value`.  Raises ValueError with the place if it is not one."""
    try:
        compiled = _cel.condition(text, frozenset({"value"}))
    except _cel.ConditionError as error:
        where = f"at column {error.column}: " if error.column else ""
        raise ValueError(f"rule {name}: not a condition over `value`: {where}{error}") from None
    return lambda value: compiled.holds({"value": value})
