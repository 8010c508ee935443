"""Whether a value fits a schema, and what it needs where it does not; never what it holds.

Problems name places by JSON pointer.  A name that the schema does not know came from the value, so it is
shown as `*`; a value is never quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from guards._errors import Problem

Verdict: TypeAlias = tuple[Any, tuple[Problem, ...]]
Validator: TypeAlias = Callable[[Any], Verdict]

MOST = 20
"""How many problems are told at once."""

TOO_DEEP = (Problem("", "a value that is nested less deeply, with smaller numbers"),)


def anything(value: Any) -> Verdict:
    return value, ()


def json_schema(schema: Mapping[str, Any] | bool) -> Validator:
    """A validator for a JSON Schema; a reference to anything outside it is never fetched.

    Raises ValueError if the schema is not one.
    """
    import referencing
    from jsonschema import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)  # type: ignore[arg-type]  # `true` and `false` are schemas too
    except SchemaError as error:
        raise ValueError(f"not a JSON Schema: at {_pointer(error.path, None)}: {error.message}") from None
    _check_references(schema)
    validator = kind(schema, registry=referencing.Registry(), format_checker=kind.FORMAT_CHECKER)
    known = frozenset(_names(schema))

    def validate(value: Any) -> Verdict:
        try:
            problems = [
                Problem(_pointer(error.absolute_path, known), _need(error))
                for error in validator.iter_errors(value)
            ]
        except (RecursionError, OverflowError):
            return None, TOO_DEEP
        return value, tuple(dict.fromkeys(sorted(problems)))[:MOST]

    return validate


def typed(kind: Any) -> Validator:
    """A validator for a Python type: a Pydantic model, a dataclass, `list[...]`, an enum, and so on.

    It takes JSON values; its verdict holds the typed object.  Raises ValueError for a type that cannot be
    validated.
    """
    from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(kind)
        known = frozenset(_names(adapter.json_schema()))
    except PydanticSchemaGenerationError:
        raise ValueError(f"{kind!r} is not a type that JSON can be validated against") from None

    def validate(value: Any) -> Verdict:
        import json

        try:
            return adapter.validate_json(json.dumps(value)), ()
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            problems = (Problem(_pointer(each["loc"], known), _said(each)) for each in found)
            return None, tuple(dict.fromkeys(problems))[:MOST]
        except (RecursionError, OverflowError):
            return None, TOO_DEEP

    return validate


# The kinds of errors whose words are made from the type alone; others may quote what was given.
SAFE = re.compile(
    r"missing|extra_forbidden|enum|literal_error|none_required|multiple_of|(greater|less)_than(_equal)?"
    r"|(too|string_too|bytes_too)_(short|long)|string_pattern_mismatch|finite_number|is_instance_of"
    r"|(string|int|float|bool|list|tuple|set|frozen_set|dict|model|dataclass|date|datetime|time|decimal|mapping)"
    r"(_attributes)?_(type|parsing)|(date|datetime|time)_from_.*|url_(type|parsing|scheme)"
)


def _said(error: Any) -> str:
    if SAFE.fullmatch(error["type"]):
        return str(error["msg"])
    return "what the type's own check asks for"


def _need(error: Any) -> str:
    """What a JSON Schema keyword asks for, told from the schema alone."""
    keyword, wanted = error.validator, error.validator_value
    match keyword:
        case "type":
            return " or ".join([wanted] if isinstance(wanted, str) else wanted)
        case "required":
            missing = [name for name in wanted if name not in error.instance]
            return (
                f"the properties {', '.join(missing)}" if len(missing) > 1 else f"the property {missing[0]}"
            )
        case "enum":
            return f"one of {', '.join(map(str, wanted))}"[:200]
        case "additionalProperties" | "unevaluatedProperties":
            return "no properties beyond those of the schema"
        case "anyOf" | "oneOf" | "allOf" | "not" | "if":
            return f"a value that fits the schema's {keyword}"
        case _ if isinstance(wanted, (str, int, float)):
            return f"{keyword} {wanted}"
        case _:
            return f"a value that fits the schema's {keyword}"


def _pointer(path: Iterable[Any], known: frozenset[str] | None) -> str:
    def shown(step: Any) -> str:
        if isinstance(step, int) or known is None or step in known:
            return str(step).replace("~", "~0").replace("/", "~1")
        return "*"

    return "".join(f"/{shown(step)}" for step in path)


def _names(schema: Any) -> Iterator[str]:
    """Every property name that a schema knows."""
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            properties = node.get("properties")
            if isinstance(properties, Mapping):
                yield from properties
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


def _check_references(schema: Any) -> None:
    """Every reference must lead somewhere in the schema itself: nothing is ever fetched."""
    import referencing
    import referencing.exceptions
    from referencing.jsonschema import DRAFT202012

    resource = referencing.Resource.from_contents(schema, default_specification=DRAFT202012)
    resolver = referencing.Registry().with_resource("", resource).resolver()
    pending = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            reference = node.get("$ref")
            if isinstance(reference, str) and "$id" not in node:
                try:
                    resolver.lookup(reference)
                except referencing.exceptions.Unresolvable:
                    raise ValueError(
                        f"$ref {reference!r} leads outside the schema; put what it names under $defs"
                    ) from None
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


@lru_cache(maxsize=256)
def typed_once(kind: Any) -> Validator:
    """`typed`, remembered for types that come with each call."""
    return typed(kind)
