"""`wardline serve` as a user starts it: the README's own lines, a clean stop, several processes."""

import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from tests.gateway.serving import serving
from tests.gateway.test_gateway import ASKED, Upstream

README = Path(__file__).parents[2] / "README.md"
WAIT = 60.0


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def started(arguments: list[str], port: int, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours that serves, once it takes connections; it must end well when it is told to."""
    command = [sys.executable, "-m", "orchestrator.cli", *arguments]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        transport = httpx2.HTTPTransport(
            retries=12
        )  # half a second, one, two, ...: until it takes connections
        with httpx2.Client(transport=transport, timeout=WAIT) as client:
            client.get(f"http://127.0.0.1:{port}/healthz")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=WAIT)
    assert b"Traceback" not in told


def lines() -> list[list[str]]:
    """The README's lines about the gateway, as words."""
    section = README.read_text(encoding="utf-8").partition("## Any language")[2].partition("\n## ")[0]
    block = re.findall(r"```console\n(.*?)```", section, re.DOTALL)[0]
    return [shlex.split(line, comments=True) for line in block.replace("\\\n", " ").splitlines() if line]


def test_the_readmes_lines_start_a_gateway_and_curl_is_answered(tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed: the README's request is not made")
    policy = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)[0]
    (tmp_path / "policy.yaml").write_text(policy, encoding="utf-8")
    ports = dict(zip(("8089", "8080"), map(str, free_ports(2)), strict=True))
    sim, serve, ask = (
        [re.sub("8089|8080", lambda found: ports[found[0]], word) for word in words] for words in lines()
    )
    with started(sim[1:], int(ports["8089"]), tmp_path), started(serve[1:], int(ports["8080"]), tmp_path):
        done = subprocess.run([curl, "-sS", *ask[1:]], capture_output=True, timeout=WAIT, check=True)
    assert json.loads(done.stdout)["choices"][0]["message"]["content"]


def test_several_processes_share_keys_and_count_together(tmp_path: Path) -> None:
    policy, (port,) = tmp_path / "p.yaml", free_ports(1)
    policy.write_text("wardline: 1\nname: p\nmodel:\n  - {use: timeout, seconds: 30}\n")
    keys = str(tmp_path / "keys.db")
    made = CliRunner().invoke(cli, ["key", "create", "ann", "-k", keys, "--calls", "5"])
    store = ["--store", str(tmp_path / "state.db")]
    with serving(Upstream()) as upstream:
        told = ["serve", "-p", str(policy), "--upstream", f"up={upstream}", "-k", keys, "--port", str(port)]
        with started([*told, *store, "--workers", "2"], port, tmp_path):
            answers = []
            for _ in range(8):  # each by a new connection, which either process may take
                with httpx2.Client(timeout=WAIT, headers={"x-api-key": made.stdout.strip()}) as client:
                    url = f"http://127.0.0.1:{port}"
                    answers.append(client.post(f"{url}/v1/chat/completions", json=ASKED).status_code)
                    counted = client.get(f"{url}/metrics").text
    assert sorted(answers) == [200] * 5 + [429] * 3
    assert 'wardline_crossings_total{boundary="model",outcome="ok",target="m"} 5.0' in counted


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no upstream is named"),
        (["--upstream", "x"], "not NAME=URL"),
        (["--upstream", "up=http://u", "-p", "not-there.yaml"], "not-there.yaml"),
        (["--upstream", "up=http://u", "--workers", "2", "-k", "k.db"], "--store"),
        (["--upstream", "up=http://u", "--body-bytes", "much"], "write it like"),
    ],
)
def test_a_wrong_command_is_told_in_a_line(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done: Any = CliRunner().invoke(cli, ["serve", *arguments])
    assert done.exit_code != 0
    assert told in f"{done.output} {done.exception}"
