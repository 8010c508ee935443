"""The README's blocks run: policies load, Python does what its comments say, commands end well."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
POLICY = next(text for kind, text in BLOCKS if kind == "yaml")


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCKS if found == kind]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("code", blocks("python"), ids=lambda code: code.strip().splitlines()[-1][:30])
def test_python_blocks_do_what_they_say(code: str, project: Path) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    said = re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert printed.getvalue().splitlines() == said


def test_the_policy_block_keeps_its_own_examples(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "check", "policy.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "policy.yaml: ok, 2 examples" in done.stdout


def test_the_commands_exist_with_the_options_shown() -> None:
    from click.testing import CliRunner

    from orchestrator.cli import cli

    lines = [line.partition("#")[0].split() for block in blocks("console") for line in block.splitlines()]
    commands = [words[1:] for words in lines if words and words[0] == "wardline"]
    assert commands
    for name, *arguments in commands:
        shown = CliRunner().invoke(cli, [name, "--help"])
        assert shown.exit_code == 0
        assert all(option in shown.output for option in arguments if option.startswith("-"))


def test_the_makefile_has_the_two_commands() -> None:
    makefile = (Path(__file__).parent.parent / "Makefile").read_text(encoding="utf-8")
    for command in ("demo", "test"):
        assert f"make {command}" in README
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


def test_every_guarantee_names_a_test_that_exists() -> None:
    root = Path(__file__).parent.parent
    rows = re.findall(r"^\| (\d+) \| \*\*.*\| (.*) \|$", README, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    for _, stated in rows:
        if stated != "not built yet":
            file = root / stated.strip("`")
            assert "def test_" in file.read_text(encoding="utf-8")


def test_links_lead_somewhere() -> None:
    root = Path(__file__).parent.parent
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (root / target).exists(), target
