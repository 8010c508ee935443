"""From which score on a guard should act: thresholds by their false alarms, source by source."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, floor
from random import Random
from typing import Any, TypeAlias

from guards._flow import Screen, bare
from guards._types import Call, Event, Finding, Reply
from guards.injection import judged_as
from orchestrator._engine.drive import Asked, World, arun
from orchestrator.evaluation._rows import Row
from orchestrator.findings import finder, said
from policies import Placed, Policy

RATES = (0.01, 0.001)
"""The shares of harmless texts on which a guard may act by mistake."""
LEAST = 1e-9
"""A threshold that every score reaches."""
PLACES = 4
"""How many decimals of a threshold are told."""
RESAMPLES, COVERED = 200, 0.95
Interval: TypeAlias = tuple[float, float]


class CalibrationError(Exception):
    """A guard or its data cannot be calibrated; says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Which settings of a guard are thresholds, for the rates in their order, and whose scores they are for.

    `opened` are settings with which every score is told, and `code` is that of the findings that count.
    """

    thresholds: tuple[str, ...]
    opened: Mapping[str, Any]
    code: str


OPEN_JUDGE = {"then": "warn", "refusal": "", "share": 1.0, "beside": False, "least": LEAST, "ttl": 0.0}
SCALES = {
    "injection": Scale(("flag_user", "block_user"), {"flag_user": LEAST, "block_user": 1.0}, "injection."),
    "injection of untrusted texts": Scale(
        ("flag_untrusted", "block_untrusted"), {"flag_untrusted": LEAST, "block_untrusted": 1.0}, "injection."
    ),
    "content": Scale(("flag", "block"), {"flag": LEAST, "block": LEAST}, "content.toxic"),
    "judge": Scale(("least",), OPEN_JUDGE, "judge."),
}


@dataclass(frozen=True, slots=True)
class Scored:
    """A text's source, whether something was to be found in it, and its score."""

    source: str
    label: bool
    score: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The lowest threshold that keeps to a rate of false alarms, and what is found from it on.

    The intervals are where 95 % of resampled data have it.
    """

    rate: float
    value: float
    found: float
    value_within: Interval
    found_within: Interval


@dataclass(frozen=True, slots=True)
class Figures:
    """One source, or all: texts, how many of them to be found, AUC, its own thresholds, and the others'.

    `wrong` and `found` are the shares of harmless and other texts at the 1 % threshold of the other sources.
    """

    source: str
    texts: int
    positive: int
    auc: float | None
    own: tuple[Threshold | None, ...]
    wrong: float | None = None
    found: float | None = None


def placed_guard(policy: Policy, use: str) -> Placed:
    """The policy's guard of that name that has a score.  Raises `CalibrationError`."""
    if use not in SCALES:
        names = ", ".join(name for name in SCALES if " " not in name)
        raise CalibrationError(f"{use} gives no score that could be calibrated; {names} do")
    for placed in (*policy.model, *policy.tool):
        if placed.use == use:
            return placed
    raise CalibrationError(f"this policy has no {use}; add {{use: {use}}} to it, or name another with -p")


