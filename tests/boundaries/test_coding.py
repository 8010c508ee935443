"""Compressed bodies are read in any pieces, and never without bound."""

import gzip
import sys
import zlib
from contextlib import suppress
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.boundaries._coding import Uncodable, decoded, decoder, understood

PACKED: dict[str, Any] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


@settings(max_examples=100, deadline=None)
@given(
    body=st.binary(max_size=300),
    first=st.sampled_from(sorted(PACKED)),
    second=st.sampled_from(sorted(PACKED)),
)
def test_a_body_is_the_same_after_all_its_codings(body: bytes, first: str, second: str) -> None:
    assert decoded(PACKED[second](PACKED[first](body)), f"{first}, {second.upper()}") == body
    assert decoded(body, "identity") is body


@settings(max_examples=100, deadline=None)
@given(body=st.binary(max_size=60), coding=st.sampled_from(sorted(PACKED)))
def test_any_bytes_are_decoded_or_refused(body: bytes, coding: str) -> None:
    with suppress(Uncodable):
        assert isinstance(decoded(body, coding), bytes)


@pytest.mark.parametrize("coding", sorted(PACKED))
def test_a_small_body_that_grows_without_end_is_stopped_on_the_way(coding: str) -> None:
    with pytest.raises(Uncodable, match="far larger"):
        decoded(PACKED[coding](bytes(30_000_000)), coding, most=1_000_000)


def test_a_coding_that_nobody_knows_or_that_needs_a_package_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(Uncodable, match="not known"):
        decoder("rot13")
    assert understood(b"gzip;q=1.0, br, rot13, zstd, *") == b"gzip;q=1.0, br, zstd"
    understood.cache_clear()
    monkeypatch.setitem(sys.modules, "brotli", None)
    with pytest.raises(Uncodable, match="install"):
        decoder("br")
    assert understood(b"gzip, br") == b"gzip"
    understood.cache_clear()
