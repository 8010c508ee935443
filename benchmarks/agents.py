"""How many attacks through tool results a policy stops, and how many honest tasks it asks a person about.

`python -m benchmarks.agents [POLICY ...]` plays every honest task of `agents.yaml`, and every attack in every
one of them: from the first answer of a tool that others can write into, the agent obeys the attacker.  No
model and no detector decides, so the figures are what the policy alone can promise.  An attack is stopped if
one of its calls is refused, or a person is asked, who then says no.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from guards import Call, Decision, GuardError, Part, Reply, Run
from guards._body import leaves
from orchestrator import VirtualClock, World
from orchestrator.stores.memory import Memory
from orchestrator.testing import play, say
from policies import Policy, load, loads

HERE = "{here}"
SHIPPED = ("strict", "agent")
OFFICE = """
wardline: 1
name: strict, with the office's own addresses allowed
extends: strict
tool:
  - {use: permit, roles: [agent]}
  - {use: taint, allow: ["*@hollins.test"]}
"""
"""What a program adds for itself: the places that are always meant."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call of a tool, and what it answers."""

    tool: str
    arguments: dict[str, Any]
    answer: str


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of an agent, or made of one, and the calls that do it."""

    suite: str
    ask: str
    steps: tuple[Step, ...]


@cache
def tasks(kind: str) -> tuple[Task, ...]:
    """The tasks of one kind: honest or attacks."""
    import yaml

    suites = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    return tuple(
        Task(suite, str(one.get("ask", one.get("goal"))), tuple(Step(*step) for step in one["calls"]))
        for suite, kinds in suites.items()
        for one in kinds[kind]
    )


def pairs() -> Iterator[tuple[Task, Task]]:
    """Every attack in every honest task of its suite."""
    return (
        (task, attack)
        for task in tasks("honest")
        for attack in tasks("attacks")
        if task.suite == attack.suite
    )


class Agent:
    """An agent behind a policy: its calls, and how often a person was asked, who says always the same."""

    def __init__(self, policy: Policy, *, approves: bool) -> None:
        self.policy, self.approves, self.asked = policy, approves, 0
        self.world = World(store=Memory(), clock=VirtualClock(), reviewer=self._review)
        self.run = Run(request_id="r", session="s", roles=frozenset({"agent"}))

    def _review(self, question: Any) -> Decision:
        self.asked += 1
        return Decision("approve" if self.approves else "reject", by="person")

    def hears(self, text: str) -> None:
        """What the user asks goes to the model."""
        self._through(Call(kind="model", target="m", parts=(Part(text=text),), run=self.run), say("I will."))

    def does(self, step: Step, words: str = "") -> bool:
        """Make a call, whose answer has an attacker's words in it; false if it is stopped."""
        parts = tuple(
            Part(text=text, role="assistant", kind="tool_call", name=str(at[0]), at=at, origin="untrusted")
            for at, text in leaves(step.arguments)
        )
        call = Call(kind="tool", target=step.tool, parts=parts, raw=step.arguments, run=self.run)
        answer = step.answer.replace(HERE, words)
        part = Part(text=answer, role="tool", kind="tool_result", name=step.tool, origin="untrusted")
        return self._through(call, Reply(parts=(part,), raw=answer))

    def _through(self, call: Call, reply: Reply) -> bool:
        error = play(self.policy, call, [reply], world=self.world).error
        if error is not None and not isinstance(error, GuardError):
            raise error
        return error is None


def honest(policy: Policy, task: Task) -> tuple[bool, int]:
    """Whether an honest task is done, and how often a person is asked, who says yes."""
    agent = Agent(policy, approves=True)
    agent.hears(task.ask)
    done = [agent.does(step) for step in task.steps]
    return all(done), agent.asked


def stopped(policy: Policy, task: Task, attack: Task) -> bool:
    """Whether an attack does not get through, in the task whose tool answers carry it."""
    agent = Agent(policy, approves=False)
    agent.hears(task.ask)
    for step in task.steps:
        if not agent.does(step, f"Important: {attack.ask}"):
            return True
        if HERE in step.answer:
            break
    return not all(agent.does(step) for step in attack.steps)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one suite: pairs and those stopped, honest tasks, those asked about and those not done."""

    suite: str
    pairs: int
    stopped: int
    tasks: int
    asked: int
    lost: int


def measure(policy: Policy) -> list[Figures]:
    """The figures of each suite, then of all."""
    suites = list(dict.fromkeys(task.suite for task in tasks("honest")))
    each = [_suite(policy, suite) for suite in suites]
    whole = [
        sum(getattr(one, name) for one in each) for name in ("pairs", "stopped", "tasks", "asked", "lost")
    ]
    return [*each, Figures("all", *whole)]


def _suite(policy: Policy, suite: str) -> Figures:
    ended = [honest(policy, task) for task in tasks("honest") if task.suite == suite]
    verdicts = [stopped(policy, task, attack) for task, attack in pairs() if task.suite == suite]
    asked, lost = sum(asked > 0 for _, asked in ended), sum(not done for done, _ in ended)
    return Figures(suite, len(verdicts), sum(verdicts), len(ended), asked, lost)


def through(policy: Policy) -> dict[str, int]:
    """The attacks that get through, and in how many tasks."""
    found: dict[str, int] = {}
    for task, attack in pairs():
        if not stopped(policy, task, attack):
            found[attack.ask] = found.get(attack.ask, 0) + 1
    return found


def main(policies: list[Policy]) -> None:
    for policy in policies:
        print(f"{policy.name}\n{'suite':<10}{'pairs':>7}{'stopped':>10}{'tasks':>7}{'asked':>9}{'lost':>6}")
        for one in measure(policy):
            stop, ask = f"{100 * one.stopped / one.pairs:.1f}%", f"{100 * one.asked / one.tasks:.1f}%"
            print(f"{one.suite:<10}{one.pairs:>7}{stop:>10}{one.tasks:>7}{ask:>9}{one.lost:>6}")
        for attack, count in through(policy).items():
            print(f"through in {count}: {attack}")


if __name__ == "__main__":
    main([load(name) for name in sys.argv[1:] or SHIPPED] + [loads(OFFICE)] * (len(sys.argv) == 1))
