"""Rules for secrets: how the public formats are looked for, and what makes a candidate a likely key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from math import log2
from typing import NamedTuple

from guards._text._formats import ALPHABETS, NAMED, PREFIXED
from guards._text._match import Matcher
from guards._text._prefix import longest, partial

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

WORDS = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "api_key", "apikey", "api-key", "api key",
    "access_key", "access-key", "accesskey", "private_key", "credential", "auth_key", "authkey", "bearer",
    "encryption_key", "signing_key", "client_key", "app_key", "appkey", "master_key", "service_key",
    "session_key", "license_key", "basic", "artif-key", "x-api-key", "sl_key", "secretkey", "hmac_key",
)  # fmt: skip
BETWEEN = r"""[A-Za-z0-9_.\x20-]{0,24}["'\]]{0,2}\s{0,3}(?:=>|:=|==|=|:|,|\sis\s)?\s{0,3}["'`]{0,1}"""
ASSIGNED = r"""[A-Za-z0-9_.-]{0,24}["'\]]{0,2}\s{0,3}(?:=>|:=|==|=|:)\s{0,3}(?:Bearer\s|Basic\s)?["'`]{0,1}"""
VALUE = r"[A-Za-z0-9+/=_.~!@#$%^&*-]{8,200}"
SENT = r"\s{1,2}[A-Za-z0-9+/_.~-]{16,300}={0,2}"
LOGIN = r"[^\s:/?#@\"'<>\[\]{}|]{0,64}:(?P<value>[^\s:/?#@\"'<>{}|]{3,100})@[A-Za-z0-9\[]"

INFIXES = {
    "azure_devops": r"\b[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b",
    "telegram": r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b",
    "mailchimp": r"\b[0-9a-f]{32}-us[0-9]{1,2}\b",
    "discord": r"\b[MNOA][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}\b",
    "azure": r"\b[A-Za-z0-9_]{3}[78]Q~[A-Za-z0-9_.~-]{31,34}\b",
}

# What stands in documentation where a key would stand.
SAMPLES = re.compile(
    r"example|your|placeholder|changeme|change_me|redacted|insert|replace|dummy|\.\.\.|xxxx|\*\*\*\*|12345678|abcdefgh"
    r"|<|\$\{|\{\{|%s|process\.env|os\.environ|getenv",
    re.IGNORECASE,
)
KNOWN_SAMPLES = frozenset({"4eC39HqLyjWDarjtT1zdp7dc", "TYooMQauvdEDq54NiTphI7jx"})


class Rule(NamedTuple):
    """One way a key is written: what follows its prefix, whole and begun, and what makes it likely."""

    code: str
    body: re.Pattern[str]
    begun: re.Pattern[str]
    likely: Callable[[str], float]
    inside: bool
    anywhere: bool
    window: int


class Rules(NamedTuple):
    """Every rule by the prefix that it starts from; `words` are prefixes in any case."""

    keys: dict[str, list[Rule]]
    words: dict[str, list[Rule]]
    window: int


@lru_cache(maxsize=2)
def rules(generic: bool) -> Rules:
    """The rules, compiled once; with the generic ones, a name of a secret beside a value too."""
    keys: dict[str, list[Rule]] = {}
    words: dict[str, list[Rule]] = {}
    for row in PREFIXED.strip().splitlines():
        provider, prefixes, body = row.split(" ", 2)
        for prefix in prefixes.split(","):
            literal = prefix.replace(r"\s", " ")
            keys.setdefault(literal, []).append(_rule(provider, body, _judge(provider, literal)))
    for row in NAMED.strip().splitlines():
        provider, names, body = row.split(" ", 2)
        for name in names.split(","):
            rule = _rule(provider, f"{BETWEEN}(?P<value>{body})", _mixed, inside=True)
            words.setdefault(name, []).append(rule)
    keys.setdefault("://", []).append(_rule("login", LOGIN, _password, inside=True, edge=""))
    if generic:
        for word in WORDS:
            value = SENT if word in ("bearer", "basic") else VALUE
            between = "" if word in ("bearer", "basic") else ASSIGNED
            judge = _strong if word in ("bearer", "basic") else _generic
            rule = _rule("generic", f"{between}(?P<value>{value})", judge, inside=True, anywhere=True)
            words.setdefault(word, []).append(rule)
    both = [*keys.items(), *words.items()]
    return Rules(keys, words, max(len(key) + rule.window for key, held in both for rule in held) + 2)


@lru_cache(maxsize=1)
def infixes() -> Matcher:
    """Formats that are known by what stands in their middle."""
    known = {f"secrets.{name}": regex for name, regex in INFIXES.items()}
    return Matcher(patterns=known, ignore_case=False)


def _rule(
    provider: str,
    body: str,
    likely: Callable[[str], float],
    *,
    inside: bool = False,
    anywhere: bool = False,
    edge: str | None = None,
) -> Rule:
    for name, letters in reversed(ALPHABETS.items()):
        body = body.replace(name, letters)
    if edge is None:
        # A key ends where its letters end.
        hyphen = body.rstrip("}0123456789,)").endswith("-]")
        edge = r"(?![A-Za-z0-9_-])" if hyphen else r"(?![A-Za-z0-9_])"
    whole = re.compile(body + edge)
    return Rule(f"secrets.{provider}", whole, partial(body), likely, inside, anywhere, longest(body) + 1)


def _judge(provider: str, prefix: str) -> Callable[[str], float]:
    if provider in WHOLE:
        return lambda value: float(WHOLE[provider](prefix + value))
    if provider in CHECKS:
        return CHECKS[provider]
    if provider in ("private_key", "putty_key"):
        return lambda _: 1.0
    if len(prefix) >= 4 and not prefix.isalpha():
        return _varied
    return _mixed


def entropy(text: str) -> float:
    """Shannon's entropy of the characters, in bits a character."""
    return -sum(n / len(text) * log2(n / len(text)) for n in Counter(text).values()) if text else 0.0


def sample(value: str) -> bool:
    """Whether a value only shows where a key would stand."""
    return bool(SAMPLES.search(value)) or any(one in value for one in KNOWN_SAMPLES)


def _varied(value: str) -> float:
    return 0.9 if len(set(value)) > 4 else 0.0


def _mixed(value: str) -> float:
    has = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return 0.8 if has and entropy(value) >= 2.8 else 0.0


def _generic(value: str) -> float:
    if not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return 0.0
    if re.fullmatch(r"[A-Za-z_.-]+\d{0,4}|\w{1,40}\.\w{1,40}(?:\.\w{1,40})*|[\d.,:/-]+\w{0,3}", value):
        return 0.3
    return 0.7 if entropy(value) >= 3.0 else 0.3


def _strong(value: str) -> float:
    return 0.7 if any(map(str.isdigit, value)) and entropy(value) >= 3.5 else 0.0


def _password(value: str) -> float:
    return 0.7 if len(set(value)) > 2 and not value.isdigit() else 0.0


def _crc62(value: str) -> float:
    """The last six characters are a CRC-32 of the rest, in base 62; a key that was changed is still one."""
    body, said = value[:-6], value[-6:]
    number = zlib.crc32(body.encode())
    digits = ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        digits = BASE62[rest] + digits
    return 1.0 if digits == said else _varied(value) * 0.9


def _jwt(value: str) -> float:
    head = "eyJ" + value.partition(".")[0]
    try:
        header = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))
    except (ValueError, binascii.Error):
        return 0.0
    return 0.9 if b'"alg"' in header and header.rstrip().endswith(b"}") else 0.0


