"""Small guards and strategies that make and meet every wish, for tests of what drives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from guards import (
    Blocked,
    Call,
    Finding,
    Flow,
    Part,
    Reply,
    UpstreamError,
    clock,
    draw,
    record,
    review,
    together,
    update,
    wait,
)
from guards._flow import Screen
from orchestrator.testing import say


def ask(text: str = "hi", **more: object) -> Call:
    return Call(kind="model", target="m", parts=(Part(text=text, at=("prompt",)),), **more)  # type: ignore[arg-type]


def through(call: Call) -> Flow:
    return (yield call)


@dataclass(frozen=True)
class Stamp:
    """Marks the call on its way out and the reply on its way back, so that order can be seen."""

    mark: str

    def __call__(self, call: Call) -> Flow:
        reply: Reply = yield call.rewrite(lambda part: part.text + self.mark)
        return reply.rewrite(lambda part: part.text + self.mark)


@dataclass(frozen=True)
class Again:
    """Tries again on an upstream failure, with a wait drawn from chance."""

    attempts: int = 3

    def __call__(self, call: Call) -> Flow:
        for _ in range(self.attempts - 1):
            try:
                reply: Reply = yield call
            except UpstreamError:
                yield from wait(1 + (yield from draw()))
            else:
                return reply
        last: Reply = yield call
        return last


@dataclass(frozen=True)
class Counted:
    """Counts calls in the store and refuses beyond a number; notes the time."""

    most: int = 5

    def __call__(self, call: Call) -> Flow:
        count = yield from update("count", lambda state: ((state or 0) + 1, (state or 0) + 1))
        yield from record(call.event("counted", "counted", count=count, at=(yield from clock())))
        if count > self.most:
            raise Blocked((Finding(code="count", message="too many"),), "call")
        reply: Reply = yield call
        return reply


def both(call: Call) -> Flow:
    """Asks twice, side by side, and joins what came back."""
    replies = yield from together(call, replace(call, via="judge"))
    texts = [reply.text if isinstance(reply, Reply) else type(reply).__name__ for reply in replies]
    return say("|".join(texts))


def asks_a_person(call: Call) -> Flow:
    decision = yield from review("may this go?", call)
    if decision.verdict == "reject":
        return say("no")
    reply: Reply = yield call
    return reply


def nests(call: Call) -> Flow:
    try:
        reply: Reply = yield call
    except UpstreamError:
        return say("fell back")
    return reply


def broken_before(call: Call) -> Flow:
    raise KeyError("secret")
    yield call


def broken_after(call: Call) -> Flow:
    reply: Reply = yield call
    return reply.nonsense  # type: ignore[attr-defined, no-any-return]


@dataclass(frozen=True)
class Words:
    """A check with a window: runs of the letters a and b of one length, found at every position."""

    window: int = 4

    def __call__(self, part: Part) -> Iterator[Finding]:
        for match in re.finditer(rf"(?=((?<![ab])[ab]{{2,{self.window}}}(?![ab])))", part.text):
            yield Finding(
                code="words",
                message="a word of a and b",
                start=match.start(1),
                end=match.end(1),
                fix="-",
            )


@dataclass(frozen=True)
class Overlapping:
    """A check whose matches overlap one another: every pair of equal neighbours."""

    window: int = 2

    def __call__(self, part: Part) -> Iterator[Finding]:
        for match in re.finditer(r"(?=(([a-c])\2))", part.text):
            yield Finding(code="pair", message="a pair", start=match.start(), end=match.start() + 2, fix="*")


@dataclass(frozen=True)
class Whole:
    """A check without a window."""

    window: None = None

    def __call__(self, part: Part) -> Iterator[Finding]:
        if "bad" in part.text:
            yield Finding(code="whole", message="a bad word", start=0, end=len(part.text), fix="")


GUARDS = st.sampled_from(
    [
        through,
        Stamp("!"),
        Stamp("?"),
        Again(2),
        Again(3),
        Counted(2),
        Counted(9),
        both,
        asks_a_person,
        nests,
        Screen(Words(), then="redact"),
        Screen(Words(), then="block"),
        Screen(Overlapping(), then="warn"),
        broken_before,
        broken_after,
    ]
)

TEXTS = st.text(alphabet="abc !", max_size=8)
FAULTS = st.sampled_from([TimeoutError("t"), ConnectionResetError("c"), ValueError("v"), KeyError("k")])
SCRIPTS = st.lists(TEXTS.map(say) | FAULTS, max_size=8)
