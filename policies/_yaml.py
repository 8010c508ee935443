"""A strict reader of YAML 1.2: plain values, and the place of each.

What a policy says must be what its author reads there.  So everything in YAML that means something else
than it looks like is refused (keys written twice, aliases, tags, merge keys, `0777`, a key `yes`), and so
is what could grow without bound.  The text is parsed event by event and given up at the first mistake.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any, NoReturn, TypeAlias

import yaml

from guards._errors import PolicyError
from guards._types import Path

MOST_BYTES = 1_000_000
MOST_DEPTH = 50
MOST_DIGITS = 40

PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

NULL = re.compile(r"~|null|Null|NULL|")
TRUE = re.compile(r"true|True|TRUE")
FALSE = re.compile(r"false|False|FALSE")
INTEGER = re.compile(r"[-+]?[0-9]+(_[0-9]+)*|0o[0-7]+|0x[0-9a-fA-F]+")
OCTAL_LOOK = re.compile(r"[-+]?0[0-9_]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SURROGATE = re.compile("[\ud800-\udfff]")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
BOOLEAN_LOOK = re.compile(r"y|n|yes|no|on|off", re.IGNORECASE)
UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

# What the parser says, and what the author should read.
SLIPS = (
    ("found a tab", "a tab stands where only spaces may", "indent with spaces"),
    ("'\\t'", "a tab stands where only spaces may", "indent with spaces"),
    ("cannot start any token", "a word may not begin with this character", "put the text in quotes"),
    (
        "mapping values are not allowed",
        "a ': ' inside a value looks like another key",
        "put the text in quotes",
    ),
    ("could not find expected ':'", "a key needs a ':' after it", "write it like `name: value`"),
)

Place: TypeAlias = tuple[int, int]


@dataclass(slots=True, eq=False)
class Document:
    """A file's text, and where in it each value and each key stands: line and column, from 1.

    What the file names by a relative path is looked for in `folder`.
    """

    file: str
    text: str
    folder: File
    values: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def refuse(self, place: Place, path: Path, message: str, hint: str = "") -> NoReturn:
        raise PolicyError(self.file, *place, dotted(path), message, hint) from None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value and where it is written.  Its value is as the file has it; nothing is resolved yet."""

    value: Any
    path: Path
    document: Document

    def __getitem__(self, key: str | int) -> Node:
        return Node(self.value[key], (*self.path, key), self.document)

    def items(self) -> Iterator[tuple[str, Node]]:
        return ((key, self[key]) for key in self.value)

    def __iter__(self) -> Iterator[Node]:
        return (self[index] for index in range(len(self.value)))

    @property
    def place(self) -> Place:
        return self.document.values[self.path]

    def follow(self, steps: Path) -> Node:
        """The value that `steps` lead to; steps that are not in the file lead nowhere and are left out."""
        node = self
        for step in steps:
            if (*node.path, step) in self.document.values:
                node = node[step]
        return node

    def error(self, message: str, hint: str = "", *, key: str | None = None) -> PolicyError:
        """What is wrong with this value, or with one of its keys."""
        path = self.path if key is None else (*self.path, key)
        place = self.place if key is None else self.document.keys[path]
        return PolicyError(self.document.file, *place, dotted(path), message, hint)

    def inside(self, line: int, column: int) -> Place:
        """Where a line and column of this text stand in the file, or where the text begins."""
        wanted = self.value.splitlines()[line - 1 : line]
        rows = self.document.text.splitlines()
        first, left = self.place
        for row in (first + line - 1, first + line):
            start = left - 1 if row == first else 0
            if wanted and row <= len(rows) and (at := rows[row - 1].find(wanted[0], start)) >= 0:
                return row, at + column
        return first, left


def read(source: bytes | str, file: str, folder: File) -> Node:
    """Read one YAML document.

    Raises `PolicyError` for whatever is not plain, strict YAML of at most a megabyte and 50 levels.
    """
    document = Document(file, _decoded(source, file), folder)
    if wrong := UNPRINTABLE.search(document.text.removeprefix("\ufeff")):
        start = wrong.start() + document.text.startswith("\ufeff")
        code = ord(document.text[start])
        document.refuse(
            _place_of(document.text, start),
            (),
            f"the character U+{code:04X} may not stand in a YAML file",
            'write it as an escape in double quotes, as in "\\u0007"',
        )
    try:
        return Node(_Builder(document).document_value(), (), document)
    except yaml.YAMLError as error:
        document.refuse(*_explained(error))


def dotted(path: Path) -> str:
    """A path as people write it: `model.2.seconds`."""
    return ".".join(map(str, path))


def _decoded(source: bytes | str, file: str) -> str:
    limit = f"at most {MOST_BYTES:,} bytes, which is far more than a policy needs"
    if len(source) > MOST_BYTES:
        raise PolicyError(file, 0, 0, "", "the file is too large", limit)
    try:
        text = source if isinstance(source, str) else source.decode("utf-8")
        size = len(text.encode("utf-8"))
    except UnicodeError as error:
        before = source[: error.start] if isinstance(error, (UnicodeDecodeError, UnicodeEncodeError)) else ""
        shown = before if isinstance(before, str) else before.decode("utf-8")
        raise PolicyError(
            file, *_place_of(shown, len(shown)), "", "the file is not UTF-8 text", "save it as UTF-8"
        ) from None
    if size > MOST_BYTES:
        raise PolicyError(file, 0, 0, "", "the file is too large", limit)
    return text


