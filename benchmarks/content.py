"""Guards that look at texts: quality and microseconds per KB, with deterministic peers on the same texts.

`python -m benchmarks.content` prints the table of `wardline eval`, then the peers that are installed, and why
others are not measured: LLM Guard (Secrets, BanSubstrings, InvisibleText), detect-secrets, Presidio.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from guards._flow import screen
from guards._types import Finding, Part
from guards.topics import Topics
from orchestrator.evaluation import content
from orchestrator.evaluation._rows import Row, embedded

Hit: TypeAlias = Callable[[str], bool]

KEYWORDS = ("acme", "globex corporation", "shares or bonds", "investment advice")
FOUND = [Finding(code="peer.found", message="found by a peer")]


def ours() -> Iterator[str]:
    """The table of `wardline eval`."""
    rows, leaked = content.canary_rows()
    find = {**content.finders(content.evaluation_policy()), "canary": leaked}
    rows = [*embedded(), *rows]
    own = {name: [row for row in rows if row.guard == name] for name in find}
    speeds = {name: content.speed(find[name], many) for name, many in own.items() if many}
    yield from content.table(content.evaluate(rows, find), speeds)
    yield from side("Wardline, phrases alone", "topics", _phrases)


def _phrases() -> Hit:
    guard = screen(Topics(deny={"denied": KEYWORDS}))
    return lambda text: any(guard.judged(Part(text=text)))


def peers() -> Iterator[str]:
    """The same texts for others' scanners, one guard's texts each."""
    yield from side("detect-secrets", "secrets", _detect_secrets)
    yield from side("LLM Guard Secrets", "secrets", partial(_llm_guard, "Secrets"))
    yield from side("LLM Guard BanSubstrings", "topics", partial(_llm_guard, "BanSubstrings", list(KEYWORDS)))
    yield from side("LLM Guard InvisibleText", "invisible", partial(_llm_guard, "InvisibleText"))
    yield from side("Presidio patterns", "mask", _presidio)


def side(name: str, guard: str, make: Callable[[], Hit]) -> Iterator[str]:
    """One scanner's figures on the texts of a guard, or why there are none."""
    yield ""
    try:
        hit = make()
    except ImportError as error:
        yield f"{name}: NOT MEASURED, {error}"
        return

    def find(row: Row) -> list[Finding]:
        return FOUND if hit(row.text) else []

    rows = [row for row in embedded() if row.guard == guard]
    yield name
    yield from content.table(content.evaluate(rows, {guard: find}), {guard: content.speed(find, rows)})


def _detect_secrets() -> Hit:
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    folder = tempfile.TemporaryDirectory()
    file = Path(folder.name, "text.txt")

    def hit(text: str, folder: object = folder) -> bool:
        # A file, as its filters do not run on single lines.
        file.write_text(text, encoding="utf-8")
        found = SecretsCollection()
        with default_settings():
            found.scan_file(str(file))
        return bool(found)

    return hit


def _llm_guard(name: str, *given: Any) -> Hit:
    from llm_guard import input_scanners

    scanner = getattr(input_scanners, name)(*given)
    return lambda text: not scanner.scan(text)[1]


def _presidio() -> Hit:
    from benchmarks.pii import reference

    return lambda text: any(score >= 0.4 for *_, score in reference(text))


def main() -> None:
    for line in (*ours(), *peers()):
        print(line)


if __name__ == "__main__":
    main()
