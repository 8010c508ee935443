"""Shipping documents with ground truth, written by a seeded generator.

A shipment comes with a bill of lading, a packing list and a customs form, which should agree, and a fourth
paper that must be told apart from them.  Offices write in five languages and in habits of their own; some
leave fields out, some contradict themselves, some papers come from a bad scanner.

Everybody and everything in them is made up: addresses are in the reserved example domains, telephone
numbers in ranges kept for fiction, cards and accounts carry valid checksums over prefixes that only tests
use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import TypeAlias

from orchestrator.demo._words import COMPANIES, COUNTRIES, FORENAMES, PORTS, SURNAMES, VESSELS, WORDS, Words

Value: TypeAlias = str | int | float

MAIN = ("bill_of_lading", "packing_list", "customs_form")
OTHER = ("commercial_invoice", "delivery_note")
KINDS = MAIN + OTHER
PREFIX = {
    "bill_of_lading": "BL",
    "packing_list": "PL",
    "customs_form": "CD",
    "commercial_invoice": "CI",
    "delivery_note": "DN",
}

HEAD = ("document_number", "shipment_number", "issue_date")
FIELDS: Mapping[str, tuple[str, ...]] = {
    "bill_of_lading": (*HEAD, "shipper", "consignee", "container_number", "packages", "gross_weight"),
    "packing_list": (*HEAD, "shipper", "consignee", "packages", "gross_weight"),
    "customs_form": (*HEAD, "shipper", "consignee", "packages", "gross_weight", "total_value"),
    "commercial_invoice": (*HEAD, "shipper", "consignee", "total_value"),
    "delivery_note": (*HEAD, "consignee", "packages", "gross_weight"),
}
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "bill_of_lading": ("vessel", "loading", "discharge"),
    "packing_list": ("net_weight",),
    "customs_form": ("hs_code", "origin"),
    "commercial_invoice": ("iban", "card"),
    "delivery_note": ("driver", "licence"),
}
DROPPABLE = ("issue_date", "shipper", "container_number", "packages", "gross_weight", "total_value")

POUNDS = 2.204_622_62


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One paper: its text, and what is true about it.

    `truth` holds the fields that the text states, dates as ISO 8601, weights as the number written beside
    `weight_unit`.  `personal` are the e-mail addresses, telephone, card and account numbers in the text;
    `identities` are people's names and driving licences, which take more than the mask's patterns to find.
    `defects` says what is wrong with the paper, such as "missing packages", "contradicts gross_weight",
    "sums" or "scan".
    """

    id: str
    kind: str
    language: str
    text: str
    truth: Mapping[str, Value]
    personal: tuple[str, ...]
    identities: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """Papers that belong together, and what the registry has on file.  `differs` names the fields in which
    one of the main papers says something else than the registry."""

    id: str
    documents: tuple[Document, ...]
    registered: Mapping[str, Value]
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is so about a shipment, before anybody writes it down.  Weights are in kilograms."""

    number: int
    shipper: str
    consignee: str
    container: str
    packages: int
    gross_kg: float
    value: float
    currency: str
    shipped: date

    @property
    def id(self) -> str:
        return f"SHP-2026-{self.number:05}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a paper: its label, and the value as this office writes it."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a paper says, before it is laid out."""

    words: Words
    title: str
    rows: tuple[Row, ...]
    table: tuple[tuple[str, ...], ...] = ()
    remark: str = ""
    contact: str = ""
    address: str = ""


