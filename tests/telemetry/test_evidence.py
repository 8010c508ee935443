"""Events of evidence: they add up, hang together, agree, hold no content, and no sink breaks a call."""

import asyncio
import json
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from math import isclose
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from guards import Call, Event, Finding, Flow, GuardError, GuardFailed, Reply, Run, Usage, record
from guards._models import Model, Price
from guards.breaker import Breaker
from guards.cache import Cache
from guards.fallback import Fallback
from guards.hedge import Hedge
from guards.retry import Retry
from guards.schema import Schema
from orchestrator import Orchestrator, VirtualClock, World, bind, chain
from orchestrator._engine.session import current
from orchestrator._engine.trace import continued, traceparent
from orchestrator.telemetry import AuditLog, Evidence, Trace, verify
from orchestrator.telemetry._names import Names
from orchestrator.telemetry.events import Teller
from orchestrator.telemetry.sampling import Sampler, Slowest, telling
from orchestrator.testing import Late, Rehearsal, plans, play, policies, say
from orchestrator.testing._chaos import scope_of
from orchestrator.testing._guarantees import secrets
from policies import Policy, loads
from tests.engine.example_guards import GUARDS, SCRIPTS, TEXTS, Again, ask, through
from tests.engine.test_agreement import async_way, played_way, sync_way

KEY = "0123456789abcdef"
PERSONS = st.text(min_size=1).map(lambda text: f"Ann @ {text}")
TELL = Teller(Names(KEY), None, lambda: 0.0)
PRICED = {"m": Model(id="big", price=Price(input=1e6, output=1e6)), "n": Model(id="wee", price="none")}


def told(events: list[Event]) -> list[Trace]:
    return [TELL(event) for event in events]


def charges(traces: list[Trace], crossing: Trace) -> list[Trace]:
    """What a crossing itself is charged for; not what was called inside its attempts."""
    attempts = [each for each in traces if each.what == "call" and each.parent == crossing.id]
    within = {each.id for each in attempts}
    rest = [each for each in traces if each.what in ("streamed", "lost") and each.parent in within]
    return attempts + rest


def adds_up(traces: list[Trace]) -> int:
    """Hold each crossing against what it is made of; how many there were."""
    crossings = [each for each in traces if each.what == "crossed"]
    for crossing in crossings:
        steps = charges(traces, crossing)
        assert isclose(crossing.cost or 0.0, sum(each.cost or 0.0 for each in steps), abs_tol=1e-12)
        assert crossing.input == sum(each.input for each in steps)
        assert crossing.output == sum(each.output for each in steps)
        assert crossing.attempt == sum(each.what == "call" for each in steps)
    return len(crossings)


def shape(traces: list[Trace]) -> Any:
    """The tree of spans without their numbers: what happened inside of what, in order."""
    inside = {each.id for each in traces}
    roots = [each.parent for each in traces if each.parent not in inside]

    def below(parent: str) -> list[Any]:
        return [
            (each.what, each.guard, each.outcome, each.step, below(each.id))
            for each in traces
            if each.parent == parent
        ]

    return [below(root) for root in dict.fromkeys(roots)]


# Guarantees over any policy and any plan


@settings(max_examples=60, phases=[Phase.explicit, Phase.generate], deadline=None)
@given(policies(), st.data())
def test_the_steps_of_any_plan_add_up_to_what_was_charged_and_say_nothing(
    text: str, data: st.DataObject
) -> None:
    policy = loads(text)
    rehearsal = Rehearsal(policy)
    world = replace(rehearsal._world(), traced=True)
    played = rehearsal.play(data.draw(plans(scope_of(policy))), world=world)
    tell = Teller(Names(KEY), policy)
    for ask_, outcome in played:
        traces = [tell(event) for event in outcome.events]
        assert adds_up(traces) == 1
        crossing = traces[-1] if traces[-1].what == "crossed" else traces[-2]
        assert (crossing.cost, crossing.attempt) == (outcome.cost, outcome.attempts)
        assert crossing.seconds == pytest.approx(outcome.seconds)
        assert crossing.outcome == getattr(outcome.error, "code", crossing.outcome)
        lines = [json.dumps(each.to_dict()) for each in traces]
        assert [Trace.from_dict(json.loads(line)) for line in lines] == traces
        for value in secrets(ask_, rehearsal.guards(ask_)):
            assert value not in "".join(lines)


