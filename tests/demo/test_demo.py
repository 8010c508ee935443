"""The demo: what its guarded run promises for any seed and faults, and that its figures are measured."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Call, Denied, Invalid
from orchestrator import VirtualClock, World
from orchestrator.demo import main
from orchestrator.demo.agents import (
    LARGE,
    POLICIES,
    ROUNDS,
    SCHEMAS,
    SMALL,
    Agents,
    Desk,
    Undecided,
    advice,
    agree,
    bare,
    guarded,
    kilograms,
)
from orchestrator.demo.documents import shipments
from orchestrator.demo.report import Figures, Trial, fits, head, helped, kept, measure, percentile, table
from policies import load

RUNS = {"max_examples": 5, "deadline": None}
PROFILES = st.sampled_from(["none", "calm", "rough", "storm"])


@given(st.integers(0, 10_000), PROFILES)
@example(7, "storm")
@settings(**RUNS)
def test_guarded_run_passes_nothing_malformed_and_sends_nothing_masked(seed: int, faults: str) -> None:
    figures = measure(shipments(8, seed), faults, seed, guards=True)
    assert kept(figures)
    assert figures.malformed == figures.personal_sent == figures.ways["crashed"] == 0
    assert figures.handed > 0
    assert figures.personal > 0


@given(st.integers(0, 10_000), PROFILES, st.booleans())
@settings(**RUNS)
def test_figures_are_the_same_for_the_same_seed(seed: int, faults: str, guards: bool) -> None:
    papers = list(shipments(5, seed))
    assert measure(papers, faults, seed, guards=guards) == measure(papers, faults, seed, guards=guards)


@given(st.integers(0, 10_000))
@settings(**RUNS)
def test_without_faults_both_runs_finish_everything(seed: int) -> None:
    papers = list(shipments(8, seed))
    for guards in (False, True):
        figures = measure(papers, "none", seed, guards=guards)
        assert figures.failed == figures.malformed == figures.faulty == 0
        assert figures.calls >= 2 * figures.documents
        assert not figures.ways
    assert figures.wrong / figures.compared < 0.05


def test_unguarded_run_fails_and_leaks() -> None:
    figures = measure(shipments(40, 7), "rough", 7, guards=False)
    assert figures.failed > 0
    assert figures.malformed > 0
    assert figures.personal_sent > 0
    assert not kept(figures)


def test_guarded_run_fails_less_and_says_how() -> None:
    papers = list(shipments(40, 7))
    unguarded, figures = (measure(papers, "rough", 7, guards=guards) for guards in (False, True))
    assert figures.failed < unguarded.failed
    assert {"retried", "re-asked", "salvaged"} <= figures.ways.keys()
    assert figures.usd > 0
    assert percentile(figures.seconds, 0.5) <= percentile(figures.seconds, 0.95)


def test_main_prints_a_table_at_most_100_columns_wide(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(documents=8, seed=3, faults="rough") == 0
    told = capsys.readouterr().out
    assert told.startswith("wardline demo --documents 8 --faults rough --seed 3\n")
    assert max(map(len, told.splitlines())) <= 100
    for row in ("documents failed", "malformed values", "personal values", "cost per document", "p50", "p95"):
        assert row in told
    assert main(documents=8, seed=3, faults="rough") == 0
    assert capsys.readouterr().out == told


def test_heads_and_tables_fit_100_columns_for_the_default_run() -> None:
    papers = list(shipments(120, 7))
    assert max(map(len, head(papers, "rough", 7).splitlines())) <= 100
    empty = Figures(documents=120, failed=120)
    assert max(map(len, table(empty, empty).splitlines())) <= 100


def test_main_fails_when_a_promise_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    unguarded = measure(shipments(8, 7), "rough", 7, guards=False)
    monkeypatch.setattr("orchestrator.demo.report.measure", lambda *_, **__: unguarded)
    assert main(documents=8) == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_policies_price_the_models_that_the_agents_ask(name: str) -> None:
    policy = load(POLICIES / f"{name}.yaml")
    assert {model.id for model in policy.models.values()} <= {SMALL, LARGE}
    assert all(model.price != "none" for model in policy.models.values())
    assert {model.tier for model in policy.models.values() if model.id == SMALL} <= {1}


@pytest.mark.parametrize("name", SCHEMAS)
def test_policies_stand_by_their_own_examples(name: str) -> None:
    from orchestrator.testing._examples import failures

    assert list(failures(load(POLICIES / f"{name}.yaml"))) == []


# The agents and the desk, one by one.

REGISTRY = {"SHP-1": {"gross_weight": 100.0, "weight_unit": "kg", "consignee": "Zuiderzee Handel BV"}}
PAPER = {"gross_weight": 100.0, "weight_unit": "kg", "consignee": "Zuiderzee Handel BV"}


def completing(*texts: str) -> Any:
    """A provider that says these texts, the last one for ever."""
    said = list(texts)

    def complete(messages: list[dict[str, str]], *, model: str, **options: Any) -> dict[str, Any]:
        text = said.pop(0) if len(said) > 1 else said[0]
        message = {"role": "assistant", "content": text}
        return {"model": model, "choices": [{"message": message, "finish_reason": "stop"}], "usage": {}}

    return complete


def desk(agents: Agents) -> Desk:
    return Desk(agents, lambda agent, value: None)


def world() -> World:
    return World(clock=VirtualClock())


def test_reconciler_looks_up_and_decides() -> None:
    asked = json.dumps({"decision": "lookup", "subject": "gross_weight"})
    done = json.dumps({"decision": "hold", "subject": "gross_weight"})
    papers = [PAPER, {**PAPER, "gross_weight": 140.0}]
    for agents in (
        bare(completing(asked, done), REGISTRY),
        guarded(completing(asked, done), REGISTRY, world()),
    ):
        assert desk(agents).reconcile("SHP-1", papers) == json.loads(done)


def test_reconciler_ends_after_its_rounds() -> None:
    rounds = []
    agents = guarded(completing('{"decision": "lookup", "subject": "consignee"}'), REGISTRY, world())
    agents = replace(agents, lookup=lambda shipment, subject: rounds.append(subject) or "")
    with pytest.raises(Undecided):
        desk(agents).reconcile("SHP-1", [PAPER])
    assert len(rounds) == ROUNDS


def test_lookup_is_denied_to_everybody_but_the_reconciler() -> None:
    agents = guarded(completing("{}"), REGISTRY, world())
    with agents.session(roles=["visitor"]), pytest.raises(Denied):
        agents.lookup("SHP-1", "consignee")
    with agents.session(roles=["reconciler"]):
        assert agents.lookup("SHP-1", "gross_weight") == "100.0 kg"


def test_what_the_small_model_fails_at_goes_to_the_large_one() -> None:
    asked: list[str] = []
    say = completing("no idea", "no idea", '{"kind": "packing_list"}')

    def complete(messages: list[dict[str, str]], *, model: str, **options: Any) -> dict[str, Any]:
        asked.append(model)
        return dict(say(messages, model=model))

    agents = guarded(complete, REGISTRY, world())
    agents.classify([{"role": "user", "content": "PACKING LIST"}])
    assert asked == [SMALL, SMALL, LARGE]


def test_what_nobody_answers_well_is_refused() -> None:
    agents = guarded(completing("no idea"), REGISTRY, world())
    with pytest.raises(Invalid):
        agents.classify([{"role": "user", "content": "PACKING LIST"}])


def test_a_shipment_that_the_reconciler_cannot_finish_has_no_verdict() -> None:
    shipment = next(shipments(3, 7))
    fields = dict.fromkeys(SCHEMAS["extractor"]["properties"])
    kinds = [json.dumps({"kind": document.kind}) for document in shipment.documents]
    texts = [text for kind in kinds for text in (kind, json.dumps(fields))]
    figures = Figures()
    agents = bare(completing(*texts, "let me ponder"), {shipment.id: shipment.registered})
    Trial(desk(agents), VirtualClock(), figures).shipment(shipment)
    assert figures.failed == 0
    assert figures.undecided == figures.ways["crashed"] == 1


@pytest.mark.parametrize(
    ("weights", "registered", "told"),
    [
        ([100.0, 100.2], {}, ("release", "none")),
        ([100.0, 140.0], {}, ("lookup", "gross_weight")),
        ([100.0, None], {"gross_weight": "100.0 kg"}, ("release", "none")),
        ([100.0, 140.0], {"gross_weight": "100.0 kg"}, ("hold", "gross_weight")),
    ],
)
def test_house_rules(weights: list[float | None], registered: dict[str, str], told: tuple[str, str]) -> None:
    assert advice({"gross_weight": weights, "consignee": ["A", "A"]}, registered) == told


def test_house_rules_hold_for_names_too() -> None:
    said = {"gross_weight": [1.0], "consignee": ["A GmbH", "B BV"]}
    assert advice(said, {}) == ("lookup", "consignee")
    assert advice(said, {"consignee": "A GmbH"}) == ("hold", "consignee")


@given(st.integers(8_000, 260_000))
@settings(max_examples=50, deadline=None)
def test_pounds_and_kilograms_of_the_same_weight_agree(tenths: int) -> None:
    kilos = tenths / 10
    pounds = {"gross_weight": round(kilos * 2.20462262, 1), "weight_unit": "lb"}
    assert agree([kilograms(pounds), kilograms({"gross_weight": kilos, "weight_unit": "kg"})])
    assert kilograms({"gross_weight": None, "weight_unit": None}) is None


def test_a_step_counts_under_its_strongest_measure() -> None:
    call = Call(kind="model", target="extractor")
    retried, salvaged = call.event("retry"), call.event("repaired", reasks=0)
    reasked = call.event("repaired", reasks=1)
    assert helped([]) == ""
    assert helped([retried]) == "retried"
    assert helped([retried, salvaged]) == "salvaged"
    assert helped([reasked, retried]) == "re-asked"
    assert helped([retried, replace(call, target="second_opinion").event("call")]) == "escalated"


def test_schemas_refuse_what_they_should() -> None:
    assert fits("classifier", {"kind": "packing_list"})
    assert not fits("classifier", {"kind": "poem"})
    assert not fits("classifier", None)
    assert percentile([], 0.5) == 0.0
