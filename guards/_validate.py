"""Whether a value fits a schema, and what it needs where it does not; never what it holds.

A validator is called with a JSON value, and gives its verdict: the value as the program will get it, and
problems.  Problems name places by JSON pointer.  A name that the schema does not know came from the value,
so it is shown as `*`; a value is never quoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from guards._errors import Problem
from guards._imports import imported
from guards._salvage import strict
from guards._schema._engines import Engine, engine
from guards._schema._faults import TOO_DEEP, Fault, problems
from guards._schema._partial import Subschemas
from guards._schema._read import read
from guards._schema._rules import Rule

if TYPE_CHECKING:
    from pathlib import Path

Verdict: TypeAlias = tuple[Any, tuple[Problem, ...]]
DEPTH = 128
"""How deeply a value may be nested: beyond that, engines that recurse could run out of stack."""

CONTAINERS = (dict, list)


class Validator:
    """Judges JSON values.  `schema` describes them as a JSON Schema."""

    schema: Mapping[str, Any] | bool = True
    known: frozenset[str] = frozenset()

    def __call__(self, value: Any) -> Verdict:
        """The value for the program, or what is wrong, told without content."""
        return value, ()

    def read(self, text: str) -> Verdict:
        """The verdict on a JSON text.  Raises ValueError if it is not one."""
        return self(read(text))

    def faults(self, value: Any) -> tuple[Fault, ...]:
        """What is wrong, told in full, for the model that wrote it."""
        return ()

    @cached_property
    def parts(self) -> Subschemas:
        """Validators for the members of a value that is still being written."""
        return Subschemas(self.schema)


class Anything(Validator):
    """Any JSON value at all."""


anything = Anything()


class Described(Validator):
    """Judges by a JSON Schema; a value that fits is left as it is."""

    def __init__(self, schema: Mapping[str, Any] | bool, judge: Engine) -> None:
        self.schema, self._engine, self._fits = schema, judge, judge.fits
        self.known = frozenset(_names(schema))

    def __call__(self, value: Any) -> Verdict:
        if not deep(value) and self._fitting(value):
            return value, ()
        return None, problems(self.faults(value), self.known)

    def read(self, text: str) -> Verdict:
        value = read(text)
        if _shallow(text) and self._fitting(value):
            return value, ()
        return self(value)

    def _fitting(self, value: Any) -> bool:
        try:
            return self._fits(value)
        except (ValueError, OverflowError, RecursionError):
            return False

    def faults(self, value: Any) -> tuple[Fault, ...]:
        if deep(value):
            return (TOO_DEEP,)
        try:
            return tuple(self._engine.faults(value)) or (Fault((), "a value that fits the schema"),)
        except UnicodeEncodeError:
            return (Fault((), "text without halves of surrogate pairs"),)
        except (ValueError, OverflowError, RecursionError):
            return (TOO_DEEP,)


def json_schema(schema: Mapping[str, Any] | bool) -> Validator:
    """A validator for a JSON Schema; a reference to anything outside it is never fetched.

    Raises ValueError if the schema is not one.
    """
    return Described(schema, engine(schema))


class Typed(Validator):
    """Judges by a Python type through Pydantic; a value that fits becomes an object of that type."""

    def __init__(self, adapter: Any) -> None:
        from pydantic_core import ValidationError

        self._validate_json = adapter.validator.validate_json  # without the adapter's own steps around it
        self._refusal: type[Exception] = ValidationError
        self.schema = adapter.json_schema()
        self.known = frozenset(_names(self.schema))

    def __call__(self, value: Any) -> Verdict:
        if deep(value):
            return None, problems((TOO_DEEP,), ())
        return self._judged(json.dumps(value))

    def read(self, text: str) -> Verdict:
        # Pydantic alone would let a key stand twice, and take `NaN` for JSON.
        value = read(text)
        return self._judged(text) if _shallow(text) else self(value)

    def _judged(self, text: str) -> Verdict:
        found = self._errors(text)
        if isinstance(found, tuple):
            return None, problems(found, self.known)
        return found[0], ()

    def _errors(self, text: str) -> list[Any] | tuple[Fault, ...]:
        """The object, as the only item of a list, or what is wrong."""
        try:
            return [self._validate_json(text)]
        except self._refusal as error:
            found = cast("Any", error).errors(include_url=False, include_context=False, include_input=False)
            return tuple(_fault(each) for each in found)
        except (RecursionError, OverflowError):
            return (TOO_DEEP,)

    def faults(self, value: Any) -> tuple[Fault, ...]:
        if deep(value):
            return (TOO_DEEP,)
        found = self._errors(json.dumps(value))
        return found if isinstance(found, tuple) else ()


def typed(kind: Any) -> Validator:
    """A validator for a Python type: a Pydantic model, a dataclass, `list[...]`, an enum, and so on.

    It takes JSON values; its verdict holds the typed object.  Raises ValueError for a type that cannot be
    validated.
    """
    from pydantic import PydanticSchemaGenerationError, TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema

    try:
        return Typed(TypeAdapter(kind))
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):
        raise ValueError(f"{kind!r} is not a type that JSON can be validated against") from None


@lru_cache(maxsize=256)
def typed_once(kind: Any) -> Validator:
    """`typed`, remembered for types that come with each call."""
    return typed(kind)


def described(schema: Any) -> Validator:
    """A validator for what a policy or a program gives as a schema; None is any JSON value.

    It is a JSON Schema, a Python type or its import path.  Raises ValueError for anything else.
    """
    if schema is None:
        return anything
    if isinstance(schema, str):
        return typed(imported(schema))
    if isinstance(schema, (Mapping, bool)):
        return json_schema(schema)
    return typed(schema)


def described_once(schema: Mapping[str, Any] | bool) -> Validator:
    """`json_schema`, remembered for schemas that come with each call."""
    return _compiled(json.dumps(schema, sort_keys=True))


@lru_cache(maxsize=256)
def _compiled(schema: str) -> Validator:
    return json_schema(json.loads(schema))


def in_file(schema: Any) -> bool:
    """Whether a policy names a file that holds the schema."""
    return isinstance(schema, str) and schema.endswith(".json")


def from_file(schema: Any, folder: Path) -> Any:
    """A schema, read from its file where it is named by one.  Raises ValueError."""
    if not in_file(schema):
        return schema
    try:
        return strict((folder / schema).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{schema} is not JSON: {error}") from None


class Ruled(Validator):
    """Another validator, and rules over the values that fit it."""

    def __init__(self, validator: Validator, rules: tuple[Rule, ...]) -> None:
        self._validator, self._rules = validator, rules
        self.schema, self.known = validator.schema, validator.known

    def __call__(self, value: Any) -> Verdict:
        return self._ruled(self._validator(value))

    def read(self, text: str) -> Verdict:
        return self._ruled(self._validator.read(text))

    def _ruled(self, verdict: Verdict) -> Verdict:
        value, wrong = verdict
        if wrong:
            return verdict
        broken = [rule for rule in self._rules if rule.faults(value)]
        told = tuple(problem for rule in broken for problem in rule.problems())
        return (None, told) if told else verdict

    def faults(self, value: Any) -> tuple[Fault, ...]:
        if found := self._validator.faults(value):
            return found
        made, wrong = self._validator(value)
        return () if wrong else tuple(fault for rule in self._rules for fault in rule.faults(made))


# The kinds of errors whose words are made from the type alone; others may quote what was given.
SAFE = re.compile(
    r"missing|extra_forbidden|enum|literal_error|none_required|multiple_of|(greater|less)_than(_equal)?"
    r"|(too|string_too|bytes_too)_(short|long)|string_pattern_mismatch|finite_number|is_instance_of"
    r"|(string|int|float|bool|list|tuple|set|frozen_set|dict|model|dataclass|date|datetime|time|decimal|mapping)"
    r"(_attributes)?_(type|parsing)|(date|datetime|time)_from_.*|url_(type|parsing|scheme)"
)


def _fault(error: Any) -> Fault:
    kind, path = error["type"], tuple(error["loc"])
    if kind in ("missing", "missing_argument") and path:
        return Fault(path, "", "missing")
    if kind in ("extra_forbidden", "unexpected_keyword_argument") and path:
        return Fault(path, "", "extra")
    said = str(error["msg"]) if SAFE.fullmatch(kind) else "what the type's own check asks for"
    return Fault(path, said)


def _shallow(text: str) -> bool:
    """Whether a JSON text has so few brackets that nothing in it is deep; counting them takes no time."""
    return text.count("[") + text.count("{") <= DEPTH


def deep(value: Any) -> bool:
    """Whether a value is nested more than `DEPTH` levels deep."""
    level: Iterable[Any] = (value,)
    for _ in range(DEPTH):
        level = [
            inner
            for one in level
            if type(one) in CONTAINERS
            for inner in (one.values() if type(one) is dict else one)
        ]
        if not level:
            return False
    return any(type(one) in CONTAINERS for one in level)


def _names(schema: Any) -> Iterator[str]:
    """Every property name that a schema knows."""
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            for keyword in ("properties", "patternProperties", "dependentRequired"):
                if isinstance(properties := node.get(keyword), Mapping):
                    yield from properties
            if isinstance(required := node.get("required"), list):
                yield from (name for name in required if isinstance(name, str))
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
