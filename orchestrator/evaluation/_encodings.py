"""Ways to write a text so that a model can read it and a filter may not."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import quopri
import re
import zlib
from collections.abc import Callable, Mapping
from typing import TypeAlias

Encode: TypeAlias = Callable[[str], str]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
MORSE = dict(zip(LETTERS, (
    ".-", "-...", "-.-.", "-..", ".", "..-.", "--.", "....", "..", ".---", "-.-", ".-..", "--", "-.", "---",
    ".--.", "--.-", ".-.", "...", "-", "..-", "...-", ".--", "-..-", "-.--", "--..",
), strict=True))  # fmt: skip
NATO = (
    "alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo",
    "lima", "mike", "november", "oscar", "papa", "quebec", "romeo", "sierra", "tango",
    "uniform", "victor", "whiskey", "xray", "yankee", "zulu",
)  # fmt: skip
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BRAILLE = (0x1, 0x3, 0x9, 0x19, 0x11, 0xB, 0x1B, 0x13, 0xA, 0x1A, 0x5, 0x7, 0xD, 0x1D, 0x15, 0xF, 0x1F, 0x17,
           0xE, 0x1E, 0x25, 0x27, 0x3A, 0x2D, 0x3D, 0x35)  # fmt: skip
CYRILLIC = str.maketrans("aeiopcx", "\u0430\u0435\u0456\u043e\u0440\u0441\u0445")
KEYBOARD = "qwertyuiopasdfghjklzxcvbnm"


def _swap(to: str) -> Encode:
    table = str.maketrans(LETTERS, to)
    return lambda text: text.lower().translate(table)


def _shifted(first: int, capital: int) -> Encode:
    """Letters of another block of Unicode, in the order of the alphabet."""
    small = {ord(letter): first + n for n, letter in enumerate(LETTERS)}
    large = {ord(letter.upper()): capital + n for n, letter in enumerate(LETTERS)}
    return lambda text: text.translate(small | large)


def _each(form: str, sep: str = "") -> Encode:
    return lambda text: sep.join(form.format(ord(char)) for char in text)


def _morse(text: str) -> str:
    words = re.findall(r"[a-z]+", text.lower())
    return " / ".join(" ".join(MORSE[char] for char in word) for word in words)


def _words(change: Callable[[str], str], sep: str = " ") -> Encode:
    return lambda text: sep.join(map(change, text.split()))


def _pig(word: str) -> str:
    return f"{word[1:]}{word[0]}ay" if word[0].lower() not in "aeiou" else f"{word}way"


def _base58(text: str) -> str:
    number, out = int.from_bytes(text.encode(), "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = BASE58[rest] + out
    return out


def _base32(text: str) -> str:
    return base64.b32encode(text.encode()).decode()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _rot47(text: str) -> str:
    return "".join(chr(33 + (ord(c) - 33 + 47) % 94) if "!" <= c <= "~" else c for c in text)


def _braille(text: str) -> str:
    table = {letter: chr(0x2800 + dots) for letter, dots in zip(LETTERS, BRAILLE, strict=True)}
    return "".join(table.get(char, char) for char in text.lower())


def _numbers(text: str) -> str:
    return " ".join(
        "-".join(str(LETTERS.index(char) + 1) for char in word)
        for word in re.findall(r"[a-z]+", text.lower())
    )


def _nato(text: str) -> str:
    return " / ".join(
        " ".join(NATO[LETTERS.index(char)] for char in word) for word in re.findall(r"[a-z]+", text.lower())
    )


NAMED: Mapping[str, Encode] = {
    "base64": _base64,
    "base64 url-safe": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 twice": lambda text: _base64(_base64(text)),
    "base64 of rot13": lambda text: _base64(codecs.encode(text, "rot13")),
    "base32": _base32,
    "hex": lambda text: text.encode().hex(),
    "hex, spaced": lambda text: text.encode().hex(" "),
    "binary": _each("{:08b}", " "),
    "decimal": _each("{}", " "),
    "morse": _morse,
    "url": _each("%{:02x}"),
    "entities": _each("&#{};"),
    "hex entities": _each("&#x{:x};"),
    "unicode escapes": _each("\\u{:04x}"),
    "hex escapes": _each("\\x{:02x}"),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "caesar": _swap(LETTERS[7:] + LETTERS[:7]),
    "atbash": _swap(LETTERS[::-1]),
    "reversed": lambda text: text[::-1],
    "leet": lambda text: text.lower().translate(str.maketrans("oieas", "01345")),
    "spaced": _words(" ".join, "   "),
    "dotted": _words(".".join, "  "),
    "fullwidth": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "bold letters": _shifted(0x1D41A, 0x1D400),
    "circled letters": _shifted(0x24D0, 0x24B6),
    "flag letters": lambda text: _shifted(0x1F1E6, 0x1F1E6)(text.lower()),
    "look-alikes": lambda text: text.translate(CYRILLIC),
    "zero width": "\u200b".join,
    "soft hyphens": "\u00ad".join,
    "tags": lambda text: "hi" + "".join(chr(0xE0000 + ord(c)) for c in text if c.isascii()),
    "struck through": lambda text: "".join(f"{char}\u0336" for char in text),
    "mixed case": lambda text: "".join(c.upper() if n % 2 else c.lower() for n, c in enumerate(text)),
    "base58": _base58,
    "uuencode": lambda text: binascii.b2a_uu(text.encode()[:45]).decode(),
    "quoted-printable": lambda text: quopri.encodestring(
        "".join(f"={ord(c):02X}" for c in text).encode()
    ).decode().replace("=3D", "="),
    "octal escapes": _each("\\{:03o}"),
    "octal numbers": _each("{:o}", " "),
    "utf-7": lambda text: f"+{base64.b64encode(text.encode('utf-16-be')).decode().rstrip('=')}-",
    "keyboard": _swap("".join(KEYBOARD[(KEYBOARD.index(c) + 1) % 26] for c in LETTERS)),
    "braille": _braille,
    "piled accents": lambda text: "".join(f"{char}\u0301\u0323\u0330" for char in text),
    "markdown": _words(lambda word: f"**{word[:2]}**{word[2:]}"),
    "html tags": _words(lambda word: f"<b>{word[:2]}</b>{word[2:]}"),
}  # fmt: skip
UNSEEN: Mapping[str, Encode] = {
    "ascii85": lambda text: base64.a85encode(text.encode()).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "deflated base64": lambda text: _base64(zlib.compress(text.encode()).decode("latin-1")),
    "rot47": _rot47,
    "spelling alphabet": _nato,
    "letter numbers": _numbers,
    "pig latin": _words(_pig),
    "words backwards": _words(lambda word: word[::-1]),
    "word order": lambda text: " ".join(text.split()[::-1]),
    "without spaces": lambda text: text.replace(" ", ""),
    "underscores": lambda text: text.replace(" ", "_"),
    "camel case": _words(str.capitalize, ""),
    "without vowels": lambda text: re.sub("(?<=[a-z])[aeiou](?=[a-z])", "", text),
    "one word a line": _words(str, "\n"),
    "doubled letters": lambda text: re.sub(r"([aeiou])", r"\1\1", text),
    "escaped json": lambda text: html.escape(text).replace("e", "\\u0065").replace("o", "\\u006f"),
}  # fmt: skip
