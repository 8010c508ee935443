"""arguments: a tool runs only with arguments that fit its schema, and never with placeholders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from guards._arguments import LISTING, PARAMETERS, arguments, as_json, called_with
from guards._errors import Denied, Exhausted, Invalid, Problem
from guards._flow import Flow
from guards._pii._vault import Vault
from guards._salvage import strict
from guards._schema._fallback import Coerce, Salvage
from guards._types import Call, Finding, Part, Reply
from guards._units import Seconds
from guards._validate import Validator, described, described_once, from_file, in_file, typed_once
from guards._value import replace
from guards._wishes import Wishing, new_update, record
from guards.iterations import DAY
from guards.mask import vault_key

if TYPE_CHECKING:
    from pathlib import Path

NOT_A_MAPPING = (Problem("", "an object with the arguments by name"),)
INVALID = Finding(code="arguments.invalid", message="the arguments do not fit the tool's schema")


@dataclass(frozen=True, slots=True)
class Arguments:
    """A tool is called only with arguments that fit its schema; values stand in them, no placeholders.

    `schemas` are by glob of tools: a JSON Schema, inline or in a `.json` file, or a Python type by import
    path; the first that matches counts. For other tools it is what the boundary knows: the type hints of
    the decorated function, the schema that an MCP server or a framework names. A tool without one takes
    any arguments, or none if `unknown` says `refuse`. Unless `repair` is false, arguments that do not
    fit are repaired as far as nothing is lost, or with `lossy` as far as the parser can; `coerce` says how
    far values are brought to the schema's types: exact, safe or eager. What is left raises
    `Invalid`, whose words the model may read, as they quote nothing; a run may come back with others
    `attempts` times, then it is `Exhausted`. Placeholders that `mask` has issued in the same session, or
    for the same tenant, are replaced by their values just before; `ttl` is that of `mask`. What a tool
    answers is untrusted.
    """

    schemas: Mapping[str, Any] = field(default_factory=dict)
    unknown: Literal["pass", "refuse"] = "pass"
    repair: bool = True
    coerce: Coerce = "safe"
    lossy: bool = False
    attempts: int | None = None
    ttl: Seconds = 86_400.0
    _validators: Any = field(default_factory=dict, init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.attempts is not None and self.attempts < 0:
            raise ValueError(f"attempts must be at least 0, not {self.attempts}; leave it out for no limit")
        if self.lossy and not self.repair:
            raise ValueError("lossy says how far repair goes; it does nothing with `repair: false`")
        made = {glob: described(one) for glob, one in self.schemas.items() if not in_file(one)}
        object.__setattr__(self, "_validators", made)

    def located(self, folder: Path) -> Self:
        """The same guard with its schema files read, from a policy's folder."""
        if not any(map(in_file, self.schemas.values())):
            return self
        return replace(self, schemas={glob: from_file(one, folder) for glob, one in self.schemas.items()})

    def __call__(self, call: Call) -> Flow:
        if call.kind != "tool" or call.options.get(LISTING):
            other: Reply = yield call
            return other
        call = yield from self._restored(call)
        if (validator := self._validator(call)) is None:
            if self.unknown == "refuse":
                raise Denied(f"nothing says which arguments {call.target} takes; name them under `schemas`")
        else:
            given = arguments(call)
            fitting, wrong = self._fitting(given, validator)
            if wrong:
                yield from self._refuse(call, wrong)
            elif fitting is not given:
                yield from record(call.event("repaired", "arguments"))
                call = called_with(call, fitting)
        reply: Reply = yield call
        return _untrusted(reply)

    def _validator(self, call: Call) -> Validator | None:
        for glob, schema in self.schemas.items():
            if fnmatchcase(call.target, glob):
                if glob not in self._validators:
                    raise ValueError(f"{schema} was not read; load the policy from its file")
                validator: Validator = self._validators[glob]
                return validator
        known = call.options.get(PARAMETERS)
        if known is None:
            return None
        return described_once(known) if isinstance(known, (Mapping, bool)) else typed_once(known)

    def _restored(self, call: Call) -> Wishing[Call]:
        """The call with the values of the session and of the tenant in place of their placeholders."""
        for scope, whose in (("session", call.run.session), ("tenant", call.run.tags.get("tenant", ""))):
            if not whose or not call.parts:
                continue
            vault: Vault | None = yield new_update(vault_key(scope, whose), _same_state, keep=self.ttl)
            if vault:
                call = call.rewrite(partial(_unmasked, vault))
        return call

    def _fitting(self, given: Any, validator: Validator) -> tuple[Any, tuple[Problem, ...]]:
        """The arguments as the tool may have them, the same object if they fit, or what is wrong."""
        value = as_json(given, lenient=True)
        text = value if isinstance(value, str) else ""
        value = _read(text) if text else value
        made, wrong = validator(value) if isinstance(value, Mapping) else (None, NOT_A_MAPPING)
        if not wrong:
            return _kept(given, value, made), ()
        if not self.repair:
            return None, wrong
        salvage = Salvage(ways=("json",), lossy=self.lossy, coerce=self.coerce, defaults=False, cut=False)
        seek = salvage.anyhow if self.lossy else salvage.lossless
        found = seek(text or json.dumps(value), validator)
        if found is None or not isinstance(plain := strict(found.text), dict):
            return None, wrong
        return _kept(given, plain, found.value), ()

    def _refuse(self, call: Call, wrong: tuple[Problem, ...]) -> Wishing[None]:
        key = f"arguments:{call.run.request_id}"
        times: int = yield new_update(key, lambda count: ((count or 0) + 1,) * 2, of_run=True, keep=DAY)
        yield from record(call.event("found", "arguments", (INVALID,), times=times))
        if self.attempts is not None and times > self.attempts:
            raise Exhausted("attempts at valid arguments")
        error = Invalid(times, (wrong,))
        error.what = "arguments"
        raise error


def _same_state(state: Any) -> tuple[Any, Any]:
    return state, state


def _unmasked(vault: Vault, part: Part) -> str:
    return vault.unmask(part.text)


def _read(text: str) -> Any:
    """What a model wrote as arguments: the value if it is JSON, or else the text."""
    try:
        return strict(text)
    except ValueError:
        return text


def _kept(given: Any, plain: Any, made: Any) -> Any:
    """What the tool is given: each argument as it came where that fits, else as the validator made it."""
    made = made if isinstance(made, Mapping) else plain
    if not isinstance(given, Mapping):
        return made
    kept = {name: _either(given, name, one) for name, one in made.items()}
    return given if kept.keys() == given.keys() and all(kept[name] is given[name] for name in given) else kept


def _either(given: Mapping[str, Any], name: str, made: Any) -> Any:
    if name not in given:
        return made
    old = given[name]
    return old if _same(made, old) or _same(made, as_json(old, lenient=True)) else made


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, and of the same types throughout: true is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _untrusted(reply: Reply) -> Reply:
    if all(part.origin == "untrusted" for part in reply.parts):
        return reply
    return replace(reply, parts=tuple(replace(part, origin="untrusted") for part in reply.parts))


guard = Arguments
