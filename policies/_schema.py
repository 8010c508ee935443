"""The JSON Schema of the policy file, made from the guards' own dataclasses; editors complete from it."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from inspect import cleandoc
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from guards._flow import Checking
from guards._helpers import Helper
from guards._models import Model
from policies._build import adapter, is_check, settings
from policies._find import built_in, find, known
from policies._load import VERSION, Placing
from policies._policy import Example, outcomes

FILE = Path(__file__).parent / "schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(names: Iterable[str] | None = None) -> dict[str, Any]:
    """The JSON Schema of a policy file, with the guards named, or with every guard that is installed."""
    kinds = {name: find(name) for name in (known() if names is None else names)}
    shapes, defs = _shapes(
        {"Model": Model, "Helper": Helper, "Example": Example, "Placing": Placing, "Checking": Checking}
        | kinds
    )
    common, checks = shapes["Placing"]["properties"], shapes["Checking"]["properties"]
    for name, kind in kinds.items():
        extra = {**common, **(checks if is_check(kind) else {})}
        defs[f"use-{name}"] = _item(name, kind, shapes[name], extra)
    defs["guard"] = _any_item(kinds)
    defs["model"] = _roomy(shapes["Model"])
    defs["helper"] = _roomy(shapes["Helper"])
    defs["example"] = _example(shapes["Example"])
    return {"$schema": DIALECT, "title": "A Wardline policy", **_top(), "$defs": dict(sorted(defs.items()))}


def text(names: Iterable[str] | None = None) -> str:
    """The schema as it is written to a file."""
    return json.dumps(schema(names), indent=2, ensure_ascii=False) + "\n"


def write() -> Path:
    """Bring `policies/schema.json` up to date with the guards of this library."""
    FILE.write_text(text(built_in()), encoding="utf-8")
    return FILE


class _Generator(GenerateJsonSchema):
    """Says nothing of what no file can hold: it is no setting, or the loader will refuse it."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        return {}


def _shapes(kinds: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Each dataclass's schema, and what they share."""
    whole: Any = [(name, "validation", adapter(cast("Hashable", kind))) for name, kind in kinds.items()]
    made, shared = TypeAdapter.json_schemas(
        whole, ref_template="#/$defs/{model}", schema_generator=_Generator
    )
    defs = dict(shared.get("$defs", {}))
    shapes = {name: _followed(made[name, "validation"]["prefixItems"][0], defs) for name in kinds}
    own = {id(shape) for shape in shapes.values()}
    return shapes, {name: _roomy(shape) for name, shape in defs.items() if id(shape) not in own}


def _followed(shape: Any, defs: dict[str, Any]) -> Any:
    return defs[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape


def _roomy(shape: Any) -> Any:
    """The same schema, without titles that only repeat names, and with numbers such as `20_000`.

    That is how the policy reader reads them; an editor's YAML reader takes them for a text.
    """
    if isinstance(shape, list):
        return [_roomy(one) for one in shape]
    if not isinstance(shape, dict):
        return shape
    same = {
        key: _roomy(value) for key, value in shape.items() if not (key == "title" and isinstance(value, str))
    }
    if same.get("type") in ("integer", "number"):
        same |= {"type": [same["type"], "string"], "pattern": "^[0-9]+(_[0-9]+)+$"}
    return same


def _item(name: str, kind: type[Any], shape: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in shape.get("properties", {}).items() if key in settings(kind)}
    properties = {**extra, **own, "use": {"const": name}}
    return {
        "description": cleandoc(kind.__doc__ or name),
        "type": "object",
        "properties": _roomy(properties),
        "required": ["use", *(key for key in shape.get("required", []) if key in own)],
        "additionalProperties": False,
    }


def _any_item(kinds: dict[str, Any]) -> dict[str, Any]:
    """A guard in its place: which schema it follows depends on `use`."""
    uses = [{"const": name, "description": _sentence(kind)} for name, kind in kinds.items()]
    branches = [
        {
            "if": {"properties": {"use": {"const": name}}, "required": ["use"]},
            "then": {"$ref": f"#/$defs/use-{name}"},
        }
        for name in kinds
    ]
    return {"type": "object", "required": ["use"], "properties": {"use": {"oneOf": uses}}, "allOf": branches}


def _sentence(kind: type[Any]) -> str:
    return " ".join(cleandoc(kind.__doc__ or "").partition("\n\n")[0].split())


def _example(shape: dict[str, Any]) -> dict[str, Any]:
    properties = {key: value for key, value in shape["properties"].items() if key not in ("line", "file")}
    properties["expect"] = {"enum": list(outcomes())}
    return {
        **_roomy({**shape, "properties": properties}),
        "oneOf": [{"required": ["model"]}, {"required": ["tool"]}],
    }


def _top() -> dict[str, Any]:
    name = {"type": "string"}
    inherit = {"const": "inherit", "description": "The guards that the extended policy has here."}
    chain = {"type": "array", "items": {"anyOf": [inherit, {"$ref": "#/$defs/guard"}]}}
    told = "Which guards stand before {}, outermost first: what you read is what runs."
    properties = {
        "wardline": {"const": VERSION, "description": "The version of this format."},
        "name": {**name, "description": "What the policy is called in traces and reports."},
        "extends": {
            "description": "A shipped policy's name, or a path relative to this file; or several.",
            "anyOf": [name, {"type": "array", "items": name}],
        },
        "models": {
            "description": "The models, by the names that the program and the guards call them.",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/model"},
        },
        "helpers": {
            "description": "Second parties that guards ask, such as a judge, by name.",
            "type": "object",
            "additionalProperties": {"$ref": "#/$defs/helper"},
        },
        "model": {**chain, "description": told.format("models")},
        "tool": {**chain, "description": told.format("tools")},
        "examples": {
            "description": "What the policy promises; `wardline check` runs them.",
            "type": "array",
            "items": {"$ref": "#/$defs/example"},
        },
    }
    return {
        "type": "object",
        "required": ["wardline"],
        "properties": properties,
        "additionalProperties": False,
    }
