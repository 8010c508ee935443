"""Metrics: they equal what the events say, their labels are bounded, and the ready files name real ones."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families as families

from guards import Call, Decision, Flow, Reply, review
from guards._models import Model, Price
from guards.breaker import Breaker
from guards.budget import Budget
from guards.concurrency import Concurrency
from guards.retry import Retry
from orchestrator import Orchestrator, VirtualClock, World
from orchestrator.telemetry import Evidence, Metrics, Trace
from orchestrator.telemetry._names import Names
from orchestrator.telemetry.events import Teller
from orchestrator.telemetry.metrics import COUNTERS, GAUGES, HISTOGRAMS, OTHER
from orchestrator.testing import Rehearsal, plans, policies
from orchestrator.testing._chaos import scope_of
from orchestrator.testing._guarantees import secrets
from policies import Policy, loads

READY = Path(__file__).parent.parent.parent / "orchestrator" / "telemetry" / "dashboards"


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What Prometheus would read, by name and labels."""
    text = generate_latest(metrics.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def total(metrics: Metrics, name: str, **labels: str) -> float:
    return sum(
        value
        for (each, its), value in samples(metrics).items()
        if each == f"wardline_{name}" and labels.items() <= dict(its).items()
    )


@settings(max_examples=30, phases=[Phase.explicit, Phase.generate], deadline=None)
@given(policies(), st.data())
def test_metrics_of_any_plan_equal_its_events_and_say_nothing_else(text: str, data: st.DataObject) -> None:
    policy = loads(text)
    rehearsal = Rehearsal(policy)
    played = rehearsal.play(data.draw(plans(scope_of(policy))))
    metrics, tell = Metrics(CollectorRegistry()), Teller(Names("k" * 16), policy)
    metrics.watch(policy, played.world)
    traces = [tell(event) for outcome in played.outcomes for event in outcome.events]
    for trace in traces:
        metrics(trace)
    charged = [each for each in traces if each.what in ("call", "streamed", "lost")]
    whats = Counter(each.what for each in traces)
    assert total(metrics, "crossings_total") == whats["crossed"] == len(played.outcomes)
    assert total(metrics, "attempts_total") == whats["call"]
    assert total(metrics, "tokens_total", type="output") == sum(each.output for each in charged)
    assert total(metrics, "cost_dollars_total") == pytest.approx(sum(each.cost or 0.0 for each in charged))
    assert total(metrics, "wait_seconds_total") == pytest.approx(
        sum(each.seconds for each in traces if each.what == "waited")
    )
    assert total(metrics, "findings_total") == sum(
        sum(each.findings.values()) for each in traces if each.what not in ("call", "waited", "reviewed")
    )
    shown = generate_latest(metrics.registry).decode()
    for ask, _ in played:
        for value in secrets(ask, rehearsal.guards(ask)):
            assert value not in shown


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3), st.text(max_size=3)), max_size=60),
    st.integers(1, 8),
)
def test_labels_are_bounded_whatever_names_come(names: list[Any], most: int) -> None:
    metrics = Metrics(CollectorRegistry(), most=most)
    metrics.watch(Policy.of(models={"small": Model(id="wee", price="none")}), World())
    for target, model, code in names:
        for what in ("call", "crossed", "odd"):
            metrics(
                Trace(
                    what=what,
                    target=target,
                    model=model,
                    guard=code,
                    outcome=code,
                    findings={code: 1},
                    input=1,
                )
            )
    metrics(Trace(what="call", boundary="model", target="small", model="wee", outcome="ok"))
    metrics(Trace(what="session", boundary="session"))
    seen: dict[str, set[str]] = {}
    for _, labels in samples(metrics):
        for label, value in labels:
            seen.setdefault(label, set()).add(value)
    for label in seen.keys() - {"le", "type", "sink", "boundary", "state", "verdict"}:
        assert len(seen[label] - {"small", "wee", OTHER}) <= most
    assert "small" in seen["target"]
    assert "wee" in seen["model"]
    assert total(metrics, "attempts_total") == len(names) + 1


def asks_a_person(call: Call) -> Flow:
    yield from review("may it?", call)
    reply: Reply = yield call
    return reply