def scaled(placed: Placed, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows by the scale that is for them."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        untrusted = placed.use == "injection" and judged_as(said(row.text, row.role)) == "untrusted"
        groups.setdefault("injection of untrusted texts" if untrusted else placed.use, []).append(row)
    return groups


def scores(placed: Placed, scale: Scale, rows: Iterable[Row]) -> list[Scored]:
    """What the guard makes of each text by itself."""
    guard: Any = bare(placed.guard)
    if isinstance(guard, Screen):
        find = finder(replace(guard, check=replace(guard.check, **scale.opened)))  # type: ignore[type-var]  # a check is a dataclass
    else:
        find = finder(replace(guard, **scale.opened))
    return [
        Scored(row.source, row.label, highest(find(said(row.text, row.role)), scale.code)) for row in rows
    ]


def highest(found: Iterable[Finding], code: str) -> float:
    return max((one.score for one in found if one.code.startswith(code)), default=0.0)


async def judged(policy: Policy, placed: Placed, rows: Sequence[Row], at_once: int) -> list[Scored | None]:
    """What a judge's helper says of each text; None where it gives no verdict."""
    import asyncio

    from guards._helpers import with_helpers
    from orchestrator.boundaries.helpers import Helping

    sides = {side: replace(bare(placed.guard), **OPEN_JUDGE, at=(side,)) for side in ("call", "reply")}
    guards = {side: with_helpers(guard, policy.helpers) for side, guard in sides.items()}
    helping, places = Helping(policy.helpers), asyncio.Semaphore(at_once)

    async def one(row: Row) -> Scored | None:
        side = "reply" if row.role == "assistant" else "call"
        async with places:
            score = await _verdict(guards[side], row, helping)
        return None if score is None else Scored(row.source, row.label, score)

    try:
        return list(await asyncio.gather(*map(one, rows)))
    finally:
        await helping.aclose()


async def _verdict(guard: Any, row: Row, helping: Asked) -> float | None:
    """A judge's score of one text, as it is said: by the model, or to it."""
    from orchestrator.testing import say

    events: list[Event] = []
    reply = row.role == "assistant"

    async def perform(call: Call) -> Reply:
        return say(row.text if reply else "")

    part = said("" if reply else row.text, "user" if reply else row.role)
    call = Call(kind="model", target="calibrate", parts=(part,))
    await arun(guard, call, perform, World(helpers=helping, sink=events.append))
    if any(event.what == "unjudged" for event in events):
        return None
    return highest((one for event in events for one in event.findings), SCALES["judge"].code)


def calibrate(rows: Sequence[Scored], seed: int = 0, resamples: int = RESAMPLES) -> list[Figures]:
    """The figures of all texts together, then of each source.  Raises `CalibrationError`."""
    for label, what in ((True, "in which something is to be found"), (False, "that are harmless")):
        if not any(row.label is label for row in rows):
            raise CalibrationError(f"there are no texts {what} (label {int(label)}); thresholds need both")
    by_source: dict[str, list[Scored]] = {}
    for row in rows:
        by_source.setdefault(row.source, []).append(row)
    figures = [_figures("all", rows, (), seed, resamples)]
    if len(by_source) > 1:
        for source, mine in sorted(by_source.items()):
            others = [row for row in rows if row.source != source]
            figures.append(_figures(source, mine, others, seed, resamples))
    return figures


def _figures(
    source: str, rows: Sequence[Scored], others: Sequence[Scored], seed: int, resamples: int
) -> Figures:
    positive, harmless = _split(rows)
    chance = Random(seed)  # noqa: S311 - resampling is repeatable
    foreign = lowest(_split(others)[1], RATES[0])
    return Figures(
        source=source,
        texts=len(rows),
        positive=len(positive),
        auc=auc(positive, harmless) if positive and harmless else None,
        own=tuple(_threshold(positive, harmless, rate, chance, resamples) for rate in RATES),
        wrong=None if foreign is None or not harmless else share(harmless, foreign),
        found=None if foreign is None or not positive else share(positive, foreign),
    )


def _split(rows: Iterable[Scored]) -> tuple[list[float], list[float]]:
    """The scores of texts with something to be found, and of harmless ones, in ascending order."""
    held = {label: sorted(row.score for row in rows if row.label is label) for label in (True, False)}
    return held[True], held[False]


def auc(positive: Sequence[float], harmless: Sequence[float]) -> float:
    """How often a text with something to be found scores higher than a harmless one; ties count half."""
    total = sum(bisect_left(harmless, score) + bisect_right(harmless, score) for score in positive)
    return total / 2 / len(positive) / len(harmless)


def lowest(harmless: Sequence[float], rate: float) -> float | None:
    """The lowest threshold that at most this share of scores, in ascending order, reaches.

    None where there is none up to 1, and where there are too few texts to tell.
    """
    allowed = int(len(harmless) * rate)
    if not allowed:
        return None
    steps = 10**PLACES
    # A little more, as a score that is written with as many decimals may lie a bit below where it is meant.
    value = (floor(harmless[-allowed - 1] * steps + 1e-6) + 1) / steps
    return value if value <= 1 else None


def share(scores: Sequence[float], threshold: float) -> float:
    """How many of the scores, in ascending order, reach the threshold."""
    return (len(scores) - bisect_left(scores, threshold)) / len(scores)


def _threshold(
    positive: Sequence[float], harmless: Sequence[float], rate: float, chance: Random, resamples: int
) -> Threshold | None:
    value = lowest(harmless, rate)
    if value is None or not positive:
        return None
    values, found = [], []
    for _ in range(resamples):
        again = lowest(sorted(chance.choices(harmless, k=len(harmless))), rate)
        values.append(1.0 if again is None else again)
        hits = sorted(chance.choices(positive, k=len(positive)))
        found.append(0.0 if again is None else share(hits, again))
    return Threshold(rate, value, share(positive, value), _middle(values), _middle(found))


def _middle(values: list[float]) -> Interval:
    """Where the middle of the values lies."""
    values = sorted(values)
    outside = int(len(values) * (1 - COVERED) / 2)
    return values[outside], values[-outside - 1]


def line(placed: Placed, scale: Scale, figures: Figures) -> str:
    """The guard as it is written in a policy, with the thresholds that all texts together give."""
    found: dict[str, float] = {}
    held = getattr(bare(placed.guard), "check", bare(placed.guard))
    for name, one in zip(scale.thresholds, figures.own, strict=False):
        least = max(found.values(), default=0.0)
        if one is not None:
            found[name] = one.value
        elif least > (getattr(held, name) or 1.0):
            found[name] = least  # what blocks may not lie below what flags
    written = {"use": placed.use, **placed.written, **found}
    return f"- {{{', '.join(f'{key}: {_yaml(value)}' for key, value in written.items())}}}"


def _yaml(value: Any) -> str:
    """A value as a policy has it; a text without quotes where it is a plain word."""
    plain = (
        isinstance(value, str) and re.fullmatch(r"[a-z_]+", value) and value not in ("true", "false", "null")
    )
    return value if plain else json.dumps(value, ensure_ascii=False)


WORDS = ("true", "false", "null")
COLUMNS = (20, 7, 8, 7, 12, 14, 8, 12, 12, 14, 8, 12, 9, 7)


def table(figures: Sequence[Figures]) -> Iterator[str]:
    """The figures in lines, a source each, and what is to be learned from them."""
    own = [head for rate in RATES for head in (f"{100 * rate:g} %: from", "(95 %)", "found", "(95 %)")]
    yield _line(["source", "texts", "to find", "AUC", *own, "others'", "found"])
    for one in figures:
        area = "-" if one.auc is None else f"{one.auc:.3f}"
        told = [cell for each in one.own for cell in _told(each)]
        foreign = [_percent(one.wrong), _percent(one.found)]
        yield _line([one.source[:19], str(one.texts), str(one.positive), area, *told, *foreign])
    yield from _notes(figures)


def _line(cells: Iterable[str]) -> str:
    first, *others = zip(cells, COLUMNS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)


def _told(one: Threshold | None) -> tuple[str, ...]:
    if one is None:
        return "-", "", "-", ""
    (low, high), (least, most) = one.value_within, one.found_within
    within, found = f"({low:.3f}-{high:.3f})", f"({100 * least:.1f}-{100 * most:.1f})"
    return f"{one.value:.4f}", within, _percent(one.found), found


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


def _notes(figures: Sequence[Figures]) -> Iterator[str]:
    whole = figures[0]
    harmless = whole.texts - whole.positive
    for rate, own in zip(RATES, whole.own, strict=True):
        needed = ceil(1 / rate)
        if own is None and harmless < needed:
            yield f"{100 * rate:g} % takes {needed:,} harmless texts at least, and there are {harmless:,}"
        elif own is None:
            yield f"no threshold keeps to {100 * rate:g} %: too many harmless texts have the highest score"
    drift = [(one.wrong, one.source) for one in figures if one.wrong is not None]
    if drift:
        (low, least), (high, most) = min(drift), max(drift)
        yield (
            f"where the other sources set it for {100 * RATES[0]:g} %, false alarms are "
            f"{_percent(low)} ({least}) to {_percent(high)} ({most}): calibrate on texts like your own"
        )


def as_json(figures: Iterable[Figures]) -> list[dict[str, Any]]:
    return [asdict(one) for one in figures]
