"""What checks let out of a stream, how much they hold back, and what it costs against a whole text.

`python -m benchmarks.streams` cuts `--count` texts (100,000) into pieces at random, for all checks in turn,
and counts where a stream differs from the whole text and where a part of a blocked match got out; then it
lets the prose of this project's pages flow by and prints what was held after each token.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import mean, quantiles
from typing import Any

from benchmarks._measure import Figure, cpu
from guards import Blocked, Check, Finding
from guards._flow import settle
from guards._stream import Window, reader, serious
from guards._types import Reply
from tests.guards.pieces import MATCHES, ODD, PROSE, TOLD, checks, cut, said

DOCS = Path(__file__).parents[1] / "docs"
TOKEN = re.compile(r" ?\w{1,5}|\W")
COUNT = 2_000


def figures() -> Iterator[Figure]:
    runs, wrong = trials(COUNT, seed=1)
    yield Figure(f"streams that differ from the whole text, of {runs:,}", wrong["differs"], "", "0")
    yield Figure(f"streams that let out a part of a match, of {runs:,}", wrong["leaks"], "", "0")
    text = prose()[:20_000]
    for name, check in streamed():
        held = holds(check, text)
        yield Figure(f"{name}: held on prose, mean", mean(held), "characters")
        yield Figure(f"{name}: held on prose, 99 of 100", quantiles(held, n=100)[98], "characters", "<= 16")
        whole = cpu(lambda one=check: list(one(said(text))), number=1, rounds=3) / len(text) * 1000  # type: ignore[misc]
        flow = cpu(lambda one=check: holds(one, text), number=1, rounds=3) / len(text) * 1000  # type: ignore[misc]
        yield Figure(f"{name}: whole text, a KB", whole, "µs")
        yield Figure(f"{name}: token by token, a KB", flow, "µs")


def streamed() -> Iterator[tuple[str, Check]]:
    """Every check that streams, with settings under which it finds something."""
    for name, kind in checks().items():
        check = kind(**TOLD.get(name, [{}])[0])
        if check.window is not None:
            yield name, check


def prose() -> str:
    """Sentences of the project's own pages."""
    lines = (line for page in sorted(DOCS.glob("*.md")) for line in page.read_text("utf-8").splitlines())
    return " ".join(line for line in lines if re.match(r"[A-Z][a-z ]", line)).replace("`", "")


def trials(count: int, seed: int) -> tuple[int, Counter[str]]:
    """So many random texts in random pieces, each blocked and redacted; what went wrong, by kind."""
    chance, wrong, kinds = Random(seed), Counter[str](), [*streamed()]
    for number in range(count):
        name, check = kinds[number % len(kinds)]
        chunks = [*pieces(chance)]
        for problem in problems(check, chunks):
            wrong[problem] += 1
            print(f"{problem}: {name} {chunks!r}")
    return count, wrong


def pieces(chance: Random) -> Iterator[str]:
    """A random text that mixes prose with matches, parts of them and odd characters, cut at random."""
    made = []
    for _ in range(chance.randint(0, 9)):
        one = chance.choice(chance.choice((PROSE, MATCHES, MATCHES, ODD)))
        made.append(cut(one, chance.randint(1, 30)) if chance.random() < 0.3 else one)
    text = "".join(made)
    size = chance.choice((1, 2, 4, 9, 40))
    while text:
        at = chance.randint(1, 2 * size)
        yield text[:at]
        text = text[at:]


def problems(check: Check, chunks: list[str]) -> Iterator[str]:
    text, found = "".join(chunks), list[Finding]()
    whole, expected = settle(check, Reply(parts=(said(text),)), "redact", "reply")
    window = Window(check, "redact", found.extend)
    if "".join([*map(window.feed, chunks), window.end()]) != whole.text or tuple(found) != expected:
        yield "differs"
    out, window = "", Window(check, "block")
    try:
        for chunk in chunks:
            out += window.feed(chunk)
        out += window.end()
    except Blocked:
        pass
    if len(out) > min((one.start for one in serious(expected)), default=len(text)) or not text.startswith(
        out
    ):
        yield "leaks"


def holds(check: Check, text: str) -> list[int]:
    """How many characters are held after each token."""
    reading, out, seen = reader(check, said("")), [], 0
    for token in TOKEN.findall(text):
        seen += len(token)
        out.append(seen - reading.read(token, final=False)[1])
    return out


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=2)
    asked: Any = parser.parse_args(arguments)
    runs, wrong = trials(asked.count, asked.seed)
    print(f"{runs:,} chunkings: {wrong['differs']} differ from the whole text, {wrong['leaks']} leak")
    for figure in figures():
        print(f"{figure.name:<58} {figure.measured:>18} {figure.goal:>8}")


if __name__ == "__main__":
    main()
