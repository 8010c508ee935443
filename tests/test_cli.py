"""The commands: each does its job, and whatever is wrong is told in one clear line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click import Context
from click.testing import CliRunner, Result

from orchestrator.cli import cli

GOOD = """\
wardline: 1
model:
  - {use: mask, entities: [EMAIL_ADDRESS]}
  - {use: retry, attempts: 2}
  - {use: timeout, seconds: 30s}
tool:
  - {use: permit, tools: ["a.*"], roles: [agent]}
  - {use: timeout, seconds: 77s, only: "a.slow"}
examples:
  - {model: "write to ann@example.com", sends_without: "ann@example.com", returns: ok}
  - {tool: a.b, roles: [agent], expect: passes}
  - {tool: a.b, roles: [viewer], expect: denied}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD, encoding="utf-8")
    return file


def wardline(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", cli.list_commands(Context(cli)))
def test_help_shows_an_example(command: str) -> None:
    shown = wardline(command, "--help")
    assert shown.exit_code == 0
    assert f"wardline {command}" in shown.output.partition("Example")[2]


def test_check_passes_a_policy_whose_examples_hold(policy: Path) -> None:
    checked = wardline("check", policy)
    assert (checked.exit_code, checked.stderr) == (0, "")
    assert f"{policy}: ok, 3 examples" in checked.output


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ("{tool: a.b, roles: [agent], expect: denied}", "expected denied, but it ended: passes"),
        ("{tool: a.b, expect: passes}", "expected passes, but it ended: denied"),
        ('{model: "ann", sends_without: "ann"}', "what must not leave did"),
        ('{model: "ann@example.com", sends: "ann@example.com"}', "what should leave did not"),
        ('{model: "x", reply: "y", returns: "z"}', "what should come back did not"),
        ('{model: "x", reply: "y", returns_without: "y"}', "what must not come back did"),
        ('{tool: other, arguments: {a: x}, sends_without: "y"}', "nothing left, as it ended before: denied"),
    ],
)
def test_check_tells_an_example_that_does_not_hold(policy: Path, example: str, problem: str) -> None:
    policy.write_text(GOOD + f"  - {example}\n", encoding="utf-8")
    checked = wardline("check", policy)
    assert checked.exit_code == 1
    line = GOOD.count("\n") + 1
    assert f"{policy}:{line}: this example does not hold: {problem}" in checked.stderr


def test_check_tells_what_stands_in_the_wrong_place(policy: Path) -> None:
    policy.write_text(GOOD.replace("  - {use: mask", "  - {use: timeout}\n  - {use: mask"), encoding="utf-8")
    checked = wardline("check", policy)
    assert checked.exit_code == 0
    assert f"warning: {policy}:5: put retry before timeout (model.0)" in checked.output


def test_sim_serves_until_it_is_stopped() -> None:
    import signal
    import urllib.request

    command = [sys.executable, "-m", "orchestrator.cli", "sim", "--port", "0", "--faults", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        url = said.split()[3].rstrip(",").removesuffix("/v1")
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as health:
            assert health.status == 200
        server.send_signal(signal.SIGINT)
        server.wait(timeout=10)
    assert server.returncode == 0


def test_check_goes_on_after_a_wrong_policy(policy: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("wardline: 1\nmodel:\n  - {use: retri}\n", encoding="utf-8")
    checked = wardline("check", wrong, policy)
    assert checked.exit_code == 1
    assert "wrong.yaml:3" in checked.stderr
    assert "retry" in checked.stderr
    assert f"{policy}: ok" in checked.output


def test_explain_draws_the_chain(policy: Path) -> None:
    drawn = wardline("explain", policy).output
    assert drawn.index("mask") < drawn.index("retry") < drawn.index("timeout")
    assert "seconds: 77s" in wardline("explain", policy, "--target", "a.slow").output
    assert "seconds: 77s" not in wardline("explain", policy, "--target", "a.quick").output


def test_schema_is_a_json_schema_of_policies() -> None:
    import jsonschema

    made = json.loads(wardline("schema").output)
    jsonschema.Draft202012Validator.check_schema(made)


def test_new_writes_a_policy_that_checks_and_never_over_another(tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    assert wardline("new", file).exit_code == 0
    assert wardline("check", file).exit_code == 0
    again = wardline("new", file)
    assert again.exit_code == 1
    assert "is there already" in again.output


def test_run_sends_text_through_the_guarded_model(policy: Path, tmp_path: Path) -> None:
    letter, out = tmp_path / "letter.txt", tmp_path / "out.jsonl"
    letter.write_text("Please write to ann@example.com today.", encoding="utf-8")
    done = wardline("run", "-p", policy, letter, "-o", out, "--faults", "none")
    assert done.exit_code == 0, done.output
    (record,) = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert record["id"] == "letter.txt"
    assert record["attempts"] == 1
    assert record["usage"]["input"] > 0


def test_run_charges_the_only_model_of_a_policy(tmp_path: Path) -> None:
    policy, letter = tmp_path / "policy.yaml", tmp_path / "letter.txt"
    policy.write_text(
        "wardline: 1\n"
        "models: {small: {id: m-1, price: {input: 1.0, output: 2.0}}}\n"
        "model: [{use: timeout}]\n",
        encoding="utf-8",
    )
    letter.write_text("What is a bill of lading?", encoding="utf-8")
    done = wardline("run", "-p", policy, letter, "--faults", "none")
    record = json.loads(done.stdout)
    used = record["usage"]
    assert record["cost"] == pytest.approx((used["input"] * 1.0 + used["output"] * 2.0) / 1e6)


def test_demo_tells_both_sides() -> None:
    told = wardline("demo", "--documents", 9, "--seed", 3)
    assert told.exit_code == 0
    assert "unguarded" in told.output
    assert "guarded" in told.output


def test_errors_are_one_line(policy: Path) -> None:
    policy.write_text("wardline: 2\n", encoding="utf-8")
    command = [sys.executable, "-m", "orchestrator.cli", "explain", str(policy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert f"{policy}:1:" in done.stderr


def test_the_console_script_and_the_module_are_the_same() -> None:
    module = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert module.stdout.startswith("wardline ")


def test_files_that_cannot_be_used_are_told_in_one_line(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for arguments, told in (
        (["mask", binary], "the input is not UTF-8 text, from byte 0 on"),
        (["new", tmp_path / "no" / "policy.yaml"], "No such file or directory"),
        (["forget", "--store", binary, "--session", "s"], "file is not a database"),
    ):
        command = [sys.executable, "-m", "orchestrator.cli", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (1, 2)
        assert told in done.stderr
        assert "Traceback" not in done.stderr