@settings(max_examples=150, deadline=None)
@given(st.lists(GUARDS, max_size=5), TEXTS, SCRIPTS)
def test_sync_async_and_played_events_hang_together_in_the_same_way(
    guards: list[Any], text: str, script: list[Any]
) -> None:
    whole, trees = chain(guards), []
    for way in (sync_way, async_way, played_way):
        *_, events = way(whole, ask(text), script)[1]
        traces = told(events)
        assert len({each.id for each in traces}) == len(traces)
        assert len({each.trace for each in traces}) == 1
        adds_up(traces)
        trees.append(shape(traces))
    assert trees[0] == trees[1] == trees[2]
    assert len(trees[0]) == 1


# What leaves which event


def steps(traces: list[Trace], *names: str) -> list[Any]:
    return [tuple(getattr(each, name) for name in names) for each in traces]


def test_a_retry_a_wait_a_re_ask_a_repair_and_a_hit_of_the_cache_are_told_with_what_they_took() -> None:
    world = World(clock=VirtualClock(), price=lambda call, reply: reply.usage.output * 0.5)
    schema = Schema({"type": "integer"}, attempts=1)
    guards = [Cache(), schema, Retry(base=2.0, jitter="none")]
    usage = Usage(input=7, output=2)
    script = [Late(1, TimeoutError()), say("many", usage=usage), Late(3, say("3", usage=usage, model="x-1"))]
    traces = told(play(guards, ask(), script, world=world).events)
    assert steps(traces, "what", "outcome", "seconds", "cost", "attempt", "model") == [
        ("call", "upstream_error", 1.0, None, 1, ""),
        ("retry", "ok", 0.0, None, 0, ""),
        ("waited", "ok", 2.0, None, 0, ""),
        ("call", "ok", 0.0, 1.0, 2, ""),
        ("re-asked", "ok", 0.0, None, 0, ""),
        ("call", "ok", 3.0, 1.0, 3, "x-1"),
        ("repaired", "ok", 0.0, None, 0, ""),
        ("crossed", "ok", 6.0, 2.0, 3, ""),
    ]
    assert traces[-1].input == 14
    again = told(play(guards, ask(), [], world=world).events)
    assert steps(again, "what", "outcome", "cost", "attempt") == [
        ("cached", "ok", None, 0),
        ("crossed", "cached", None, 0),
    ]


def test_a_fallback_a_refusal_and_a_review_are_told() -> None:
    from guards import review

    def asks(call: Call) -> Flow:
        yield from review("may it?", call)
        reply: Reply = yield call
        return reply

    models = {"m": Model(id="big", price="none"), "n": Model(id="wee", price="none")}
    policy = Policy.of(model=[asks, Fallback(models=("n",)), Breaker(failure_threshold=1)], models=models)
    world, tell = World(clock=VirtualClock()), Teller(Names(KEY), policy)
    for expected in ("call", "refused"):
        outcome = play(policy.guards("model", "m"), ask(), _m_is_down, world=world)
        traces = [tell(event) for event in outcome.events]
        assert traces[0].what == "reviewed"
        assert expected in [each.what for each in traces if each.target == "m"]
        assert [each.data for each in traces if each.what == "fell back"] == [
            {"model": "m", "reason": "unavailable"}
        ]
        assert [
            (each.model, each.outcome) for each in traces if each.target == "n" and each.what == "call"
        ] == [("wee", "ok")]


def _m_is_down(call: Call) -> Any:
    return TimeoutError() if call.target == "m" else say("ok")


def test_a_race_is_charged_for_its_loser_by_an_event_of_its_own() -> None:
    world = World(clock=VirtualClock(), price=lambda call, reply: 0.25)
    outcome = play(
        Hedge(after=1.0, share=1.0),
        ask(),
        [Late(9, say("slow")), Late(1, say("fast", usage=Usage(input=3, output=4)))],
        world=world,
    )
    traces = told(outcome.events)
    assert outcome.cost == 0.5
    assert [(each.cost, each.output) for each in traces if each.what == "lost"] == [(0.25, 4)]
    assert adds_up(traces) == 1


