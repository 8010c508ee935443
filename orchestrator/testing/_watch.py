"""Which branches of a policy's guards were ever taken: every wish made, every error raised."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import FunctionType, GeneratorType, TracebackType
from typing import Any

from guards._flow import Around, Flow, Guard, bare, guard_name
from guards._types import Call
from orchestrator.testing._play import overheard

NOT_PLAYED = frozenset({"__post_init__", "located", "with_models"})
"""What runs when a policy loads, not when a call is made."""


@dataclass(frozen=True, slots=True, order=True)
class Branch:
    """A place where a guard wishes for something or raises, by the lines of its source."""

    first: int
    last: int
    source: str = field(compare=False)


@lru_cache(maxsize=256)
def branches(kind: type | FunctionType) -> tuple[Branch, ...]:
    """The branches of a kind of guard: those of its module, or its own where others live there too."""
    module = sys.modules.get(kind.__module__)
    try:
        text = inspect.getsource(module) if module is not None else ""
    except (OSError, TypeError):
        return ()
    tree: ast.AST = ast.parse(text)
    if isinstance(kind, FunctionType) or kind.__module__.rpartition(".")[2].startswith("_"):
        own = (ast.ClassDef, ast.FunctionDef)
        nodes = (node for node in ast.walk(tree) if isinstance(node, own) and node.name == kind.__name__)
        tree = next(nodes, ast.Module([], []))
    return tuple(sorted(set(_in(tree, text.splitlines()))))


def _in(tree: ast.AST, lines: list[str]) -> Iterator[Branch]:
    if isinstance(tree, ast.FunctionDef) and tree.name in NOT_PLAYED:
        return
    if isinstance(tree, (ast.Yield, ast.YieldFrom, ast.Raise)) and not _about_settings(tree):
        last = tree.end_lineno or tree.lineno
        yield Branch(tree.lineno, last, lines[tree.lineno - 1].strip())
    for child in ast.iter_child_nodes(tree):
        yield from _in(child, lines)


def _about_settings(node: ast.AST) -> bool:
    """Whether this raises about what a policy says, before any call is made."""
    raised = node.exc.func if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) else None
    return isinstance(raised, ast.Name) and raised.id in ("ValueError", "TypeError")


@dataclass(slots=True)
class Taken:
    """The branches of one guard that were taken."""

    name: str
    kind: type | FunctionType
    lines: set[int] = field(default_factory=set)
    calls: int = 0

    def split(self) -> tuple[list[Branch], list[Branch]]:
        """Those that were taken, and those that never were."""
        known = branches(self.kind)
        taken = [one for one in known if any(one.first <= line <= one.last for line in self.lines)]
        return taken, [one for one in known if one not in taken]


class Watch:
    """Puts a watcher around each guard of a policy; `taken` has what each was seen to do."""

    def __init__(self) -> None:
        self.taken: dict[str, Taken] = {}

    def __call__(self, guard: Guard) -> Guard:
        inner = bare(guard)
        name = guard_name(inner)
        taken = self.taken.setdefault(
            name, Taken(name, inner if isinstance(inner, FunctionType) else type(inner))
        )
        return _Watched(guard, taken)


@dataclass(frozen=True, slots=True)
class _Watched(Around):
    taken: Taken

    def __call__(self, call: Call) -> Flow:
        self.taken.calls += 1
        try:
            flow = self.guard(call)
        except BaseException as error:
            self._raised(error.__traceback__)
            raise
        return self._flow(flow) if isinstance(flow, GeneratorType) else flow

    def _flow(self, flow: Flow) -> Flow:
        try:
            return (yield from overheard(flow, lambda _: self._waiting(flow)))
        except BaseException as error:
            self._raised(error.__traceback__)
            raise

    def _waiting(self, flow: Any) -> None:
        """Note where the flow stands, in each generator of the guard's own that it goes through."""
        own = self.taken.kind.__module__
        while isinstance(flow, GeneratorType):
            frame = flow.gi_frame
            if frame is not None and frame.f_globals.get("__name__") == own:
                self.taken.lines.add(frame.f_lineno)
            flow = flow.gi_yieldfrom

    def _raised(self, trace: TracebackType | None) -> None:
        own = self.taken.kind.__module__
        while trace is not None:
            if trace.tb_frame.f_globals.get("__name__") == own:
                self.taken.lines.add(trace.tb_lineno)
            trace = trace.tb_next
