"""How failures are read: statuses, timeouts, broken connections, and what the server asks to wait."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator._engine.clock import Expired
from orchestrator._engine.upstream import retry_after, upstream_error


class Failure(Exception):
    def __init__(self, status: int, **headers: str) -> None:
        super().__init__("no")
        self.status_code = status
        self.response = httpx.Response(status, headers={k.replace("_", "-"): v for k, v in headers.items()})


class APITimeoutError(Exception): ...


class APIConnectionError(Exception): ...


@pytest.mark.parametrize(
    ("error", "kind", "status", "retryable"),
    [
        (TimeoutError(), "timeout", None, True),
        (Expired(), "timeout", None, True),
        (APITimeoutError(), "timeout", None, True),
        (httpx.ReadTimeout("t"), "timeout", None, True),
        (httpx.ConnectError("c"), "connection", None, True),
        (httpx.RemoteProtocolError("c"), "connection", None, True),
        (APIConnectionError(), "connection", None, True),
        (ConnectionResetError(), "connection", None, True),
        (Failure(503), "status", 503, True),
        (Failure(529), "status", 529, True),
        (Failure(400), "status", 400, False),
        (Failure(401), "status", 401, False),
        (Failure(429, x_should_retry="false"), "status", 429, False),
        (Failure(400, x_should_retry="true"), "status", 400, True),
        (ValueError(), "error", None, False),
    ],
)
def test_a_failure_is_read_from_its_shape(error: Any, kind: str, status: int | None, retryable: bool) -> None:
    read = upstream_error("m", error)
    assert (read.kind, read.status, read.retryable) == (kind, status, retryable)
    assert read.__cause__ is error


def test_a_status_error_of_httpx_is_read() -> None:
    response = httpx.Response(429, headers={"Retry-After": "7"}, request=httpx.Request("GET", "http://x"))
    read = upstream_error("m", httpx.HTTPStatusError("no", request=response.request, response=response))
    assert (read.status, read.retry_after) == (429, 7)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (None, None),
        ({}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 99 Jan 9999999 00:00:00 GMT"}, None),
    ],
)
def test_what_the_server_asks_to_wait(headers: Any, seconds: float | None) -> None:
    assert retry_after(headers, now=100) == seconds


@given(st.text() | st.floats().map(str) | st.integers().map(str))
def test_no_header_makes_it_fail_or_wait_backwards(said: str) -> None:
    wait = retry_after({"retry-after": said})
    assert wait is None or 0 <= wait < float("inf")