def test_what_was_asked_via_a_helper_is_told_as_the_helpers() -> None:
    def judged(call: Call) -> Flow:
        from guards._value import replace

        yield replace(call, via="n")
        reply: Reply = yield call
        return reply

    policy = Policy.of(model=[judged], models=PRICED)
    tell = Teller(Names(KEY), policy)
    traces = [tell(event) for event in play(policy.guards("model", "m"), ask(), [say("a"), say("b")]).events]
    assert [(each.model, each.data) for each in traces if each.what == "call"] == [
        ("wee", {"via": "n"}),
        ("big", {}),
    ]


def _unknown(call: Call, reply: Reply) -> float:
    if reply.usage.input:
        raise LookupError
    return 0.0


class Provider:
    """A model function's chunks, with the usage in the last, as providers stream them."""

    def __init__(self, gate: Orchestrator) -> None:
        from types import SimpleNamespace as Chunk

        said = [Chunk(choices=[Chunk(index=0, delta=Chunk(content=text))], usage=None) for text in "abc"]
        self.chunks = [*said, Chunk(choices=[], usage=Chunk(prompt_tokens=5, completion_tokens=3))]
        self.ask = gate.model("m")(self._ask)
        self.aask = gate.model("m")(self._aask)

    def _ask(self, prompt: str) -> Iterator[Any]:
        yield from self.chunks

    async def _aask(self, prompt: str) -> AsyncIterator[Any]:
        for chunk in self.chunks:
            yield chunk


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("end", ["read", "left"])
def test_a_stream_is_told_when_it_opens_and_when_it_has_stopped(way: str, end: str) -> None:
    heard: list[Trace] = []
    gate = Orchestrator(Policy.of(model=[through], models=PRICED), evidence=Evidence(sinks=[heard.append]))
    provider = Provider(gate)

    async def read() -> None:
        chunks = provider.aask("hi")
        async for _ in chunks:
            if end == "left":
                break
        await chunks.aclose()  # type: ignore[attr-defined]

    if way == "async":
        asyncio.run(read())
    else:
        chunks = provider.ask("hi")
        for _ in chunks:
            if end == "left":
                break
        chunks.close()  # type: ignore[attr-defined]
    assert [each.what for each in heard] == ["call", "streamed", "crossed"]
    assert adds_up(heard) == 1
    _, rest, whole = heard
    expected = (5, 3, 8.0, "ok") if end == "read" else (0, 0, None, "cancelled")
    assert (rest.input, rest.output, rest.cost, rest.outcome) == expected
    assert (whole.input, whole.output, whole.outcome) == (*expected[:2], expected[3])
    assert rest.data["size"] == (3 if end == "read" else 1)


@pytest.mark.parametrize("price", [None, lambda call, reply: None, _unknown])
def test_a_stream_without_a_price_that_is_known_ends_as_it_would(price: Any) -> None:
    heard: list[Trace] = []
    gate = Orchestrator(Policy.of(), world=World(price=price), evidence=Evidence(sinks=[heard.append]))
    assert len(list(Provider(gate).ask("hi"))) == 4
    rest, whole = heard[1:]
    assert (rest.what, rest.cost, rest.input, whole.what, whole.input) == ("streamed", None, 5, "crossed", 5)


# The trace of a request


def nested(gate: Orchestrator) -> Callable[[str], str]:
    tool = gate.tool("t")(lambda word: word)

    @gate.model("m")
    def agent(prompt: str) -> str:
        return tool(prompt) + tool("again")

    return agent


