"""Reading by rules: what a text states is found in any layout and language; the answer fits the schema."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.sim import reading
from orchestrator.sim.reader import filled, schema_in
from orchestrator.sim.reading import fold, number_in, parse_number

NAMES = st.sampled_from(
    [
        "invoice_number",
        "total",
        "date",
        "grossWeight",
        "email",
        "items",
        "status",
        "paid",
        "notes",
        "confidence",
        "x",
    ]
)


def bounded_numbers(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    def made(low: int, room: int, keys: set[str]) -> dict[str, Any]:
        bounds = {
            "minimum": low,
            "maximum": low + room,
            "exclusiveMinimum": low,
            "exclusiveMaximum": low + room,
        }
        return {"type": kind, **{key: bounds[key] for key in sorted(keys)}}

    keys = st.sets(st.sampled_from(["minimum", "maximum"])) | st.sets(
        st.sampled_from(["exclusiveMinimum", "exclusiveMaximum"])
    )
    return st.builds(made, st.integers(-50, 50), st.integers(3, 60), keys)


LEAVES = st.one_of(
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 5),
        st.integers(0, 40),
    ),
    st.sampled_from([{"type": "string", "format": form} for form in ("date", "date-time", "email")]),
    bounded_numbers("integer"),
    bounded_numbers("number"),
    st.builds(
        lambda step: {"type": "number", "multipleOf": step, "minimum": 1}, st.sampled_from([5, 0.5, 12])
    ),
    st.sampled_from(
        [{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"]}, {"type": "string"}, {}]
    ),
    st.lists(st.sampled_from(["open", "closed", "EUR", "other", None, 3, 7.5]), min_size=1, unique=True).map(
        lambda values: {"enum": values}
    ),
    st.sampled_from([{"const": "fixed"}, {"const": {"deep": [1]}}, {"$ref": "#/$defs/amount"}]),
)


def grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.builds(
        lambda properties, required: {
            "type": "object",
            "properties": properties,
            "required": sorted(required & properties.keys()),
            "additionalProperties": False,
        },
        st.dictionaries(NAMES, inner, max_size=4),
        st.sets(NAMES),
    )
    lists = st.builds(
        lambda items, low, more: {"type": "array", "items": items, "minItems": low, "maxItems": low + more},
        inner,
        st.integers(0, 2),
        st.integers(0, 3),
    )
    options = st.lists(inner, min_size=1, max_size=2).map(lambda several: {"anyOf": several})
    merged = inner.map(lambda schema: {"allOf": [schema], "title": "merged"})
    return objects | lists | options | merged


SCHEMAS = st.recursive(LEAVES, grown, max_leaves=6)
TEXTS = st.lists(
    st.sampled_from(
        [
            "Invoice no: INV-7", "Total: 1.234,50 EUR", "Date | 2026-01-02", "Gross weight   12 lb",
            "status: closed",
            "Paid: no", "- one", "- two", "E-mail: <EMAIL_ADDRESS_1>", "Items:", "item  total  paid",
            "bolt  3  yes",
            "Notes", "late again.", "x is 4.", "amount: 3",
        ]
    ) | st.text(max_size=20),
    max_size=8,
).map("\n".join)  # fmt: skip


@given(SCHEMAS, TEXTS)
@settings(max_examples=300)
@example({"type": "object", "properties": {"x": {"$ref": "#/$defs/amount"}}, "required": ["x"]}, "x: 5")
def test_answers_fit_the_schema_that_they_were_asked_for(schema: dict[str, Any], text: str) -> None:
    root = {**schema, "$defs": {"amount": {"type": "number", "minimum": 2}}}
    value = filled(root, text)
    problems = [error.message for error in Draft202012Validator(root).iter_errors(value)]
    assert not problems
    assert json.loads(json.dumps(value)) == value


LAYOUTS = [
    "{label}: {value}\nNext: thing",
    "{label} = {value}",
    "{label}\n    {value}\n",
    "1. {label}\n{value}",
    "| {label} | {value} |",
    "{label}     {value}",
    "{label} ......... {value}",
    "> {label}: {value}",
    "Dear all,\nthe facts. {label} is {value}. Regards",
    '{{"{label}": "{value}", "next": null}}',
    "Page: 1  {label}: {value}  Next: thing",
]
LABELS = {
    "gross_weight": (
        "Gross weight",
        "Bruttogewicht",
        "Poids brut",
        "Peso bruto",
        "Brutogewicht",
        "Peso lordo",
    ),
    "consignee": ("Consignee", "Empfänger", "Destinataire", "Destinatario", "Geadresseerde", "EMPFÄNGER"),
    "issue_date": (
        "Date of issue",
        "Ausstellungsdatum",
        "Date d'émission",
        "Fecha de emisión",
        "Datum van afgifte",
    ),
}
ONE_EACH = [(name, label) for name, labels in LABELS.items() for label in labels]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("name", "label"), ONE_EACH)
def test_a_labelled_value_is_found_in_any_layout_and_language(layout: str, name: str, label: str) -> None:
    kind, written, value = {
        "gross_weight": ({"type": "number"}, "1.234,5 kg", 1234.5),
        "consignee": ({"type": "string"}, "Zuiderzee Handel BV", "Zuiderzee Handel BV"),
        "issue_date": ({"type": "string"}, "2026-03-12", "2026-03-12"),
    }[name]
    schema = {"type": "object", "properties": {name: kind}}
    assert filled(schema, layout.format(label=label, value=written)) == {name: value}


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1,234.50", 1234.5), ("1.234,50", 1234.5), ("1 234,50", 1234.5), ("1'234.50", 1234.5),
        ("1,234", 1234),
        ("1.234.567", 1234567), ("12,5", 12.5), ("0,125", 0.125), ("-3", -3), ("−3.5", -3.5),
        ("7", 7), ("7.", 7),
        ("1,234,567.8", 1234567.8),
    ],
)  # fmt: skip
def test_numbers_are_read_as_each_language_writes_them(written: str, number: float) -> None:
    assert parse_number(written) == number
    assert number_in(f"EUR {written} net") == number


@given(st.integers(0, 10**9), st.integers(0, 99), st.sampled_from([",.", ".,", " ,", "'."]))
def test_every_amount_with_two_places_is_read_back(whole: int, cents: int, marks: str) -> None:
    written = f"{whole:,}".replace(",", marks[0]) + f"{marks[1]}{cents:02}"
    assert number_in(written) == pytest.approx(whole + cents / 100)


FORMS = ["{0:%Y-%m-%d}", "{0.day}.{0.month}.{0.year}", "{0.day:02}/{0.month:02}/{0.year}"]
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
}


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.sampled_from(sorted(MONTHS)))
def test_every_date_is_read_back_in_every_language(day: date, language: str) -> None:
    month = MONTHS[language].split()[day.month - 1]
    named = [
        f"{day.day} {month} {day.year}",
        f"{day.day}. {month} {day.year}",
        f"{month} {day.day}, {day.year}",
    ]
    named.append(f"{day.day} de {month} de {day.year}")
    for written in [*named, *(form.format(day) for form in FORMS)]:
        assert reading.date_in(written) == day.isoformat()


def test_dates_that_are_none_are_not_read() -> None:
    assert reading.date_in("no 2026-13-45, no 12 Brumaire 1799") is None
    assert reading.date_in("12/31/26") == "2026-12-31"


@given(st.text())
def test_folding_keeps_every_character_in_its_place(text: str) -> None:
    assert len(fold(text)) == len(text)


def one(kind: Any, text: str, name: str = "value", **more: Any) -> Any:
    return filled({"type": "object", "properties": {name: kind}, **more}, text).get(name)


TEXT = {"type": "string"}
NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    ("name", "kind", "text", "value"),
    [
        ("contact_email", TEXT, "write to ann@example.com", "ann@example.com"),
        (
            "contact",
            {"type": "string", "format": "email"},
            "Contact: Ann, ann@example.com",
            "ann@example.com",
        ),
        ("phone", TEXT, "Tel.: +44 20 7946 0123 (Ann)", "+44 20 7946 0123"),
        ("phone", TEXT, "Phone: <PHONE_NUMBER_2>", "<PHONE_NUMBER_2>"),
        ("currency", TEXT, "All in £", "GBP"),
        ("currency", TEXT, "Currency: CHF", "CHF"),
        ("currency", TEXT, "Currency: florins", None),
        ("container", TEXT, "our box ZZZU1234567 is late", "ZZZU1234567"),
        ("iban", TEXT, "pay to GB33 TEST 0000 1111 2222 33", "GB33 TEST 0000 1111 2222 33"),
        ("iban", TEXT, "pay to <IBAN_CODE_1>", "<IBAN_CODE_1>"),
        ("language", TEXT, "Bitte senden Sie die Rechnung und das Datum", "de"),
        ("language", {"enum": ["English", "French"]}, "le numéro et le poids des colis", "French"),
        ("language", {"enum": ["English"]}, "le numéro et le poids des colis", None),
        ("summary", TEXT, "It is late. It is lost.", "It is late. It is lost."),
        ("sku", {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"}, "send AB-12, please", "AB-12"),
        ("sku", {"type": "string", "pattern": "(("}, "send AB-12, please", None),
        ("weight_kg", NUMBER, "Weight: 100 lbs", 45.36),
        ("weight_kg", NUMBER, "Weight: 2 t", 2000),
        ("weight", NUMBER, "Weight: 100 lbs", 100),
        ("total", NUMBER, "Total: <CREDIT_CARD_1>", None),
        ("count", {"type": "integer"}, "Count: 2.5", None),
        ("paid", {"type": "boolean"}, "Paid: [x]", True),
        ("paid", {"type": "boolean"}, "Paid: not yet", False),
        ("paid", {"type": "boolean"}, "Paid: perhaps", None),
        ("origin", TEXT, "Origin: n/a", None),
        ("consignee_name", TEXT, "Consignee: Foo Ltd", "Foo Ltd"),
        ("order_id", TEXT, "Bestellnummer: 77", "77"),
        ("betrag", NUMBER, "Endbetrag 12,50", 12.5),
        ("thing", {"type": "string", "title": "Seal number"}, "Plombennummer: 99", "99"),
        ("thing", {"type": "string", "description": "the vessel, or ship"}, "Navire: Aurelia", "Aurelia"),
        ("vessel", TEXT, "VESSEL .... Aurelia", "Aurelia"),
        ("vessel", TEXT, "Vcssc1: Aurelia", "Aurelia"),
        ("vessel", TEXT, "Vessel: “Aurelia” of Genoa", "Aurelia"),
        ("vessel", TEXT, "Vessel: Aurelia, Port of loading: Genoa", "Aurelia"),
        ("status", {"enum": ["in_transit", "delivered"]}, "It was delivered, not in transit.", "delivered"),
        ("status", {"enum": ["late", "early"]}, "Nothing early. Status: late", "late"),
        ("level", {"enum": [1, 2, 3]}, "Level: 2", 2),
        ("level", {"enum": [1, 2, 3]}, "Level: 9", None),
        (
            "kind",
            {"enum": ["packing_list", "bill_of_lading"]},
            "KONNOSSEMENT\nPackliste liegt bei",
            "bill_of_lading",
        ),
        ("kind", {"enum": ["odd", "other"]}, "who knows", "other"),
        ("value", {"anyOf": [{"type": "null"}, {"type": "number"}]}, "Value: 4", 4),
        ("value", {"oneOf": [{"type": "null"}, {"type": "number"}]}, "nothing", None),
        ("due", {"type": "string", "format": "date-time"}, "Due: 1 May 2026", "2026-05-01T00:00:00Z"),
        ("confidence", NUMBER, "anything", 0.35),
        ("tags", {"type": "array", "items": TEXT}, "Tags: red, green and blue", ["red", "green", "blue"]),
        ("tags", {"type": "array", "items": TEXT}, "Tags\n- red\n2. green\nEnd", ["red", "green"]),
        ("tags", {"type": "array", "items": TEXT, "uniqueItems": True}, "Tags: red, red", ["red"]),
        ("tags", {"type": "array", "items": TEXT, "minItems": 3}, "Tags: red, blue", None),
        ("tags", {"type": "array", "items": True}, "Tags: red, blue", None),
        (
            "emails",
            {"type": "array", "items": TEXT},
            "a@example.com, b@example.org",
            ["a@example.com", "b@example.org"],
        ),
        (
            "email",
            {"type": "array", "items": TEXT},
            "a@example.com b@example.org",
            ["a@example.com", "b@example.org"],
        ),
        ("kinds", {"type": "array", "items": {"enum": ["a", "b", "c"]}}, "first c then a", ["c", "a"]),
        ("rows", {"type": "array", "items": {"type": "object"}}, "a | b", None),
        ("gross_weight", NUMBER, "Gross weight\tNext\n12\tthing", 12),
        ("x", True, "x: 1", None),
    ],
)
def test_one_property_is_read(name: str, kind: Any, text: str, value: Any) -> None:
    assert one(kind, text, name) == value


ITEMS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "description": TEXT,
            "quantity": {"type": "integer"},
            "unit_price": NUMBER,
            "note": {"type": ["string", "null"]},
            "odd": True,
        },
        "required": ["description", "note"],
    },
}


@pytest.mark.parametrize(
    "text",
    [
        "Item | Qty | Price | Odd\n---|---|---|---\nBolt | 12 | 3.50 | x\nNut | ? | 1,25 | x\nTotal | | 9 |",
        "Bezeichnung  Menge  Einzelpreis\nBolt  12  3,50\nNut  -  1,25\n\nSumme: 9",
        "Désignation\tQuantité\tPrix unitaire\nBolt\t12\t3,50\nNut\t?\t1,25",
    ],
)
def test_a_table_is_read_row_by_row(text: str) -> None:
    assert one(ITEMS, text, "lines") == [
        {"description": "Bolt", "quantity": 12, "unit_price": 3.5, "note": None},
        {"description": "Nut", "unit_price": 1.25, "note": None},
    ]


def test_a_text_without_a_table_has_no_rows() -> None:
    assert one(ITEMS, "Nothing to declare", "lines") is None


def test_objects_within_objects_are_read_by_both_names() -> None:
    schema = {
        "properties": {
            "consignee": {
                "type": "object",
                "properties": {"name": TEXT, "city": TEXT},
                "required": ["name", "zip"],
            },
            "absent": {"type": "object", "properties": {"zzz": TEXT}},
        }
    }
    text = "Shipper name: Foo\nConsignee name: Bar Ltd\nConsignee city: Genoa"
    assert filled(schema, text) == {"consignee": {"name": "Bar Ltd", "city": "Genoa", "zip": ""}}


def test_what_is_required_and_missing_gets_the_least_value() -> None:
    kinds: dict[str, Any] = {
        "a": {"type": "string", "minLength": 3},
        "b": {"type": "array", "items": NUMBER, "minItems": 2},
        "c": {"type": "object", "properties": {"d": NUMBER}, "required": ["d"]},
        "e": {"default": 5, "type": "integer"},
        "f": {"enum": [None, "x"]},
        "g": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "h": {"type": "boolean"},
        "i": {"anyOf": [{"type": "integer", "minimum": 3}]},
        "j": {"type": "wrong"},
        "k": {"enum": []},
        "l": True,
        "m": {"type": "null"},
        "n": {"type": "integer", "minimum": 7, "multipleOf": 5},
        "o": {"const": 1},
    }
    assert filled({"properties": kinds, "required": sorted(kinds)}, "") == {
        "a": "unknown", "b": [0, 0], "c": {"d": 0}, "e": 5, "f": None, "g": None, "h": False, "i": 3,
        "j": None, "k": None, "l": None, "m": None, "n": 10, "o": 1,
    }  # fmt: skip
    assert filled(TEXT, "") == ""


def test_recursive_and_broken_schemas_end() -> None:
    loop = {"$defs": {"x": {"$ref": "#/$defs/x"}}, "$ref": "#/$defs/x"}
    assert filled(loop, "text") in ("", None)
    deep = {"type": "object", "properties": {"x": {"$ref": "#"}}, "required": ["x"]}
    assert isinstance(filled(deep, "text"), dict)
    assert filled({"$ref": "#/nowhere"}, "text") == ""
    assert filled({"$ref": "#/type/0", "type": "boolean"}, "text") is False
    assert filled(True, "text") is None
    assert filled({"properties": 5}, "text") == {}
    assert filled({"type": "array", "items": {"type": "object", "properties": 3}}, "a | b") == []


KEYWORDS = [
    "type",
    "properties",
    "items",
    "enum",
    "required",
    "anyOf",
    "allOf",
    "$ref",
    "minItems",
    "minimum",
]
RUBBISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["object", "array", "#/enum"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYWORDS) | st.text(), inner),
)


@given(RUBBISH, TEXTS)
@settings(max_examples=150)
def test_a_schema_that_is_none_is_no_accident(schema: Any, text: str) -> None:
    filled(schema, text)


def test_a_schema_is_found_in_prose_and_taken_out() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert schema_in(f"Use {json.dumps(schema)} please") == (schema, "Use  please")
    assert schema_in('{"type": "invoice", "a": {"b": [}') == (None, '{"type": "invoice", "a": {"b": [}')
    assert schema_in('{"type": "string", "x": 1}')[0] is None
    assert schema_in('[1] {"enum": ["a"], "type": "string"}')[0] == {"enum": ["a"], "type": "string"}
    assert schema_in("no braces")[0] is None
    assert schema_in('{"type":' * 100_000)[0] is None


def test_a_page_of_noise_is_read_in_no_time() -> None:
    for noise in (
        "{" * 50_000,
        " " * 50_000,
        "weight: " * 5_000,
        "1" * 20_000,
        "<" * 20_000,
        "a.b@" * 10_000,
    ):
        filled({"properties": {"gross_weight": NUMBER, "email": TEXT, "phone": TEXT, "date": TEXT}}, noise)


def test_a_summary_is_short_and_says_what_the_text_says() -> None:
    text = " ".join(f"Sentence number {n}." for n in range(99))
    assert reading.summary(text) == "Sentence number 0. Sentence number 1. Sentence number 2."
    assert len(reading.summary("word " * 999, limit=50)) == 50
