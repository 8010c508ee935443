"""The same papers, faults and seed, with and without guards, side by side; every figure is measured.

A run is sequential and in virtual time: the provider's clock moves by what each call would have taken.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.protocols import Validator

from guards import Event, GuardError
from guards._body import leaves
from orchestrator import VirtualClock, World
from orchestrator.boundaries._shapes import usage
from orchestrator.demo.agents import (
    POLICIES,
    SCHEMAS,
    Agents,
    Ask,
    Complete,
    Completion,
    Desk,
    Messages,
    bare,
    guarded,
)
from orchestrator.demo.documents import MAIN, Document, Shipment
from orchestrator.sim import Provider
from orchestrator.telemetry._stored import Which, stored
from orchestrator.telemetry.figures import percentile
from orchestrator.telemetry.traces import keeping
from policies import Policy, load

WAYS = ("retried", "re-asked", "salvaged", "escalated", "refused", "crashed")


@dataclass(slots=True)
class Figures:
    """What one run came to.

    `seconds` has a figure for each document that was finished, in virtual time; `usd` is for everything, the
    failed and the reconciled included.  `ways` says how steps that met trouble went on.
    """

    documents: int = 0
    failed: int = 0
    handed: int = 0
    malformed: int = 0
    compared: int = 0
    wrong: int = 0
    shipments: int = 0
    undecided: int = 0
    misjudged: int = 0
    personal: int = 0
    personal_sent: int = 0
    identities: int = 0
    identities_sent: int = 0
    calls: int = 0
    faulty: int = 0
    usd: float = 0.0
    seconds: list[float] = field(default_factory=list)
    ways: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Meter:
    """Stands before the provider, and notes what it receives, how often it errs, and what it charges."""

    complete: Complete
    figures: Figures
    prices: Mapping[str, Callable[[Any], float | None]]
    received: list[str] = field(default_factory=list)

    def __call__(self, messages: Messages, *, model: str, **options: Any) -> Completion:
        self.received += [text for _, text in leaves([messages, options])]
        self.figures.calls += 1
        try:
            completion = self.complete(messages, model=model, **options)
        except Exception:
            self.figures.faulty += 1
            raise
        self.figures.usd += self.prices[model](usage(completion["usage"])) or 0.0
        wanted = options["response_format"]["json_schema"]
        if not fits(wanted["name"], parsed(completion["choices"][0]["message"]["content"])):
            self.figures.faulty += 1
        return completion


def measure(
    papers: Iterable[Shipment], faults: str, seed: int, *, guards: bool, traces: Path | None = None
) -> Figures:
    """Run the desk over all shipments; what the guards do goes to a trace store, if one is named."""
    clock, figures, events = VirtualClock(), Figures(), list[Event]()
    evidence = keeping(traces, clock) if traces is not None else None
    papers = list(papers)
    provider = Provider(faults, seed=seed)
    meter = Meter(provider.function(clock), figures, prices())
    registry = {shipment.id: shipment.registered for shipment in papers}
    if guards:
        chance = Random(seed)  # noqa: S311 - chance that can be repeated is the point
        world = World(clock=clock, random=chance.random, sink=events.append)
        agents = watched(guarded(meter, registry, world, evidence), events, figures.ways)
    else:
        agents = bare(meter, registry)
    trial = Trial(Desk(agents, lambda agent, value: checked(figures, agent, value)), clock, figures)
    for shipment in papers:
        trial.shipment(shipment)
    leaked(figures, papers, "\n".join(meter.received))
    if evidence is not None:
        evidence.close()
    return figures


def dearest(traces: Path) -> str:
    """How to see why the document that cost most did."""
    with stored(traces) as store:
        most = max(store.requests(Which()), key=lambda request: request.cost or 0.0)
    return f"Why {most.request} cost most: wardline why {most.request} --traces {traces}"


@dataclass(slots=True)
class Trial:
    """Takes shipments through the desk and compares what comes out with the truth."""

    desk: Desk
    clock: VirtualClock
    figures: Figures

    def shipment(self, shipment: Shipment) -> None:
        figures = self.figures
        figures.shipments += 1
        read = [self.document(document) for document in shipment.documents]
        papers = [paper for kind, paper in filter(None, read) if kind in MAIN]
        if len(papers) < min(len(MAIN), len(shipment.documents)):
            figures.undecided += 1  # nothing is decided on fewer papers than came
            return
        try:
            verdict = self.desk.reconcile(shipment.id, papers)
        except Exception as error:
            figures.undecided += 1
            self.ended(error)
            return
        figures.misjudged += verdict != expected(shipment)

    def document(self, document: Document) -> tuple[str, dict[str, Any]] | None:
        figures = self.figures
        figures.documents += 1
        started = self.clock.now()
        try:
            kind, paper = self.desk.read(document)
        except Exception as error:
            figures.failed += 1
            self.ended(error)
            return None
        figures.seconds.append(self.clock.now() - started)
        figures.compared += 1 + len(FIELDS)
        figures.wrong += (kind != document.kind) + sum(
            not isinstance(paper, dict) or paper.get(name) != document.truth.get(name) for name in FIELDS
        )
        return kind, paper

    def ended(self, error: Exception) -> None:
        self.figures.ways["refused" if isinstance(error, GuardError) else "crashed"] += 1


FIELDS = tuple(SCHEMAS["extractor"]["properties"])


def expected(shipment: Shipment) -> dict[str, str]:
    if shipment.differs:
        return {"decision": "hold", "subject": shipment.differs[0]}
    return {"decision": "release", "subject": "none"}


def checked(figures: Figures, agent: str, value: Any) -> None:
    """Count a value on its way to the next step, and whether it is one that the next step asked for."""
    figures.handed += 1
    figures.malformed += not fits(agent, value)


def fits(agent: str, value: Any) -> bool:
    return validator(agent).is_valid(value)


@cache
def validator(agent: str) -> Validator:
    return Draft202012Validator(SCHEMAS[agent])


def parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except (ValueError, RecursionError):
        return None


def leaked(figures: Figures, papers: Iterable[Shipment], received: str) -> None:
    """Look for every personal value in everything that the provider received."""
    documents = [document for shipment in papers for document in shipment.documents]
    personal = {value for document in documents for value in document.personal}
    identities = {value for document in documents for value in document.identities}
    figures.personal, figures.identities = len(personal), len(identities)
    figures.personal_sent = sum(value in received for value in personal)
    figures.identities_sent = sum(value in received for value in identities)


def prices() -> dict[str, Callable[[Any], float | None]]:
    """What each model charges, as the policies say."""
    policies: list[Policy] = [load(POLICIES / f"{name}.yaml") for name in SCHEMAS]
    return {model.id: model.cost for policy in policies for model in policy.models.values()}


def watched(agents: Agents, events: list[Event], ways: Counter[str]) -> Agents:
    """The same agents; each step that met trouble and came through is counted under what helped last."""

    def watch(ask: Ask) -> Ask:
        def asked(messages: Messages) -> Completion:
            started = len(events)
            completion = ask(messages)
            if way := helped(events[started:]):
                ways[way] += 1
            return completion

        return asked

    return replace(
        agents, classify=watch(agents.classify), extract=watch(agents.extract), decide=watch(agents.decide)
    )


def helped(events: Iterable[Event]) -> str:
    """What brought a step through: the strongest measure that was needed, or nothing."""
    way = ""
    for event in events:
        if event.target == "second_opinion":
            return "escalated"
        if event.what == "repaired":
            way = "re-asked" if event.data["reasks"] else "salvaged"
        elif event.what == "retry":
            way = way or "retried"
    return way


def table(unguarded: Figures, guarded: Figures) -> str:
    rows = [("", "unguarded", "guarded")]
    rows += [(label, tell(unguarded), tell(guarded)) if tell else (label, "", "") for label, tell in ROWS]
    return "\n".join(f"{label:<52}{one:>16}{other:>16}".rstrip() for label, one, other in rows)


def share(part: int, whole: int) -> str:
    return f"{part} of {whole}"


def cents(usd: float, documents: int) -> str:
    return f"{100 * usd / documents:.3f}" if documents else "-"


ROWS: tuple[tuple[str, Callable[[Figures], str] | None], ...] = (
    ("documents failed", lambda f: share(f.failed, f.documents)),
    ("malformed values that reached the next step", lambda f: share(f.malformed, f.handed)),
    ("wrong values, against the truth", lambda f: share(f.wrong, f.compared)),
    ("shipments without a verdict", lambda f: share(f.undecided, f.shipments)),
    ("shipments with a wrong verdict", lambda f: share(f.misjudged, f.shipments)),
    ("personal values sent to the model", lambda f: share(f.personal_sent, f.personal)),
    ("  names and licences (no policy here covers them)", lambda f: share(f.identities_sent, f.identities)),
    ("cost per document, US cents", lambda f: cents(f.usd, f.documents)),
    ("cost per document that was finished, US cents", lambda f: cents(f.usd, f.documents - f.failed)),
    ("latency of a finished document, p50, seconds", lambda f: f"{percentile(f.seconds, 0.5):.2f}"),
    ("latency of a finished document, p95, seconds", lambda f: f"{percentile(f.seconds, 0.95):.2f}"),
    ("replies of the model that were faulty or missing", lambda f: share(f.faulty, f.calls)),
    ("where each step that met one went", None),
    *((f"  {way}", lambda f, way=way: str(f.ways[way])) for way in WAYS),
    ("  passed on malformed, unnoticed", lambda f: str(f.malformed)),
)


def head(papers: list[Shipment], faults: str, seed: int) -> str:
    """What was run, and how to run it again."""
    documents = [document for shipment in papers for document in shipment.documents]
    languages = sorted({document.language for document in documents})
    spoiled = sum(bool(document.defects) for document in documents)
    return (
        f"wardline demo --documents {len(documents)} --faults {faults} --seed {seed}\n"
        f"{len(documents)} documents in {len(languages)} languages ({', '.join(languages)}); "
        f"{spoiled} are partial, contradictory or scanned.\n"
        "Unguarded: each reply straight into json.loads.  Guarded: the same program behind three policies.\n"
        "Same documents, seed and fault rates; virtual time; the policies' prices.  Lower is better."
    )


def kept(figures: Figures) -> bool:
    """Whether a run kept what the policies promise: nothing malformed passed on, nothing masked sent."""
    return figures.malformed == 0 and figures.personal_sent == 0