def test_gauges_are_read_from_the_store_and_every_metric_can_be_seen() -> None:
    metrics, clock = Metrics(CollectorRegistry()), VirtualClock()
    world = World(clock=clock, reviewer=lambda question: Decision("approve"))
    models = {"m": Model(id="big", price=Price(input=1e6, output=1e6, cached=0.0))}
    guards = [asks_a_person, Retry(attempts=2, base=1.0), Concurrency(limit=2), Breaker(failure_threshold=2)]
    policy = Policy.of(model=[*guards, Budget(calls=4)], models=models)
    evidence = Evidence(metrics=metrics, store=lambda trace: 1 / 0, sinks=[])
    gate = Orchestrator(policy, world=world, evidence=evidence)
    inside: list[float] = []

    @gate.model("m")
    def answer(prompt: str) -> Any:
        inside.append(total(metrics, "in_flight", target="m"))
        if prompt == "down":
            raise TimeoutError
        usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
        return {"choices": [{"message": {"content": "ok"}}], "usage": usage, "model": "big-1"}

    answer("hi")
    assert inside == [1.0]
    assert total(metrics, "in_flight") == 0.0
    assert total(metrics, "queue_depth") == 0.0
    assert total(metrics, "breaker_state", target="m", state="closed") == 1.0
    for kind, tokens in (("input", 6), ("cached_input", 4), ("output", 2)):
        assert total(metrics, "tokens_total", model="big-1", type=kind) == tokens
    assert total(metrics, "cost_dollars_total") == 8.0
    with pytest.raises(Exception, match="m "):
        answer("down")
    assert total(metrics, "breaker_state", target="m", state="open") == 1.0
    assert total(metrics, "breaker_state", target="m", state="closed") == 0.0
    assert total(metrics, "wait_seconds_total", target="m") > 0
    assert total(metrics, "reviews_total", verdict="approve") == 2
    assert total(metrics, "guard_actions_total", guard="retry", action="retry") == 1
    assert total(metrics, "budget_left_ratio_bucket", le="0.75") == 1
    assert total(metrics, "budget_left_ratio_count") == 3
    assert total(metrics, "evidence_failures_total", sink="store") == evidence.failures["store"] > 0


def test_a_limit_of_labels_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Metrics(CollectorRegistry(), most=0)


def test_the_default_registry_is_the_one_that_exporters_show() -> None:
    from prometheus_client import REGISTRY

    metrics = Metrics()
    try:
        assert metrics.registry is REGISTRY
        assert "wardline_crossings" in generate_latest(REGISTRY).decode()
    finally:
        metrics.close()
    assert "wardline" not in generate_latest(REGISTRY).decode()


# The ready files


def exposed() -> set[str]:
    """Every name that Prometheus can be asked for."""
    counters = {f"wardline_{name}_total" for name in COUNTERS}
    histograms = {f"wardline_{name}_{end}" for name in HISTOGRAMS for end in ("bucket", "count", "sum")}
    return counters | histograms | {f"wardline_{name}" for name in GAUGES}


def labels_of(name: str) -> set[str]:
    short = re.sub(r"_(total|bucket|count|sum)$", "", name.removeprefix("wardline_"))
    known: Any = COUNTERS.get(short) or HISTOGRAMS.get(short) or GAUGES[name.removeprefix("wardline_")]
    return {*known[1], "le"}


def expressions(file: str) -> Iterator[str]:
    if file == "alerts.yaml":
        for group in yaml.safe_load((READY / file).read_text())["groups"]:
            yield from (rule["expr"] for rule in group["rules"])
        return
    board = json.loads((READY / file).read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("file", ["alerts.yaml", "grafana.json"])
def test_every_metric_and_label_in_the_ready_files_exists(file: str) -> None:
    told = list(expressions(file))
    used = [name for each in told for name in re.findall(r"\bwardline_\w+", each)]
    assert used
    assert set(used) <= exposed()
    for each in told:
        for name, selected in re.findall(r"\b(wardline_\w+)\{([^}]*)\}", each):
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selected)) <= labels_of(name)
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", each))))
        assert grouped <= set.union(set(), *map(labels_of, re.findall(r"\bwardline_\w+", each)))


def test_the_ready_files_show_every_metric() -> None:
    used = set(re.findall(r"\bwardline_\w+", (READY / "grafana.json").read_text()))
    short = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in used}
    assert short == {f"wardline_{name}" for name in (*COUNTERS, *HISTOGRAMS, *GAUGES)}


def test_recorded_names_are_used_as_they_are_recorded() -> None:
    rules = [
        rule
        for group in yaml.safe_load((READY / "alerts.yaml").read_text())["groups"]
        for rule in group["rules"]
    ]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    assert set(re.findall(r"wardline:[\w:]+", " ".join(rule["expr"] for rule in rules))) <= recorded
    assert all("summary" in rule["annotations"] for rule in rules if "alert" in rule)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_the_rules_right() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", READY / "alerts.yaml"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
