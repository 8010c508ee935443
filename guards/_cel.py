"""Conditions in CEL: compiled and checked once, and true only where they say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


class ConditionError(ValueError):
    """A condition that does not compile; `line` and `column` count from 1 within it, 0 where unknown."""

    def __init__(self, message: str, line: int = 0, column: int = 0, unknown: str = "") -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.unknown = message, line, column, unknown


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition, and the names that it reads."""

    names: frozenset[str]
    _expression: Any

    def holds(self, data: Mapping[str, Any]) -> bool:
        """Whether it is true of JSON values; what it cannot judge, a name that is missing, is not."""
        read = {name: data[name] for name in self.names if name in data}
        # The binding ends a text at its first null character, and would judge only what stands before it.
        # A failed evaluation answers with the failure's text, which is not true; other accidents quote it.
        with suppress(Exception):
            return not null_character(read) and self._expression.eval(data=read).plain_value() is True
        return False


@lru_cache(maxsize=256)
def condition(text: str, given: frozenset[str] | None = None) -> Condition:
    """A condition over the names that are `given`, or else over whatever names it has.

    Raises `ConditionError` if it is none.
    """
    from cel_expr_python import cel

    names = frozenset(given or ())
    while True:
        environment: Any = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
        try:
            expression = environment.compile(text)
        except (RuntimeError, TypeError) as error:
            free = set() if given is not None else _undeclared(str(error)) - names
            if not free:
                raise explained(str(error)) from None
            names |= free
        else:
            break
    if expression.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        kind = expression.return_type().name().lower()
        raise ConditionError(f"a condition must be true or false, and this is a {kind}", 1, 1)
    return Condition(names, expression)


def explained(said: str) -> ConditionError:
    """The compiler's first complaint: what and where, without the drawing beneath it."""
    found = re.search(r"<input>:(\d+):(\d+): (.*)", said)
    if not found:
        return ConditionError("this condition is too long, too deep or not a condition")
    line, column, message = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    if "<EOF>'" in message:
        return ConditionError("the condition ends too early", line, column)
    message = re.sub(r", expecting \{.*|expecting \{.*", "", message).removeprefix("Syntax error: ")
    if unknown := re.match("undeclared reference to '(.*?)'", message):
        return ConditionError(f"there is no {unknown[1]!r} to read here", line, column, unknown[1])
    return ConditionError(message.strip(), line, column)


def _undeclared(said: str) -> set[str]:
    """The names that a compiler's complaint says it does not know; of a dotted one, the first."""
    return {name.partition(".")[0] for name in re.findall("undeclared reference to '(.*?)'", said)}


def null_character(value: Any) -> bool:
    """Whether a JSON value has a null character anywhere in it."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            if "\0" in one:
                return True
        elif isinstance(one, dict):
            pending += [*one, *one.values()]
        elif isinstance(one, list):
            pending += one
    return False
