"""The main job: every record ends as one whole line, whatever interrupts it, and none is done twice."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Call, Flow, Reply
from orchestrator import Orchestrator, World, batch
from orchestrator.batch import (
    BAD_INPUT,
    FAILED,
    INTERRUPTED,
    OK,
    Ledger,
    Output,
    records,
    run_batch,
    run_files,
)
from orchestrator.sim import Provider
from orchestrator.sim.clock import LoopClock, SimulatedLoop
from orchestrator.sim.server import serve
from policies import Policy

SCHEMA = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "total": {"type": "number"},
        "email": {"type": "string"},
    },
    "required": ["invoice_number", "total"],
    "additionalProperties": False,
}
POLICY = """\
wardline: 1
models:
  model: {id: sim-small, price: {input: 0.15, output: 0.60}}
model:
  - {use: schema, schema: answer.json}
  - {use: mask}
  - {use: retry, attempts: 3}
  - {use: timeout, seconds: 30s}
"""
BARE = "wardline: 1\nmodel:\n  - {use: retry, attempts: 4}\n  - {use: timeout, seconds: 20s}\n"
INVOICES = [f"Invoice no: INV-{n}\nTotal: EUR {n}.50\nE-mail: ann{n}@example.com" for n in range(40)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy")
    (path / "answer.json").write_text(json.dumps(SCHEMA))
    (path / "policy.yaml").write_text(POLICY)
    (path / "bare.yaml").write_text(BARE)
    lines = [json.dumps({"id": f"r{n}", "text": text}) for n, text in enumerate(INVOICES)]
    (path / "in.jsonl").write_text("\n".join([*lines, "{bad", lines[3], "[]"]) + "\n")
    return path


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def results(path: Path) -> dict[str, dict[str, Any]]:
    return {result["id"]: result for result in map(json.loads, lines(path))}


@pytest.fixture(scope="module")
def whole(folder: Path) -> list[str]:
    """The lines of an uninterrupted run."""
    out = folder / "whole.jsonl"
    status = run_files(folder / "bare.yaml", [folder / "in.jsonl"], output=out, faults="storm", seed=5)
    assert status == FAILED
    return lines(out)


def test_a_run_through_every_guard_gives_values_costs_and_findings(folder: Path) -> None:
    out = folder / "guarded.jsonl"
    status = run_files(folder / "policy.yaml", [folder / "in.jsonl"], output=out, faults="rough", seed=2)
    found = results(out)
    assert status == FAILED
    assert found.keys() >= {f"r{n}" for n in range(40)}
    good = [result for result in found.values() if "value" in result]
    assert len(good) >= 30
    for result in good:
        number = result["id"].removeprefix("r")
        assert result["value"]["total"] == float(f"{number}.5")
        assert result["value"].get("email") in (f"ann{number}@example.com", None)
        assert result["attempts"] >= 1
        assert result["usage"]["input"] > 0 < result["usage"]["output"]
        assert result["cost"] > 0 < result["latency_ms"]
        assert result["findings"] == {"pii.email_address": result["findings"]["pii.email_address"]}
    assert any(result["attempts"] > 1 for result in good)


def test_errors_hold_no_content(folder: Path, whole: list[str]) -> None:
    failed = [result for result in map(json.loads, whole) if "error" in result]
    assert failed
    for result in failed:
        assert "example.com" not in json.dumps(result)
        assert result["error"]["code"] in ("input", "upstream_error")
        assert result["error"]["request_id"] == result["id"]


@given(st.integers(0, 20_000))
@settings(max_examples=12)
@example(0)
@example(1)
def test_a_run_cut_off_anywhere_and_resumed_is_one_uninterrupted_run(
    folder: Path, whole: list[str], cut: int
) -> None:
    out = folder / "cut.jsonl"
    content = "".join(f"{line}\n" for line in whole).encode()
    out.write_bytes(content[: cut % (len(content) + 1)])
    options = {"output": out, "faults": "storm", "seed": 5, "concurrency": 1 + cut % 9, "resume": True}
    for _ in range(2):
        assert run_files(folder / "bare.yaml", [folder / "in.jsonl"], **options) == FAILED
        assert sorted(lines(out)) == sorted(whole)


@pytest.mark.parametrize("concurrency", [1, 3, 50])
def test_results_do_not_depend_on_how_many_run_at_once(
    folder: Path, whole: list[str], concurrency: int, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    options = {"faults": "storm", "seed": 5, "concurrency": concurrency}
    run_files(folder / "bare.yaml", [folder / "in.jsonl"], output=out, **options)
    assert sorted(lines(out)) == sorted(whole)


def gated(ledger: Ledger, *guards: Any) -> Orchestrator:
    return Orchestrator(Policy.of(model=guards), world=World(clock=LoopClock(), sink=ledger.note))


def ran(ask: Any, todo: Any, guards: Sequence[Any] = (), concurrency: int = 4) -> list[dict[str, Any]]:
    ledger, out = Ledger(), list[dict[str, Any]]()
    job = run_batch(
        gated(ledger, *guards), todo, ask, target="m", ledger=ledger, emit=out.append, concurrency=concurrency
    )
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        runner.run(job)
    return out


def reply(text: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": text}}]}


def some(count: int) -> Iterator[batch.Record]:
    for n in range(count):
        yield batch.Record(id=str(n), place=f"here:{n}", messages=[{"role": "user", "content": str(n)}])


@given(st.integers(1, 12), st.integers(0, 30))
@settings(max_examples=25)
def test_no_more_than_so_many_records_are_under_way_at_once(concurrency: int, count: int) -> None:
    under_way, most = 0, 0

    async def ask(messages: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(1 + int(messages[0]["content"]) % 3)
        under_way -= 1
        return reply(messages[0]["content"])

    out = ran(ask, some(count), concurrency=concurrency)
    assert sorted(int(result["value"]) for result in out) == list(range(count))
    assert most == min(concurrency, count)
    assert all(result["latency_ms"] == 1000 * (1 + int(result["id"]) % 3) for result in out)


def test_records_come_out_as_they_are_finished() -> None:
    async def ask(messages: Any) -> Any:
        await asyncio.sleep(10 - int(messages[0]["content"]))
        return reply("done")

    assert [result["id"] for result in ran(ask, some(5), concurrency=5)] == ["4", "3", "2", "1", "0"]


def test_an_accident_is_told_by_its_kind_alone() -> None:
    async def ask(messages: Any) -> Any:
        return {"choices": "secret"}

    (result,) = ran(ask, some(1))
    assert result["error"] == {"code": "error", "message": "TypeError", "request_id": "0"}
    assert (result["attempts"], result["cost"]) == (1, None)


def test_a_guard_that_crashes_fails_the_record_and_not_the_run() -> None:
    def broken(call: Call) -> Flow:
        if call.text == "1":
            raise RuntimeError(call.text)
        answer: Reply = yield call
        return answer

    async def ask(messages: Any) -> Any:
        return reply("fine")

    found = {result["id"]: result for result in ran(ask, some(3), [broken])}
    assert [result.get("value") for result in found.values()].count("fine") == 2
    assert found["1"]["error"]["code"] == "guard_failed"


def test_what_cannot_be_written_ends_the_run() -> None:
    async def ask(messages: Any) -> Any:
        return reply("fine")

    def full(result: Any) -> None:
        raise OSError(28, "No space left on device")

    ledger = Ledger()
    job = run_batch(gated(ledger), some(3), ask, target="m", ledger=ledger, emit=full)
    with pytest.raises(OSError, match="No space"):
        batch._unwrapped(asyncio.run, job)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1, 2]", [1, 2]),
        ("42", "42"),
        ("{not json", "{not json"),
        ('{"a": NaN}', '{"a": NaN}'),
        ("plain", "plain"),
        (None, None),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_is_the_object_that_the_text_is_or_else_the_text(text: Any, value: Any) -> None:
    assert batch.value_of(reply(text)) == value


# Reading the input.

BAD_LINES = {
    "{bad": "this is not JSON: Expecting property name enclosed in double quotes, column 2",
    "[]": "a record is an object",
    "{}": "either `text` or `messages`",
    '{"text": "x", "messages": []}': "either `text` or `messages`",
    '{"text": " "}': "`text` is not a text",
    '{"text": 7}': "`text` is not a text",
    '{"messages": []}': "`messages` is not a list",
    '{"messages": ["x"]}': "`messages` is not a list",
    '{"messages": [{"role": "user"}]}': "`messages` is not a list",
    '{"id": true, "text": "x"}': "`id` is neither",
    '{"id": [1], "text": "x"}': "`id` is neither",
    "[" * 100_000: "JSON beyond bounds",
    '{"text": "x", "n": ' + "1" * 5000 + "}": "JSON beyond bounds",
}


@pytest.mark.parametrize(("line", "problem"), BAD_LINES.items(), ids=range(len(BAD_LINES)))
def test_a_bad_line_is_reported_with_its_place_and_the_rest_goes_on(
    tmp_path: Path, line: str, problem: str
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(f'\n{line}\n{{"text": "good"}}')
    bad, good = records([file])
    assert (bad.id, bad.place) == (f"{file}:2", f"{file}:2")
    assert problem in bad.problem
    assert (good.id, good.problem, good.messages[0]["content"]) == ("3", "", "good")


def test_bytes_that_are_no_text_are_reported(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.txt"):
        (tmp_path / name).write_bytes(b"\xff\xfe{}\n")
        (record,) = records([tmp_path / name])
        assert record.problem == "this is not UTF-8 text, at byte 0"
    (tmp_path / "empty.txt").write_bytes(b"\xef\xbb\xbf \n")
    (record,) = records([tmp_path / "empty.txt"])
    assert record.problem == "there is no text in it"


IDS = st.one_of(st.none(), st.sampled_from(["a", "b", "1", "2", "in.jsonl:1", "x"]), st.integers(0, 3))


@given(st.lists(IDS, max_size=10))
@settings(max_examples=60)
@example(["2", None])
def test_ids_are_unique_and_stay_the_same(tmp_path_factory: pytest.TempPathFactory, ids: list[Any]) -> None:
    file = tmp_path_factory.getbasetemp() / "in.jsonl"
    told = [{"text": "x"} if name is None else {"id": name, "text": "x"} for name in ids]
    file.write_text("\n".join(map(json.dumps, told)))
    first = list(records([file]))
    assert first == list(records([file]))
    assert len({record.id for record in first}) == len(first) == len(ids)
    known = [str(name if name is not None else place) for place, name in enumerate(ids, 1)]
    fine = [record.id for record in first if not record.problem]
    assert fine == list(dict.fromkeys(known))


def test_files_are_records_named_like_the_file_and_lines_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "b.md", "sub/a.txt"):
        (tmp_path / name).write_text(f"text of {name}")
    (tmp_path / "c.ndjson").write_text('{"messages": [{"role": "user", "content": "hi"}]}\n')
    files = [tmp_path / name for name in ("a.txt", "b.md", "sub/a.txt", "c.ndjson")]
    found = list(records(files, system="Be brief."))
    assert [record.id for record in found] == [str(files[0]), "b.md", str(files[2]), "c.ndjson:1"]
    assert [record.messages[0] for record in found] == [{"role": "system", "content": "Be brief."}] * 4
    assert found[3].messages[1] == {"role": "user", "content": "hi"}


class Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", []),
        (b"\n \n", []),
        (b"\nhello\nworld\n", [("stdin", "\nhello\nworld\n")]),
        (b'{\n"a": 1\n}', [("stdin", '{\n"a": 1\n}')]),
        (b'\n{"text": "a"}\n\n{"id": "x", "text": "b"}', [("2", "a"), ("x", "b")]),
    ],
)
def test_standard_input_is_one_text_or_json_lines(
    monkeypatch: pytest.MonkeyPatch, content: bytes, expected: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(content))
    found = [(record.id, record.messages[0]["content"]) for record in records([])]
    assert found == expected


# The command, from outside.


def test_results_go_to_standard_output(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin('{"id": 7, "text": "très \\ud800 tôt"}'.encode()))
    assert run_files(folder / "bare.yaml", ["-"], faults="none") == OK
    out, err = capsysbinary.readouterr()
    assert json.loads(out)["id"] == "7"
    assert b"\\ud800" in out
    assert "très" in out.decode()
    assert err == b"1 done, 0 failed\n"


def test_the_shipped_default_policy_runs(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Please call Ann. Her address is ann@example.com.")
    out = tmp_path / "out.jsonl"
    assert run_files("default", [tmp_path / "letter.txt"], output=out, faults="none", system="Sum up.") == OK
    result = results(out)["letter.txt"]
    assert "ann@example.com" in result["value"]
    assert result["findings"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"concurrency": 0}, "concurrency is 0; it must be 1 or more"),
        ({"resume": True}, "there is no output file to resume"),
        ({"faults": "wild"}, "no fault profile 'wild'"),
        ({"upstream": "localhost:80"}, "no URL; write it like http://"),
        ({"upstream": "http://x", "api_key_env": "WARDLINE_TEST_UNSET"}, "WARDLINE_TEST_UNSET holds no key"),
        ({"inputs": ["nowhere.txt"]}, "nowhere.txt: No such file"),
        ({"inputs": ["."]}, "is a folder"),
        ({"policy": "nowhere.yaml"}, "nowhere.yaml"),
        ({"output": "nowhere/out.jsonl"}, "nowhere/out.jsonl: No such file"),
    ],
)
def test_what_cannot_start_says_why_and_exits_with_two(
    folder: Path, options: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = options.pop("inputs", [folder / "in.jsonl"])
    assert run_files(options.pop("policy", folder / "bare.yaml"), inputs, **options) == BAD_INPUT
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_file_that_holds_something_is_never_overwritten(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("my diary\n")
    for resume, told in (
        (False, "holds something already; add --resume"),
        (True, "out.jsonl:1: this is no result"),
    ):
        status = run_files(folder / "bare.yaml", [folder / "in.jsonl"], output=out, resume=resume)
        assert status == BAD_INPUT
        assert told in capsys.readouterr().err
    assert out.read_text() == "my diary\n"


def test_resuming_what_was_never_begun_begins_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    out = tmp_path / "out.jsonl"
    for _ in range(2):
        status = run_files(folder / "bare.yaml", [tmp_path / "a.txt"], output=out, resume=True, faults="none")
        assert status == OK
    assert len(lines(out)) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    (tmp_path / "a.txt").write_text("hello")
    files = [folder / "in.jsonl", tmp_path / "a.txt"]
    run_files(folder / "bare.yaml", files, output=tmp_path / "out.jsonl", faults="none")
    shown = terminal.getvalue()
    assert "\r1/44 records, 0 failed" in shown
    assert "\r44/44 records, 3 failed\n" in shown
    monkeypatch.setattr(sys, "stdin", Stdin(b"hello"))
    run_files(folder / "bare.yaml", [], output=tmp_path / "other.jsonl", faults="none")
    assert "\r1 records, 0 failed" in terminal.getvalue()
    monkeypatch.setattr(sys, "stdout", terminal)
    with Output.open(None) as out:
        assert batch.Progress.of([], out) is None
    assert batch.Progress(1000, 5).show(3, 0) is None
    assert terminal.getvalue().endswith("failed\n")


def test_ctrl_c_leaves_whole_lines_and_the_run_can_go_on(folder: Path, tmp_path: Path) -> None:
    todo = tmp_path / "in.jsonl"
    todo.write_text(
        "".join(json.dumps({"id": f"r{n}", "text": f"Page {n}. Bye."}) + "\n" for n in range(300))
    )
    out = tmp_path / "out.jsonl"
    code = (
        "import sys; from orchestrator.batch import run_files; "
        "sys.exit(run_files(sys.argv[1], [sys.argv[2]], output=sys.argv[3], upstream=sys.argv[4], "
        "concurrency=2))"
    )
    with serve(Provider(), time_scale=0.02) as server:
        command = [sys.executable, "-c", code, folder / "bare.yaml", todo, out, f"{server.url}/v1"]
        running = subprocess.Popen(command, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
        while not out.exists() or not out.stat().st_size:
            assert running.poll() is None
            os.sched_yield()
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=30)
        assert running.returncode == INTERRUPTED
        assert told.startswith(b"interrupted; ")
    assert out.read_bytes().endswith(b"\n")
    before = results(out)
    assert 1 <= len(before) < 300
    assert run_files(folder / "bare.yaml", [todo], output=out, resume=True, faults="none") == OK
    assert len(lines(out)) == len(results(out)) == 300
    assert results(out).items() >= before.items()


def test_an_interruption_stops_the_run_between_two_lines(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = 0

    def interrupting(completion: Any) -> Any:
        nonlocal heard
        heard += 1
        if heard == 5:
            signal.raise_signal(signal.SIGINT)
        return batch_value_of(completion)

    batch_value_of = batch.value_of
    monkeypatch.setattr(batch, "value_of", interrupting)
    out = tmp_path / "out.jsonl"
    status = run_files(folder / "bare.yaml", [folder / "in.jsonl"], output=out, faults="none")
    assert status == INTERRUPTED
    assert "--resume" in capsys.readouterr().err
    assert 4 <= len(results(out)) < 40


def test_a_reader_that_went_away_is_left_to_the_command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.RawIOBase):
        def write(self, content: Any) -> int:
            raise BrokenPipeError

    gone = Terminal()
    monkeypatch.setattr(gone, "buffer", Gone(), raising=False)
    monkeypatch.setattr(sys, "stdout", gone)
    with pytest.raises(BrokenPipeError):
        run_files(folder / "bare.yaml", [folder / "in.jsonl"], faults="none")


# Another server upstream.


def test_an_upstream_is_asked_as_openai_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINE_TEST_KEY", " secret \n")
    out = tmp_path / "out.jsonl"
    with serve(Provider()) as server:
        options = {"upstream": f"{server.url}/v1/", "api_key_env": "WARDLINE_TEST_KEY", "output": out}
        assert run_files(folder / "policy.yaml", [folder / "in.jsonl"], **options) == FAILED
    found = results(out)
    assert found["r7"]["value"] == {"invoice_number": "INV-7", "total": 7.5, "email": "ann7@example.com"}
    assert sum("error" in result for result in found.values()) == 3


def test_an_upstream_that_is_down_fails_each_record(folder: Path, tmp_path: Path) -> None:
    with serve(Provider()) as server:
        url = f"{server.url}/nowhere/chat/completions"
        out = tmp_path / "out.jsonl"
        (tmp_path / "a.txt").write_text("hello")
        assert (
            run_files(folder / "bare.yaml", [tmp_path / "a.txt"], output=out, upstream=url, model="x")
            == FAILED
        )
    assert results(out)["a.txt"]["error"]["status"] == 404


def test_an_upstream_that_answers_something_else_fails_the_record() -> None:
    async def job(url: str) -> str:
        import httpx

        async with batch.openai_compatible(url, "sim", {}) as ask:
            try:
                await ask([{"role": "user", "content": "hi"}])
            except (ValueError, httpx.HTTPError) as error:
                return str(error)
            return ""

    import http.server
    import threading

    class Odd(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *args: Any) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        told = asyncio.run(job(f"http://127.0.0.1:{server.server_port}"))
        thread.join()
    assert told == "the upstream's reply is not a chat completion"


# What the model is told of the schema.


@dataclass
class Told:
    total: float


@pytest.mark.parametrize(
    ("item", "title"),
    [
        ("{use: schema, schema: answer.json}", None),
        ("{use: schema, schema: answer.json, mode: observe}", None),
        ("{use: schema, schema: 'tests.run.test_batch:Told'}", "Told"),
        ("{use: schema}", "nothing"),
        ("{use: schema, schema: answer.json, only: other}", "nothing"),
    ],
)
def test_the_model_is_told_the_schema_that_it_must_fit(folder: Path, item: str, title: str | None) -> None:
    file = folder / "told.yaml"
    file.write_text(f"wardline: 1\nmodel:\n  - {item}\n")
    wanted = batch.wanted_schema(Orchestrator.from_policy(file), "model")
    if title == "nothing":
        assert wanted == {}
        return
    schema = wanted["response_format"]["json_schema"]["schema"]
    assert schema.get("title") == title
    assert "total" in schema["properties"]


def test_an_id_that_looks_like_the_place_of_a_bad_line_is_kept_apart(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(f'{{"id": "{file}:2", "text": "x"}}\n[]\n')
    assert [record.id for record in records([file])] == [f"{file}:2", f"{file}:2+"]