def test_tools_are_called_inside_the_attempt_that_calls_them_and_sessions_stand_around_all() -> None:
    heard: list[Trace] = []
    gate = Orchestrator(Policy.of(model=[Again(2)]), evidence=Evidence(sinks=[heard.append]))
    agent = nested(gate)
    with gate.session(user="ann", request_id="r1", tags={"a": "b"}):
        agent("x")
        with gate.session(region="eu"), ThreadPoolExecutor() as pool:  # the same request still
            pool.submit(bind(agent), "y").result()
    by_id = {each.id: each for each in heard}

    def path(each: Trace | None) -> list[str]:
        return [] if each is None else [*path(by_id.get(each.parent)), each.what]

    inner = next(each for each in heard if each.target == "t" and each.what == "call")
    assert path(inner) == ["session", "crossed", "call", "crossed", "call"]
    assert [(each.target, each.step) for each in heard if each.what == "crossed"] == [
        *[("t", 2), ("t", 3), ("m", 1)],
        *[("t", 5), ("t", 6), ("m", 4)],
    ]
    assert {each.request for each in heard} == {"r1"}
    assert len({each.user for each in heard}) == 1
    assert [each.what for each in heard].count("session") == 1
    assert heard[-1].what == "session"
    assert "ann" not in repr(heard)


def test_a_call_alone_is_a_request_of_its_own() -> None:
    heard: list[Trace] = []
    agent = nested(Orchestrator(Policy.of(), evidence=Evidence(sinks=[heard.append])))
    agent("x")
    agent("y")
    first, second = (list(each) for _, each in groupby(heard, key=lambda each: each.request))
    assert shape(first) == shape(second)
    assert first[-1].parent == ""
    assert {each.trace for each in first}.isdisjoint(each.trace for each in second)


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255))
def test_a_trace_goes_on_from_the_header_that_comes_in_to_the_one_that_goes_out(
    trace: int, span: int, flags: int
) -> None:
    seen: list[str] = []
    gate = Orchestrator(Policy.of(), world=World(sink=lambda event: None))
    call = gate.tool("t")(lambda: seen.append(traceparent(current())))
    with gate.session(request_id="r", traceparent=f"00-{trace:032x}-{span:016x}-{flags:02x}"):
        call()
        call()
    places = [continued(header) for header in seen]
    assert [place.trace for place in places if place] == [f"{trace:032x}"] * 2
    assert len({place.span for place in places if place} | {f"{span:016x}"}) == 3


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00-" + "0" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "0" * 16 + "-01",
        "ff-" + "1" * 32 + "-" + "1" * 16 + "-01",
        "00-" + "1" * 32 + "-" + "1" * 15 + "-01",
        "00-" + "A" * 32 + "-" + "1" * 16 + "-01",
        "nonsense",
    ],
)
def test_a_header_that_is_not_valid_begins_a_trace_of_its_own(header: str) -> None:
    assert continued(header) is None
    gate, heard = Orchestrator(Policy.of(), world=World(sink=lambda event: None)), list[Run]()
    with gate.session(request_id="r", traceparent=header) as run:
        heard.append(run)
    assert heard[0].within is not None
    assert heard[0].within.trace != "1" * 32


def test_without_opentelemetry_the_trace_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    heard: list[Trace] = []
    gate = Orchestrator(Policy.of(), evidence=Evidence(sinks=[heard.append]))
    for _ in range(2):  # whoever goes on with a request goes on with its trace
        with gate.session(request_id="r1"):
            nested(gate)("x")
    assert len({each.trace for each in heard}) == 1
    assert heard[-1].parent == ""


def test_nothing_is_told_or_sent_where_nobody_takes_notes() -> None:
    gate, seen = Orchestrator(Policy.of(model=[through])), list[str]()
    ask_ = gate.model("m")(lambda prompt: seen.append(traceparent(current())) or "ok")
    with gate.session(request_id="r", traceparent="00-" + "1" * 32 + "-" + "1" * 16 + "-01") as run:
        ask_("hi")
    assert seen == [""]
    assert run.within is None


# Sinks


def fails(trace: Trace) -> None:
    raise OSError("a secret, perhaps")


def test_a_sink_that_fails_breaks_no_call_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Trace] = []
    evidence = Evidence(store=fails, spans=fails, metrics=fails, logs=fails, sinks=[fails, heard.append])
    ask_ = Orchestrator(Policy.of(), evidence=evidence).model("m")(lambda prompt: "ok")
    assert [ask_("hi"), ask_("hi")] == ["ok", "ok"]
    evidence.close()
    assert evidence.failures == Counter(
        {name: len(heard) for name in ("store", "spans", "metrics", "logs", "sink 1")}
    )
    assert len(caplog.records) == 5
    assert "secret" not in caplog.text


