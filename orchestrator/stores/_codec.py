"""States as bytes: JSON with the few types that guards keep, sealed where there is a key."""

from __future__ import annotations

import json
import os
from typing import Any

from guards._errors import Denied
from guards._pii._vault import Vault

AES_KEYS = (16, 24, 32)
NONCE = 12
MARK = b"wardline 1\n"


class Codec:
    """Turns states into bytes and back.  With a key (16, 24 or 32 bytes), the bytes are sealed by AES-GCM.

    `place` is bound into the seal, so that a state cannot be moved under another name.  Without a key, a
    state that holds personal data is `Denied`.  Both directions raise ValueError for what they cannot do.
    """

    def __init__(self, key: str = "") -> None:
        self._key = key.encode()
        if key and len(self._key) not in AES_KEYS:
            raise ValueError(f"the store's key must have 16, 24 or 32 bytes, not {len(self._key)}")

    def encode(self, state: Any, place: str) -> bytes:
        if isinstance(state, Vault) and not self._key:
            raise Denied("this store has no key, and personal data is not kept unencrypted; give it one")
        plain = json.dumps(state, default=_tagged, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if not self._key:
            return MARK + plain
        nonce = os.urandom(NONCE)
        return MARK + nonce + _aes(self._key).encrypt(nonce, plain, MARK + place.encode())  # type: ignore[no-any-return]

    def decode(self, data: bytes, place: str) -> Any:
        if not data.startswith(MARK):
            raise ValueError(f"{place} holds nothing of ours")
        body = data[len(MARK) :]
        if self._key:
            body = self._opened(body, place)
        try:
            return json.loads(body.decode("utf-8", "surrogatepass"), object_hook=_untagged)
        except ValueError:
            raise ValueError(f"{place} was changed, or is sealed, and no key was given") from None

    def _opened(self, body: bytes, place: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            opened: bytes = _aes(self._key).decrypt(body[:NONCE], body[NONCE:], MARK + place.encode())
        except (InvalidTag, ValueError):
            raise ValueError(f"{place} was changed, or sealed under another key") from None
        return opened


def _aes(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _tagged(value: Any) -> Any:
    if isinstance(value, Vault):
        return {"$vault": value.dump()}
    raise TypeError(f"a state may hold JSON values and vaults, not {type(value).__name__}")


def _untagged(value: dict[str, Any]) -> Any:
    return Vault.load(value["$vault"]) if value.keys() == {"$vault"} else value
