"""The blocks of the README and the docs run: policies load, Python does what its comments say."""

import contextlib
import gc
import io
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "guards" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(kind: str, page: Path) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def every(kind: str) -> list[Any]:
    return [
        pytest.param(text, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, text in enumerate(blocks(kind, page))
    ]


POLICY = blocks("yaml", PAGES[0])[0]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("code", every("python"))
def test_python_blocks_do_what_they_say(code: str, project: Path) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        # A page leaves its clients open, as a program does that ends.
        warnings.simplefilter("ignore", ResourceWarning)
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
        gc.collect()
    said = re.findall(r"print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert printed.getvalue().splitlines() == said


@pytest.mark.parametrize("policy", every("yaml"))
def test_policy_blocks_keep_their_own_examples(policy: str, project: Path) -> None:
    (project / "policy.yaml").write_text(policy, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli", "check", "policy.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (
        f"policy.yaml: ok, {policy.count('  - {model:') + policy.count('  - {tool:')} examples" in done.stdout
    )


def test_the_commands_exist_with_the_options_shown() -> None:
    from click.testing import CliRunner

    from orchestrator.cli import cli

    lines = [
        line.partition("#")[0].split() for block in blocks("console", PAGES[0]) for line in block.splitlines()
    ]
    commands = [words[1:] for words in lines if words and words[0] == "wardline"]
    assert commands
    for name, *arguments in commands:
        shown = CliRunner().invoke(cli, [name, "--help"])
        assert shown.exit_code == 0
        assert all(option in shown.output for option in arguments if option.startswith("-"))


def test_the_makefile_has_the_two_commands() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("demo", "test"):
        assert f"make {command}" in README
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


def test_every_guarantee_names_a_test_that_exists() -> None:
    rows = re.findall(r"^\| (\d+) \| \*\*.*\| (.*) \|$", README, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    for _, stated in rows:
        if stated != "not built yet":
            file = ROOT / stated.strip("`")
            assert "def test_" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
