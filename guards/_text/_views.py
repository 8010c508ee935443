"""A text as a model may read it: normalised, and with what is encoded in it decoded; offsets are kept.

A check looks at the views it chooses, and its findings point into the original.  Work is linear in the
text: decoded layers are at most `DEPTH` deep and together at most `DECODED` characters.
"""

from __future__ import annotations

import binascii
import html
import re
from array import array
from base64 import b32decode, b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from unicodedata import normalize

from guards._text import _signs as signs

DEPTH = 3
DECODED = 65_536
LAYERS = 64
"""How many pieces of a text are decoded at most."""

HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u0300-\u036f\U000e0000-\U000e0fff\x00-\x08\x0e-\x1f\x7f-\x9f]"
)
LOOKALIKES = str.maketrans(
    "\u0430\u0432\u0435\u0437\u0438\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d\u0491\u0451"
    "\u03b1\u03b2\u03b5\u03b7\u03b9\u03ba\u03bd\u03bf\u03c1\u03c3\u03c4\u03c5\u03c7\u03c9\u0578\u057d\u0585\u0561\u0570\u0581"
    "\u1d00\u0299\u1d04\u1d05\u1d07\ua730\u0262\u029c\u026a\u1d0a\u1d0b\u029f\u1d0d\u0274\u1d0f\u1d18\u0280\ua731\u1d1b\u1d1c\u1d20\u1d21\u028f\u1d22"
    "\u0251\u0261\u0131\u0142\u00f8\u0111\u0127\u0252\u0250\u0259\u0287\u0265\u026f\u0279\u028c\u028d\u028e\u0183\u0188\u0199\u01a5\u01b4",
    "abe3ukmhopctyxsijhdqwre" "abenikvopotuxwnsoahg" "abcdefghijklmnoprstuvwyz" "agilodhaaethmrvwybckpy",
)  # fmt: skip
ODD = re.compile(r"[^\t\n\x0b-\r -~]")
LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
LEET = str.maketrans("01345789@$!|+\u20ac", "oieastbgasiite")
LEETED = re.compile(
    r"(?<![\w@$!|+])(?=[\w@$!|+\u20ac]*[a-z])[\w@$!|+\u20ac]*[0134578@$!|+\u20ac][\w@$!|+\u20ac]*"
)
LEETING = re.compile(r"[0134578@$|][a-z]")
SPACED = re.compile(r"(?<!\w)\w(?:[ \t.\-_*|/,~]{1,3}\w(?!\w)){4,}")
FOREIGN = re.compile(r"[^\W\d_\x00-\x7f]")

