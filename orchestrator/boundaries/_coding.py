"""Content codings of HTTP: bodies as they were before they were compressed, whole or in passing."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol

LARGEST_BODY = 256 * 1024 * 1024
"""How many bytes a body that is read whole may have, decoded."""
READABLE = ("gzip", "x-gzip", "deflate", "br", "zstd", "identity", "")


class Uncodable(ValueError):
    """A body whose coding is not known here, or that is not in the coding it claims, or far too large."""


class Decoder(Protocol):
    def feed(self, data: bytes, /) -> bytes: ...


def decoder(coding: str) -> Decoder | None:
    """What decodes a body in passing; None where there is nothing to decode.  Raises `Uncodable`."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip"):
        return Zlib(zlib.MAX_WBITS | 16)
    if coding == "deflate":
        return Zlib(zlib.MAX_WBITS)
    if coding == "br":
        return Brotli()
    if coding == "zstd":
        return Zstandard()
    raise Uncodable(f"the content coding {coding[:20]!r} is not known here")


class Zlib:
    """gzip and deflate; some servers send the latter without its header."""

    def __init__(self, bits: int) -> None:
        self._bits, self._inner, self._first = bits, zlib.decompressobj(bits), True

    def feed(self, data: bytes) -> bytes:
        first, self._first = self._first, self._first and not data
        try:
            return self._inner.decompress(data, LARGEST_BODY)
        except zlib.error:
            if not first or self._bits != zlib.MAX_WBITS:
                raise Uncodable("the body is not in the coding it claims") from None
        self._bits = -zlib.MAX_WBITS
        self._inner = zlib.decompressobj(self._bits)
        return self.feed(data)


class Brotli:
    def __init__(self) -> None:
        self._inner: Any = _module("brotli").Decompressor()

    def feed(self, data: bytes) -> bytes:
        try:
            return bytes(self._inner.process(data))
        except Exception:  # the module's own class of error differs between its makers
            raise Uncodable("the body is not in the coding it claims") from None


class Zstandard:
    def __init__(self) -> None:
        self._inner: Any = _module("zstandard").ZstdDecompressor().decompressobj(read_across_frames=True)

    def feed(self, data: bytes) -> bytes:
        try:
            return bytes(self._inner.decompress(data))
        except Exception:
            raise Uncodable("the body is not in the coding it claims") from None


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise Uncodable(f"the package {name} is not installed; pip install 'wardline[gateway]'") from None


def decoded(body: bytes, coding: str, most: int = LARGEST_BODY) -> bytes:
    """A whole body.  Raises `Uncodable`."""
    for one in reversed(coding.split(",")):
        if (inner := decoder(one)) is not None:
            body = b"".join(_bounded(inner, body, most))
    return body


def _bounded(inner: Decoder, body: bytes, most: int) -> Iterable[bytes]:
    """Decoded piece by piece, so that a small body that grows without end is stopped on the way."""
    size = 0
    for at in range(0, len(body), 16_384):
        piece = inner.feed(body[at : at + 16_384])
        size += len(piece)
        if size > most:
            raise Uncodable("the body is far larger than it may be once it is decoded")
        yield piece


@lru_cache(64)
def understood(accepted: bytes) -> bytes:
    """What may be asked for of the codings that a client accepts: those that can be read here."""
    kept = [one.strip() for one in accepted.decode("latin-1").split(",")]
    return ", ".join(one for one in kept if _readable(one.partition(";")[0].strip().lower())).encode()


def _readable(coding: str) -> bool:
    if coding not in READABLE:
        return False
    try:
        decoder(coding)
    except Uncodable:
        return False
    return True
