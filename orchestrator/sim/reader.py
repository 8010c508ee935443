"""Filling in a JSON Schema from a text: what a model asked for structured output does, by rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from orchestrator.sim import reading
from orchestrator.sim.reading import Page, fold, named
from orchestrator.sim.words import CATCH_ALL, LANGUAGE_NAMES, NAMES, THINGS

ABSENT: Any = object()
DEPTH = 12
SIMPLE = frozenset({"type", "title", "description", "examples", "default", "format", "$comment"})
UNIT_WORDS = frozenset(
    {
        "kg",
        "lb",
        "lbs",
        "eur",
        "usd",
        "gbp",
        "cbm",
        "m3",
        "cm",
        "mm",
        "km",
        "seconds",
        "days",
        "percent",
        "iso",
    }
)
NUMBER_WORDS = frozenset({"id", "no", "num", "nr", "ref"})
SURENESS = frozenset({"confidence", "score", "certainty", "probability"})
TELLING = frozenset(
    {"summary", "reason", "explanation", "rationale", "notes", "note", "comment", "evidence", "answer"}
)
SHAPES: Mapping[str, re.Pattern[str]] = {
    "container number": re.compile(r"\b[A-Z]{3}[UJZ] ?\d{6}[ -]?\d\b"),
    "iban": re.compile(r"<IBAN_CODE_\d+>|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
}


def filled(schema: Any, text: str) -> Any:
    """A value for the schema, read from the text; what is required but not there gets the least value."""
    reader = Reader(schema, text)
    value = reader.value(schema, ())
    return reader.least(schema) if value is ABSENT else value


@lru_cache(maxsize=2048)
def _words(name: str) -> tuple[str, ...]:
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[^\W_]+", fold(split).replace("e-mail", "email")))


def _index() -> dict[str, str]:
    index: dict[str, str] = {}
    for thing, phrases in THINGS.items():
        for phrase in (thing, *phrases):
            index.setdefault(" ".join(_words(phrase)), thing)
    return index | {" ".join(_words(thing)): thing for thing in THINGS}


INDEX = _index()


@lru_cache(maxsize=2048)
def phrases_for(name: str, title: str = "", description: str = "") -> tuple[str, ...]:
    """What a text may call a property: its own name, its title, and what others call the same thing."""
    words = [word for word in _words(name) if word not in UNIT_WORDS] or list(_words(name))
    if words and words[-1] in NUMBER_WORDS:
        words[-1] = "number"
    own = [" ".join(words), title, *_described(description), " ".join(_words(name))]
    if len(words) > 1 and words[-1] in ("name", "value", "text", "number", "count", "total"):
        own.insert(1, " ".join(words[:-1]))
    own += [one for one in (own[0].removesuffix("s"),) if one in INDEX]
    known = [THINGS[INDEX[key]] for phrase in own if (key := " ".join(_words(phrase))) in INDEX]
    return tuple(
        dict.fromkeys(phrase for phrase in (*own[:1], *(p for each in known for p in each), *own) if phrase)
    )


def _described(description: str) -> list[str]:
    parted = re.split(r"[,;/()|]|\b(?:or|the|an?|e\.g)\b", description)
    bits = (bit.strip(" .:\"'") for bit in parted)
    return [bit for bit in bits if len(bit) >= 3 and len(bit.split()) <= 4]


def thing_of(phrases: tuple[str, ...]) -> str:
    return next((INDEX[key] for phrase in phrases if (key := " ".join(_words(phrase))) in INDEX), "")


class Reader:
    """One schema and one text."""

    def __init__(self, root: Any, text: str) -> None:
        self.root, self.page = root, Page(text)

    def value(self, schema: Any, phrases: tuple[str, ...], depth: int = 0) -> Any:
        """What the text says, or ABSENT."""
        schema = self.resolved(schema)
        if not isinstance(schema, dict) or depth > DEPTH:
            return ABSENT
        if "const" in schema:
            return schema["const"]
        if options := _options(schema):
            found = (self.value(option, phrases, depth + 1) for option in options)
            return next((value for value in found if value is not ABSENT and value is not None), ABSENT)
        if "enum" in schema:
            return self.choice(_list(schema["enum"]), phrases)
        match _type(schema):
            case "object":
                return self.object(schema, phrases, depth)
            case "array":
                return self.array(schema, phrases, depth)
            case kind:
                return next(
                    (leaf for leaf in self.leaves(kind, schema, phrases) if fits(schema, leaf)), ABSENT
                )

    def object(self, schema: dict[str, Any], phrases: tuple[str, ...], depth: int) -> Any:
        """Each property from the text; the object is absent if nothing in it is found."""
        properties, found = _properties(schema), {}
        for name, inner in properties.items():
            value = self.value(inner, self._phrases(name, inner, phrases), depth + 1)
            if value is not ABSENT:
                found[name] = value
        if depth and not found:
            return ABSENT
        for name in _strings(schema.get("required")):
            if name not in found:
                found[name] = self.least(properties.get(name, {}), depth + 1)
        self._sureness(properties, found)
        return {name: found[name] for name in (*properties, *found) if name in found}

    def _phrases(self, name: str, schema: Any, outer: tuple[str, ...]) -> tuple[str, ...]:
        schema = self.resolved(schema)
        told = schema if isinstance(schema, dict) else {}
        own = phrases_for(name, _string(told.get("title")), _string(told.get("description")))
        return (*(f"{outer[0]} {own[0]}" for _ in outer[:1]), *own) if own else outer

    def _sureness(self, properties: dict[str, Any], found: dict[str, Any]) -> None:
        """How sure a model says it is: by how much of what was asked the text tells."""
        for name, inner in properties.items():
            schema = self.resolved(inner)
            if name.lower() in SURENESS and isinstance(schema, dict) and _type(schema) == "number":
                others = [value for key, value in found.items() if key != name]
                told = sum(value not in (None, "", [], "unknown") for value in others)
                sure = round(0.35 + 0.6 * told / max(1, len(properties) - 1), 2)
                if fits(schema, sure):
                    found[name] = sure

    def array(self, schema: dict[str, Any], phrases: tuple[str, ...], depth: int) -> Any:
        items = self.resolved(schema.get("items", {}))
        if not isinstance(items, dict):
            return ABSENT
        found = list(
            self._rows(items, phrases, depth) if _type(items) == "object" else self._items(items, phrases)
        )
        if schema.get("uniqueItems"):
            found = [value for place, value in enumerate(found) if value not in found[:place]]
        found = found[: _bound(schema.get("maxItems"), 1000)]
        return found if found and len(found) >= _bound(schema.get("minItems"), 0) else ABSENT

    def _items(self, items: dict[str, Any], phrases: tuple[str, ...]) -> Iterator[Any]:
        if "enum" in items:
            places = ((self._place(value), value) for value in _list(items["enum"]))
            yield from (
                value for place, value in sorted((p for p in places if p[0] >= 0), key=lambda p: p[0])
            )
            return
        read = self._reader(_type(items), items, phrases)
        for said in self._listed(phrases):
            value = read(said, False)
            if value is not None and fits(items, value):
                yield value

    def _listed(self, phrases: tuple[str, ...]) -> list[str]:
        for phrase in phrases:
            if found := self.page.list_below(phrase):
                return found
        if thing_of(phrases) == "email":
            return reading.EMAIL.findall(self.page.text)
        for region, _ in self.page.regions(phrases):
            return [
                part for part in re.split(r"\s*[,;]\s+|\s+(?:and|und|et|y|en)\s+", region.strip()) if part
            ]
        return []

    def _rows(self, items: dict[str, Any], phrases: tuple[str, ...], depth: int) -> Iterator[Any]:
        """The rows of a table whose columns are named like the properties."""
        properties = _properties(items)
        if not properties:
            return
        names = {name: self._phrases(name, inner, ()) for name, inner in properties.items()}
        for number, row in enumerate(self.page.folded_rows):
            columns = self._columns(row, names)
            if len(columns) >= min(2, len(properties)) and len(row) >= 2:
                yield from self._below(number, columns, items, depth)
                return

    def _columns(self, row: list[str], names: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
        columns: dict[str, int] = {}
        for name, phrases in names.items():
            for phrase in phrases:
                place = next(
                    (
                        n
                        for n, cell in enumerate(row)
                        if named(phrase).search(cell) and n not in columns.values()
                    ),
                    -1,
                )
                if place >= 0:
                    columns[name] = place
                    break
        return columns

    def _below(
        self, number: int, columns: dict[str, int], items: dict[str, Any], depth: int
    ) -> Iterator[Any]:
        width = max(columns.values()) + 1
        for row in self.page.rows[number + 1 :]:
            if all(re.fullmatch(r"[-=_+: ]*", cell) for cell in row) and row:
                continue
            if len(row) < width or row[0].lower().startswith(("total", "sum", "gesamt")):
                return
            found = self._row(row, columns, items)
            for name in _strings(items.get("required")):
                if name not in found:
                    found[name] = self.least(items["properties"].get(name, {}), depth + 1)
            yield found

    def _row(self, row: list[str], columns: dict[str, int], items: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for name, column in columns.items():
            schema = self.resolved(items["properties"][name])
            if not isinstance(schema, dict):
                continue
            value = self._reader(_type(schema), schema, phrases_for(name))(row[column], False)
            if value is not None and fits(schema, value):
                found[name] = value
        return found

    def leaves(self, kind: str, schema: dict[str, Any], phrases: tuple[str, ...]) -> Iterator[Any]:
        """Candidates for one value, the likeliest first."""
        if kind == "null" or not phrases:
            return
        last = _words(phrases[0])[-1:]
        if kind == "string" and last and last[0] == "language":
            yield reading.language_of(self.page.text)
        read = self._reader(kind, schema, phrases)
        for region, prose in self.page.regions(phrases):
            if (value := read(region, prose)) is not None:
                yield value
        if kind == "string":
            yield from self._unlabelled(schema, phrases)

    def _unlabelled(self, schema: dict[str, Any], phrases: tuple[str, ...]) -> Iterator[str]:
        """What is known by its looks, wherever it stands."""
        text, thing = self.page.text, thing_of(phrases)
        if thing in SHAPES:
            yield from SHAPES[thing].findall(text)
        elif thing == "email" or schema.get("format") == "email":
            yield from reading.EMAIL.findall(text)
        elif _is_date(schema, phrases):
            yield from reading.dates_in(text)
        elif thing == "currency":
            yield from filter(None, [reading.currency_in(text)])
        elif TELLING & set(_words(phrases[0])):
            yield from filter(None, [reading.summary(text, limit=_bound(schema.get("maxLength"), 300))])
        if isinstance(pattern := schema.get("pattern"), str):
            yield from (word for word in re.findall(r"[^\s,;|]+", text) if _matches(pattern, word))

    def _reader(
        self, kind: str, schema: dict[str, Any], phrases: tuple[str, ...]
    ) -> Callable[[str, bool], Any]:
        """How the value of one kind is read from the place behind its label."""
        if kind in ("number", "integer"):
            unit = "kg" if any("kg" in _words(phrase) for phrase in phrases) else ""
            return lambda region, prose: _numeric(reading.number_in(region, unit), kind)
        if kind == "boolean":
            return lambda region, prose: reading.yes_or_no(region)
        if kind != "string":
            return lambda region, prose: None
        if _is_date(schema, phrases):
            suffix = "T00:00:00Z" if schema.get("format") == "date-time" else ""
            return lambda region, prose: f"{date}{suffix}" if (date := reading.date_in(region)) else None
        thing = "email" if schema.get("format") == "email" else thing_of(phrases)
        plain = {"email": reading.email_in, "phone": reading.phone_in, "currency": reading.currency_in}
        if thing in plain:
            return lambda region, prose: plain[thing](region)
        return reading.text_in

    def choice(self, values: list[Any], phrases: tuple[str, ...]) -> Any:
        """The value of a closed list that the text names: behind the label, else the earliest."""
        strings = [value for value in values if isinstance(value, str)]
        if phrases and "language" in _words(phrases[0]):
            spoken = reading.language_of(self.page.text)
            return next((v for v in strings if LANGUAGE_NAMES.get(fold(v), fold(v)) == spoken), ABSENT)
        for region, _ in self.page.regions(phrases):
            said = fold(region.strip())
            if hits := [value for value in strings if _earliest(value, said) == 0]:
                return max(hits, key=len)
            number = reading.number_in(region)
            if number is not None and number in values:
                return values[values.index(number)]
        places = [(place, -len(value), value) for value in strings if (place := self._place(value)) >= 0]
        if places:
            return min(places)[2]
        return next((value for value in strings if fold(value) in CATCH_ALL), ABSENT)

    def _place(self, value: Any) -> int:
        return _earliest(value, self.page.folded) if isinstance(value, str) else -1

    def resolved(self, schema: Any, depth: int = 0) -> Any:
        """The schema with its local reference followed and its `allOf` merged in."""
        if not isinstance(schema, dict) or depth > DEPTH:
            return schema
        if isinstance(reference := schema.get("$ref"), str):
            target = self._target(reference)
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**target, **rest} if isinstance(target, dict) else rest
            return self.resolved(schema, depth + 1)
        if "allOf" not in schema:
            return schema
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in _list(schema["allOf"]):
            merged = _merged(merged, self.resolved(part, depth + 1))
        return merged

    def _target(self, reference: str) -> Any:
        target = self.root
        for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, dict) else None
        return target

    def least(self, schema: Any, depth: int = 0) -> Any:
        """The smallest value that the schema takes, for what is required and not there."""
        schema = self.resolved(schema)
        if not isinstance(schema, dict) or depth > DEPTH:
            return None
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if "enum" in schema:
            return None if None in (values := _list(schema["enum"])) else next(iter(values), None)
        if options := _options(schema):
            null = any(isinstance(option, dict) and option.get("type") == "null" for option in options)
            return None if null else self.least(options[0], depth + 1)
        if "null" in _types(schema):
            return None
        match _type(schema):
            case "object":
                properties = _properties(schema)
                return {
                    name: self.least(properties.get(name, {}), depth + 1)
                    for name in _strings(schema.get("required"))
                }
            case "array":
                return [self.least(schema.get("items", {}), depth + 1)] * min(
                    _bound(schema.get("minItems"), 0), 100
                )
            case "boolean":
                return False
            case "number" | "integer":
                return _least_number(schema)
            case "string":
                return _least_text(schema)
        return None


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether one value keeps to what its schema says beyond the type."""
    if schema.keys() <= SIMPLE:
        return True
    from jsonschema import Draft202012Validator

    try:
        return Draft202012Validator(schema).is_valid(value)
    except Exception:  # a schema that is none: a model does not mind, whoever validates the answer will
        return True


