"""What a guarded call costs beyond the bare one."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks._measure import Figure, acpu, cpu
from guards import Call, Flow, Reply
from orchestrator import Orchestrator
from policies import Policy


def passes(call: Call) -> Flow:
    reply: Reply = yield call
    return reply


def bare(prompt: str) -> str:
    return prompt


async def abare(prompt: str) -> str:
    return prompt


def figures() -> Iterator[Figure]:
    five = Orchestrator(Policy.of(model=[passes] * 5))
    empty = Orchestrator(Policy.of())
    base, abase = cpu(lambda: bare("hi")), acpu(lambda: abare("hi"))
    cases = [
        ("five pass-through guards", five, "<= 10 µs", "<= 15 µs"),
        ("an empty policy", empty, "<= 2 µs", "<= 2 µs"),
    ]
    for name, gate, goal, agoal in cases:
        sync, later = gate.model("m")(bare), gate.model("m")(abare)
        yield Figure(f"{name}, sync: adds", cpu(lambda sync=sync: sync("hi")) - base, "µs", goal)
        yield Figure(f"{name}, async: adds", acpu(lambda later=later: later("hi")) - abase, "µs", agoal)