def test_an_event_that_cannot_be_told_breaks_no_call() -> None:
    def odd(call: Call) -> Flow:
        yield from record(call.event("odd", findings=(object(),)))  # type: ignore[arg-type]
        reply: Reply = yield call
        return reply

    evidence = Evidence()
    assert Orchestrator(Policy.of(model=[odd]), evidence=evidence).model("m")(lambda p: p)("hi") == "hi"
    assert evidence.failures == {"evidence": 1}


def test_a_sink_that_fails_to_end_keeps_no_other_from_it() -> None:
    class Sink:
        ended = False

        def __call__(self, trace: Trace) -> None: ...
        def close(self) -> None:
            self.ended = True

    class Stuck(Sink):
        def close(self) -> None:
            raise OSError

    last = Sink()
    evidence = Evidence(store=Stuck(), logs=last)
    evidence.close()
    assert last.ended
    assert evidence.failures == {"store": 1}


def test_audit_and_an_own_sink_stand_beside_the_others(tmp_path: Any) -> None:
    own, heard = list[Event](), list[Trace]()
    policy = loads("wardline: 1\nname: p\n")
    log = AuditLog(tmp_path / "audit.jsonl", key=KEY)
    with Evidence(audit=log, sinks=[heard.append], key=KEY) as evidence:
        gate = Orchestrator(policy, world=World(sink=own.append), evidence=evidence)
        with gate.session(user="ann", request_id="r1"):
            gate.model("m")(lambda prompt: "ok")("hi")
        evidence(Event(what="found", boundary="model", target="m", run=Run(user="ann"), guard="g"))
    assert verify(tmp_path / "audit.jsonl").holds
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    audited = [line for line in lines if "log" not in line]
    assert [line["what"] for line in audited] == ["policy", "call", "found"]
    assert [each.what for each in heard] == [each.what for each in own] + ["found"]
    assert {each.policy for each in heard} == {policy.digest, ""}
    assert {line["user"] for line in audited[1:]} == {each.user for each in heard}
    with pytest.raises(GuardFailed):  # no evidence, no call
        gate.model("m")(lambda prompt: "ok")("hi")


def test_sinks_are_told_of_the_policy_and_of_the_end() -> None:
    class Sink:
        def __init__(self) -> None:
            self.told: list[str] = []

        def __call__(self, trace: Trace) -> None: ...
        def watch(self, policy: Policy, world: World) -> None:
            self.told.append(policy.name)

        def flush(self) -> None:
            self.told.append("flush")

        def close(self) -> None:
            self.told.append("close")

    sink = Sink()
    with Evidence(store=sink) as evidence:
        evidence.watch(loads("wardline: 1\nname: p\n"))
    assert sink.told == ["p", "flush", "close"]


@given(PERSONS, PERSONS, PERSONS, PERSONS)
def test_persons_and_what_is_no_plain_name_are_told_by_digests_alone(
    user: str, session: str, target: str, code: str
) -> None:
    found = (Finding(code=code, message=code, start=3, end=9),)
    run = Run(request_id=target, user=user, session=session, tags={"name": user})
    trace = TELL(Event(what=code, boundary="model", target=target, run=run, guard=target, findings=found))
    told = json.dumps(trace.to_dict(), ensure_ascii=False)
    assert not [text for text in (user, session, target, code) if text in told]
    assert trace.user == TELL(Event(what="x", boundary="", target="", run=Run(user=user))).user
    assert trace.user != trace.session


def test_what_a_guard_tells_that_could_be_content_is_left_out() -> None:
    data = {
        "n": 1,
        "ratio": 0.5,
        "flag": True,
        "word": "half_open",
        "text": "My name is Ann",
        "deep": {"a": 1},
    }
    trace = TELL(Event(what="Odd One", boundary="model", target="a b", run=Run(), data=data))
    assert trace.data == {"n": 1, "ratio": 0.5, "flag": True, "word": "half_open"}
    assert trace.what == "event"
    assert trace.target.startswith("digest:")
    found = (Finding(code="a", message=""), Finding(code="b", message=""), Finding(code="a", message=""))
    assert TELL(Event(what="found", boundary="", target="", run=Run(), findings=found)).findings == {
        "a": 2,
        "b": 1,
    }


