"""A request is explained to the cent, from what the store holds; and no page of it holds content."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from guards import Call, GuardError, Reply, Usage
from orchestrator import Orchestrator, VirtualClock, World
from orchestrator.cli import cli
from orchestrator.demo import main
from orchestrator.telemetry import Evidence, _told, _waterfall
from orchestrator.telemetry._names import Names
from orchestrator.telemetry._stored import Which, stored
from orchestrator.telemetry.events import Teller, Trace
from orchestrator.telemetry.traces import TraceStore
from orchestrator.telemetry.why import Explanation, explain, tree
from orchestrator.testing import Rehearsal, plans, policies
from orchestrator.testing._chaos import scope_of
from policies import Policy, load, loads

SCENARIO = """
wardline: 1
name: scenario
models:
  small: {id: gpt-5-mini, price: {input: 250, output: 2000}}
  large: {id: gpt-5, price: {input: 1250, output: 10000}}
model:
  - {use: cache, ttl: 1h}
  - {use: schema, schema: {type: object, additionalProperties: {type: integer}}, attempts: 2}
  - {use: fallback, models: [small]}
  - {use: retry, attempts: 2, base: 1s}
tool:
  - {use: permit, tools: [look_up]}
"""
KEY = "a key for digests"


def wardline(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


class Program:
    """A program under the scenario's policy, with a ledger of its own: what each answer was worth."""

    def __init__(self, folder: Path, *said: str | Exception) -> None:
        self.file, self.traces = folder / "policy.yaml", folder / "traces.db"
        self.file.write_text(SCENARIO)
        self.policy, self.ledger, self.clock = load(self.file), list[float](), VirtualClock(1.7e9)
        self.store = TraceStore(self.traces, clock=self.clock.now)
        evidence = Evidence(store=self.store, key=KEY, clock=self.clock.now)
        world = World(clock=self.clock, price=self._price, random=lambda: 0.5)
        self.gate, self.said = Orchestrator(self.policy, world=world, evidence=evidence), iter(said)

        @self.gate.model("large")
        def ask(prompt: str, model: str = "gpt-5") -> dict[str, Any]:
            return self._answer(prompt, model)

        self.ask = ask

    def _price(self, call: Call, reply: Reply) -> float | None:
        cost = self.policy.models[call.target].cost(reply.usage)
        self.ledger.append(cost or 0.0)
        return cost

    def _answer(self, prompt: str, model: str) -> dict[str, Any]:
        self.clock.advance(0.7)
        said = next(self.said)
        if isinstance(said, Exception):
            raise said
        usage = {"prompt_tokens": 100 + len(prompt), "completion_tokens": 20}
        return {"choices": [{"message": {"content": said}}], "usage": usage, "model": model}


@pytest.fixture
def scenario(tmp_path: Path) -> Program:
    """Three repairs, a retry, a fallback and a cache hit."""
    down = TimeoutError()
    program = Program(tmp_path, "no", '{"a": "x"}', '{"a": 1}', down, down, "no", '{"a": 2}')
    with program.gate.session(request_id="req-1", user="bob"):
        for prompt in ("one", "two", "one"):
            program.ask(prompt)
    program.store.close()
    return program


def explained(program: Program, *more: object) -> Any:
    told = wardline("why", "req-1", "--traces", program.traces, "--json", *more)
    assert told.exit_code == 0
    return json.loads(told.output)


def test_three_repairs_a_fallback_and_a_cache_hit_are_explained_to_the_cent(scenario: Program) -> None:
    why = explained(scenario, "-p", scenario.file)
    assert why["cost"] == pytest.approx(sum(scenario.ledger), abs=1e-12)
    assert (why["outcome"], why["attempts"], why["unpriced"], why["unfinished"]) == ("cached", 7, 0, 0)
    [session] = why["steps"]
    first, second, third = session["steps"]
    assert [step["event"]["step"] for step in (first, second, third)] == [1, 2, 3]
    assert third["event"]["outcome"] == "cached"
    assert third["total"] == 0.0
    causes = [step.get("cause", "") for step in first["steps"] if step["event"]["what"] == "call"]
    assert causes == ["", "repair", "repair"]
    causes = [step.get("cause", "") for step in second["steps"] if step["event"]["what"] == "call"]
    assert causes == ["", "retry", "fallback", "repair"]
    costs = [step["total"] for step in first["steps"] + second["steps"]]
    assert [cost for cost in costs if cost] == scenario.ledger
    assert why["dearest"][0] == "session"
    dearest = max(range(len(costs)), key=costs.__getitem__)
    assert why["dearest"][-1] == (first["steps"] + second["steps"])[dearest]["name"]
    assert "repair" in why["dearest"][-1]