def _place_of(text: str, index: int) -> Place:
    lines = text[:index].splitlines(keepends=True) or [""]
    if lines[-1].endswith(("\n", "\r")):
        lines.append("")
    return len(lines), len(lines[-1]) + 1


def _explained(error: yaml.YAMLError) -> tuple[Place, Path, str, str]:
    """Where the parser gave up and why, the most common slips in an author's words."""
    began, mark = getattr(error, "context_mark", None), getattr(error, "problem_mark", None)
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = str(getattr(error, "problem", None) or "it cannot be read")
    for slip, message, hint in SLIPS:
        if slip in problem:
            return place, (), message, hint
    hint = f"it began at line {began.line + 1}, column {began.column + 1}" if began else ""
    return place, (), f"this is not YAML: {problem}", hint


class _Builder:
    """Builds plain values from the parser's events, and notes where each one stands."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.events: Iterator[Any] = yaml.parse(document.text, Loader=PARSER)

    def document_value(self) -> Any:
        next(self.events)  # the stream begins
        start = next(self.events)
        if isinstance(start, yaml.StreamEndEvent):
            self.document.refuse((1, 1), (), "the file is empty", "begin it with `wardline: 1`")
        if start.tags or start.version not in (None, (1, 2)):
            self.document.refuse(_place(start), (), "only plain YAML 1.2 is read here", "leave this line out")
        value = self.value(next(self.events), ())
        next(self.events)  # the document ends
        if not isinstance(rest := next(self.events), yaml.StreamEndEvent):
            self.document.refuse(_place(rest), (), "a second document begins here", "one file, one policy")
        return value

    def value(self, event: Any, path: Path) -> Any:
        self.accept(event, path)
        self.document.values[path] = _place(event)
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style else self.plain(event, path)
        if len(path) >= MOST_DEPTH:
            self.document.refuse(_place(event), path[:3], f"nested more than {MOST_DEPTH} levels deep")
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(path)
        return self.mapping(path)

    def accept(self, event: Any, path: Path) -> None:
        """Refuse what makes a value mean something else than it says."""
        if isinstance(event, yaml.AliasEvent):
            self.document.refuse(_place(event), path, "aliases (*name) are not allowed", "write it out")
        if event.anchor is not None:
            self.document.refuse(_place(event), path, "anchors (&name) are not allowed", "write it out")
        if event.tag is not None:
            self.document.refuse(_place(event), path, "tags (!name) are not allowed", "leave the tag out")
        if isinstance(event, yaml.ScalarEvent) and SURROGATE.search(event.value):
            self.document.refuse(_place(event), path, "half of a character is not text")

    def sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(event, (*path, len(items))))
        return items

    def mapping(self, path: Path) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.key(event, path)
            spot = (*path, key)
            if key in entries:
                line, column = self.document.keys[spot]
                where = f"the first is at line {line}, column {column}"
                self.document.refuse(_place(event), spot, "this key is written twice", where)
            self.document.keys[spot] = _place(event)
            entries[key] = self.value(next(self.events), spot)
        return entries

    def key(self, event: Any, path: Path) -> str:
        self.accept(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            self.document.refuse(_place(event), path, "a key must be a text, not a list or a mapping")
        text: str = event.value
        if event.style:
            return text
        if text == "<<":
            self.document.refuse(_place(event), path, "merge keys (<<) are not allowed", "use `extends`")
        if BOOLEAN_LOOK.fullmatch(text) or not isinstance(self.plain(event, (*path, text)), str):
            hint = f'write "{text}" in quotes if it is meant as a text'
            self.document.refuse(_place(event), path, "a key must be a text", hint)
        return text

    def plain(self, event: Any, path: Path) -> Any:
        """An unquoted scalar by the core rules of YAML 1.2, and whole numbers such as `20_000`."""
        text: str = event.value
        if NULL.fullmatch(text):
            return None
        if TRUE.fullmatch(text):
            return True
        if FALSE.fullmatch(text):
            return False
        if OCTAL_LOOK.fullmatch(text):
            meant = text.lstrip("+-0_") or "0"
            hint = f'write {meant}, or "{text}" if it is a text'
            self.document.refuse(_place(event), path, "a number with a leading zero is ambiguous", hint)
        if len(text) > MOST_DIGITS and (INTEGER.fullmatch(text) or FLOAT.fullmatch(text)):
            self.document.refuse(_place(event), path, "this number has too many digits")
        if INTEGER.fullmatch(text):
            return int(text, 0 if text[:2] in ("0o", "0x") else 10)
        if NOT_FINITE.fullmatch(text) or (FLOAT.fullmatch(text) and not math.isfinite(float(text))):
            self.document.refuse(_place(event), path, "a number must be finite", "leave it out for no limit")
        return float(text) if FLOAT.fullmatch(text) else text


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1
