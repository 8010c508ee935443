"""Structured logs: one line an event, joined by ids, by structlog or the standard library, off by default."""

import io
import json
import logging
from typing import Any

import pytest
import structlog

from guards import GuardError
from orchestrator import Orchestrator
from orchestrator.telemetry import Evidence, Logs
from policies import Policy


def called(logs: Any) -> None:
    with Evidence(logs=logs) as evidence:
        gate = Orchestrator(Policy.of(), evidence=evidence)
        with gate.session(request_id="r1", user="ann"):
            gate.model("m")(lambda prompt: "ok")("a secret")
            with pytest.raises(GuardError):
                gate.model("m")(lambda prompt: 1 / 0)("a secret")
    assert not evidence.failures


def joined(lines: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    spans = {line["span"]: line for line in lines}
    assert {line["request"] for line in lines} == {"r1"}
    assert len({line["trace"] for line in lines}) == 1
    assert "secret" not in str(lines)
    assert "ann" not in str([line.values() for line in lines])
    return [
        (line["level"], line["event"], spans.get(line.get("parent", ""), {}).get("event", ""))
        for line in lines
    ]


EXPECTED = [
    ("debug", "call", "crossed"),
    ("info", "crossed", "session"),
    ("warning", "call", "crossed"),
    ("warning", "crossed", "session"),
    ("info", "session", ""),
]


def test_lines_of_json_go_to_a_stream() -> None:
    stream = io.StringIO()
    called(Logs(stream))
    assert joined([json.loads(line) for line in stream.getvalue().splitlines()]) == EXPECTED


def test_the_standard_library_logs_json(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wardline")
    called(Logs())
    assert joined([json.loads(record.message) for record in caplog.records]) == EXPECTED
    assert [record.levelname.lower() for record in caplog.records] == [level for level, *_ in EXPECTED]
    caplog.clear()
    caplog.set_level(logging.WARNING, "wardline")
    called(Logs())
    assert len(caplog.records) == 2


def test_structlog_logs_where_the_program_has_set_it_up() -> None:
    capture = structlog.testing.LogCapture()
    structlog.configure(processors=[capture])
    try:
        called(Logs())
    finally:
        structlog.reset_defaults()
    lines: list[Any] = [{**entry, "level": entry["log_level"]} for entry in capture.entries]
    assert joined(lines) == EXPECTED


def test_nothing_is_logged_unless_it_is_turned_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    called(None)
    assert caplog.records == []
