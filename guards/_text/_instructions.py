"""Rules for texts that give a model instructions it should not take, over a normalised text in lower case.

A rule's `weight` is how likely a text is such when the rule holds; the rules that hold are combined as if
they were independent (noisy or).  A space in a pattern is any gap between words; where letters stood
apart and were joined, it may be none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

GAP = r"[^\w\n]{1,3}\s{0,2}"
NO_GAP = r"[^\w]{0,3}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, the words of which one must be in the text for it to hold, and how much it says."""

    name: str
    weight: float
    anchors: tuple[str, ...]
    pattern: str


MOST = 200
REACH = 200
"""How many characters before one of its words a rule's match begins at most; it is as long again at most."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that holds, and where."""

    rule: Rule
    start: int
    end: int


def hits(text: str, *, joined: bool = False) -> Iterator[Hit]:
    """Where rules hold in a normalised text, at most `MOST` places for each rule."""
    stretches: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    there = present(text)
    for rule, pattern in compiled(joined):
        if there.isdisjoint(rule.anchors):
            continue
        if rule.anchors not in stretches:
            stretches[rule.anchors] = near(text, there.intersection(rule.anchors))
        found = (one for start, end in stretches[rule.anchors] for one in pattern.finditer(text, start, end))
        yield from (Hit(rule, one.start(), one.end()) for one in islice(found, MOST))


def present(text: str) -> set[str]:
    """The words of rules that are in a text at all."""
    machine, known = anchors()
    found = machine.find_matches_as_indexes(text.encode("utf-8", "surrogatepass"), overlapping=True)
    return {known[one[0]] for one in found}


def near(text: str, anchors: Iterable[str]) -> list[tuple[int, int]]:
    """The stretches of a text around words, which is where a rule can hold; none overlap."""
    spots = []
    for anchor in anchors:
        at = text.find(anchor)
        while at >= 0:
            spots.append(at)
            # What lies this near is in the same stretch anyway.
            at = text.find(anchor, at + REACH // 2)
    out: list[tuple[int, int]] = []
    for at in sorted(spots):
        start, end = max(0, at - REACH), at + 2 * REACH
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def combined(found: Iterable[Hit]) -> float:
    """How likely a text is an instruction by all rules that hold; each name counts once, by its best rule."""
    best: dict[str, float] = {}
    for hit in found:
        best[hit.rule.name] = max(best.get(hit.rule.name, 0.0), hit.rule.weight)
    doubt = 1.0
    for weight in best.values():
        doubt *= 1 - weight
    return 1 - doubt


@cache
def compiled(joined: bool) -> tuple[tuple[Rule, re.Pattern[str]], ...]:
    return tuple((rule, re.compile(spaced(rule.pattern, joined))) for rule in rules())


@cache
def anchors() -> tuple[Any, tuple[str, ...]]:
    """The words of all rules, and what finds them in bytes, which any text can be read as."""
    from ahocorasick_rs import BytesAhoCorasick

    known = tuple(sorted({one for rule in rules() for one in rule.anchors}))
    return BytesAhoCorasick([one.encode() for one in known]), known


@cache
def rules() -> tuple[Rule, ...]:
    """The rules that are shipped, with their parts filled in."""
    text = files("guards._text").joinpath("instructions.rules").read_text("utf-8")
    lines = [(*line.split("\t"), "")[:4] for line in text.splitlines() if line and not line.startswith("#")]
    parts = {line[1]: line[2] for line in lines if line[0] == "part"}
    return tuple(
        Rule(
            name,
            float(weight),
            tuple(anchors.split(",")),
            re.sub("<([A-Z]+)>", lambda n: parts[n[1]], pattern),
        )
        for name, weight, anchors, pattern in lines
        if name != "part"
    )


def spaced(pattern: str, joined: bool) -> str:
    """A pattern with its spaces as gaps; where words ran together there are no edges of words either."""
    if joined:
        pattern = pattern.replace(r"\b", "")
    return re.sub(r" (\??)", lambda found: f"(?:{NO_GAP if joined else GAP}){found[1]}", pattern)
