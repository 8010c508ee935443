"""context: what is sent fits into the model's window; the oldest turns are left out first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

from guards._errors import Exhausted
from guards._flow import Flow
from guards._models import Models, model_of
from guards._tokens import PER_PART, most_output, tokens
from guards._types import Call, Part, Path, Reply
from guards._value import replace
from guards._wishes import record


@dataclass(frozen=True, slots=True)
class Context:
    """Leaves out the oldest messages until what is sent and the reply fit into the model's window.

    The window is `tokens`, or else that of the policy's model; where neither is known, nothing is left out.
    Room is kept for the reply: as many tokens as the call allows it, or else `reply_tokens`. What the system
    says stays, and so does the last user's turn with all that follows it; a tool's call and its results go
    together. What was left out is recorded, by number. When even the rest does not fit, the call is
    `Exhausted`, since a provider would cut it off somewhere else.
    """

    tokens: int | None = None
    reply_tokens: int = 1_024
    models: Models = field(default_factory=dict, init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.tokens is not None and self.tokens < 1:
            raise ValueError(f"tokens must be at least 1, not {self.tokens}")
        if self.reply_tokens < 0:
            raise ValueError(f"reply_tokens must not be negative, as {self.reply_tokens} is")
        if self.tokens is not None and self.reply_tokens >= self.tokens:
            raise ValueError("reply_tokens leaves no room in tokens for what is sent")

    def with_models(self, models: Models) -> Self:
        """The same guard, knowing the models' windows."""
        made = replace(self)
        object.__setattr__(made, "models", models)
        return made

    def __call__(self, call: Call) -> Flow:
        window = self._window(call)
        if call.kind == "model" and window is not None:
            room = window - most_output(call, self.reply_tokens)
            fitted = _fitted(call, room)
            if fitted is not call:
                out = len(fitted.dropped) - len(call.dropped)
                parts = len(call.parts) - len(fitted.parts)
                yield from record(call.event("dropped", "context", messages=out, parts=parts, room=room))
            call = fitted
        reply: Reply = yield call
        return reply

    def _window(self, call: Call) -> int | None:
        if self.tokens is not None:
            return self.tokens
        model = model_of(self.models, call)
        return None if model is None else model.most_tokens()


@dataclass(slots=True)
class Unit:
    """Messages that stay or go together: one, or a tool's call with its results."""

    messages: list[tuple[Path, list[Part]]]

    @property
    def tokens(self) -> int:
        return sum(tokens(part.text) + PER_PART for _, parts in self.messages for part in parts)

    @property
    def asks(self) -> bool:
        """Whether a user's turn begins here."""
        return any(
            part.role == "user" and part.kind == "text" for _, parts in self.messages for part in parts
        )

    @property
    def stays(self) -> bool:
        return any(part.role == "system" for _, parts in self.messages for part in parts)


def _fitted(call: Call, room: int) -> Call:
    """The call with its oldest units left out, as many as must be; itself if it fits."""
    units = _units(call.parts)
    fixed = sum(tokens(part.text) + PER_PART for part in call.parts if _message(part) is None)
    needed = fixed + sum(unit.tokens for unit in units)
    last = max((n for n, unit in enumerate(units) if unit.asks), default=len(units))
    gone: list[Unit] = []
    for unit in units[:last]:
        # A conversation that lost its beginning goes on with a user's turn, as providers want it.
        if needed <= room and (not gone or unit.asks):
            break
        if not unit.stays:
            gone.append(unit)
            needed -= unit.tokens
    if needed > room:
        raise Exhausted("context window")
    if not gone:
        return call
    out = [at for unit in gone for at, _ in unit.messages]
    parts = tuple(part for part in call.parts if _message(part) not in out)
    return replace(call, parts=parts, dropped=(*call.dropped, *out))


def _units(parts: tuple[Part, ...]) -> list[Unit]:
    """The messages among the parts, oldest first, with what belongs together in one unit."""
    messages: dict[Path, list[Part]] = {}
    for part in parts:
        if (at := _message(part)) is not None:
            messages.setdefault(at, []).append(part)
    units: list[Unit] = []
    for at, said in messages.items():
        answers = any(part.kind == "tool_result" for part in said)
        if answers and units and not units[-1].stays:
            units[-1].messages.append((at, said))
        else:
            units.append(Unit([(at, said)]))
    return units


def _message(part: Part) -> Path | None:
    """The place of the message that a part is of, if it is one among several."""
    return part.at[:2] if len(part.at) > 2 and isinstance(part.at[1], int) else None


guard = Context