def test_cheaper_ways_are_told_with_what_they_would_have_cost(scenario: Program) -> None:
    why = explained(scenario, "-p", scenario.file)
    ways = {one["how"]: one["cost"] for one in why["cheaper"]}
    paid = scenario.ledger  # attempts 1 to 3 of the first step, and 3 and 4 of the second
    assert ways["if no reply had needed a repair"] == pytest.approx(paid[0] + paid[3])
    assert ways["if step 1 had been answered from the cache"] == pytest.approx(sum(paid[3:]))
    small = sum(scenario.policy.models["small"].cost(usage) or 0.0 for usage in _usages(scenario))
    assert ways["if small had answered every time, in as many tokens"] == pytest.approx(small)
    assert list(ways.values()) == sorted(ways.values())
    assert "if small had answered every time, in as many tokens" not in {
        one["how"] for one in explained(scenario)["cheaper"]
    }


def _usages(program: Program) -> Iterator[Any]:
    with stored(program.traces) as store:
        for event in store.events("req-1"):
            if event.what == "call":
                yield Usage(input=event.input, output=event.output, cached=event.cached)


def test_the_same_is_told_in_words(scenario: Program) -> None:
    told = wardline("why", "req-1", "--traces", scenario.traces).output
    assert f"${sum(scenario.ledger):.6f}" in told.splitlines()[0]
    for words in (
        "attempt 3: gpt-5 (repair)",
        "gpt-5-mini (fallback)",
        "waited",
        "step 3: model large: cached",
    ):
        assert words in told
    assert "most expensive: session > step 1: model large > attempt" in told
    assert "slowest: session > step 2: model large" in told
    assert "if no reply had needed a repair" in told


def test_a_page_draws_the_waterfall_and_needs_nothing_else(scenario: Program, tmp_path: Path) -> None:
    page = tmp_path / "why.html"
    wardline("why", "req-1", "--traces", scenario.traces, "--html", page)
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == len(list(_steps(scenario)))
    assert "<script" not in text
    assert "http" not in text


def _steps(program: Program) -> Iterator[Any]:
    with stored(program.traces) as store:
        yield from store.events("req-1")


def test_names_in_a_page_are_escaped() -> None:
    event = Trace(what="crossed", request="<b>&", target="<script>", outcome='"><img>', step=1)
    page = _waterfall.page(explain([event]))
    assert "<script>" not in page
    assert "<img>" not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page


def test_trace_lists_requests_by_what_they_were(scenario: Program) -> None:
    def listed(*filters: object) -> list[str]:
        told = wardline("trace", "--traces", scenario.traces, "--json", *filters)
        return [row["request"] for row in json.loads(told.output)]

    total = sum(scenario.ledger)
    assert listed() == ["req-1"]
    assert listed("--outcome", "cached", "--target", "large") == ["req-1"]
    assert listed("--outcome", "failed") == []
    assert listed("--cost", total - 0.01) == ["req-1"]
    assert listed("--cost", total + 0.01) == []
    assert listed("--since", "2023-11-14T22:00") == ["req-1"]
    assert listed("--since", "2023-11-14T22:00+00:00", "--until", "2023-11-14T22:10") == []
    assert listed("--since", "1h") == []
    assert listed("--user", "nobody") == []
    assert listed("--user", Names(KEY).digest("user", "bob")) == ["req-1"]
    words = wardline("trace", "--traces", scenario.traces).output
    assert "req-1" in words
    assert f"${total:.4f}" in words


