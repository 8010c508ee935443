"""A guard that stands only before some calls: `when` is a CEL condition over the call and its run.

The condition is compiled and type-checked when the policy is loaded.  When it runs, only a true answer
lets the guard act and only a false one lets the call go by it; anything else refuses the call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from guards._cel import ConditionError, explained, null_character
from guards._errors import GuardFailed
from guards._flow import Around, Flow
from guards._types import Call, Reply
from guards._worst import Inner, Worst, worst

Reading = Callable[[Call], Any]

READINGS: dict[str, tuple[str, Reading]] = {
    "call.kind": ("STRING", lambda call: call.kind),
    "call.target": ("STRING", lambda call: call.target),
    "call.text": ("STRING", lambda call: call.text),
    "call.stream": ("BOOL", lambda call: call.stream),
    "run.user": ("STRING", lambda call: call.run.user),
    "run.session": ("STRING", lambda call: call.run.session),
    "run.region": ("STRING", lambda call: call.run.region),
    "run.roles": ("STRINGS", lambda call: sorted(call.run.roles)),
    "run.tags": ("TAGS", lambda call: dict(call.run.tags)),
}
"""What a condition may read: its name, its type, and where it comes from."""


@dataclass(frozen=True, slots=True)
class When(Around):
    """A guard and the condition under which it stands before a call."""

    condition: str

    def __call__(self, call: Call) -> Flow:
        if self._holds(call):
            return (yield from self.guard(call))
        reply: Reply = yield call
        return reply

    def worst(self, call: Call, inner: Inner) -> Worst:
        """With or without the guard, whichever is worse."""
        return inner(call).most(worst((self.guard,), call, inner))

    def _holds(self, call: Call) -> bool:
        expression, readings = compiled(self.condition)
        data = {name: read(call) for name, read in readings}
        # The binding ends a text at its first null character, and would judge only what stands before it.
        if null_character(data):
            raise GuardFailed(self.name, "its condition cannot read a null character")
        answer = expression.eval(data=data).plain_value()
        if answer is True or answer is False:
            return answer
        # The answer is the error's text.  It may quote the call, so only its code is kept.
        code = re.match("[A-Z_]+(?=:)", str(answer))
        raise GuardFailed(self.name, f"its condition gave no answer: {code[0] if code else 'not a boolean'}")


@lru_cache(maxsize=256)
def compiled(condition: str) -> tuple[Any, tuple[tuple[str, Reading], ...]]:
    """A condition's expression, and what it may read.  Raises `ConditionError`."""
    from cel_expr_python import cel

    try:
        expression = _environment().compile(condition)
    except (RuntimeError, TypeError) as error:
        raise explained(str(error)) from None
    if expression.return_type() != cel.Type.BOOL:
        kind = expression.return_type().name().lower()
        raise ConditionError(f"a condition must be true or false, and this is a {kind}", 1, 1)
    # What a condition does not name it cannot read; joining a call's whole text is not free.
    used = tuple((name, read) for name, (_, read) in READINGS.items() if name.partition(".")[2] in condition)
    return expression, used


@lru_cache(maxsize=1)
def _environment() -> Any:
    from cel_expr_python import cel

    text = cel.Type.STRING
    kinds = {"STRING": text, "BOOL": cel.Type.BOOL}
    kinds |= {"STRINGS": cel.Type.List(text), "TAGS": cel.Type.Map(text, text)}
    return cel.NewEnv(variables={name: kinds[kind] for name, (kind, _) in READINGS.items()})
