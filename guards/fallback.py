"""fallback: when a model does not answer, the next one does, or what was prepared for this."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from guards._cached import stale
from guards._errors import GuardError
from guards._flow import Flow
from guards._imports import imported
from guards._models import Models
from guards._types import Call, Reply
from guards._value import replace
from guards._ways_on import Trigger, final, knowing, named, told, tried, why
from guards._wishes import Wishing, record
from guards._worst import Inner, Worst, in_turn


@dataclass(frozen=True, slots=True)
class Fallback:
    """Goes on to the next model when one fails, and at last to a reply that was prepared.

    `models` are asked in their order, after the one that was called. `errors` says for what: `unavailable`
    (timeouts, broken connections, 429, 5xx, an open breaker), `failed` (any other failure of the model),
    `exhausted` (a budget, but never the deadline), `invalid`, `blocked`, `refused` (the model's own refusal:
    name it only where another model may answer what this one would not).

    When all have failed: with `cached`, the reply that the cache further out still holds, even when it is
    past its time; else what `function` (an import path, `package.module:name`) makes of the call, a text or
    a `Reply`; else the fixed text `reply`; else the error, which keeps the earlier ones.
    """

    models: tuple[str, ...] = ()
    errors: tuple[Trigger, ...] = ("unavailable",)
    cached: bool = False
    function: str = ""
    reply: str = ""
    _models: Models = field(default_factory=dict, init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.function and ":" not in self.function:
            raise ValueError(f"function: {self.function!r} is no import path; write package.module:name")

    @property
    def heavy(self) -> int:
        """A function of the user's own may take its time, however little there is to read."""
        return int(bool(self.function))

    def with_models(self, models: Models) -> Self:
        named(self.models, models, "models")
        return knowing(self, models)

    def __call__(self, call: Call) -> Flow:
        failures: list[tuple[str, GuardError]] = []
        for name in dict.fromkeys((call.target, *self.models)):
            outcome = yield from tried(replace(call, target=name) if name != call.target else call)
            reason = why(outcome)
            if reason != "elsewhere" and reason not in self.errors:
                if isinstance(outcome, Reply):
                    return outcome
                outcome.earlier = (*outcome.earlier, *(error for _, error in failures))
                raise outcome
            refusal = outcome if isinstance(outcome, Reply) else None
            if isinstance(outcome, GuardError):
                failures.append((name, outcome))
            yield from record(call.event("fell back", "fallback", model=name, reason=reason))
        prepared = yield from self._prepared(call)
        if prepared is None and refusal is None:
            raise final(call.target, failures)
        return prepared or refusal  # type: ignore[return-value]  # one of them is there

    def worst(self, call: Call, inner: Inner) -> Worst:
        """Every model, one after the other."""
        names = dict.fromkeys((call.target, *self.models))
        return in_turn(inner(replace(call, target=name)) for name in names)

    def _prepared(self, call: Call) -> Wishing[Reply | None]:
        if self.cached and (kept := (yield from stale(call))) is not None:
            return kept
        if self.function:
            made: Any = imported(self.function)(call)
            return replace(made, source="function") if isinstance(made, Reply) else told(made, "function")
        return told(self.reply, "fixed") if self.reply else None


guard = Fallback