def _types(schema: dict[str, Any]) -> list[str]:
    said = schema.get("type")
    if said is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        return [kind]
    return [said] if isinstance(said, str) else _strings(said)


def _type(schema: dict[str, Any]) -> str:
    return next((kind for kind in _types(schema) if kind != "null"), "null")


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, (list, tuple)) else []


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _options(schema: dict[str, Any]) -> list[Any]:
    return _list(schema.get("anyOf")) or _list(schema.get("oneOf"))


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _bound(value: Any, otherwise: int) -> int:
    return int(value) if isinstance(value, (int, float)) and value >= 0 else otherwise


def _merged(one: dict[str, Any], other: Any) -> dict[str, Any]:
    if not isinstance(other, dict):
        return one
    properties = {**_properties(one), **_properties(other)}
    required = [*_strings(one.get("required")), *_strings(other.get("required"))]
    return {**other, **one, **({"properties": properties, "required": required} if properties else {})}


def _is_date(schema: dict[str, Any], phrases: tuple[str, ...]) -> bool:
    if schema.get("format") in ("date", "date-time"):
        return True
    words = _words(phrases[0]) if phrases else ()
    return bool({"date", "datum", "fecha"} & set(words)) or thing_of(phrases).endswith(" date")


def _numeric(number: float | None, kind: str) -> float | int | None:
    if number is None or kind == "number":
        return number
    return int(number) if float(number).is_integer() else None


