"""rate_limit: never more than the buckets allow, in order, refused at once when it would take too long."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from guards import Exhausted, Part, Reply, Run, Unavailable, UpstreamError, Usage
from guards._limits import rate_limits
from guards._types import Ended
from guards._value import replace
from guards._worst import Worst
from guards.rate_limit import RateLimit
from orchestrator import VirtualClock, World, arun, run
from orchestrator.testing import play, say
from tests.engine.example_guards import ask
from tests.guards.puppets import Cut, Stage

KEY = "rate_limit:model:m"
TOKENS = 100
SLACK = 1e-6


def call(left: float | None = None, now: float = 0.0, **more: Any) -> Any:
    return ask(
        "", options={"max_tokens": TOKENS - 4}, run=Run(deadline=None if left is None else now + left), **more
    )


class Flowing(RuleBasedStateMachine):
    """Calls of 100 tokens at most, beside a count of what left: 60 requests and 6,000 tokens a minute."""

    def __init__(self) -> None:
        super().__init__()
        guard = RateLimit(requests=60, tokens=6_000, burst=5, max_queue=6, max_wait=8)
        self.stage = Stage(guard)
        self.left: list[float] = []
        self.blocked = 0.0

    def note(self) -> None:
        for _ in self.stage.entered:
            assert self.stage.now >= self.blocked - SLACK
            self.left.append(self.stage.now)
        order = [puppet.number for puppet in self.stage.entered]
        assert order == sorted(order)
        self.stage.entered.clear()

    @rule(left=st.none() | st.integers(0, 9))
    def come(self, left: int | None) -> None:
        queued = len(self.stage.waiting)
        puppet = self.stage.start(call(left, self.stage.now))
        if puppet.waiting:
            assert queued < 6
            assert left is None or puppet.due < self.stage.now + left
        elif not puppet.inside:
            assert isinstance(puppet.result, Unavailable)
            assert puppet.result.retry_after is not None
            assert queued == 6 or puppet.result.retry_after >= min(8, 8 if left is None else left) - SLACK
        self.note()

    @rule(seconds=st.integers(1, 70).map(lambda tenths: tenths / 10))
    def time(self, seconds: float) -> None:
        ends = self.stage.now + seconds
        while due := [one.due for one in self.stage.waiting if one.due <= ends]:
            self.stage.pass_time(max(0.0, min(due) - self.stage.now))
            self.note()
        self.stage.pass_time(max(0.0, ends - self.stage.now))

    @precondition(lambda self: self.stage.inside)
    @rule(data=st.data(), used=st.integers(1, 100))
    def end(self, data: Any, used: int) -> None:
        puppet = data.draw(st.sampled_from(self.stage.inside))
        self.stage.reply(puppet, say("ok", usage=Usage(input=used)))

    @precondition(lambda self: self.stage.inside)
    @rule(data=st.data(), seconds=st.sampled_from([None, 1.0, 4.0]))
    def told_to_wait(self, data: Any, seconds: float | None) -> None:
        puppet = data.draw(st.sampled_from(self.stage.inside))
        self.stage.reply(puppet, UpstreamError("m", 429, seconds, "status"))
        self.blocked = max(self.blocked, self.stage.now + (seconds or 0.0))

    @precondition(lambda self: self.stage.waiting)
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        self.stage.step(data.draw(st.sampled_from(self.stage.waiting)), Cut())

    @invariant()
    def no_more_leave_than_the_buckets_allow(self) -> None:
        for first, began in enumerate(self.left):
            within = len(self.left) - first
            assert within <= 5 + (self.left[-1] - began) * 1.0 + 1 + SLACK
        kept = self.stage.store.update(KEY, lambda state: (state, state))
        if kept is not None:
            assert kept["waiting"] == len(self.stage.waiting)
            assert max(kept["requests"], kept["tokens"] / 100) <= 5 + SLACK


TestFlowing = Flowing.TestCase
TestFlowing.settings = settings(max_examples=100, stateful_step_count=100, deadline=None)


def test_a_call_that_can_never_pass_is_refused_at_once() -> None:
    outcome = play(RateLimit(tokens=50), call(), [say("ok")])
    assert isinstance(outcome.error, Exhausted)
    assert (outcome.attempts, outcome.seconds) == (0, 0)


def test_what_was_estimated_is_settled_with_what_was_used_and_may_be_owed() -> None:
    guard, world = RateLimit(tokens=600, burst=60), World(clock=VirtualClock())
    play(guard, call(), [say("ok", usage=Usage(input=10, output=10))], world=world)
    assert world.store.update(KEY, lambda s: (s, s["tokens"])) == pytest.approx(580)
    play(guard, call(), [say("ok", usage=Usage(input=1_000))], world=world)
    assert world.store.update(KEY, lambda s: (s, s["tokens"])) == pytest.approx(-420)
    later = play(guard, call(), [say("ok")], world=world)
    assert later.seconds == pytest.approx(52)


def test_retry_after_blocks_the_whole_bucket_and_releases_it_paced() -> None:
    stage = Stage(RateLimit(requests=60, burst=5))
    first = stage.start(call())
    stage.reply(first, UpstreamError("m", 429, 7.0, "status"))
    calls = [stage.start(call()) for _ in range(4)]
    assert [one.due for one in calls] == pytest.approx([8, 9, 10, 11])
    refused = stage.start(call(3.0))
    assert isinstance(refused.result, Unavailable)
    assert refused.result.retry_after == pytest.approx(12)


def test_a_call_in_line_that_a_block_moves_past_its_deadline_is_refused_before_it() -> None:
    stage = Stage(RateLimit(requests=60, burst=1))
    first, queued = stage.start(call()), stage.start(call(5.0))
    stage.reply(first, UpstreamError("m", 429, 9.0, "status"))
    stage.pass_time(4.9)
    assert isinstance(queued.result, Unavailable)
    assert stage.store.update(KEY, lambda s: (s, s["waiting"])) == 0


def test_it_learns_from_the_provider_without_any_setting() -> None:
    stage = Stage(RateLimit())
    headers = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "1"}
    stage.reply(stage.start(call()), say("ok", raw=SimpleNamespace(headers=headers)))
    assert stage.start(call()).inside
    waiting = stage.start(call())
    assert waiting.waiting
    assert waiting.due == pytest.approx(1.0)


def test_what_a_guard_further_in_refused_costs_nothing() -> None:
    stage = Stage(RateLimit(requests=60, burst=1))
    stage.reply(stage.start(call()), Unavailable("m"))
    assert stage.start(call()).inside


@pytest.mark.parametrize("error", [None, UpstreamError("m", 429, 5.0, "status"), GeneratorExit()])
def test_a_stream_is_settled_when_it_has_stopped(error: Any) -> None:
    stage = Stage(RateLimit(requests=60, tokens=600))
    puppet = stage.start(call(stream=True))
    stage.reply(puppet, say("", live=True))
    stage.settle(puppet.result, Ended(usage=Usage(input=30), error=error))
    kept = stage.store.update(KEY, lambda state: (state, state))
    assert kept["tokens"] == pytest.approx(70 if isinstance(error, UpstreamError) else 570)
    assert kept["until"] == (5.0 if isinstance(error, UpstreamError) else 0.0)


def test_ten_thousand_wait_and_the_state_stays_as_small_as_for_one() -> None:
    stage = Stage(RateLimit(requests=600, burst=1, max_wait=1e6))
    for _ in range(10_010):
        stage.start(call())
    assert len(stage.waiting) == 10_000
    kept = stage.store.update(KEY, lambda state: (state, state))
    assert len(repr(kept)) < 300
    assert max(one.due for one in stage.waiting) == pytest.approx(1_000, rel=0.01)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_a_call_cancelled_at_any_point_of_a_queue_gives_back_what_it_took(cuts: list[int]) -> None:
    world = World(clock=VirtualClock())
    guard = RateLimit(requests=60, burst=3)

    async def perform(call: Any) -> Reply:
        await asyncio.Event().wait()
        return say("never")

    async def main() -> None:
        for turns in cuts:
            task = asyncio.create_task(arun(guard, call(), perform, world))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    kept = world.store.update(KEY, lambda state: (state, state))
    assert kept is None or kept["waiting"] == 0


def test_a_thousand_calls_in_threads_and_tasks_leave_no_faster_than_allowed() -> None:
    guard, world, left = RateLimit(requests=60_000, burst=0.1, max_wait=30), World(), []

    def perform(call: Any) -> Reply:
        left.append(world.clock.now())
        return say("ok")

    async def aperform(call: Any) -> Reply:
        return perform(call)

    def work() -> None:
        for _ in range(20):
            run(guard, call(), perform, world)

    async def main() -> None:
        await asyncio.gather(*(arun(guard, call(), aperform, world) for _ in range(500)))

    threads = [threading.Thread(target=work) for _ in range(25)]
    began = world.clock.now()
    for thread in threads:
        thread.start()
    asyncio.run(main())
    for thread in threads:
        thread.join(60)
    assert len(left) == 1_000
    for number, when in enumerate(sorted(left), 1):
        assert number <= 100 + (when - began) * 1_000 + 1
    assert world.store.update(KEY, lambda s: (s, s["waiting"])) == 0


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (None, {}),
        ({"x-ratelimit-limit-tokens": "1000", "x-ratelimit-remaining-tokens": "0"},
         {"limit_tokens": 1000, "remaining_tokens": 0}),
        ({"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "7"},
         {"limit_requests": 50, "remaining_requests": 7}),
        ({"x-ratelimit-limit-requests": "-1", "x-ratelimit-remaining-requests": "0"}, {}),
        ({"x-ratelimit-limit-requests": "many", "x-ratelimit-remaining-requests": "nan"}, {}),
    ],
)  # fmt: skip
def test_what_headers_say(headers: Any, found: dict[str, float]) -> None:
    assert rate_limits(headers) == found


def test_its_worst_case_is_the_longest_wait_in_line() -> None:
    assert RateLimit(max_wait=5).worst(call(), lambda call: Worst(1.0, 2.0, 0.0)).seconds == 7.0


def test_an_estimate_counts_the_text() -> None:
    guard, world = RateLimit(tokens=60_000, output=0), World(clock=VirtualClock())
    long = ask("")
    play(guard, long.add(Part(text="x" * 400)), [TimeoutError()], world=world)
    assert world.store.update(KEY, lambda s: (s, s["tokens"])) == pytest.approx(60_000 - 148, abs=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests": 0},
        {"tokens": -1.0},
        {"burst": 0.0},
        {"output": -1},
        {"max_queue": -1},
        {"max_wait": -1.0},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RateLimit(**wrong)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40)), max_size=12))
def test_each_user_has_a_bucket_of_its_own_over_all_targets(coming: list[tuple[str, int]]) -> None:
    guard, clock = RateLimit(requests=2, per="user", max_wait=0), VirtualClock()
    world, levels = World(clock=clock), {"a": 2.0, "b": 2.0}
    for number, (user, later) in enumerate(coming):
        clock.advance(later)
        levels = {who: min(2.0, level + later * 2 / 60) for who, level in levels.items()}
        sent = replace(ask("", run=Run(user=user)), target=f"m{number % 3}")
        outcome = play(guard, sent, [say("yes")], world=world)
        assert (outcome.error is None) == (levels[user] >= 1 - SLACK)
        levels[user] -= outcome.error is None


def test_a_bucket_of_ones_own_learns_nothing_from_a_provider_and_needs_a_rate() -> None:
    headers = {"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0"}
    guard, world = RateLimit(requests=60, per="user", max_wait=0), World(clock=VirtualClock())
    replies = [say("yes", raw=SimpleNamespace(headers=headers)), say("yes")]
    for reply in replies:
        assert play(guard, ask("", run=Run(user="u")), [reply], world=world).error is None
    with pytest.raises(ValueError, match="each user"):
        RateLimit(per="user")
    with pytest.raises(ValueError, match="per: tag"):
        RateLimit(requests=1, per="user", tag="team")
