"""permit: only listed tools and models may be called, by runs that hold a role, with permitted arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Self

from guards._arguments import LISTING, arguments, as_json
from guards._cel import Condition, ConditionError, condition
from guards._errors import Denied
from guards._flow import Flow
from guards._types import Call, Reply, Run
from guards._validate import described, from_file, in_file
from guards._value import replace

if TYPE_CHECKING:
    from pathlib import Path

OURS = frozenset({"arguments", "run"})
"""The names that a condition may read beside the arguments; an argument of that name is under `arguments`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitRule:
    """Who may call `tools`, a list of globs, with what: runs with one of `roles`, all if there are none.

    `when` is a condition in CEL over the arguments by name, as in `amount <= 500`, and over `run.user`,
    `run.session`, `run.region`, `run.roles` and `run.tags`; `arguments` are all of them. `schema` is a JSON
    Schema of the arguments, inline or in a `.json` file. `name` is what a refusal calls the rule.
    """

    tools: tuple[str, ...]
    name: str = ""
    roles: frozenset[str] = frozenset()
    when: str = ""
    schema: Any = None
    _condition: Any = field(init=False, repr=False, compare=False)
    _validator: Any = field(init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.tools:
            raise ValueError("tools names no tool, so this rule permits nothing; list one or remove it")
        read = self.schema is not None and not in_file(self.schema)
        object.__setattr__(self, "_validator", described(self.schema) if read else None)
        object.__setattr__(self, "_condition", self._compiled() if self.when else None)

    def _compiled(self) -> Condition:
        try:
            compiled = condition(self.when)
        except ConditionError as error:
            where = f" at column {error.column}" if error.column else ""
            raise ValueError(f"when is not a condition over the arguments: {error}{where}") from None
        unknown = sorted(compiled.names - OURS - _properties(self.schema, compiled.names))
        if unknown:
            raise ValueError(f"when reads {unknown[0]!r}, which the schema of this rule does not have")
        return compiled

    def permits(self, call: Call) -> bool:
        """Whether the arguments of a call are such as this rule has them."""
        if call.options.get(LISTING):
            return True
        if self._validator is None and (self.schema is not None or self._condition is None):
            return self.schema is None
        try:
            given = as_json(arguments(call))
        except ValueError:
            return False  # nobody can say what is in it
        if self._validator is not None and self._validator(given)[1]:
            return False
        return self._condition is None or bool(self._condition.holds(_readable(given, call.run)))


@dataclass(frozen=True, slots=True)
class Permit:
    """A call passes when its target matches one of `tools`, none of `deny`, and its run holds one of `roles`.

    `tools` and `deny` are globs of targets; without `roles`, everybody may. A tool that one of `rules` names
    passes only by one of them: its roles are held, and the arguments are as it says.
    """

    tools: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()
    rules: tuple[PermitRule, ...] = ()

    def located(self, folder: Path) -> Self:
        """The same guard with the schema files of its rules read, from a policy's folder."""
        if not any(in_file(rule.schema) for rule in self.rules):
            return self
        rules = (replace(rule, schema=from_file(rule.schema, folder)) for rule in self.rules)
        return replace(self, rules=tuple(rules))

    def __call__(self, call: Call) -> Flow:
        if _matches(call.target, self.deny):
            raise Denied(f"{call.target} is on the deny list")
        if not _matches(call.target, self.tools):
            raise Denied(f"{call.target} is not on the list of what may be called")
        if not _held(self.roles, call.run):
            raise Denied(f"{call.target} needs one of the roles {', '.join(sorted(self.roles))}")
        if self.rules:
            self._judge(call)
        reply: Reply = yield call
        return reply

    def _judge(self, call: Call) -> None:
        """Raises `Denied` unless no rule names the target, or one of those that do permits the call."""
        named = [(n, rule) for n, rule in enumerate(self.rules, 1) if _matches(call.target, rule.tools)]
        mine = [(n, rule) for n, rule in named if _held(rule.roles, call.run)]
        if not named or any(rule.permits(call) for _, rule in mine):
            return
        if not mine:
            roles = sorted(frozenset().union(*(rule.roles for _, rule in named)))
            raise Denied(f"{call.target} needs one of the roles {', '.join(roles)}")
        names = ", ".join(rule.name or f"rule {n}" for n, rule in mine)
        raise Denied(f"{call.target} may not be called with these arguments by: {names}")


def _matches(target: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(target, glob) for glob in globs)


def _held(roles: frozenset[str], run: Run) -> bool:
    return not roles or bool(roles & run.roles)


def _readable(given: Any, run: Run) -> dict[str, Any]:
    """What a condition may read."""
    who = {"user": run.user, "session": run.session, "region": run.region, "tags": dict(run.tags)}
    named = given if isinstance(given, Mapping) else {}
    return {**named, "arguments": given, "run": {**who, "roles": sorted(run.roles)}}


def _properties(schema: Any, names: frozenset[str]) -> frozenset[str]:
    """Which names a schema lets an object have; all of them, where it does not say."""
    if isinstance(schema, Mapping) and schema.get("additionalProperties") is False:
        return frozenset(schema.get("properties", ()))
    return names


guard = Permit