def shipments(count: int = 120, seed: int = 7) -> Iterator[Shipment]:
    """Shipments that together hold `count` documents; the same seed always gives the same ones."""
    for index in range(0, count, 4):
        chance = Random(f"{seed}/{index}")  # noqa: S311 - the same again is the point
        yield _shipment(chance, index // 4, min(4, count - index))


def documents(count: int = 120, seed: int = 7) -> list[Document]:
    return [document for shipment in shipments(count, seed) for document in shipment.documents]


def _shipment(chance: Random, number: int, size: int) -> Shipment:
    facts = _facts(chance, number)
    differs = chance.choice(("gross_weight", "consignee")) if chance.random() < 0.2 else ""
    odd = chance.randrange(len(MAIN))
    kinds = (*MAIN, OTHER[number % 2])[:size]
    papers = [
        _document(chance, kind, _misstated(chance, facts, differs) if index == odd else facts)
        for index, kind in enumerate(kinds)
    ]
    seen = odd < size and differs in papers[odd].truth
    return Shipment(
        id=facts.id,
        documents=tuple(papers),
        registered={"gross_weight": facts.gross_kg, "weight_unit": "kg", "consignee": facts.consignee},
        differs=(differs,) if seen else (),
    )


def _facts(chance: Random, number: int) -> Facts:
    shipper, consignee = chance.sample(COMPANIES, 2)
    return Facts(
        number=number,
        shipper=shipper,
        consignee=consignee,
        container=container_number(chance),
        packages=chance.randrange(12, 900),
        gross_kg=chance.randrange(8_000, 260_000) / 10,
        value=chance.randrange(90_000, 9_500_000) / 100,
        currency=chance.choice(("EUR", "EUR", "USD", "GBP")),
        shipped=date(2026, 1, 5) + timedelta(days=chance.randrange(300)),
    )


def _misstated(chance: Random, facts: Facts, differs: str) -> Facts:
    if differs == "gross_weight":
        return replace(facts, gross_kg=round(facts.gross_kg * chance.uniform(1.05, 1.4), 1))
    if differs == "consignee":
        others = [name for name in COMPANIES if name not in (facts.shipper, facts.consignee)]
        return replace(facts, consignee=chance.choice(others))
    return facts


def _document(chance: Random, kind: str, facts: Facts) -> Document:
    return Writer(chance, kind, facts).document()


@dataclass(slots=True)
class Writer:
    """One office writing one paper in its own habit; notes down what it states, and about whom."""

    chance: Random
    kind: str
    facts: Facts
    language: str = ""
    truth: dict[str, Value] = field(default_factory=dict)
    personal: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    style: tuple[str, str] = (",", ".")
    unit: str = "kg"

    def document(self) -> Document:
        self.language = self.chance.choice(tuple(WORDS))
        self.style = self.chance.choice(self.words.numbers)
        self.unit = "lb" if self.language == "en" and self.chance.random() < 0.3 else "kg"
        sheet = self.sheet()
        layout = self.chance.choice(LAYOUTS)
        if self.chance.random() < 0.12:
            layout, sheet = scan, replace(sheet, rows=tuple(self.smudged(row) for row in sheet.rows))
            self.defects.append("scan")
        return Document(
            id=str(self.truth["document_number"]),
            kind=self.kind,
            language=self.language,
            text=layout(sheet),
            truth=self.truth,
            personal=tuple(self.personal),
            identities=tuple(self.identities),
            defects=tuple(self.defects),
        )

    @property
    def words(self) -> Words:
        return WORDS[self.language]

    def sheet(self) -> Sheet:
        name = self.person()
        address = self.mail_address(name)
        self.truth["contact_email"] = address
        left_out = self.left_out()
        rows = [self.row(name) for name in FIELDS[self.kind] if name not in left_out]
        rows += [self.aside(name) for name in EXTRAS[self.kind]]
        rows += [self.labelled("contact", name), self.labelled("contact_email", address)]
        rows.append(self.labelled("phone", self.note(phone_number(self.chance))))
        return Sheet(
            self.words,
            self.words.titles[self.kind],
            tuple(rows),
            table=self.items() if self.kind == "packing_list" and "packages" not in left_out else (),
            remark=self.contradiction(),
            contact=name,
            address=address,
        )

    def left_out(self) -> tuple[str, ...]:
        if self.chance.random() >= 0.15:
            return ()
        able = [name for name in DROPPABLE if name in FIELDS[self.kind]]
        missing = tuple(self.chance.sample(able, self.chance.choice((1, 1, 2))))
        self.defects += [f"missing {name}" for name in missing]
        return missing

    def row(self, name: str) -> Row:
        """A field of the paper, stated in the text and noted in the truth."""
        match name:
            case "gross_weight":
                self.truth["gross_weight"], self.truth["weight_unit"] = self.weight(), self.unit
                text = self.weighed(self.weight())
            case "total_value":
                self.truth["total_value"], self.truth["currency"] = self.facts.value, self.facts.currency
                text = self.priced()
            case "issue_date":
                day = self.facts.shipped - timedelta(days=self.chance.randrange(4))
                self.truth[name], text = day.isoformat(), self.dated(day)
            case "packages":
                self.truth[name], text = self.facts.packages, str(self.facts.packages)
            case _:
                text = self.stated(name)
                self.truth[name] = text
        return self.labelled(name, text)

    def stated(self, name: str) -> str:
        if name == "document_number":
            return f"{PREFIX[self.kind]}-{self.facts.number:04}{self.chance.randrange(10, 99)}"
        return {
            "shipment_number": self.facts.id,
            "shipper": self.facts.shipper,
            "consignee": self.facts.consignee,
            "container_number": self.facts.container,
        }[name]

    def aside(self, name: str) -> Row:
        """What stands on the paper as well, and nobody asks for."""
        chance = self.chance
        makers: Mapping[str, Callable[[], str]] = {
            "vessel": lambda: chance.choice(VESSELS),
            "loading": lambda: chance.choice(PORTS[:4]),
            "discharge": lambda: chance.choice(PORTS[4:]),
            "net_weight": lambda: self.weighed(round(self.weight() * 0.93, 1)),
            "hs_code": lambda: (
                f"{chance.randrange(10, 97)}{chance.randrange(10, 99)}.{chance.randrange(10, 99)}"
            ),
            "origin": lambda: chance.choice(COUNTRIES),
            "iban": lambda: self.note(iban(chance)),
            "card": lambda: self.note(card_number(chance)),
            "driver": self.person,
            "licence": self.licence,
        }
        return self.labelled(name, makers[name]())

    def labelled(self, name: str, text: str) -> Row:
        return Row(self.chance.choice(self.words.labels[name]), text)

    def note(self, value: str) -> str:
        self.personal.append(value)
        return value

    def person(self) -> str:
        name = f"{self.chance.choice(FORENAMES)} {self.chance.choice(SURNAMES)}"
        self.identities.append(name)
        return name

    def licence(self) -> str:
        number = licence_number(self.chance)
        self.identities.append(number)
        return number

    def mail_address(self, name: str) -> str:
        domain = self.chance.choice(("example.com", "example.net", "example.org", "freight.example.com"))
        return self.note(f"{name.lower().replace(' ', '.')}{self.chance.randrange(1, 99)}@{domain}")

    def weight(self) -> float:
        """The gross weight in the unit of this office."""
        return round(self.facts.gross_kg * (POUNDS if self.unit == "lb" else 1), 1)

    def weighed(self, number: float) -> str:
        return f"{grouped(number, 1, self.style)} {self.unit}"

    def priced(self) -> str:
        number = grouped(self.facts.value, 2, self.style)
        before = self.language == "en"
        return f"{self.facts.currency} {number}" if before else f"{number} {self.facts.currency}"

    def dated(self, day: date) -> str:
        return written(day, self.chance.choice(self.words.dates), self.words.months)

    def contradiction(self) -> str:
        """A second gross weight that is not the first, in some of the papers that state one."""
        if "gross_weight" not in self.truth or self.chance.random() >= 0.1:
            return ""
        self.defects.append("contradicts gross_weight")
        other = round(self.weight() * self.chance.uniform(0.7, 0.95), 1)
        return self.words.second_weight.format(weight=self.weighed(other))

    def items(self) -> tuple[tuple[str, ...], ...]:
        """The lines of a packing list; in some, they do not add up to the total."""
        share = self.facts.packages // 3
        counts = [share, share, self.facts.packages - 2 * share]
        if self.chance.random() < 0.2:
            counts[0] += self.chance.randrange(1, 9)
            self.defects.append("sums")
        goods = self.chance.sample(self.words.goods, 3)
        each = self.weight() / max(self.facts.packages, 1)
        lines = [
            (what, str(n), self.weighed(round(each * n, 1))) for what, n in zip(goods, counts, strict=True)
        ]
        return (self.words.columns, *lines)

    def smudged(self, row: Row) -> Row:
        """A label as a bad scanner reads it; values stay legible, or there would be no truth to compare."""
        misread = {"o": "0", "l": "1", "e": "c", "i": "í", "g": "q"}
        out = [
            misread[letter] if letter in misread and self.chance.random() < 0.08 else letter
            for letter in row.label
        ]
        return Row("".join(out), row.text)


def grouped(number: float, places: int, style: tuple[str, str]) -> str:
    """A number with this style's thousands separator and decimal mark."""
    thousands, mark = style
    whole, _, rest = f"{number:,.{places}f}".partition(".")
    return whole.replace(",", thousands) + (mark + rest)


def written(day: date, form: str, months: tuple[str, ...]) -> str:
    """A date in a form like strftime's, in any language whatever the machine's locale is."""
    month = months[day.month - 1]
    numbers = {
        "%d": f"{day.day:02}",
        "%m": f"{day.month:02}",
        "%Y": str(day.year),
        "%B": month,
        "%b": month[:3],
    }
    for sign, text in numbers.items():
        form = form.replace(sign, text)
    return form


# Layouts: how an office arranges what a sheet says.


def form(sheet: Sheet) -> str:
    return _page(sheet, [f"{row.label}: {row.text}" for row in sheet.rows])


def columns(sheet: Sheet) -> str:
    width = max(len(row.label) for row in sheet.rows) + 3
    return _page(sheet, [f"{row.label:<{width}}{row.text}" for row in sheet.rows])


def boxes(sheet: Sheet) -> str:
    lines = [f"{number}. {row.label}\n    {row.text}" for number, row in enumerate(sheet.rows, 1)]
    return _page(sheet, lines)


def grid(sheet: Sheet) -> str:
    return _page(sheet, [f"| {row.label} | {row.text} |" for row in sheet.rows])


def scan(sheet: Sheet) -> str:
    return _page(
        sheet, [f"{row.label.upper()} {'.' * (30 - len(row.label))} {row.text}" for row in sheet.rows]
    )


def letter(sheet: Sheet) -> str:
    """Prose; what identifies the paper stands in the reference line above it."""
    words = sheet.words
    said = " ".join(f"{row.label.rstrip('.')} {words.verb} {row.text}." for row in sheet.rows[2:])
    reference = " / ".join(f"{row.label}: {row.text}" for row in sheet.rows[:2])
    lines = [reference, "", words.greeting, "", words.opening.format(title=sheet.title.title()), said]
    return "\n".join([*lines, *_rest(sheet), "", words.closing, sheet.contact, ""])


def mail(sheet: Sheet) -> str:
    head = [f"From: {sheet.contact} <{sheet.address}>", "To: desk@example.org", f"Subject: {sheet.title}", ""]
    body = [f"> {row.label}: {row.text}" for row in sheet.rows]
    words = sheet.words
    return "\n".join([*head, words.greeting, "", *body, *_rest(sheet), "", words.closing, sheet.contact, ""])


LAYOUTS: tuple[Callable[[Sheet], str], ...] = (form, columns, boxes, grid, letter, mail)


def _page(sheet: Sheet, lines: list[str]) -> str:
    return "\n".join([sheet.title, "", *lines, *_rest(sheet), "", sheet.words.small_print, ""])


def _rest(sheet: Sheet) -> list[str]:
    out = [""] if sheet.table else []
    widths = [max(map(len, column)) + 2 for column in zip(*sheet.table, strict=True)]
    out += [
        "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in sheet.table
    ]
    return [*out, "", sheet.remark] if sheet.remark else out


# Numbers with check digits.


def card_number(chance: Random) -> str:
    """Sixteen digits that pass the Luhn check, over the prefix that everybody's test cards have."""
    digits = "42424242" + "".join(str(chance.randrange(10)) for _ in range(7))
    whole = digits + luhn_digit(digits)
    return " ".join(whole[index : index + 4] for index in range(0, 16, 4))


def luhn_digit(digits: str) -> str:
    """The check digit of ISO/IEC 7812-1."""
    doubled = [int(digit) * (2 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits))]
    return str(-sum(number // 10 + number % 10 for number in doubled) % 10)


def iban(chance: Random) -> str:
    """An account at the bank TEST, which does not exist; check digits by ISO 13616."""
    country, size = chance.choice((("GB", 14), ("NL", 10)))
    account = "TEST" + "".join(str(chance.randrange(10)) for _ in range(size))
    number = int("".join(str(int(sign, 36)) for sign in f"{account}{country}00"))
    whole = f"{country}{98 - number % 97:02}{account}"
    return " ".join(whole[index : index + 4] for index in range(0, len(whole), 4))


def phone_number(chance: Random) -> str:
    """A number from the ranges that regulators keep for fiction."""
    last = chance.randrange(100, 200)
    ranges = (
        f"+44 20 7946 0{last}",
        f"+1 202-555-0{last}",
        f"+33 1 99 00 12 {last % 100:02}",
        f"+49 30 23125 {last}",
    )
    return chance.choice(ranges)


def licence_number(chance: Random) -> str:
    """A driving licence of the British pattern: surname, date of birth, initials, check signs."""
    surname = chance.choice(SURNAMES).upper()[:5]
    decade, month, day, year = (chance.randrange(*span) for span in ((6, 9), (1, 13), (1, 29), (0, 10)))
    signs = "".join(chance.choice("AKXZ") for _ in range(2))
    initial, number = chance.choice("ABCDEFG"), chance.randrange(2, 10)
    return f"{surname}{decade}{month:02}{day:02}{year}{initial}9{number}{signs}"


def container_number(chance: Random) -> str:
    """A container of an owner code nobody holds, with the check digit of ISO 6346."""
    code = f"ZZZU{chance.randrange(100_000, 999_999)}"
    # Letters count from 10 upwards, and the multiples of 11 are left out.
    values = [int(sign) if sign.isdigit() else _letter_value(sign) for sign in code]
    total = sum(value << place for place, value in enumerate(values))
    return f"{code}{total % 11 % 10}"


def _letter_value(letter: str) -> int:
    position = ord(letter) - ord("A")
    return [number for number in range(10, 39) if number % 11][position]
