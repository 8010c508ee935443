"""Run every benchmark and print one table: figure, its goal, and how many times the yardstick it takes."""

from __future__ import annotations

from benchmarks import (
    audit,
    cache,
    evidence,
    http,
    imports,
    overhead,
    play,
    resilience,
    structured,
    traces,
    unmask,
)
from benchmarks._measure import Figure, yardstick


def main() -> None:
    base = yardstick()
    rooms = (overhead, play, cache, resilience, unmask, structured, imports, audit, evidence, http, traces)
    figures: list[Figure] = [figure for room in rooms for figure in room.figures()]
    print(
        f"Figures are CPU time, best of rounds; the yardstick, json.loads of 2 KB, takes {base:.2f} µs here."
    )
    print(f"{'figure':<58} {'measured':>12} {'goal':>12} {'yardsticks':>11}")
    for figure in figures:
        ratio = f"{figure.value / base:.2f}" if figure.unit == "µs" else ""
        print(f"{figure.name:<58} {figure.measured:>12} {figure.goal:>12} {ratio:>11}")


if __name__ == "__main__":
    main()
