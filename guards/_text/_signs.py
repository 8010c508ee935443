"""Signs without which a text holds no disguise of a kind, told by a few passes in C.

A text is read as one byte for each character, `?` for those that are not ASCII.  A sign may show where
there is nothing to find; where there is something, it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_letters, ascii_lowercase, digits

CONTROLS = bytes([*range(9), *range(14, 32), 127])
"""What is hidden in ASCII."""
BETWEEN = bytes(code for code in range(128) if not chr(code).isalnum())
"""What is no letter or digit in ASCII."""


@dataclass(frozen=True, slots=True)
class Sign:
    """Strings one of which is there when the characters of a text are read as their classes."""

    table: bytes
    needles: tuple[bytes, ...]

    def __call__(self, data: bytes) -> bool:
        classes = data.translate(self.table)
        return any(needle in classes for needle in self.needles)


def sign(classes: Mapping[str, str], *needles: str) -> Sign:
    """A sign by the letter of each class; a blank is every other character."""
    table = bytearray(b" " * 256)
    for letter, chars in classes.items():
        for char in chars:
            table[ord(char)] = ord(letter)
    return Sign(bytes(table), tuple(needle.encode() for needle in needles))


def run(chars: str, least: int) -> Sign:
    return sign({"a": chars}, "a" * least)


def seen(text: str) -> bytes:
    """A text as signs are looked for in it."""
    return text.encode("ascii", "replace")


def bare(text: str) -> bytes:
    """The ASCII letters and digits of a text alone, in small letters."""
    return seen(text).translate(None, BETWEEN).lower()


def controlled(data: bytes) -> bool:
    """Whether there are control characters."""
    return len(data.translate(None, CONTROLS)) < len(data)


LEETING = sign({"0": "0134578@$|", "a": ascii_lowercase}, "0a")
# An underscore is a letter as well as a gap.
SPACED = sign(
    {"a": ascii_letters + digits + "?", "-": " \t.-*|/,~", "_": "_"}, "_", "-a-a-", "-a--a-", "-a---a-"
)
# Letters apart whatever stands between them; to be looked for in ASCII alone.
APART = sign({"a": ascii_letters + digits}, " a a ", " a  a ", " a   a ")
LETTERS = run(ascii_letters + digits + "+/_-", 16)
# A digit may be one of any script.
NUMBERS = run(digits + " ,?", 26)
SPANS: tuple[tuple[Sign, frozenset[str]], ...] = (
    (LETTERS, frozenset({"base64", "base32", "base58", "utf-7"})),
    (NUMBERS, frozenset({"octal", "binary", "decimal"})),
    (run(digits + "abcdefABCDEFx\\ ,:", 16), frozenset({"hex"})),
    (run("".join(map(chr, range(ord(" "), ord("`") + 1))), 24), frozenset({"uuencode"})),
    (sign({".": ".-", "_": " "}, "._."), frozenset({"morse"})),
)
"""What shows that encodings of these kinds may be there."""
WORDS = bytes(code if chr(code) in ascii_lowercase else ord(" ") for code in range(256))


def words(data: bytes) -> set[bytes]:
    """The runs of small letters."""
    return set(data.translate(WORDS).split())


def spans(data: bytes) -> set[str]:
    """The kinds of encodings that may be there."""
    return {name for shows, names in SPANS if shows(data) for name in names}
