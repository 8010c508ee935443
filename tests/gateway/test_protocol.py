"""Connections: headers are bounded in size and in time, whatever comes in whatever pieces."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from uvicorn import Config
from uvicorn.server import ServerState

from orchestrator.boundaries._gateway.protocol import HEADER_BYTES, HEADER_SECONDS, Bounded
from orchestrator.sim.clock import SimulatedLoop

REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\n{}"


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def echo(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def connected(pieces: list[tuple[float, bytes]], until: float = 0.0) -> Wire:
    """What a connection is answered to whom pieces come, each after so many seconds."""
    loop, wire = SimulatedLoop(), Wire()

    async def talk() -> None:
        state = ServerState()
        protocol = Bounded(Config(echo, http=Bounded, log_config=None), state, {}, _loop=loop)
        protocol.connection_made(wire)
        for seconds, piece in pieces:
            await asyncio.sleep(seconds)
            if wire.closed:
                break
            protocol.data_received(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.sleep(until)
        await asyncio.gather(*state.tasks)
        protocol.connection_lost(None)

    loop.run_until_complete(talk())
    loop.close()
    return wire


@given(st.lists(st.integers(0, len(REQUEST)), max_size=6))
def test_a_request_that_comes_in_time_is_answered_however_it_is_cut(cuts: list[int]) -> None:
    at = [0, *sorted(cuts), len(REQUEST)]
    pieces = [(0.5, REQUEST[start:end]) for start, end in pairwise(at) if start < end]
    assert connected(pieces).written.startswith(b"HTTP/1.1 200")


@given(st.integers(0, REQUEST.index(b"{}") - 1))
@example(0)
def test_headers_that_are_not_whole_in_time_close_the_connection(came: int) -> None:
    wire = connected([(0.0, REQUEST[:came])] if came else [], until=HEADER_SECONDS + 1)
    assert wire.closed
    assert wire.written.startswith(b"HTTP/1.1 408")


def test_a_second_request_has_its_own_time() -> None:
    pieces = [(0.0, REQUEST), (HEADER_SECONDS * 0.4, b"POST"), (HEADER_SECONDS * 0.9, REQUEST[4:])]
    assert connected(pieces).written.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("head", [b"x-long: " + b"a" * HEADER_BYTES, b"a: b\r\n" * HEADER_BYTES])
def test_headers_that_are_too_large_are_refused(head: bytes) -> None:
    wire = connected([(0.0, b"GET / HTTP/1.1\r\nhost: h\r\n"), (0.0, head), (0.0, b"\r\n\r\n")])
    assert wire.closed
    assert wire.written.startswith(b"HTTP/1.1 431")


def test_what_is_no_request_is_refused() -> None:
    wire = connected([(0.0, b"\x16\x03\x01 hello\r\n\r\n")])
    assert wire.closed
    assert wire.written.startswith(b"HTTP/1.1 400")