def test_a_user_is_found_by_the_key_that_digests_names(
    scenario: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARDLINE_KEY", KEY)
    for user, found in (("bob", 1), ("ann", 0)):
        told = wardline("trace", "--traces", scenario.traces, "--json", "--user", user)
        assert len(json.loads(told.output)) == found


def test_stats_count_what_happened(scenario: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARDLINE_TRACES", str(scenario.traces))
    [row] = json.loads(wardline("stats", "--json").output)
    assert (row["name"], row["calls"], row["attempts"]) == ("large", 3, 7)
    assert row["cost"] == pytest.approx(sum(scenario.ledger))
    assert (row["errors"], row["blocks"], row["escalations"]) == (0.0, 0.0, 0.0)
    assert (row["repairs"], row["cached"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert row["p50"] == pytest.approx(2.1)
    assert row["p99"] == pytest.approx(2.8 + 0.5)
    words = wardline("stats", "--by", "user").output
    assert "66.7%" in words
    assert Names(KEY).digest("user", "bob")[:20] in words


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["why", "req-2"], "no events of req-2"),
        (["trace", "--since", "yesterday"], "is no time"),
        (["stats", "--until", "2026-99-99"], "is no time"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_line(
    scenario: Program, arguments: list[str], says: str
) -> None:
    told = wardline(*arguments, "--traces", scenario.traces)
    assert told.exit_code != 0
    assert says in told.output


def test_another_file_is_refused_and_dropped_events_are_told(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("x" * 200)
    with pytest.raises(OSError, match="is no trace store"):
        wardline("why", "req-1", "--traces", other)
    with TraceStore(tmp_path / "traces.db") as store:
        store(Trace(what="dropped", data={"events": 7}, time=9e9))
    assert "7 events" in wardline("stats", "--traces", tmp_path / "traces.db").output


def test_a_batch_keeps_its_traces_in_simulated_time(tmp_path: Path) -> None:
    text, traces = tmp_path / "letter.txt", tmp_path / "traces.db"
    text.write_text("hello")
    done = wardline("run", "-p", "default", text, "--traces", traces, "-o", tmp_path / "out.jsonl")
    assert done.exit_code == 0
    [row] = json.loads(wardline("trace", "--traces", traces, "--since", "1m", "--json").output)
    record = json.loads((tmp_path / "out.jsonl").read_text())
    assert row["request"] == record["id"]
    assert row["seconds"] > 0


def test_a_batch_refuses_a_file_that_is_no_trace_store(tmp_path: Path) -> None:
    text = tmp_path / "letter.txt"
    text.write_text("hello " * 100)
    told = wardline("run", "-p", "default", text, "--traces", text)
    assert told.exit_code == 2
    assert "is no trace store" in told.stderr


def test_the_demo_says_how_to_see_why_its_dearest_document_cost_most(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traces = tmp_path / "traces.db"
    assert main(documents=4, seed=3, faults="rough", traces=traces) == 0
    command = capsys.readouterr().out.strip().splitlines()[-1].partition(": wardline ")[2]
    told = wardline(*command.split(), "--json")
    why = json.loads(told.output)
    rows = json.loads(wardline("trace", "--traces", traces, "--json").output)
    assert why["cost"] == pytest.approx(max(row["cost"] or 0.0 for row in rows))


# Over any policy and any plan


def traced(rehearsal: Rehearsal) -> World:
    return replace(rehearsal._world(), traced=True)


def told_of(rehearsal: Rehearsal, outcomes: list[Any]) -> Iterator[tuple[Any, list[Trace]]]:
    clock = count(1.7e9).__next__
    tell = Teller(Names(KEY), rehearsal.policy, clock)
    for outcome in outcomes:
        yield outcome, [tell(event) for event in outcome.events]


@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(policies(), st.data())
def test_the_sum_of_a_requests_steps_equals_the_ledger(text: str, data: st.DataObject) -> None:
    policy = loads(text)
    rehearsal = Rehearsal(policy)
    played = rehearsal.play(data.draw(plans(scope_of(policy))), world=traced(rehearsal))
    for outcome, events in told_of(rehearsal, played.outcomes):
        told = explain(events, policy.models)
        steps = [step for _, step in told.walk()]
        assert len(steps) == len(events)  # each event has one place in the tree
        assert told.cost == pytest.approx(outcome.cost or 0.0, abs=1e-9)
        assert not any(step.missing for step in steps)
        assert told.attempts == outcome.attempts
        for step in steps:
            if step.event.what == "crossed":
                inside = sum(child.cost for child in step.children)
                assert inside == pytest.approx(step.event.cost or 0.0, abs=1e-9)
        assert all(0.0 <= one.cost < told.cost for one in told.cheaper)
        assert told.cost == pytest.approx(told.steps[0].cost)


@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(policies(), st.data())
def test_no_personal_value_stands_in_the_store_or_in_what_is_told_of_it(
    text: str, data: st.DataObject
) -> None:
    policy = loads(text)
    rehearsal = Rehearsal(policy)
    played = rehearsal.play(data.draw(plans(scope_of(policy))), world=traced(rehearsal))
    personal = {value for ask in played.plan.asks for value in ask.personal if len(value) > 6}
    with tempfile.TemporaryDirectory() as folder:
        path, left = Path(folder) / "traces.db", list[str]()
        with TraceStore(path, most_seconds=1e12) as store:
            for _, events in told_of(rehearsal, played.outcomes):
                left += pages(explain(events, policy.models))
                for event in events:
                    store(event)
        left += [file.read_bytes().decode("utf-8", "replace") for file in Path(folder).iterdir()]
    for value in personal:
        assert not any(value in text for text in left)


def pages(told: Explanation) -> list[str]:
    return [_told.why(told), _waterfall.page(told), json.dumps(told.to_dict())]


CANARY = "canary.person@example.com"


def test_whoever_calls_and_whatever_names_them_stands_nowhere_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    evidence = Evidence(store=TraceStore(path), key=KEY)
    gate = Orchestrator(Policy.of(model=[]), evidence=evidence)

    @gate.model("model")
    def ask(prompt: str) -> str:
        raise ConnectionError(prompt)

    tags = {"tenant": CANARY}
    with suppress(GuardError), gate.session(request_id=CANARY, user=CANARY, session=CANARY, tags=tags):
        ask(CANARY)
    evidence.close()
    with stored(path) as store:
        [request] = {row.request for row in store.requests(Which())}
        left = pages(explain(store.events(request)))
    left += [file.read_bytes().decode("utf-8", "replace") for file in tmp_path.iterdir()]
    assert request.startswith("digest:")
    assert not any(CANARY in text for text in left)


# Trees that are not whole


def crossing(**fields: Any) -> Trace:
    usual: dict[str, Any] = {"boundary": "model", "target": "large", "step": 1, "request": "r"}
    return Trace(**{**usual, **fields})


def test_what_a_crossing_cost_beyond_its_attempts_in_the_store_is_told_as_missing() -> None:
    told = explain(
        [
            crossing(what="call", id="a", parent="c", cost=0.25, attempt=2),
            crossing(what="crossed", id="c", cost=1.0, attempt=2),
        ]
    )
    assert (told.cost, told.steps[0].missing) == (1.0, 0.75)
    assert "not in the store" in _told.why(told)
    assert told.to_dict()["steps"][0]["missing"] == 0.75


def test_a_crossing_that_has_not_ended_holds_what_happened_in_it() -> None:
    told = explain(
        [
            crossing(what="call", id="a", parent="c", cost=0.25, attempt=1),
            crossing(what="retry", parent="c", guard="retry"),
        ]
    )
    assert (told.outcome, told.unfinished, told.cost) == ("unfinished", 1, 0.25)
    assert len(told.steps) == 1
    assert "have not ended" in _told.why(told)


def test_the_rest_of_a_stream_and_a_lost_race_stand_in_their_attempt() -> None:
    told = explain(
        [
            crossing(what="hedged", parent="c", guard="hedge"),
            crossing(what="lost", parent="a", cost=0.25, attempt=1),
            crossing(what="call", id="a", parent="c", cost=None, attempt=1, outcome="cancelled"),
            crossing(what="call", id="b", parent="c", cost=0.5, attempt=2),
            crossing(what="streamed", parent="b", cost=0.25),
            crossing(what="crossed", id="c", cost=1.0, attempt=2),
        ]
    )
    assert (told.cost, told.steps[0].missing) == (1.0, 0.0)
    assert [one.how for one in told.cheaper][-2:] == [
        "if no attempt had failed",
        "if nothing had been hedged",
    ]
    assert "lost the race" in _told.why(told)
    assert "the rest of the stream" in _told.why(told)


def test_helpers_bigger_models_and_unknown_prices_are_named() -> None:
    told = explain(
        [
            crossing(what="call", id="a", parent="c", cost=0.25, attempt=1, data={"via": "judge"}),
            crossing(what="call", id="b", parent="c", cost=0.5, attempt=2),
            crossing(what="escalated", parent="c", guard="route"),
            crossing(what="reviewed", parent="c", outcome="approve"),
            crossing(what="call", id="d", parent="c", input=7, attempt=3),
            crossing(what="crossed", id="c", cost=0.75, attempt=3, findings={"pii.email": 2}),
        ]
    )
    ways = {one.how: one.cost for one in told.cheaper}
    assert ways["if no helper had been asked"] == 0.5
    assert ways["if the bigger model had been asked at once"] == 0.0
    words = _told.why(told)
    for part in (
        "judge, a helper",
        "(escalation)",
        "a person decided: approve",
        "no known price",
        "email x 2",
    ):
        assert part in words


def test_a_request_that_cost_nothing_is_told_without_shares() -> None:
    told = explain([crossing(what="crossed", id="c", outcome="blocked")])
    assert told.cheaper == told.dearest == ()
    assert "$0.00" in _told.why(told)
    assert _waterfall.page(told)


def test_no_events_are_no_request() -> None:
    with pytest.raises(ValueError, match="no events"):
        explain([])
    assert tree([]) == []


@given(st.lists(st.floats(1e-6, 1e3) | st.just(0.0) | st.none(), max_size=4))
def test_money_is_told_apart_from_nothing(amounts: list[float | None]) -> None:
    money = _told.Money(amounts)
    for amount in amounts:
        told = money(amount)
        assert (
            told == "unknown"
            if amount is None
            else float(told[1:].replace(",", "")) == pytest.approx(amount, rel=1e-3, abs=1e-12)
        )
