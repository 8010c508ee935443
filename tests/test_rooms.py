"""The three rooms: an import goes only to the left, and guards touch neither network, clock nor threads."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"guards": 0, "policies": 1, "orchestrator": 2}
FILES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
HANDS = {
    "asyncio", "http", "multiprocessing", "os", "random", "select", "signal", "socket", "ssl",
    "subprocess", "threading", "time", "urllib",
}  # fmt: skip


def imports(tree: ast.AST, *, everywhere: bool = True) -> Iterator[str]:
    """The modules that are imported; with `everywhere` false, only what importing the file itself imports."""
    for node in ast.walk(tree) if everywhere else _at_module_level(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def _at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING":
            continue
        yield child
        yield from _at_module_level(child)


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=name)
def test_an_import_goes_only_to_the_left(file: Path) -> None:
    own = ROOMS[file.relative_to(ROOT).parts[0]]
    for module in imports(ast.parse(file.read_text(encoding="utf-8"))):
        top = module.partition(".")[0]
        assert ROOMS.get(top, -1) <= own, f"{name(file)} imports {module}"
        assert top not in ("tests", "benchmarks")


@pytest.mark.parametrize("file", [f for f in FILES if name(f).startswith("guards")], ids=name)
def test_guards_have_no_hands(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert not {module.partition(".")[0] for module in imports(tree)} & HANDS
    for module in imports(tree, everywhere=False):
        top = module.partition(".")[0]
        assert top in sys.stdlib_module_names or top == "guards", f"{module} is not imported on first use"
    assert not any(isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.Global)) for node in ast.walk(tree))
    assert not any(
        isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open" for node in ast.walk(tree)
    )


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_heavy_is_imported_before_it_is_used(room: str) -> None:
    code = f"import sys; before = set(sys.modules); import {room}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = done.stdout.split()
    tops = {module.partition(".")[0] for module in loaded}
    assert tops <= sys.stdlib_module_names | set(ROOMS), (
        f"third-party at import: {tops - sys.stdlib_module_names}"
    )
    assert not tops & {"asyncio", "email", "http", "socket", "ssl", "sqlite3", "unittest", "urllib"}
    assert len(loaded) <= 90
