"""An alert reaches whoever is to be told, signed, and keeps no call waiting."""

from __future__ import annotations

import json
import logging
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from hmac import new as hmac
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from orchestrator._engine.clock import VirtualClock
from orchestrator.telemetry.alarms import ATTEMPTS, Command, Deliveries, Webhook, log
from orchestrator.telemetry.anomalies import Alert, Anomalies

ALERT = Alert("cost", "model", "large", 0.01, 0.02, 3.0, 1_700_000_000.0)
SECRET = "a secret of some length"


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A server that answers with one status after the other, and what it was sent."""
    came: list[tuple[dict[str, str], bytes]] = []
    left = iter(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(next(left))
            self.send_header("content-length", "0")
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_webhook_is_signed_so_that_its_receiver_can_check_it() -> None:
    with receiver(200) as (url, came):
        hook = Webhook(url, SECRET)
        hook(ALERT)
        hook.close()
    [(headers, body)] = came
    assert json.loads(body) == ALERT.to_dict()
    told = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    version, _, proof = headers["webhook-signature"].partition(",")
    assert (version, b64decode(proof)) == ("v1", hmac(SECRET.encode(), told, sha256).digest())
    assert (hook.delivered, hook.failed, hook.dropped) == (1, 0, 0)


def test_a_webhook_is_tried_again_at_growing_intervals_under_the_same_id() -> None:
    clock = VirtualClock()
    with receiver(503, 302, 500, 204) as (url, came):
        hook = Webhook(url, SECRET, clock=clock)
        hook(ALERT)
        hook.close()
    assert (hook.delivered, len(came), clock.now()) == (1, 4, 1 + 2 + 4)
    assert len({headers["webhook-id"] for headers, _ in came}) == 1


def test_a_webhook_that_nobody_answers_is_given_up_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    with receiver() as (url, _):
        pass
    hook = Webhook(url, SECRET, clock=VirtualClock())
    hook(ALERT)
    hook.close()
    assert (hook.delivered, hook.failed) == (0, 1)
    assert f"failed {ATTEMPTS} times" in caplog.text
    assert url not in caplog.text  # a URL may hold a token


def test_anomalies_close_their_alarm() -> None:
    told: list[Alert] = []
    deliveries = Deliveries(lambda alert: bool(told.append(alert)) or True)
    deliveries(ALERT)
    for alarm in (deliveries, log):
        Anomalies(alarm).close()
    assert told == [ALERT]


def test_what_finds_no_room_is_dropped_and_counted_and_nobody_waits() -> None:
    begun, go = Event(), Event()

    def slow(alert: Alert) -> bool:
        begun.set()
        return go.wait(10)

    deliveries = Deliveries(slow, room=2)
    deliveries(ALERT)
    assert begun.wait(10)
    for _ in range(5):
        deliveries(ALERT)
    assert deliveries.dropped == 3
    go.set()
    deliveries.close()
    assert (deliveries.delivered, deliveries.dropped) == (3, 3)


def test_deliveries_go_on_after_a_close_and_after_a_crash(caplog: pytest.LogCaptureFixture) -> None:
    def crash(alert: Alert) -> bool:
        raise RuntimeError("an address of a person")

    deliveries = Deliveries(crash)
    deliveries.close()
    for _ in range(2):
        deliveries(ALERT)
        deliveries.close()
    assert deliveries.failed == 2
    assert "RuntimeError" in caplog.text
    assert "person" not in caplog.text


def test_a_command_gets_the_alert_as_json_and_no_shell_reads_it(tmp_path: Path) -> None:
    out = tmp_path / "alert; touch gone"
    command = Command(
        [sys.executable, "-c", "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())", str(out)]
    )
    command(ALERT)
    command.close()
    assert json.loads(out.read_text()) == ALERT.to_dict()
    assert command.delivered == 1


@pytest.mark.parametrize("words", [[sys.executable, "-c", "exit(1)"], ["/no/such/program"]])
def test_a_command_that_fails_is_counted(words: list[str]) -> None:
    command = Command(words)
    command(ALERT)
    command.close()
    assert (command.delivered, command.failed) == (0, 1)


def test_the_log_has_the_alert_in_words_and_as_data(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "wardline.anomalies"):
        log(ALERT)
    [record] = caplog.records
    assert record.getMessage() == str(ALERT)
    assert record.__dict__["alert"] == ALERT.to_dict()


def test_wrong_alarms_are_refused() -> None:
    for make, says in (
        (lambda: Webhook("ftp://there", SECRET), "https://"),
        (lambda: Webhook("https://there", "short"), "16 characters"),
        (lambda: Webhook("https://there", SECRET, room=0), "room"),
        (lambda: Command([]), "list of words"),
        (lambda: Command("rm"), "list of words"),
    ):
        with pytest.raises(ValueError, match=says):
            make()