BASE64 = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/=])")
BASE32 = re.compile(r"(?<![A-Z0-9=])[A-Z2-7]{24,}={0,6}(?![A-Za-z0-9=])")
HEX = re.compile(r"(?<![0-9A-Za-z])(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ ,:]?){8,}(?![0-9A-Za-z])")
BINARY = re.compile(r"(?<!\d)(?:[01]{8}[ ,]?){6,}(?!\d)")
DECIMAL = re.compile(r"(?<!\d)(?:\d{2,3}[ ,]{1,2}){8,}\d{2,3}(?!\d)")
OCTAL = re.compile(r"(?<!\d)(?:[0-7]{2,3}[ ,]{1,2}){8,}[0-7]{2,3}(?!\d)")
BASE58 = re.compile(r"(?<![A-Za-z0-9+/_=-])[1-9A-HJ-NP-Za-km-z]{24,512}(?![A-Za-z0-9+/_=-])")
UTF7 = re.compile(r"(?<![A-Za-z0-9+/])\+[A-Za-z0-9+/]{16,2048}-")
UUENCODED = re.compile(r"(?<![ -~])[!-M][ -`]{24,60}(?![ -~])")
TAGS = re.compile(r"(?<=\w)</?[A-Za-z]{1,10}>(?=\w)")
STARS = re.compile(r"(?<=\w)\*{1,3}(?=\w)")
QUOTED = re.compile(r"(?:=(?:[0-9A-F]{2}|\r?\n)){2,}")
PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
ESCAPE = re.compile(r"\\u\{?([0-9A-Fa-f]{4,6})\}?|\\x([0-9A-Fa-f]{2})|\\U([0-9A-Fa-f]{8})|\\([0-7]{3})")
ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31});")
MORSE = re.compile(r"(?:[.\-]{1,5}(?: {1,3}|\s?/\s?)){6,}[.\-]{1,5}")
MORSED: Mapping[str, str] = {
    ".-": "a", "-...": "b", "-.-.": "c", "-..": "d", ".": "e", "..-.": "f",
    "--.": "g", "....": "h", "..": "i", ".---": "j", "-.-": "k", ".-..": "l",
    "--": "m", "-.": "n", "---": "o", ".--.": "p", "--.-": "q", ".-.": "r",
    "...": "s", "-": "t", "..-": "u", "...-": "v", ".--": "w", "-..-": "x",
    "-.--": "y", "--..": "z",
}  # fmt: skip
# Words that an instruction to a model has; two of them under one cipher, and the text is read under it.
KEYS = (
    "ignore", "disregard", "forget", "previous", "prior", "above",
    "instructions", "instruction", "system", "prompt", "reveal", "print",
    "your", "you", "the", "and", "this", "that",
    "with", "from", "all", "are", "now", "not",
    "what", "must", "tell", "password", "secret", "rules",
    "output", "please",
)  # fmt: skip
DIGITS58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BRAILLE: Mapping[str, str] = {
    chr(0x2800 + dots): letter
    for letter, dots in zip(
        "abcdefghijklmnopqrstuvwxyz",
        (1, 3, 9, 25, 17, 11, 27, 19, 10, 26, 5, 7, 13, 29, 21, 15, 31, 23, 14, 30, 37, 39, 58, 45, 61, 53),
        strict=True,
    )
}
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
KEYBOARD = "qwertyuiopasdfghjklzxcvbnm"
CIPHERS: Mapping[str, dict[int, int]] = {
    **{f"rot{n}": str.maketrans(ALPHABET, ALPHABET[n:] + ALPHABET[:n]) for n in range(1, 26)},
    "atbash": str.maketrans(ALPHABET, ALPHABET[::-1]),
    "key right": str.maketrans(KEYBOARD, KEYBOARD[1:] + KEYBOARD[:1]),
    "key left": str.maketrans(KEYBOARD, KEYBOARD[-1:] + KEYBOARD[:-1]),
}


