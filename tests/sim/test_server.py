"""The simulated provider over HTTP: what a client of OpenAI's API gets, with nothing left behind."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.sim import PROFILES, Profile, Provider, Tier
from orchestrator.sim.server import LARGEST_BODY, Serving, serve

HELLO = {"model": "sim", "messages": [{"role": "user", "content": "The ship left. It is late — très tard."}]}


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    with serve(Provider(models={"mine": Tier()})) as serving:
        yield serving


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20) as client:
        yield client


def post(client: httpx.Client, server: Serving, body: Any, **more: Any) -> httpx.Response:
    return client.post(f"{server.url}/v1/chat/completions", json=body, **more)


def streamed(client: httpx.Client, server: Serving, body: dict[str, Any]) -> list[dict[str, Any]]:
    response = post(client, server, {**body, "stream": True})
    assert response.headers["content-type"] == "text/event-stream"
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


@given(st.integers(0, 50), st.sampled_from(sorted(PROFILES)))
@settings(max_examples=20)
def test_over_http_come_the_answers_that_come_in_process(seed: int, faults: str) -> None:
    expected = Provider(faults, seed).answer(HELLO)
    with serve(Provider(faults, seed), hold=0.0) as server, httpx.Client() as client:
        if expected.status == 0:
            with pytest.raises(httpx.RemoteProtocolError):
                post(client, server, HELLO)
            return
        response = post(client, server, HELLO)
    assert (response.status_code, response.json()) == (expected.status, expected.body)
    for name, value in expected.headers.items():
        assert response.headers[name] == value


def test_a_stream_says_what_the_whole_says(client: httpx.Client, server: Serving) -> None:
    whole = post(client, server, HELLO).json()
    events = streamed(client, server, HELLO)
    assert [set(event) for event in events] == [{"id", "created", "model", "object", "choices"}] * len(events)
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert text == whole["choices"][0]["message"]["content"]
    assert [event["choices"][0]["finish_reason"] for event in events] == [None] * (len(events) - 1) + ["stop"]


def test_a_stream_tells_its_usage_when_asked(client: httpx.Client, server: Serving) -> None:
    events = streamed(client, server, {**HELLO, "stream_options": {"include_usage": True}})
    assert events[-1]["choices"] == []
    assert events[-1]["usage"] == post(client, server, HELLO).json()["usage"]
    assert all(event["usage"] is None for event in events[:-1])


def test_the_server_tells_its_models_and_health(client: httpx.Client, server: Serving) -> None:
    models = client.get(f"{server.url}/v1/models?limit=9").json()["data"]
    assert [model["id"] for model in models] == ["sim", "sim-small", "sim-large", "mine"]
    assert client.get(f"{server.url}/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/", 404),
        ("POST", "/v1/models", 405),
        ("POST", "/v1/embeddings", 404),
    ],
)
def test_other_paths_are_refused(
    client: httpx.Client, server: Serving, method: str, path: str, status: int
) -> None:
    response = client.request(method, f"{server.url}{path}", json={})
    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"", b"7", b'{"messages": []}']
)
def test_a_bad_body_is_refused_as_the_api_does(client: httpx.Client, server: Serving, content: bytes) -> None:
    response = client.post(f"{server.url}/v1/chat/completions", content=content)
    assert response.status_code == 400
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert client.get(f"{server.url}/healthz").status_code == 200


SIZES = [("", 411), ("Content-Length: \u00b2\r\n", 411), (f"Content-Length: {LARGEST_BODY + 1}\r\n", 413)]


@pytest.mark.parametrize(("size", "status"), SIZES)
def test_a_body_of_no_or_too_large_a_size_is_not_read(server: Serving, size: str, status: int) -> None:
    with socket.create_connection((server.host, server.port), timeout=20) as connection:
        connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{size}\r\n".encode("latin-1"))
        reply = b"".join(iter(lambda: connection.recv(4096), b""))
    assert reply.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"connection: close" in reply


def test_a_server_that_hangs_holds_the_connection_and_then_drops_it() -> None:
    down = Provider(Profile(name="down", rates={"timeout": 1.0}))
    with serve(down, hold=0.05) as server, httpx.Client() as client:
        started = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            post(client, server, HELLO)
        assert time.monotonic() - started >= 0.05


def test_time_can_be_scaled() -> None:
    provider = Provider(models={"sim": Tier(first=10.0, token=0.0)})
    with serve(provider, time_scale=0.001) as server, httpx.Client() as client:
        for body in (HELLO, {**HELLO, "stream": True}):
            started = time.monotonic()
            assert post(client, server, body).status_code == 200
            assert time.monotonic() - started >= 0.002


@pytest.mark.parametrize("stream", [False, True])
def test_closing_the_server_ends_every_thread_and_connection(stream: bool) -> None:
    before = threading.active_count()
    slow = Provider(models={"sim": Tier(first=3600.0, token=3600.0)})
    ended: list[str] = []

    def ask(url: str) -> None:
        try:
            httpx.post(f"{url}/v1/chat/completions", json={**HELLO, "stream": stream}, timeout=20)
        except httpx.HTTPError as error:
            ended.append(type(error).__name__)

    with serve(slow, time_scale=1.0) as server, httpx.Client() as idle:
        idle.get(f"{server.url}/healthz")
        asking = threading.Thread(target=ask, args=(server.url,))
        asking.start()
        while (
            threading.active_count() < before + 4
        ):  # the server's, the idle client's, the asker's and its own
            threading.Event().wait(0.001)
    asking.join(10)
    assert threading.active_count() == before
    assert len(ended) <= 1


def test_a_client_that_goes_away_is_no_news(capfd: pytest.CaptureFixture[str]) -> None:
    with serve(Provider(), time_scale=0.01) as server:
        body = json.dumps({**HELLO, "stream": True})
        for _ in range(3):
            with socket.create_connection((server.host, server.port)) as connection:
                head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body.encode())}\r\n\r\n"
                connection.sendall(f"{head}{body}".encode())
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    assert capfd.readouterr() == ("", "")


def test_many_clients_at_once_are_all_served(server: Serving) -> None:
    with httpx.Client(timeout=20) as client:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(post(client, server, HELLO).status_code))
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 16


def test_wrong_settings_are_refused_and_ipv6_is_written_as_in_urls() -> None:
    with pytest.raises(ValueError, match="not negative"), serve(Provider(), hold=-1):
        pass
    assert Serving(host="::1", port=80).url == "http://[::1]:80"
    stopped = Serving(host="x", port=1)
    stopped.stopping.set()
    stopped.wait()
