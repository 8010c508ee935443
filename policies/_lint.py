"""Advice on a policy that loads: guards in an order, or a number, that does not do what they are for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Literal, TypeAlias

from policies._policy import BOUNDARIES, Boundary, Placed, Policy

Level: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What should be changed and why.  `path` is the place in the policy, as `model.2`; `line` is from 1.

    An error undoes what the policy promises; a warning wastes time or money; a note is worth knowing.
    """

    level: Level
    path: str
    message: str
    why: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """`outer` stands before `inner` in a chain, because otherwise what `why` says."""

    outer: str
    inner: str
    level: Level
    why: str


ORDER = (
    # What would undo a promise.
    Rule("mask", "cache", "error", "a cache outside mask stores personal data"),
    Rule("mask", "trace", "error", "a trace outside mask stores personal data"),
    Rule("schema", "mask", "error", "a schema inside mask validates placeholders, not the values"),
    Rule("approve", "retry", "error", "a retry outside approve asks a person again at every attempt"),
    Rule("permit", "cache", "error", "a cache outside permit answers those who may not ask"),
    Rule("approve", "cache", "error", "a cache outside approve answers what nobody approved"),
    Rule("invisible", "mask", "warning", "characters that cannot be seen hide personal data from mask"),
    Rule("arguments", "mask", "error", "arguments inside mask puts back the values that mask takes out"),
    Rule("arguments", "taint", "error", "a taint outside arguments judges placeholders, not where they lead"),
    Rule(
        "arguments",
        "approve",
        "warning",
        "an approve outside arguments shows a person what is repaired, or refused, after that",
    ),
    Rule("mask", "judge", "warning", "a judge outside mask has every text masked anew before it is sent"),
    Rule("taint", "mask", "error", "a taint inside mask compares placeholders with what tools are given"),
    Rule("taint", "cache", "error", "a cache outside taint answers, and nobody notes what was read"),
    Rule("taint", "injection", "warning", "an injection that spotlights joins the words that taint compares"),
    # Who may, before what it costs.
    Rule(
        "permit",
        "approve",
        "warning",
        "a permit inside approve asks a person about calls that it then denies",
    ),
    Rule(
        "permit", "taint", "warning", "a taint outside permit asks a person about calls that are then denied"
    ),
    Rule("taint", "approve", "warning", "a taint inside approve refuses what a person has just approved"),
    Rule("permit", "budget", "warning", "a permit inside budget charges for calls that it then denies"),
    # Where a call goes, before what stands at that place.
    Rule("route", "residency", "error", "a residency outside route judges the name, not the chosen model"),
    Rule("fallback", "residency", "error", "a residency outside fallback does not see where it goes on"),
    Rule("degrade", "residency", "error", "a residency outside degrade does not see where it goes on"),
    Rule("hedge", "residency", "error", "a residency outside hedge does not see where the second goes"),
    Rule("judge", "residency", "error", "a judge inside residency asks a helper in whatever region"),
    Rule("cache", "route", "note", "a cache inside route is asked again for every model"),
    Rule("cache", "fallback", "note", "a cache inside fallback holds nothing that fallback could serve"),
    Rule("cache", "degrade", "note", "a cache inside degrade holds nothing that degrade could serve"),
    Rule("cache", "hedge", "note", "a cache inside hedge is looked up twice"),
    Rule("deadline", "fallback", "warning", "a deadline inside fallback begins anew with every model"),
    Rule("deadline", "route", "warning", "a deadline inside route begins anew with every model"),
    Rule("deadline", "hedge", "warning", "a deadline inside hedge begins anew with the second request"),
    Rule("fallback", "breaker", "warning", "a breaker outside fallback sees one outcome for all the models"),
    Rule("route", "breaker", "warning", "a breaker outside route sees one outcome for all the models"),
    Rule("fallback", "rate_limit", "warning", "a rate_limit outside fallback counts the name, not the model"),
    Rule("route", "rate_limit", "warning", "a rate_limit outside route counts the name, not the model"),
    Rule("fallback", "timeout", "warning", "a timeout bounds one attempt; to bound them all, use deadline"),
    # Whole calls outside retry, attempts inside.
    Rule("deadline", "retry", "warning", "a deadline inside retry begins anew at every attempt"),
    Rule("schema", "retry", "warning", "a schema inside retry pays for its re-asks again at every attempt"),
    Rule("fallback", "retry", "warning", "a fallback inside retry asks every model again at every attempt"),
    Rule("route", "retry", "warning", "a route inside retry chooses and escalates again at every attempt"),
    Rule("cache", "retry", "warning", "a cache inside retry is looked up again at every attempt"),
    Rule("judge", "retry", "warning", "a judge inside retry judges again at every attempt"),
    Rule("mask", "retry", "note", "a mask inside retry masks the same text again at every attempt"),
    Rule("hedge", "retry", "warning", "a hedge inside retry asks twice again at every attempt"),
    Rule("retry", "rate_limit", "warning", "a rate_limit outside retry does not count the further attempts"),
    Rule("retry", "concurrency", "warning", "a concurrency cap outside retry is held while retry waits"),
    Rule("retry", "breaker", "warning", "a breaker outside retry sees one outcome for all the attempts"),
    Rule("retry", "timeout", "warning", "a timeout bounds one attempt; to bound them all, use deadline"),
    # What is free before what is scarce; the breaker's permit last.
    Rule("cache", "rate_limit", "warning", "a cache inside rate_limit spends quota on what it knows already"),
    Rule(
        "cache",
        "concurrency",
        "warning",
        "a cache inside concurrency holds a place for what it knows already",
    ),
    Rule("cache", "breaker", "warning", "a cache inside breaker cannot answer while the breaker is open"),
    Rule(
        "rate_limit", "concurrency", "warning", "a rate_limit inside concurrency holds a place while it waits"
    ),
    Rule("rate_limit", "breaker", "warning", "a half-open breaker's permit is held while rate_limit waits"),
    Rule("concurrency", "breaker", "warning", "a half-open breaker's permit is held while a call queues"),
    # The attempt's own bound is innermost.
    Rule(
        "rate_limit",
        "timeout",
        "warning",
        "a timeout is told to the call, and rate_limit only waits before it",
    ),
    Rule(
        "breaker",
        "timeout",
        "warning",
        "a timeout stands innermost, as it bounds one attempt and nothing else",
    ),
)