@dataclass(frozen=True, slots=True)
class View:
    """A way to read a text.  Character `n` of it stands for `starts[n]` to `ends[n]` of the original.

    Without `starts`, offsets are those of the original; with `whole`, all of it stands for that one span.
    """

    name: str
    text: str
    starts: array[int] | None = None
    whole: tuple[int, int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of this view, which is not empty, stands in the original."""
        if self.whole is not None:
            return self.whole
        if self.starts is None:
            return start, end
        first, last = self.starts[start], self.starts[end - 1]
        return min(first, last), max(first, last) + 1

    def edited(self, name: str, text: str, kept: array[int] | None = None) -> View:
        """This view with another text; `kept` says which of its characters each new one stands for."""
        if self.whole is not None or (kept is None and self.starts is None):
            return View(name, text, None, self.whole)
        if kept is None:
            return View(name, text, self.starts)
        if self.starts is not None:
            kept = array("l", map(self.starts.__getitem__, kept))
        return View(name, text, kept)


def views(text: str) -> Iterator[View]:
    """Every way to read a text that differs from the others; the first is the normalised text itself."""
    budget, layers = DECODED, LAYERS
    queue = [(View("plain", text), 0)]
    for raw, depth in queue:
        plain = folded(raw)
        yield plain
        yield from variants(plain)
        if depth == DEPTH:
            continue
        for layer in decoded(raw):
            if budget <= 0 or not layers:
                return
            layers -= 1
            queue.append((View(layer.name, layer.text[:budget], layer.starts, layer.whole), depth + 1))
            budget -= len(layer.text)


def variants(plain: View) -> Iterator[View]:
    """The readings of a normalised text that undo how its letters are written."""
    data = signs.seen(plain.text)
    if signs.LEETING(data) and LEETING.search(plain.text):
        yield plain.edited("leet", LEETED.sub(lambda found: found[0].translate(LEET), plain.text))
    if signs.SPACED(data) and SPACED.search(plain.text):
        yield joined(plain)
    yield from ciphered(plain)


def folded(view: View, latin: bool | None = None) -> View:
    """In lower case and compatibility form, without what is hidden and what only looks like Latin letters.

    With `latin`, letters that look like Latin ones are read as such; None: where most of the text is Latin.
    """
    if view.text.isascii() and not signs.controlled(view.text.encode()):
        return view.edited(view.name, view.text.lower())
    if latin is None:
        latin = 2 * len(FOREIGN.findall(view.text)) < len(view.text)
    table: dict[str, str] = {}

    def replace(found: re.Match[str]) -> str:
        if found[0] not in table:
            table[found[0]] = _folded(found[0], latin)
        return table[found[0]]

    new = replaced(view, view.name, ODD, replace)
    return View(new.name, new.text.translate(LOWER), new.starts, new.whole)


def _folded(char: str, latin: bool) -> str:
    if char < "\x80":
        return "" if HIDDEN.match(char) else char.lower()
    if "\U000e0020" <= char <= "\U000e007e":
        return chr(ord(char) - 0xE0000).lower()  # tag characters spell ASCII
    if "\U0001f1e6" <= char <= "\U0001f1ff":
        return chr(ord(char) - 0x1F1E6 + ord("a"))
    if "\U0001f130" <= char <= "\U0001f189":
        return chr((ord(char) - 0x1F130) % 32 % 26 + ord("a"))
    if "\u2801" <= char <= "\u283f":
        return BRAILLE.get(char, char)
    plain = HIDDEN.sub("", normalize("NFKD", normalize("NFKC", char).lower()))
    return plain.translate(LOOKALIKES) if latin else plain


def joined(view: View, apart: re.Pattern[str] = SPACED) -> View:
    """Letters that stand apart, put together; a wider gap is a space."""
    out, kept, done = list[str](), array("l"), 0
    for found in apart.finditer(view.text):
        out.append(view.text[done : found.start()])
        kept.extend(range(done, found.start()))
        letters = [found.start() + at for at, char in enumerate(found[0]) if char.isalnum()]
        for at, following in pairwise([*letters, found.end()]):
            wide = following - at > 2 and following != found.end()
            out.append(view.text[at] + (" " if wide else ""))
            kept.extend([at] * (1 + wide))
        done = found.end()
    out.append(view.text[done:])
    kept.extend(range(done, len(view.text)))
    return view.edited("joined", "".join(out), kept)


def ciphered(view: View) -> Iterator[View]:
    """The text under each cipher of letters under which several words of an instruction are in it."""
    words = signs.words(signs.seen(view.text)) & CIPHERED.keys()
    hits = Counter(name for word in sorted(words) for name in CIPHERED[word])
    for name, count in hits.items():
        if count < 2:
            continue
        if name == "reversed":
            kept = array("l", range(len(view.text) - 1, -1, -1))
            yield view.edited(name, view.text[::-1], kept)
        else:
            yield view.edited(name, view.text.translate(CIPHERS[name]))


def _ciphered_keys() -> dict[bytes, list[str]]:
    """Each key under each cipher, and which cipher reads it back."""
    found: dict[str, list[str]] = {}
    for key in KEYS:
        for n in range(1, 26):
            found.setdefault(key.translate(CIPHERS[f"rot{26 - n}"]), []).append(f"rot{n}")
        found.setdefault(key.translate(CIPHERS["atbash"]), []).append("atbash")
        for one, back in (("key left", "key right"), ("key right", "key left")):
            found.setdefault(key.translate(CIPHERS[one]), []).append(back)
        found.setdefault(key[::-1], []).append("reversed")
    return {word.encode(): names for word, names in found.items() if word not in ENGLISH}


ENGLISH = frozenset(KEYS) | {"won", "lla", "era", "saw", "raw", "tow", "nos"}
CIPHERED = _ciphered_keys()


def decoded(view: View) -> Iterator[View]:
    """What is encoded in a text: base64, base32, hex, binary, decimal and Morse code, and escapes."""
    shown = signs.spans(signs.seen(view.text))
    for name, gate, pattern, decode in SPANS:
        if name not in shown or not gate.search(view.text):
            continue
        for found in pattern.finditer(view.text):
            if (text := decode(found[0])) and readable(text):
                yield View(name, text, whole=view.span(*found.span()))
    for name, sign, pattern, replace in ESCAPES:
        if sign in view.text and pattern.search(view.text):
            yield replaced(view, name, pattern, replace)


def replaced(
    view: View, name: str, pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]
) -> View:
    out, kept, done = list[str](), array("l"), 0
    for found in pattern.finditer(view.text):
        new = replace(found)
        out += [view.text[done : found.start()], new]
        kept.extend(range(done, found.start()))
        kept.extend([found.start()] * len(new))
        done = found.end()
    out.append(view.text[done:])
    kept.extend(range(done, len(view.text)))
    return view.edited(name, "".join(out), kept)


def readable(text: str) -> bool:
    """Whether a decoded text is a text: mostly letters and spaces."""
    sample = text[:400]
    plain = sum(char.isalpha() or char in " .,:;!?'\"-\n" for char in sample)
    return len(sample) >= 6 and plain >= 0.8 * len(sample)


def _utf8(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _base64(text: str) -> str:
    plain = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return _utf8(b64decode(plain + "=" * (-len(plain) % 4)))
    except binascii.Error:
        return ""


def _base32(text: str) -> str:
    plain = text.rstrip("=")
    try:
        return _utf8(b32decode(plain + "=" * (-len(plain) % 8)))
    except binascii.Error:
        return ""


def _hex(text: str) -> str:
    digits = re.sub(r"0x|\\x|[ ,:]", "", text)
    return _utf8(bytes.fromhex(digits)) if len(digits) % 2 == 0 else ""


def _octal(text: str) -> str:
    return _decimal(" ".join(str(int(one, 8)) for one in re.findall(r"\d+", text)))


def _base58(text: str) -> str:
    number = 0
    for char in text:
        number = number * 58 + DIGITS58.index(char)
    return _utf8(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _utf7(text: str) -> str:
    try:
        return text.encode("ascii").decode("utf-7")
    except UnicodeDecodeError:
        return ""


def _uu(text: str) -> str:
    try:
        return _utf8(binascii.a2b_uu(text))
    except binascii.Error:
        return ""


def _nothing(found: re.Match[str]) -> str:
    return ""


def _quoted(found: re.Match[str]) -> str:
    return bytes.fromhex("".join(found[0].replace("=", "").split())).decode("utf-8", "replace")


def _binary(text: str) -> str:
    return _utf8(bytes(int(one, 2) for one in re.findall("[01]{8}", text)))


def _decimal(text: str) -> str:
    numbers = [int(one) for one in re.findall(r"\d+", text)]
    return "".join(map(chr, numbers)) if all(10 <= one < 256 for one in numbers) else ""


def _morse(text: str) -> str:
    words = re.split(r"\s*/\s*| {2,}", text.strip())
    return " ".join("".join(MORSED.get(one, "") for one in word.split()) for word in words)


def _percent(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace")


def _escape(found: re.Match[str]) -> str:
    octal = found[4]
    code = int(octal, 8) if octal else int(found[1] or found[2] or found[3], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def _entity(found: re.Match[str]) -> str:
    return html.unescape(found[0])


# The first pattern is fast and says where the second, which is exact, is worth looking for.
LONG, PAIRS, NUMBERS = (
    re.compile(r"[A-Za-z0-9+/_-]{16}"),
    re.compile(r"(?:[0-9A-Fa-f]{2}[ ,:\\x0]{0,3}){6}"),
    re.compile(r"\d\d[ ,]{1,2}\d\d"),
)
CAPITALS = re.compile(r"[ -`]{24}")
DASHES = re.compile(r"[.-] [.-]")
SPANS: tuple[tuple[str, re.Pattern[str], re.Pattern[str], Callable[[str], str]], ...] = (
    ("base64", LONG, BASE64, _base64),
    ("base32", LONG, BASE32, _base32),
    ("hex", PAIRS, HEX, _hex),
    ("base58", LONG, BASE58, _base58),
    ("utf-7", LONG, UTF7, _utf7),
    ("uuencode", CAPITALS, UUENCODED, _uu),
    ("octal", NUMBERS, OCTAL, _octal),
    ("binary", NUMBERS, BINARY, _binary),
    ("decimal", NUMBERS, DECIMAL, _decimal),
    ("morse", DASHES, MORSE, _morse),
)
ESCAPES: tuple[tuple[str, str, re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    ("url", "%", PERCENT, _percent),
    ("quoted", "=", QUOTED, _quoted),
    ("tags", "<", TAGS, _nothing),
    ("stars", "*", STARS, _nothing),
    ("escape", "\\", ESCAPE, _escape),
    ("entity", "&", ENTITY, _entity),
)
