"""Three agents that read shipping papers, as a user of this library would write them.

`bare` and `guarded` give the same agents over the same model and registry: what differs is the decorators and
the three policy files.  `Desk` is the program around them, and does not know which it was given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from guards import Invalid, UpstreamError
from orchestrator import Orchestrator, World
from orchestrator.demo.documents import POUNDS, Document, Value
from orchestrator.telemetry import Evidence

Messages: TypeAlias = list[dict[str, str]]
Completion: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[[Messages], Completion]
Lookup: TypeAlias = Callable[[str, str], str]
Registry: TypeAlias = Mapping[str, Mapping[str, Value]]

POLICIES = Path(__file__).parent / "policies"
SCHEMAS: Mapping[str, dict[str, Any]] = {
    name: json.loads((POLICIES / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("classifier", "extractor", "reconciler")
}
SMALL, LARGE = "sim-small", "sim-large"
ROUNDS = 4


class Complete(Protocol):
    """A client of a model provider: chat messages in, a chat completion in OpenAI's shape out."""

    def __call__(self, messages: Messages, *, model: str, **options: Any) -> Completion: ...


class Undecided(Exception):
    """The reconciler came to no verdict within its rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agents:
    """What the desk may ask, and in whose name."""

    classify: Ask
    extract: Ask
    decide: Ask
    lookup: Lookup
    session: Callable[..., AbstractContextManager[Any]]


def asking(complete: Complete, model: str, agent: str) -> Ask:
    """A model function: chat messages in, a completion that should fit the agent's schema out."""
    wanted = {"type": "json_schema", "json_schema": {"name": agent, "schema": SCHEMAS[agent]}}

    def ask(messages: Messages) -> Completion:
        return complete(messages, model=model, response_format=wanted)

    return ask


def looking_up(registry: Registry) -> Lookup:
    def lookup(shipment: str, subject: str) -> str:
        entry = registry[shipment]
        unit = f" {entry['weight_unit']}" if subject == "gross_weight" else ""
        return f"{entry[subject]}{unit}"

    return lookup


def bare(complete: Complete, registry: Registry) -> Agents:
    """The agents as many programs have them: whatever comes back is taken as it is."""
    return Agents(
        classify=asking(complete, SMALL, "classifier"),
        extract=asking(complete, LARGE, "extractor"),
        decide=asking(complete, LARGE, "reconciler"),
        lookup=looking_up(registry),
        session=lambda **_: nullcontext(),
    )


def guarded(complete: Complete, registry: Registry, world: World, evidence: Evidence | None = None) -> Agents:
    """The same agents behind their policies; what the small model fails at goes to the large one."""
    classifier, extractor, reconciler = (
        Orchestrator.from_policy(POLICIES / f"{name}.yaml", world=world, evidence=evidence)
        for name in ("classifier", "extractor", "reconciler")
    )
    first = classifier.model("classifier")(asking(complete, SMALL, "classifier"))
    second = classifier.model("second_opinion")(asking(complete, LARGE, "classifier"))

    def classify(messages: Messages) -> Completion:
        try:
            return first(messages)
        except (Invalid, UpstreamError):
            return second(messages)

    return Agents(
        classify=classify,
        extract=extractor.model("extractor")(asking(complete, LARGE, "extractor")),
        decide=reconciler.model("reconciler")(asking(complete, LARGE, "reconciler")),
        lookup=reconciler.tool("registry.lookup", idempotent=True)(looking_up(registry)),
        session=reconciler.session,
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """The program: reads papers, and decides what to do about a shipment.

    `hand_over` is shown every value on its way from an agent to the next step.
    """

    agents: Agents
    hand_over: Callable[[str, Any], None]

    def read(self, document: Document) -> tuple[str, dict[str, Any]]:
        """The kind of a paper, and its fields."""
        with self.agents.session(request_id=document.id, user="desk", timeout=120):
            asked = chat("Say what kind of shipping document this is.", document.text)
            kind: str = self.answer("classifier", self.agents.classify(asked))["kind"]
            asked = chat(f"Read the fields of this {kind.replace('_', ' ')}.", document.text)
            return kind, self.answer("extractor", self.agents.extract(asked))

    def reconcile(self, shipment: str, papers: list[dict[str, Any]]) -> dict[str, Any]:
        """A verdict about a shipment after at most `ROUNDS` rounds, else `Undecided`."""
        registered: dict[str, str] = {}
        with self.agents.session(request_id=shipment, user="desk", roles=["reconciler"], timeout=120):
            for _ in range(ROUNDS):
                asked = chat("Decide what to do about this shipment.", worksheet(papers, registered))
                step: dict[str, Any] = self.answer("reconciler", self.agents.decide(asked))
                if step["decision"] != "lookup":
                    return step
                registered[step["subject"]] = self.agents.lookup(shipment, step["subject"])
        raise Undecided(f"no verdict about {shipment} after {ROUNDS} rounds")

    def answer(self, agent: str, completion: Completion) -> Any:
        value = json.loads(completion["choices"][0]["message"]["content"])
        self.hand_over(agent, value)
        return value


def chat(task: str, text: str) -> Messages:
    rules = "Answer with one JSON object that fits the schema. Give null for what is not stated."
    return [{"role": "system", "content": f"{task} {rules}"}, {"role": "user", "content": text}]


def worksheet(papers: list[dict[str, Any]], registered: Mapping[str, str]) -> str:
    """What the papers and the registry say about a shipment, and what the rules of the house advise."""
    statements = {
        "gross_weight": [kilograms(paper) for paper in papers],
        "consignee": [paper["consignee"] for paper in papers],
    }
    lines = []
    for subject, said in statements.items():
        shown = "; ".join("not stated" if one is None else str(one) for one in said)
        lines.append(f"Papers on {subject}: {shown}")
    lines += [f"Registry on {subject}: {value}" for subject, value in registered.items()]
    decision, subject = advice(statements, registered)
    return "\n".join([*lines, "", f"Decision: {decision}", f"Subject: {subject}"])


def advice(statements: Mapping[str, list[Any]], registered: Mapping[str, str]) -> tuple[str, str]:
    """Look up what is open; hold a shipment whose papers differ from the registry; release any other."""
    for subject, said in statements.items():
        if agree(said) and None not in said:
            continue
        if subject not in registered:
            return "lookup", subject
        if not agree([*(one for one in said if one is not None), filed(registered[subject])]):
            return "hold", subject
    return "release", "none"


def agree(values: list[Any]) -> bool:
    """All the same; numbers within half a percent, as scales and roundings differ."""
    if all(isinstance(value, (int, float)) for value in values):
        return not values or max(values) <= min(values) * 1.005
    return len(set(values)) <= 1


def kilograms(paper: Mapping[str, Any]) -> float | None:
    weight = paper["gross_weight"]
    if weight is None:
        return None
    kilos: float = weight / POUNDS if paper["weight_unit"] == "lb" else weight * 1.0
    return round(kilos, 1)


def filed(value: str) -> float | str:
    number, _, unit = value.rpartition(" ")
    return float(number) if unit == "kg" else value