ONCE = {
    "approve": "a person is asked twice about one call",
    "cache": "the inner one only ever sees what the outer one does not know",
    "mask": "the inner one sees placeholders, and the numbers of both collide",
    "fallback": "their attempts multiply",
    "hedge": "the requests double twice",
    "retry": "their attempts multiply",
    "schema": "their re-asks multiply",
}


def lint(policy: Policy) -> list[Advice]:
    """All advice on a policy: errors first, then in the order of the file."""
    found = [advice for kind in BOUNDARIES for advice in _chain_advice(kind, getattr(policy, kind))]
    found += _whole(policy)
    return sorted(found, key=lambda advice: ("error", "warning", "note").index(advice.level))


def _chain_advice(kind: Boundary, placed: tuple[Placed, ...]) -> Iterator[Advice]:
    for (i, outer), (j, inner) in combinations(enumerate(placed), 2):
        if not _meet(outer, inner):
            continue
        if outer.use == inner.use and outer.use in ONCE:
            message = f"{inner.use} stands here a second time, inside {kind}.{i}"
            yield _advice("warning", kind, j, inner, message, ONCE[inner.use])
        for rule in ORDER:
            if (rule.outer, rule.inner) == (inner.use, outer.use):
                message = f"put {rule.outer} before {rule.inner} ({kind}.{i})"
                yield _advice(rule.level, kind, j, inner, message, rule.why)
        if (outer.use, inner.use) == ("permit", "arguments") and outer.written.get("rules"):
            message = f"put arguments before the permit with rules ({kind}.{i})"
            why = "a permit outside arguments judges what arguments still repairs, and placeholders"
            yield _advice("error", kind, j, inner, message, why)
    yield from _unseen(kind, placed)
    for i, one in enumerate(placed):
        if one.written.get("mode") == "observe":
            why = "with `mode: observe` it reports what it would do, and changes nothing"
            yield _advice("note", kind, i, one, f"{one.use} only watches", why)
        if kind == "tool" and one.written.get("then") == "reask":
            why = "a tool is never run again, so a finding in its result is blocked at once"
            yield _advice("warning", kind, i, one, f"{one.use} asks no tool again; say `then: block`", why)


# What raises the errors, or ends the replies, for which a guard goes on.
RAISES = {"invalid": ("schema",), "exhausted": ("rate_limit", "concurrency")}


def _unseen(kind: Boundary, placed: tuple[Placed, ...]) -> Iterator[Advice]:
    """A guard that goes on for what only a guard further out could raise."""
    for (i, outer), (j, inner) in combinations(enumerate(placed), 2):
        wanted = _wanted(inner)
        for reason, sources in RAISES.items():
            inside = any(one.use in sources for one in placed[j + 1 :])
            if reason in wanted and outer.use in sources and not inside and _meet(outer, inner):
                message = f"put {inner.use} before {outer.use} ({kind}.{i})"
                why = f"{inner.use} goes on for what is {reason}, and cannot see what {outer.use} refuses"
                yield _advice("warning", kind, j, inner, message, why)


GOES_ON = {"route": "escalate_on", "fallback": "errors", "degrade": "errors"}


def _wanted(placed: Placed) -> tuple[str, ...]:
    """For what a guard goes on that is written so in the file; what it does by itself is no mistake."""
    written = placed.written.get(GOES_ON.get(placed.use, ""))
    return tuple(written) if isinstance(written, list) else ()


def _whole(policy: Policy) -> Iterator[Advice]:
    if not policy.model and not policy.tool:
        yield Advice(
            "warning", "", "this policy has no guards", "every call passes unguarded", policy.source, 1
        )
    elif not policy.examples:
        why = "examples show what the policy promises, and `wardline check` proves it"
        yield Advice("note", "examples", "this policy has no examples", why, policy.source, 1)


def _advice(level: Level, kind: str, index: int, placed: Placed, message: str, why: str) -> Advice:
    return Advice(level, f"{kind}.{index}", message, why, placed.file, placed.line)


def _meet(one: Placed, other: Placed) -> bool:
    """Whether some target may have both guards before it; two globs that both vary may always meet."""
    if not one.only or not other.only:
        return True
    return any(
        fnmatchcase(a, b) or fnmatchcase(b, a) or (_varies(a) and _varies(b))
        for a in one.only
        for b in other.only
    )


def _varies(glob: str) -> bool:
    return any(sign in glob for sign in "*?[")