def _matches(pattern: str, word: str) -> bool:
    try:
        return re.search(pattern, word) is not None
    except re.error:
        return False


def _earliest(value: str, folded: str) -> int:
    """Where a folded text first names a value of a closed list; -1 if nowhere."""
    plain = " ".join(_words(value))
    names = (value, *NAMES.get(plain, ())) if plain else (value,)
    places = [match.start() for name in names if (match := named(name).search(folded))]
    return min(places, default=-1)


def _least_number(schema: dict[str, Any]) -> float | int:
    low, high = _limit(schema, "minimum", "exclusiveMinimum"), _limit(schema, "maximum", "exclusiveMaximum")
    whole = _type(schema) == "integer"
    tries: list[float] = [0]
    for edge in (low, high):
        if edge is not None:
            tries += [edge, edge + 1, edge - 1]
    if low is not None and high is not None:
        tries.append((low + high) / 2)
    step = _limit(schema, "multipleOf")
    if step:
        tries += [step * (edge // step + more) for edge in tries for more in (0, 1)]
    candidates = [int(number) if whole or float(number).is_integer() else number for number in tries]
    return next((number for number in candidates if fits(schema, number)), candidates[0])


def _limit(schema: dict[str, Any], *names: str) -> float | None:
    return next((schema[name] for name in names if isinstance(schema.get(name), (int, float))), None)


def _least_text(schema: dict[str, Any]) -> str:
    kinds = {"date": "1970-01-01", "date-time": "1970-01-01T00:00:00Z", "email": "unknown@example.com"}
    if schema.get("format") in kinds:
        return kinds[schema["format"]]
    shortest = min(_bound(schema.get("minLength"), 0), 10_000)
    return "unknown".ljust(shortest, ".")[: _bound(schema.get("maxLength"), 10_000)] if shortest else ""


def schema_in(text: str) -> tuple[Any, str]:
    """The first JSON Schema that stands in a text, and the text without it; None if there is none."""
    import json

    if not re.search(r'"(?:properties|\$schema|enum|items|type)"', text):
        return None, text
    decoder = json.JSONDecoder()
    for match in list(re.finditer(r"\{\s*\"", text))[:200]:
        try:
            found, end = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        if _is_schema(found):
            return found, text[: match.start()] + text[end:]
    return None, text


def _is_schema(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    kinds = ("object", "array", "string", "number", "integer", "boolean")
    typed = value.get("type") in kinds and bool(value.keys() & {"items", "enum", "properties", "title"})
    return isinstance(value.get("properties"), dict) or "$schema" in value or typed