@pytest.mark.parametrize("told", [{}, {"id": "x"}, {"what": "call", "more": 1}])
def test_what_is_no_event_is_not_read_as_one(told: Any) -> None:
    with pytest.raises(ValueError, match="no event"):
        Trace.from_dict(told)


# Sampling

REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from(["ok", "ok", "blocked", "block", "review"]),
        st.floats(0, 9),
        st.booleans(),
    ),
    max_size=60,
)


def one(request: int, how: str, seconds: float, over: bool) -> Trace:
    what = "reviewed" if how == "review" else "crossed" if over else "found" if how == "block" else "call"
    outcome = {"review": "approve", "block": "block", "blocked": "blocked"}.get(how, "ok")
    return Trace(what=what, request=f"r{request}", trace=f"{request * 3 % 7 + 1:x}" * 32, outcome=outcome)


@given(REQUESTS, st.floats(0, 1), st.integers(1, 20))
def test_a_request_is_kept_whole_or_not_at_all_and_always_if_anything_went_wrong(
    rows: list[Any], share: float, most: int
) -> None:
    kept, roomy = list[Trace](), list[Trace]()
    tight, wide = Sampler(share, kept.append, most), Sampler(share, roomy.append, 1_000)
    groups: dict[int, list[list[Trace]]] = {}
    for row in rows:
        trace = one(*row)
        for sampler in (tight, wide):
            sampler(trace, row[3])
        assert tight._held <= most
        groups.setdefault(row[0], [[]])[-1].append(trace)
        if row[3]:
            groups[row[0]].append([])
    for sampler in (tight, wide):
        sampler.flush()
        assert sampler._held == 0
    for group in (group for several in groups.values() for group in several if group):
        chance = int(group[0].trace[-14:], 16) < share * 16**14
        wanted = chance or any(map(telling, group))
        assert [any(each is other for other in roomy) for each in group] == [wanted] * len(group)
    troubled = [each for several in groups.values() for group in several for each in group if telling(each)]
    assert all(any(each is other for other in kept) for each in troubled)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(101, 150))
def test_the_slowest_are_those_above_all_but_a_share_of_the_recent_ones(chance: Any, window: int) -> None:
    slowest, seconds = Slowest(0.05, window), [float(chance.randrange(50)) for _ in range(300)]
    for number, took in enumerate(seconds):
        recent = sorted(seconds[max(0, number - window) : number])
        expected = len(recent) >= 100 and took > recent[int(len(recent) * 0.95)]
        assert slowest(took) is expected


def test_slow_requests_are_kept_and_metrics_are_told_of_all() -> None:
    clock, kept, counted = VirtualClock(), list[Trace](), list[Trace]()
    evidence = Evidence(store=kept.append, metrics=counted.append, sample=0.0)
    gate = Orchestrator(Policy.of(), world=World(clock=clock), evidence=evidence)
    ask_ = gate.model("m")(lambda prompt: clock.advance(float(prompt)) or "ok")
    for number in range(200):
        ask_(str(9 if number == 150 else number % 7))
    assert {each.seconds for each in kept if each.what == "crossed"} == {9.0}
    assert len(counted) == 400
    for target in range(150):  # only so many targets are known
        gate.model(f"m{target}")(lambda prompt: "ok")("hi")
    with pytest.raises(GuardError):
        gate.model("m")(lambda prompt: 1 / 0)("hi")
    assert kept[-1].outcome == "upstream_error"
    evidence.close()
    assert len(kept) == 4


@pytest.mark.parametrize("wrong", [{"share": -0.1}, {"share": 1.1}, {"most": 0}])
def test_a_sampler_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"share|most"):
        Sampler(**{"share": 0.5, "keep": print, **wrong})


def test_logging_is_left_alone() -> None:
    assert not logging.getLogger("wardline").handlers
