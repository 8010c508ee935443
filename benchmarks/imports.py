"""What `import orchestrator` adds to a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks._measure import Figure

CODE = """
import sys, time
before, started = set(sys.modules), time.process_time()
{statement}
print(len(set(sys.modules) - before), (time.process_time() - started) * 1e3)
"""


def measured(statement: str) -> tuple[int, float]:
    """Modules and CPU milliseconds, best of ten fresh interpreters."""
    runs = []
    for _ in range(10):
        command = [sys.executable, "-c", CODE.format(statement=statement)]
        modules, spent = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        runs.append((int(modules), float(spent)))
    return min(runs, key=lambda run: run[1])


def figures() -> Iterator[Figure]:
    modules, spent = measured("import orchestrator")
    yield Figure("import orchestrator", spent, "ms", "<= 60 ms")
    yield Figure("import orchestrator, modules", modules, "modules", "<= 90")
    yield Figure("for comparison: import pydantic", measured("import pydantic")[1], "ms")
    yield Figure("for comparison: import httpx", measured("import httpx")[1], "ms")
