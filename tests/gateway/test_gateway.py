"""The gateway: what passes, what is refused, and that a client who leaves takes the upstream's work along."""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from orchestrator.boundaries._gateway.keys import Key, Keys
from orchestrator.boundaries._gateway.settings import Settings
from orchestrator.boundaries._gateway.upstreams import UpstreamsError
from orchestrator.boundaries.gateway import Gateway, check
from orchestrator.cli import cli
from tests.gateway.serving import gateway, serving

POLICY = """\
wardline: 1
name: g
model:
  - {use: mask, entities: [EMAIL_ADDRESS]}
"""
PRICED = (
    POLICY + "models:\n  small: {id: up/gpt-small, price: {input: 1, output: 1}}\n  large: {id: gpt-large}\n"
)
ASKED = {"model": "m", "messages": [{"role": "user", "content": "write to ann@example.com"}]}
CLIENT = httpx2.Client(timeout=60)
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": USAGE,
    }


class Upstream:
    """An ASGI application that says back what it was told, and keeps it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.left, self.more = threading.Event(), threading.Event()
        self.answers: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        self.seen.append((scope["method"], path, headers, body))
        if scope["path"].endswith("/endless"):
            await self._endless(receive, send)
            return
        said = (
            b"" if not body else json.dumps(completion(json.loads(body)["messages"][-1]["content"])).encode()
        )
        extra = [
            (b"x-request-id", b"r-1"),
            (b"x-ratelimit-remaining-requests", b"7"),
            (b"connection", b"x-hop"),
        ]
        kind = [(b"content-type", b"application/json"), (b"x-hop", b"1")]
        if headers.get("accept-encoding") == "gzip":
            said, extra = gzip.compress(said), [*extra, (b"content-encoding", b"gzip")]
        await send({"type": "http.response.start", "status": 200, "headers": [*kind, *extra]})
        await send({"type": "http.response.body", "body": said})

    async def _endless(self, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left.set()


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Upstream, str]]:
    upstream = Upstream()
    with serving(upstream) as url:
        yield upstream, url


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    CLIENT.close()


@pytest.fixture
def policy(tmp_path: Path) -> str:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    return str(file)


def sent(upstream: Upstream) -> tuple[str, str, dict[str, str], bytes]:
    return upstream.seen[-1]


def test_a_request_is_masked_and_its_reply_restored(served: Any, policy: str) -> None:
    upstream, url = served
    with gateway(f"{url}/v1", policy) as base:
        said = CLIENT.post(f"{base}/v1/chat/completions", json=ASKED)
    assert said.json()["choices"][0]["message"]["content"] == "write to ann@example.com"
    assert said.headers["x-request-id"] == "r-1"
    assert said.headers["x-ratelimit-remaining-requests"] == "7"
    assert "x-hop" not in said.headers
    _, path, _, body = sent(upstream)
    assert path == "/v1/chat/completions"
    assert b"ann@example.com" not in body
    assert b"<EMAIL_ADDRESS_1>" in body


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_what_no_guard_touches_passes_byte_for_byte(served: Any, tmp_path: Path, coding: str) -> None:
    upstream, url = served
    empty = tmp_path / "empty.yaml"
    empty.write_text("wardline: 1\nname: e\n")
    body = b'{ "model" : "m", "x": 1.50e1, "messages": [{"role":"user","content":"\\u00e9"}]}'
    kind = {"content-type": "application/json", "accept-encoding": coding, "user-agent": "mine"}
    with gateway(url, str(empty)) as base:
        said = CLIENT.post(f"{base}/v1/chat/completions?a=%2Fb", content=body, headers=kind)
    _, path, headers, came = sent(upstream)
    assert came == body
    assert path == "/v1/chat/completions?a=%2Fb"
    assert headers["user-agent"] == "mine"
    assert said.json() == completion("é")


def test_an_unknown_path_is_refused_in_the_providers_shape_or_passes(served: Any, policy: str) -> None:
    upstream, url = served
    with gateway(url, policy) as base:
        said = CLIENT.post(f"{base}/v1/audio", content=b"{}", headers={"anthropic-version": "1"})
        assert (said.status_code, said.json()["type"]) == (404, "error")
        assert said.headers["x-should-retry"] == "false"
    with gateway(url, policy, unknown="pass") as base:
        assert CLIENT.get(f"{base}/v1/files").status_code == 200
    assert sent(upstream)[1] == "/v1/files"


def test_own_routes_answer(served: Any, policy: str, tmp_path: Path) -> None:
    upstream, url = served
    priced = tmp_path / "priced.yaml"
    priced.write_text(PRICED)
    with gateway(url, str(priced)) as base:
        assert CLIENT.get(f"{base}/healthz").json() == {"status": "ok"}
        assert CLIENT.get(f"{base}/readyz").json() == {"status": "ready"}
        assert [row["id"] for row in CLIENT.get(f"{base}/v1/models").json()["data"]] == ["small", "large"]
        CLIENT.post(f"{base}/v1/chat/completions", json={**ASKED, "model": "small"})
        assert json.loads(sent(upstream)[3])["model"] == "gpt-small"
    with gateway(url, policy) as base:
        CLIENT.get(f"{base}/v1/models")
    assert sent(upstream)[1] == "/v1/models"


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("spelled", ["up/m", "up\\/m"])
def test_a_model_names_its_upstream(served: Any, tmp_path: Path, guarded: bool, spelled: str) -> None:
    upstream, url = served
    file = tmp_path / "p.yaml"
    file.write_text(POLICY if guarded else "wardline: 1\nname: e\n")
    upstreams = ("first=http://127.0.0.1:1", f"up={url}")
    body = json.dumps({**ASKED, "model": "MODEL"}).replace("MODEL", spelled)
    with serving(Gateway(Settings(policies=(str(file),), upstreams=upstreams))) as base:
        kind = {"content-type": "application/json"}
        said = CLIENT.post(f"{base}/v1/chat/completions", content=body, headers=kind)
    assert said.status_code == 200
    assert json.loads(sent(upstream)[3])["model"] == "m"


def test_keys_open_with_their_users_bounds_and_never_leave(
    served: Any, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream, url = served
    monkeypatch.setenv("UP_KEY", "upstream-key")
    strict = tmp_path / "other.yaml"
    strict.write_text("wardline: 1\nname: o\nmodel:\n  - {use: size, characters: 3, then: block}\n")
    keys = Keys(tmp_path / "keys.db")
    _, ann = keys.create(Key(user="ann", calls=2, policies=("strict",), models=("m*",)))
    _, cat = keys.create(Key(user="cat"))
    gone, bob = keys.create(Key(user="bob"))
    keys.revoke(gone.id)
    more = {"keys": str(tmp_path / "keys.db"), "key_envs": ("up=UP_KEY",)}
    with gateway(url, policy, f"strict={strict}", **more) as base:

        def ask(secret: str, **options: Any) -> Any:
            headers = {"authorization": f"Bearer {secret}", **options.pop("headers", {})}
            return CLIENT.post(f"{base}/v1/chat/completions", json={**ASKED, **options}, headers=headers)

        assert [ask(secret).status_code for secret in ("-", "wrong", bob)] == [401, 401, 401]
        assert ask(ann).status_code == 200
        assert sent(upstream)[2]["authorization"] == "Bearer upstream-key"
        assert ask(ann, model="other").status_code == 403
        blocked = ask(ann, headers={"x-wardline-policy": "strict"})
        assert (blocked.status_code, blocked.json()["error"]["code"]) == (400, "blocked")
        assert ask(ann, headers={"x-wardline-policy": "nothing"}).status_code == 403
        assert ask(ann).status_code == 200
        spent = ask(ann)
        assert (spent.status_code, spent.json()["error"]["code"]) == (429, "exhausted")
        assert CLIENT.get(f"{base}/v1/models").status_code == 401
        google = f"{base}/v1beta/models/m:generateContent?alt=x&key={cat}"
        CLIENT.post(google, json=ASKED, headers={"x-goog-api-key": cat})
        assert sent(upstream)[1] == "/v1beta/models/m:generateContent?alt=x"
    assert all(secret not in str(seen) for seen in upstream.seen for secret in (ann, cat))


def test_who_the_client_is_does_not_go_on_to_the_upstream(served: Any, policy: str) -> None:
    upstream, url = served
    told = {"cookie": "session=7", "x-forwarded-for": "192.0.2.7", "forwarded": "for=192.0.2.7"}
    with gateway(url, policy) as base:
        CLIENT.post(f"{base}/v1/chat/completions", json=ASKED, headers={**told, "x-real-ip": "192.0.2.7"})
    assert not any("192.0.2.7" in value or "session" in value for value in sent(upstream)[2].values())


def test_bodies_are_bounded(served: Any, policy: str) -> None:
    _, url = served
    with gateway(url, policy, body_bytes=100) as base:
        told = CLIENT.post(f"{base}/v1/chat/completions", content=b"x" * 101)
        chunked = CLIENT.post(f"{base}/v1/chat/completions", content=iter([b"x" * 60] * 2))
        assert [told.status_code, chunked.status_code] == [413, 413]
        assert told.json()["error"]["code"] == "denied"


def test_an_upstream_that_is_down_is_told_as_an_error(policy: str) -> None:
    for unknown in ("/v1/chat/completions", "/v1/files"):
        with gateway("http://127.0.0.1:1", policy, unknown="pass") as base:
            said = CLIENT.post(f"{base}{unknown}", json=ASKED)
            assert (said.status_code, said.json()["error"]["code"]) == (502, "upstream_error")


def test_a_client_that_leaves_ends_the_upstreams_work(served: Any, policy: str) -> None:
    upstream, url = served
    with gateway(url, policy, unknown="pass") as base:
        host, port = base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nhost: h\r\n\r\n")
            assert b"first" in _until(client, b"first")
        assert upstream.left.wait(10)


def _until(client: socket.socket, mark: bytes) -> bytes:
    came = b""
    while mark not in came:
        came += client.recv(4096)
    return came


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"upstreams": ()}, "no upstream"),
        ({"policies": ("a=x", "a=y")}, "two policies"),
        ({"store": "state.db", "store_key_env": "NOT_THERE"}, "NOT_THERE"),
        ({"alerts": ("https://h",)}, "secret must have"),
        ({"alerts": ("",)}, "list of words"),
    ],
)
def test_wrong_settings_never_start(
    wrong: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UpstreamsError, ValueError), match=told):
        check(Settings(**{"upstreams": ("up=http://h",), **wrong}))


def test_a_body_that_does_not_come_is_given_up(policy: str) -> None:
    from orchestrator.sim.clock import SimulatedLoop

    loop, said = SimulatedLoop(), list[Any]()

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/messages", "raw_path": b"/v1/messages"}
    asked = Gateway(Settings(policies=(policy,), upstreams=("up=http://h",)))
    loop.run_until_complete(asked({**scope, "query_string": b"", "headers": []}, never, send))
    assert said[0]["status"] == 408
    assert loop.time() == 60.0
    loop.close()


def test_metrics_and_traces_tell_of_what_passed(served: Any, policy: str, tmp_path: Path) -> None:
    import sqlite3

    _, url = served
    with gateway(url, policy, traces=str(tmp_path / "traces.db")) as base:
        said = CLIENT.post(f"{base}/v1/chat/completions", json=ASKED)
        told = CLIENT.get(f"{base}/metrics").text
    assert 'wardline_crossings_total{boundary="model",outcome="ok",target="m"} 1.0' in told
    assert "ann@example.com" not in told
    with sqlite3.connect(tmp_path / "traces.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert sum(database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables) > 0
    why = CliRunner().invoke(
        cli, ["why", said.headers["x-wardline-request"], "--traces", str(tmp_path / "traces.db")]
    )
    assert (why.exit_code, len(said.headers.get_list("date"))) == (0, 1)
    with gateway(url, policy, metrics=False) as base:
        assert CLIENT.get(f"{base}/metrics").status_code == 404


def test_anomalies_are_told_to_whom_the_settings_say(
    served: Any, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = served
    monkeypatch.setenv("ALERTS", "sixteen characters")
    alerts = ("log", "https://example.com/hook", f"touch {tmp_path / 'alert'}")
    settings = Settings(
        policies=(policy,), upstreams=(f"up={url}",), alerts=alerts, alert_key_env="ALERTS", metrics=False
    )
    assert "sixteen" not in str(settings.environment())
    evidence = Gateway(settings).evidence
    assert evidence is not None
    assert len(evidence._sinks) == len(alerts)
    evidence.close()