def _stellar(value: str) -> float:
    raw = base64.b32decode(value)
    crc = 0
    for byte in raw[:-2]:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return 1.0 if crc == int.from_bytes(raw[-2:], "little") else 0.0


def _base58(value: str) -> float:
    number = 0
    for char in value:
        number = number * 58 + BASE58.index(char)
    raw = number.to_bytes(82, "big") if number.bit_length() <= 656 else b""
    check = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4]
    return 1.0 if raw and check == raw[-4:] else 0.6


def _bech32(human: str) -> Callable[[str], float]:
    def judged(value: str) -> float:
        data = [BECH32.index(char) for char in value.lower()]
        expanded = [ord(char) >> 5 for char in human] + [0] + [ord(char) & 31 for char in human]
        check = 1
        for one in expanded + data:
            top = check >> 25
            check = (check & 0x1FFFFFF) << 5 ^ one
            for bit, mask in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                check ^= mask if top >> bit & 1 else 0
        return 1.0 if check == 1 else 0.6

    return judged


CHECKS: dict[str, Callable[[str], float]] = {
    "huggingface": lambda value: 0.9 if entropy(value) >= 3.5 and not value.islower() else 0.0,
    "aws": lambda value: 0.9 if set(value) - {"X"} else 0.0,
    "npm": _crc62,
    "github": lambda value: _crc62(value) if len(value) == 36 else _varied(value),
    "jwt": _jwt,
    "age": _bech32("age-secret-key-"),
    "nostr": _bech32("nsec"),
}
WHOLE: dict[str, Callable[[str], float]] = {"stellar": _stellar, "bitcoin": _base58}
