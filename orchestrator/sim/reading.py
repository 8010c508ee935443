"""Reading values out of business text by rules: labels, tables, amounts, dates, and how things are named."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from orchestrator.sim.words import CODES, CURRENCIES, LANGUAGES, MONTHS, NO, VERBS, YES

PLACEHOLDER = re.compile(r"<[A-Za-z][A-Za-z_]{0,40}_\d{1,9}>")
EMAIL = re.compile(rf"{PLACEHOLDER.pattern}|(?<![\w.+-])[\w.+-]{{1,64}}@[\w-]{{1,63}}(?:\.[\w-]{{1,63}})+")
PHONE = re.compile(rf"{PLACEHOLDER.pattern}|(?<![\w.])\+?\(?\d[\d ()/.-]{{6,18}}\d(?!\w)")
NUMBER = re.compile(r"(?<![\w.,-])[-−]?\d(?:[\d.,'’]|[ \u00a0\u202f](?=\d{3}(?!\d)))*")
NEAR = 500
NOTHING = frozenset({"", "-", "--", "—", "–", "?", "null", "none", "n/a", "na", "unknown", "tbd", "k.a."})
UNITS = {"kg": 1.0, "kgs": 1.0, "kilo": 1.0, "lb": 0.45359237, "lbs": 0.45359237, "t": 1000.0, "mt": 1000.0}


def _folding() -> dict[int, str]:
    """Letters without case and accents, one for one, so that places stay the same."""
    plain = {}
    for code in range(0x41, 0x250):
        base = unicodedata.normalize("NFD", chr(code))[0].lower()
        if len(base) == 1:
            plain[code] = base
    return {**plain, ord("’"): "'", 0xA0: " ", 0x202F: " "}


FOLD = _folding()


def fold(text: str) -> str:
    """The text without case and accents, each character in its old place."""
    return text.translate(FOLD)


def legible(folded: str) -> str:
    """Folded text with the digits among its letters read as the letters that they look like."""
    return re.sub(r"(?<=[a-z])[01]|[01](?=[a-z])", lambda digit: "ol"[int(digit[0])], folded)


@lru_cache(maxsize=4096)
def named(phrase: str) -> re.Pattern[str]:
    """Finds a phrase in folded text, however its words are joined."""
    words = re.findall(r"[^\W_]+", fold(phrase)) or ["\0"]
    # Scanners misread these letters most; what else they misread, `Page` mends.
    lenient = (re.escape(word).replace("e", "[ec]").replace("g", "[gq]") for word in words)
    return re.compile(r"(?<![^\W_])" + r"[ \t._'/°-]{0,3}".join(lenient) + r"(?![^\W_])")


_VERB = "|".join(fold(verb) for verb in sorted(VERBS, key=len, reverse=True))
SEPARATOR = re.compile(
    r"(?:[ \t]*(?:no|nr|number|num|n)\b)?[.°º]*[\"'*_]{0,3}[ \t]*(?:\([^()\n]{0,40}\))?"
    rf"(?:(?P<near>(?=[ ]\d))|[ \t]*(?P<mark>[:=#|]|\.{{2,}}|_{{2,}}|\t|(?<=[ ]) )|[ \t]+(?P<verb>{_VERB})\b)"
)
FRESH = re.compile(r"(?:^|[|;,(\t•*>:\"'-]|  |\. )\s*$")
ALONE = re.compile(r"[\s>#*-]*(?:\d{1,3}[.)])?\s*")
NEXT_LABEL = re.compile(r"\s{2,}|\t|\||[;,]\s+[^\W\d_][\w .'’°-]{1,30}:\s|\s[^\W\d_][\w.'’°-]{2,20}:\s")
SENTENCE_END = re.compile(r"[.!?](?:\s|$)|, (?:and|und|et|y|en) ")
QUOTES = {'"': '"', "'": "'", "“": "”", "«": "»", "`": "`"}


class Page:
    """A text to read from, with its folded twin and the cells of its lines."""

    def __init__(self, text: str) -> None:
        self.text, self.folded = text, legible(fold(text))
        self.rows = [cells(line) for line in text.splitlines()]
        self.folded_rows = [[legible(fold(cell)) for cell in row] for row in self.rows]

    def after(self, phrase: str) -> Iterator[tuple[str, bool]]:
        """What stands behind a label, up to the end of its line, and whether it is prose."""
        plain = " " not in phrase.strip()
        for match in named(phrase).finditer(self.folded):
            before = self._before(match.start())
            fresh = FRESH.search(before)
            if plain and not fresh:
                continue
            if mark := SEPARATOR.match(self.folded, match.end()):
                prose = mark["mark"] is None
                rest = self._line(mark.end())
                yield (rest, prose) if rest.strip() else (self._below(mark.end()), False)
            elif ALONE.fullmatch(before) and not self._line(match.end()).strip(" .*_°º"):
                yield self._below(match.end()), False

    def under(self, phrase: str) -> Iterator[str]:
        """The first cell below a column head."""
        pattern = named(phrase)
        for number, row in enumerate(self.folded_rows):
            if len(row) < 2:
                continue
            for column, cell in enumerate(row):
                if pattern.match(cell) and (below := self._column(number, column)):
                    yield below

    def regions(self, phrases: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
        """Every place where the value of what the phrases name may stand, the likeliest first."""
        for phrase in phrases:
            yield from self.after(phrase)
        for phrase in phrases:
            for cell in self.under(phrase):
                yield cell, False

    def list_below(self, phrase: str) -> list[str]:
        """The items of a bulleted list under a heading."""
        for match in named(phrase).finditer(self.folded):
            items = []
            for line in self.text[match.end() : match.end() + 20 * NEAR].splitlines()[1:]:
                if not (item := re.match(r"\s*(?:[-*•]|\d{1,2}[.)])\s+(.+)", line)):
                    break
                items.append(item[1].strip())
            if items:
                return items
        return []

    def _column(self, number: int, column: int) -> str:
        """The cell below, in a table of a single row: the rows of a longer one are items of a list."""
        width, found = len(self.rows[number]), []
        for row in self.rows[number + 1 :]:
            if len(row) != width:
                break
            if not all(re.fullmatch(r"[-=_+: ]*", cell) for cell in row):
                found.append(row[column])
        return found[0] if len(found) == 1 else ""

    def _before(self, place: int) -> str:
        """The line up to a place, in folded letters; of a long one, what is nearest, behind a mark."""
        start = self.folded.rfind("\n", max(0, place - NEAR), place) + 1
        return self.folded[start:place] if start or place <= NEAR else f"…{self.folded[place - NEAR : place]}"

    def _line(self, place: int) -> str:
        return self.text[place : place + NEAR].partition("\n")[0]

    def _below(self, place: int) -> str:
        """The next line that says something."""
        rest = self.text[place : place + 2 * NEAR].partition("\n")[2]
        return rest.lstrip().partition("\n")[0]


def cells(line: str) -> list[str]:
    """The cells of one line of a table: parted by bars, tabs or wide gaps."""
    if line.count("|") >= 1:
        return [cell.strip() for cell in line.strip().strip("|").split("|")]
    return [cell.strip() for cell in re.split(r"\t+| {2,}", line.strip()) if cell.strip()]


def text_in(region: str, prose: bool = False) -> str | None:
    """The words of a value: up to the next label, gap or, in prose, the end of the sentence."""
    region = region.strip().lstrip("*_ ")
    if region[:1] in QUOTES and (end := region.find(QUOTES[region[0]], 1)) > 0:
        return _something(region[1:end])
    if match := NEXT_LABEL.search(region):
        region = region[: match.start()]
    if prose and (match := SENTENCE_END.search(region)):
        region = region[: match.start()]
    return _something(region.strip(" \t,;*_"))


def _something(text: str) -> str | None:
    return None if fold(text.strip()) in NOTHING else text.strip()


def number_in(region: str, unit: str = "") -> float | int | None:
    """The first number, as written in any of the languages; a weight in pounds or tonnes in kg."""
    match = NUMBER.search(region[:60])
    if match is None or PLACEHOLDER.search(region[: match.start()]):
        return None
    number = parse_number(match[0])
    if (
        unit == "kg"
        and number is not None
        and (said := re.match(r"\s*([a-z]+)", region[match.end() :].lower()))
    ):
        factor = UNITS.get(said[1], 1.0)
        return number if factor == 1.0 else round(number * factor, 2)
    return number


def parse_number(written: str) -> float | int:
    """A number from its digits and separators; three digits behind a single separator are thousands."""
    digits = re.sub(r"[ \u00a0\u202f'’]", "", written).replace("−", "-").rstrip(".,")
    point = max(digits.rfind("."), digits.rfind(","))
    if point >= 0:
        mark, whole, rest = digits[point], digits[:point], digits[point + 1 :]
        grouped = mark in whole or (
            len(rest) == 3 and 1 <= len(whole.lstrip("-")) <= 3 and whole.lstrip("-") != "0"
        )
        whole = re.sub(r"[.,]", "", whole)
        digits = (
            whole + rest
            if grouped and not re.search(r"[.,]", digits[:point].replace(mark, ""))
            else f"{whole}.{rest}"
        )
    number = float(digits)
    return int(number) if number.is_integer() and abs(number) < 1e15 else number


DATE = re.compile(
    r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})"
    r"|(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<year>\d{4}|\d{2}(?!\d))"
    r"|(?P<day>\d{1,2})(?:st|nd|rd|th|er|\.)?[ -]*(?:de |of )?(?P<name>[a-z]{3,10})\.?,?[ -]*(?:de |del )?"
    r"(?P<year2>\d{4})"
    r"|(?P<name2>[a-z]{3,10})\.? (?P<day2>\d{1,2})(?:st|nd|rd|th)?,? (?P<year3>\d{4})"
)


def dates_in(region: str) -> Iterator[str]:
    """Every date, as YYYY-MM-DD."""
    for match in DATE.finditer(fold(region)):
        if (date := _date(match)) is not None:
            yield date


def _date(match: re.Match[str]) -> str | None:
    if match["y"]:
        year, month, day = int(match["y"]), int(match["m"]), int(match["d"])
    elif match["a"]:
        day, month, year = int(match["a"]), int(match["b"]), int(match["year"])
        year += 2000 if year < 100 else 0
        if month > 12:
            day, month = month, day
    else:
        name = match["name"] or match["name2"]
        month = MONTHS.get(name[:4], MONTHS.get(name[:3], 0))
        day, year = int(match["day"] or match["day2"]), int(match["year2"] or match["year3"])
    return f"{year:04}-{month:02}-{day:02}" if 1 <= month <= 12 and 1 <= day <= 31 else None


def date_in(region: str) -> str | None:
    return next(dates_in(region[:60]), None)


def email_in(region: str) -> str | None:
    return match[0] if (match := EMAIL.search(region)) else None


def phone_in(region: str) -> str | None:
    return match[0] if (match := PHONE.search(region)) else None


def currency_in(region: str) -> str | None:
    """An ISO 4217 code, written out or as its sign."""
    if match := re.search(rf"(?<![A-Za-z])(?:{'|'.join(CODES)})(?![A-Za-z])", region):
        return match[0]
    folded = fold(region)
    places = [(folded.find(sign), code) for sign, code in CURRENCIES.items() if sign in folded]
    return min(places)[1] if places else None


def yes_or_no(region: str) -> bool | None:
    words = re.findall(r"\w+", fold(region))[:3]
    if "[x]" in region.lower()[:6]:
        return True
    for word in words:
        if word in NO:
            return False
        if word in YES:
            return True
    return None


def language_of(text: str) -> str:
    """The language whose small words are most frequent."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    return max(LANGUAGES, key=lambda code: sum(map(words.count, LANGUAGES[code])))


def sentences(text: str) -> list[str]:
    """Sentences and lines that say something."""
    found = re.split(r"(?<=[.!?])\s+|\n+", text)
    return [sentence.strip() for sentence in found if re.search(r"\w", sentence)]


def summary(text: str, question: str = "", limit: int = 600) -> str:
    """A few sentences of the text: those nearest to the question, else the first ones."""
    told = sentences(text)
    asked = set(re.findall(r"\w{4,}", fold(question)))

    def nearness(sentence: str) -> int:
        return -len(asked & set(re.findall(r"\w{4,}", fold(sentence))))

    chosen = sorted(told, key=nearness)[:3] if asked else told[:3]
    return " ".join(sentence for sentence in told if sentence in chosen)[:limit]


def pairs(text: str) -> dict[str, Any]:
    """Everything that looks like `label: value`."""
    found = re.findall(r"(?m)^[ \t*-]*([^\W\d_][\w .'’/-]{1,40}?)[ \t]*:[ \t]*(\S.*)$", text)
    return {re.sub(r"\W+", "_", fold(label)).strip("_"): value.strip() for label, value in found}
