"""Which guards stand where: the values a policy file is read into, or a program writes itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, TypeAlias

from guards._errors import GuardError
from guards._flow import Guard, guard_name
from guards._helpers import Helper, Helpers, with_helpers
from guards._models import Model, with_models

Boundary: TypeAlias = Literal["model", "tool"]
BOUNDARIES: tuple[Boundary, ...] = ("model", "tool")


class Several:
    """Marks a field that holds several values, and may be written as one; only the loader asks it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(_several, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:
        whole = handler(core)
        return {"anyOf": [whole["items"], whole]}


def _several(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


Texts: TypeAlias = Annotated[tuple[str, ...], Several()]


@dataclass(frozen=True, slots=True)
class Placed:
    """A guard in its place.  It stands before the targets that match one of `only`, or before all.

    `mode: observe` and `when` are already part of `guard`.  `written` is the item as the file has it, with
    environment references still unresolved, so it may be shown; `guard` itself may hold secrets.
    """

    guard: Guard = field(repr=False)
    use: str
    only: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""
    line: int = 0

    def applies(self, target: str) -> bool:
        """Whether this guard stands before a target."""
        return not self.only or any(fnmatchcase(target, glob) for glob in self.only)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One case that a policy promises: what is asked, what the other side answers, and how it must end.

    Either `model` (a text that is sent) or `tool` (a tool's name, with `arguments`) says what is asked.
    `replies` are what the other side answers, one after the other, or `reply` the only one.  `expect` is
    "passes" or the code of an error; the other expectations are texts that what leaves (`sends`) and what
    comes back (`returns`) must or must not contain.
    """

    model: str | None = None
    tool: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""
    roles: frozenset[str] = frozenset()
    user: str = ""
    region: str = ""
    reply: str | None = None
    replies: tuple[str, ...] = ()
    expect: str = ""
    sends: Texts = ()
    sends_without: Texts = ()
    returns: Texts = ()
    returns_without: Texts = ()
    line: int = 0
    file: str = ""

    def __post_init__(self) -> None:
        if (self.model is None) == (self.tool is None):
            raise ValueError("an example asks either a `model` or a `tool`")
        if self.tool is not None and (not self.tool or self.target not in ("", self.tool)):
            raise ValueError("`tool` names the tool, so it takes no other `target`")
        if self.model is not None and self.arguments:
            raise ValueError("`arguments` belong to a `tool`; a `model` is sent its text")
        if self.reply is not None and self.replies not in ((), (self.reply,)):
            raise ValueError("give one `reply`, or `replies` one after the other, not both")
        if not self.expectations:
            raise ValueError("this example cannot fail: say what it expects, as in `expect: passes`")
        if "" in self.expectations[1:]:
            raise ValueError("an empty text is in every text, so it says nothing")
        if not self.target:
            object.__setattr__(self, "target", self.tool or "model")
        if self.reply is not None:
            object.__setattr__(self, "replies", (self.reply,))

    @property
    def expectations(self) -> tuple[str, ...]:
        """Everything that this example expects, `expect` first where it is given."""
        texts = (*self.sends, *self.sends_without, *self.returns, *self.returns_without)
        return (self.expect, *texts) if self.expect or texts else ()


def outcomes() -> tuple[str, ...]:
    """How an example may end: it passes, or fails with one of the errors' codes."""
    kinds = [GuardError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    own = {kind.code for kind in kinds[1:] if kind.__module__ == GuardError.__module__}
    return ("passes", *sorted(own - {"policy"}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which guards stand before models and tools, outermost first.

    `digest` is the SHA-256 of what the policy file and all that it extends say, before any environment
    reference is resolved; `source` is the file.
    """

    name: str = ""
    model: tuple[Placed, ...] = ()
    tool: tuple[Placed, ...] = ()
    models: Mapping[str, Model] = field(default_factory=dict)
    helpers: Mapping[str, Helper] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    digest: str = ""
    source: str = ""

    def guards(self, kind: Boundary, target: str) -> tuple[Guard, ...]:
        """The guards that stand before one target, outermost first."""
        placed = self.model if kind == "model" else self.tool
        return tuple(one.guard for one in placed if one.applies(target))

    @classmethod
    def of(
        cls,
        *,
        model: Iterable[Guard] = (),
        tool: Iterable[Guard] = (),
        models: Mapping[str, Model] | None = None,
        helpers: Helpers | None = None,
    ) -> Policy:
        """A policy written in Python, from guards; each told of the models and helpers, if it wants to."""
        known, second = dict(models or {}), dict(helpers or {})

        def placed(guards: Iterable[Guard]) -> tuple[Placed, ...]:
            return tuple(
                Placed(with_helpers(with_models(guard, known), second), guard_name(guard)) for guard in guards
            )

        return cls(model=placed(model), tool=placed(tool), models=known, helpers=second)
