"""What may stand in a value's place besides a placeholder, and whether it can be taken back."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

Operator: TypeAlias = Literal["placeholder", "redact", "partial", "hash", "encrypt", "surrogate"]

KEYED = frozenset({"hash", "encrypt"})
AES_KEYS = (16, 24, 32)
# How many characters of a value `partial` leaves, and how many it must have for that.
SHOWN, ENOUGH = 4, 8
# How often a stand-in is made anew when the one made stands in the text already.
TRIES = 50


@dataclass(frozen=True, slots=True)
class Token:
    """What stands in a value's place; `back` if the value can be put back where it is found."""

    text: str
    back: bool


@dataclass(frozen=True, slots=True)
class Operators:
    """The operator of each entity, placeholders for those not named, and the key that some of them need."""

    by_entity: Mapping[str, Operator]
    key: str = ""

    def token(self, entity: str, value: str, taken: Callable[[str], bool]) -> Token | None:
        """What stands for a value; None for a placeholder.  `taken` says what would be mistaken for text."""
        match self.by_entity.get(entity, "placeholder"):
            case "redact":
                return Token(f"<{entity}>", back=False)
            case "partial":
                return Token(_partial(value), back=False)
            case "hash":
                return Token(f"<{entity}#{_digest(self.key, value).hex()[:16]}>", back=False)
            case "encrypt":
                return Token(_encrypted(self.key, value), back=True)
            case "surrogate":
                made = next((one for one in self._surrogates(entity, value) if not taken(one)), None)
                return None if made is None else Token(made, back=True)
            case _:
                return None

    def _surrogates(self, entity: str, value: str) -> Iterator[str]:
        """Stand-ins of the same form, the same ones for the same value and key."""
        for number in range(TRIES):
            made = _surrogate(entity, value, _digest(self.key, f"{entity}:{number}:{value}"))
            if made != value:
                yield made


def _partial(value: str) -> str:
    """The value with all but its last letters or digits covered; a short one wholly."""
    places = [index for index, char in enumerate(value) if char.isalnum()]
    shown = set(places[-SHOWN:]) if len(places) >= ENOUGH else set()
    return "".join("*" if c.isalnum() and i not in shown else c for i, c in enumerate(value))


def _digest(key: str, value: str) -> bytes:
    return hmac.digest(key.encode(), value.encode("utf-8", "surrogatepass"), "sha256")


def _encrypted(key: str, value: str) -> str:
    from presidio_anonymizer.operators import Encrypt

    return str(Encrypt().operate(value, {"key": key}))


# --- surrogates


def _surrogate(entity: str, value: str, digest: bytes) -> str:
    seed = int.from_bytes(digest[:8], "big")
    match entity:
        case "PERSON" | "LOCATION" | "ORGANIZATION" | "ADDRESS" | "EMAIL_ADDRESS":
            fake = _faker()
            fake.seed_instance(seed)
            made = {
                "PERSON": fake.name,
                "LOCATION": fake.city,
                "ORGANIZATION": fake.company,
                "ADDRESS": fake.street_address,
                "EMAIL_ADDRESS": fake.safe_email,
            }[entity]()
            return str(made).replace("\n", ", ")
        case "CREDIT_CARD":
            return _luhn(_shaped(value, digest))
        case "IBAN_CODE":
            return _iban(value[:2] + _shaped(value[2:], digest))
        case _:
            return _shaped(value, digest)


@lru_cache(maxsize=1)
def _faker() -> Any:
    try:
        from faker import Faker
    except ImportError:
        raise ValueError(
            "surrogates are made by Faker; install it with: pip install 'wardline[surrogates]'"
        ) from None
    return Faker("en_US")


def _shaped(value: str, digest: bytes) -> str:
    """Other digits for digits and other letters for letters, all else as it is."""
    stream = _stream(digest)
    return "".join(_other(char, next(stream)) for char in value)


def _other(char: str, number: int) -> str:
    if char.isdigit():
        return "0123456789"[number % 10]
    if char.isalpha():
        letter = "abcdefghijklmnopqrstuvwxyz"[number % 26]
        return letter.upper() if char.isupper() else letter
    return char


def _stream(digest: bytes) -> Iterator[int]:
    while True:
        yield from digest
        digest = hashlib.sha256(digest).digest()


def _luhn(value: str) -> str:
    """The value with its last digit such that the Luhn checksum holds."""
    places = [index for index, char in enumerate(value) if char.isdigit()]
    if not places:
        return value
    total = 0
    for turn, place in enumerate(reversed(places[:-1])):
        digit = int(value[place]) * (1 if turn % 2 else 2)
        total += digit - 9 if digit > 9 else digit
    return value[: places[-1]] + str(-total % 10) + value[places[-1] + 1 :]


def _iban(value: str) -> str:
    """The value with check digits that hold (ISO 13616, mod 97)."""
    compact = re.sub(r"[^A-Za-z0-9]", "", value).upper()
    if len(compact) < 5 or not compact[:2].isalpha():
        return value
    number = int("".join(str(int(char, 36)) for char in f"{compact[4:]}{compact[:2]}00"))
    check = iter(f"{98 - number % 97:02d}")
    out, seen = [], 0
    for char in value:
        seen += char.isalnum()
        out.append(next(check) if char.isalnum() and seen in (3, 4) else char)
    return "".join(out)
