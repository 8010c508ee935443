"""Who is told of an alert: the log, a webhook, a command.  None of them keeps a call waiting."""

from __future__ import annotations

import json
import logging
import shlex
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from hmac import digest
from queue import Full, Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from orchestrator._engine.clock import Clock, RealClock
from orchestrator._engine.trace import new_id

if TYPE_CHECKING:
    import httpx

    from orchestrator.telemetry.anomalies import Alert

LOGGER = logging.getLogger("wardline.anomalies")
ATTEMPTS = 6
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""How often a webhook is tried, and the seconds between, which double each time."""
SECONDS = 10.0
"""How long a webhook or a command may take."""
SHORTEST_SECRET = 16


def log(alert: Alert) -> None:
    """Warn in the log named `wardline.anomalies`, with the alert as the record's `alert`."""
    LOGGER.warning("%s", alert, extra={"alert": alert.to_dict()})


def alarm(said: str, secret: str = "") -> Callable[[Alert], None]:
    """Who is told, as a command line says it: `log`, a webhook's URL, or a command with its words.

    `secret` signs what a webhook is sent.  Raises ValueError.
    """
    if said == "log":
        return log
    if said.startswith(("https://", "http://")):
        return Webhook(said, secret)
    return Command(shlex.split(said))


class Deliveries:
    """Alerts on their way to somebody slow: a thread hands them over, one after the other.

    At most `room` wait; what finds no room is lost and counted in `dropped`, what could not be delivered in
    `failed`.
    """

    def __init__(self, deliver: Callable[[Alert], bool], room: int = 100) -> None:
        if room < 1:
            raise ValueError(f"room must be at least 1, not {room}")
        self._deliver, self._waiting, self._lock = deliver, Queue["Alert | None"](room), Lock()
        self._thread: Thread | None = None
        self.delivered = self.failed = self.dropped = 0

    def __call__(self, alert: Alert) -> None:
        try:
            self._waiting.put_nowait(alert)
        except Full:
            self.dropped += 1
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._work, name="wardline-alarm", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Deliver what waits, and wait for that."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _work(self) -> None:
        while (alert := self._waiting.get()) is not None:
            try:
                reached = self._deliver(alert)
            except Exception as error:
                LOGGER.error("an alarm crashed: %s", type(error).__name__)
                reached = False
            self.delivered += reached
            self.failed += not reached


class Webhook(Deliveries):
    """POSTs each alert as JSON, signed as Standard Webhooks says: `webhook-id`, `-timestamp`, `-signature`.

    The signature is `v1,` and the Base64 of HMAC-SHA256, under `secret`, of "ID.TIMESTAMP.BODY".  What is not
    answered with a status 2xx is tried again, at growing intervals, under the same id.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        room: int = 100,
        clock: Clock | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not url.startswith(("https://", "http://")):
            raise ValueError("url must begin with https:// or http://")
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(
                f"secret must have {SHORTEST_SECRET} characters or more, best from the environment"
            )
        super().__init__(self._post, room)
        self._url, self._secret, self._transport = url, secret.encode(), transport
        self._clock = clock or RealClock()

    def _post(self, alert: Alert) -> bool:
        import httpx

        body, name, pause = json.dumps(alert.to_dict()).encode(), f"alert_{new_id()}", FIRST_PAUSE
        with httpx.Client(timeout=SECONDS, transport=self._transport) as client:
            for attempt in range(ATTEMPTS):
                if attempt:
                    self._clock.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                headers = signed(body, name, str(int(time.time())), self._secret)
                try:
                    if client.post(self._url, content=body, headers=headers).is_success:
                        return True
                except httpx.HTTPError:
                    continue
        LOGGER.error("an alert was not delivered: its webhook failed %d times", ATTEMPTS)
        return False


def signed(body: bytes, name: str, timestamp: str, secret: bytes) -> dict[str, str]:
    """The headers of a webhook, by which whoever has the secret can check it."""
    proof = digest(secret, b".".join((name.encode(), timestamp.encode(), body)), "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{b64encode(proof).decode()}",
    }


class Command(Deliveries):
    """Runs a program with each alert as JSON on its standard input; no shell reads the words."""

    def __init__(self, words: Sequence[str], *, room: int = 100) -> None:
        if isinstance(words, str) or not words:
            raise ValueError('a command is a list of words, as ["notify-send", "alert"]')
        super().__init__(self._run, room)
        self._words = list(words)

    def _run(self, alert: Alert) -> bool:
        from subprocess import DEVNULL, SubprocessError, run

        options: dict[str, Any] = {"stdout": DEVNULL, "stderr": DEVNULL, "timeout": SECONDS}
        try:
            done = run(self._words, input=json.dumps(alert.to_dict()).encode(), check=False, **options)  # noqa: S603
        except (OSError, SubprocessError) as error:
            LOGGER.error("an alert was not delivered: its command failed: %s", type(error).__name__)
            return False
        return done.returncode == 0
