"""cache: only what was asked and accepted before, once, within its bounds, for whom it was made."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import BaseModel

from guards import Blocked, Call, Finding, Flow, GuardError, Part, Reply, Run, Usage, screen
from guards._cached import Unkeepable, digest, read, written
from guards._worst import Worst
from guards.cache import INDEX, Cache
from guards.mask import Mask
from guards.schema import Schema
from orchestrator import Orchestrator, RealClock, VirtualClock, World, arun, chain, run
from orchestrator.stores.memory import Memory
from orchestrator.stores.sqlite import Sqlite
from orchestrator.testing import Late, play, say
from policies import Policy, loads
from tests.guards.ways import ask, down

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PARTS = st.builds(
    Part,
    text=st.text(max_size=10),
    role=st.sampled_from(["user", "assistant"]),
    at=st.lists(st.text(max_size=3) | st.integers(0, 9), max_size=3).map(tuple),
)


class Answer(BaseModel):
    """Stands for a provider's own reply object."""

    text: str
    usage: int = 0


@dataclass(frozen=True)
class Forbidden:
    """A check that stands outside the cache."""

    window: int = 3

    def __call__(self, part: Part) -> Iterator[Finding]:
        if "bad" in part.text:
            yield Finding(code="forbidden", message="x", start=0, end=3)


@given(st.lists(PARTS, max_size=3).map(tuple), JSON, JSON, st.sampled_from(["", "stop"]), st.booleans())
@settings(max_examples=200)
def test_a_reply_that_is_kept_is_given_again_as_it_was(
    parts: Any, raw: Any, value: Any, finish: str, plain: bool
) -> None:
    reply = Reply(
        parts=parts, raw=raw, value=value, finish=finish, plain=plain, model="m", usage=Usage(input=9)
    )
    try:
        again = read(written(reply))
    except Unkeepable:
        return
    assert again == replace(reply, usage=Usage(), source="cache")
    assert again.raw == raw


@pytest.mark.parametrize("raw", [Answer(text="x"), [Answer(text="a"), "b"], "text", None, {"a": [1]}])
def test_provider_s_own_objects_are_kept(raw: Any) -> None:
    again = read(written(Reply(raw=raw)))
    assert again is not None
    assert again.raw == raw
    assert type(again.raw) is type(raw)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=(1, 2)),
        Reply(raw={1: 2}),
        Reply(raw=object()),
        Reply(raw=[Answer(text="x"), object()]),
        Reply(raw=float("nan")),
        Reply(finish="length"),
        Reply(finish="content_filter"),
        Reply(live=True),
        Reply(source="fixed"),
        Reply(value={1, 2}),
    ],
)
def test_what_would_not_be_the_same_again_or_is_not_whole_is_not_kept(reply: Reply) -> None:
    with pytest.raises(Unkeepable):
        written(reply)


def test_a_class_that_is_not_loaded_is_never_imported() -> None:
    text = json.loads(written(Reply(raw=Answer(text="x"))))
    for home in (["antigravity", "Answer"], ["os", "system"], [__name__, "Answer.missing"]):
        text[-1]["model"] = home
        assert read(json.dumps(text)) is None


CHANGES: list[dict[str, Any]] = [
    {"target": "other"},
    {"kind": "tool", "options": {"idempotent": True}},
    {"via": "judge"},
    {"stream": True},
    {"options": {"temperature": 1}},
    {"parts": (Part(text="hi!", at=("prompt",)),)},
    {"parts": (Part(text="hi", role="system", at=("prompt",)),)},
    {"parts": (Part(text="hi", at=("prompt",)), Part(text=""))},
    {"raw": {"prompt": "hi", "temperature": 1}},
    {"raw": {"prompt": "hi", "temperature": 1.0}},
    {"raw": {"prompt": "hi", "temperature": True}},
    {"raw": {"prompt": "hi", "file": b"1"}},
    {"raw": {"prompt": "hi", "file": "1"}},
    {"raw": {"prompt": "hi", "list": [1]}},
    {"raw": {"prompt": "hi", "list": (1,)}},
    {"raw": {"prompt": "hi", 1: 0}},
    {"raw": {"prompt": "hi", "1": 0}},
]


def test_any_difference_makes_another_key_and_the_secret_does_too() -> None:
    calls = [ask(raw={"prompt": "hi"}), *(replace(ask(), **change) for change in CHANGES)]
    keys = {digest(call, secret) for call in calls for secret in (b"", b"secret")}
    assert len(keys) == 2 * len(calls)
    assert digest(ask(raw={"prompt": "ann@example.com"}), b"") == digest(ask(raw={"prompt": "x"}), b"")
    assert digest(replace(ask(), options={"returns": int, "cache": "k"}), b"") == digest(
        replace(ask(), options={"returns": int}), b""
    )
    for unknown in (object(), {1}):
        with pytest.raises(Unkeepable):
            digest(ask(raw={"prompt": "hi", "x": unknown}), b"")
    with pytest.raises(Unkeepable):
        digest(replace(ask(), options={"x": object()}), b"")


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3), st.text(min_size=100, max_size=120))
@settings(max_examples=30)
def test_a_long_secret_is_a_secret_too(texts: list[str], secret: str) -> None:
    assert Cache(key=secret).place(ask()) != Cache(key=secret + "x").place(ask())


class Machine(RuleBasedStateMachine):
    """Questions, replies of all sorts and time, against a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(clock=VirtualClock())
        self.cache = Cache(ttl=10, most=3, size=2_000, scope="user")
        self.known: dict[tuple[str, str], tuple[str, float]] = {}
        self.made = 0

    @rule(
        text=st.sampled_from("abcde"),
        user=st.sampled_from(["", "u"]),
        kind=st.sampled_from(["good", "good", "good", "bad", "length", "down", "long", "slow"]),
    )
    def asks(self, text: str, user: str, kind: str) -> None:
        self.made += 1
        said = f"{kind} {self.made}" + "x" * 3_000 * (kind == "long")
        reply = say(said, finish="length" if kind == "length" else "stop")
        answer: Any = down() if kind == "down" else Late(4, reply) if kind == "slow" else reply
        now = self.world.clock.now()
        outcome = play(
            [screen(Forbidden()), self.cache], ask(text, run=Run(user=user)), [answer], world=self.world
        )
        kept = self.known.get((text, user))
        if kept and now < kept[1]:
            assert not outcome.calls
            assert outcome.text == kept[0]
            assert outcome.attempts == 0
            return
        assert len(outcome.calls) == 1
        ended = self.world.clock.now()
        self.known.pop((text, user), None)
        if kind in ("good", "slow"):
            self.known[text, user] = (said, ended + 10)
            assert outcome.text == said
        elif kind == "bad":
            assert isinstance(outcome.error, Blocked)
        self.bounded()

    def bounded(self) -> None:
        """The oldest are gone; a call whose reply was not accepted may have taken a place."""
        listed = self.world.store.update(INDEX, lambda state: (state, state)) or {}
        self.known = {
            (text, user): kept
            for (text, user), kept in self.known.items()
            if self.cache.place(ask(text, run=Run(user=user))) in listed
        }

    @rule(seconds=st.integers(1, 12))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)  # type: ignore[attr-defined]

    @invariant()
    def no_more_is_kept_than_may_be(self) -> None:
        store = self.world.store
        assert isinstance(store, Memory)
        states = {key: state for key, state in store._states.items() if key != INDEX}
        listed = store._states.get(INDEX, {})
        assert len(listed) <= 3
        assert sum(listed.values()) <= 2_000
        assert all(key in listed for key in states)
        assert not any(state["lease"] for state in states.values())


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=50)


def test_the_last_replies_are_kept_when_there_is_room() -> None:
    world, cache = World(clock=VirtualClock()), Cache(most=2)
    for text in "abc":
        play(cache, ask(text), [say(text)], world=world)
    calls = [len(play(cache, ask(text), [say(text)], world=world).calls) for text in "cba"]
    assert calls == [0, 0, 1]


class Watched(RealClock):
    """Says when so many have begun to wait."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.waiting, self.all_wait = number, set[int](), threading.Event()

    def wait_of(self, one: int) -> None:
        self.waiting.add(one)
        if len(self.waiting) == self.number:
            self.all_wait.set()

    def sleep(self, seconds: float, /) -> None:
        self.wait_of(threading.get_ident())
        super().sleep(seconds)

    async def asleep(self, seconds: float, /) -> None:
        self.wait_of(id(asyncio.current_task()))
        await super().asleep(seconds)


@pytest.mark.parametrize("stream", [False, True])
def test_ten_identical_calls_at_once_make_one(stream: bool) -> None:
    made: list[str] = []
    clock = Watched(9)

    async def slow(call: Call) -> Reply:
        made.append(call.target)
        while not clock.all_wait.is_set():
            await asyncio.sleep(0)
        return say("one")

    async def ten() -> list[Reply]:
        world = World(clock=clock)
        return await asyncio.gather(*(arun(Cache(), ask(stream=stream), slow, world) for _ in range(10)))

    assert [reply.text for reply in asyncio.run(ten())] == ["one"] * 10
    assert len(made) == 1


def test_ten_identical_calls_in_threads_make_one() -> None:
    made, texts, clock = list[str](), list[str](), Watched(9)
    world = World(clock=clock)

    def slow(call: Call) -> Reply:
        made.append(call.target)
        assert clock.all_wait.wait(10)
        return say("one")

    def one() -> None:
        texts.append(run(Cache(), ask(), slow, world).text)

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert texts == ["one"] * 10
    assert len(made) == 1


@pytest.mark.parametrize("how", ["fails", "is cancelled", "brings nothing to keep"])
def test_when_the_call_that_others_wait_for_fails_they_go_themselves(how: str) -> None:
    made: list[int] = []
    clock = Watched(2)

    async def perform(call: Call) -> Reply:
        made.append(1)
        if len(made) > 1:
            return say("own")
        while not clock.all_wait.is_set():
            await asyncio.sleep(0)
        if how == "fails":
            raise TimeoutError
        if how == "is cancelled":
            raise asyncio.CancelledError
        return say("cut", finish="length")

    async def three() -> list[Any]:
        world = World(clock=clock)
        tasks = [asyncio.ensure_future(arun(Cache(patience=5), ask(), perform, world)) for _ in range(3)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = asyncio.run(three())
    assert [other.text for other in others] == ["own", "own"]
    assert len(made) == 3
    assert isinstance(first, Reply) == (how == "brings nothing to keep")


def test_a_call_that_vanished_is_waited_for_only_so_long() -> None:
    world, cache = World(clock=VirtualClock()), Cache(patience=20)
    flow = chain([cache])(ask())
    wish: Any = next(flow)
    while not isinstance(wish, Call):  # it leaves, and is never heard of again
        answer = (
            world.clock.now() if type(wish).__name__ == "Now" else world.store.update(wish.key, wish.change)
        )
        wish = flow.send(answer)
    outcome = play(cache, ask(), [say("own")], world=world)
    assert (outcome.text, outcome.seconds) == ("own", 20.0)
    assert outcome.seconds <= cache.worst(ask(), lambda call: Worst(1, 0, 0)).seconds
    hurried = play(cache, ask("two", run=Run(deadline=world.clock.now() + 5)), [say("x")], world=world)
    assert hurried.text == "x"
    late = flow.send(say("late"))  # and when it is heard of after all, nothing is lost
    while True:
        answer = (
            world.clock.now() if type(late).__name__ == "Now" else world.store.update(late.key, late.change)
        )
        try:
            late = flow.send(answer)
        except StopIteration as done:
            assert done.value.text == "late"  # noqa: PT017 - that is how a flow ends
            break


def test_a_follower_does_not_wait_beyond_its_deadline() -> None:
    world, cache = World(clock=VirtualClock()), Cache(patience=20)
    flow = chain([cache])(ask())
    wish: Any = next(flow)
    while not isinstance(wish, Call):
        answer = (
            world.clock.now() if type(wish).__name__ == "Now" else world.store.update(wish.key, wish.change)
        )
        wish = flow.send(answer)
    outcome = play(cache, ask(run=Run(deadline=5.0)), [say("own")], world=world)
    assert outcome.seconds == 5.0
    assert isinstance(outcome.error, GuardError)


def test_a_reply_that_a_guard_further_out_refuses_is_not_kept() -> None:
    world = World(clock=VirtualClock())
    guards = [Schema(attempts=0), Cache()]
    assert play(guards, ask(), [say("no json")], world=world).error is not None
    assert play(guards, ask(), [say('{"a": 1}')], world=world).text == '{"a": 1}'
    assert play(guards, ask(), [], world=world).text == '{"a": 1}'


def test_nothing_personal_is_in_the_store() -> None:
    world = World(clock=VirtualClock())
    guards = [Mask(), Cache()]
    first = play(guards, ask("write to ann@example.com"), [say("wrote to <EMAIL_ADDRESS_1>")], world=world)
    again = play(guards, ask("write to bob@example.org"), [], world=world)
    assert first.text == "wrote to ann@example.com"
    assert again.text == "wrote to bob@example.org"
    assert not again.calls
    assert "example" not in repr(world.store._states)  # type: ignore[attr-defined]


@given(st.sampled_from(["user", "tenant", "everyone"]), st.tuples(*[st.sampled_from("ab")] * 4))
@example("tenant", ("a", "a", "a", "b"))
def test_a_reply_is_only_for_whom_it_was_made(scope: Any, who: tuple[str, ...]) -> None:
    tenant, user, other_tenant, other_user = who
    world, cache = World(clock=VirtualClock()), Cache(scope=scope)
    play(cache, ask(run=Run(user=user, tags={"tenant": tenant})), [say("x")], world=world)
    other = ask(run=Run(user=other_user, tags={"tenant": other_tenant}))
    shared = {"user": who[:2] == who[2:], "tenant": tenant == other_tenant, "everyone": True}[scope]
    assert len(play(cache, other, [say("y")], world=world).calls) == (not shared)


POLICY = "wardline: 1\nname: {}\nmodel:\n  - {{use: cache, ttl: {}s}}\n"


def test_another_policy_has_other_replies() -> None:
    world = World(clock=VirtualClock())
    one, two = (loads(POLICY.format("p", ttl)).guards("model", "m") for ttl in (10, 20))
    play(one, ask(), [say("x")], world=world)
    assert not play(one, ask(), [], world=world).calls
    assert play(two, ask(), [say("y")], world=world).text == "y"


def test_calls_that_cannot_be_written_down_and_tools_that_do_something_pass() -> None:
    world = World(clock=VirtualClock())
    for call in (ask(raw={"x": object()}), Call(kind="tool", target="pay")):
        for _ in range(2):
            outcome = play(Cache(), call, [say("x")], world=world)
            assert len(outcome.calls) == 1
            assert [event.what for event in outcome.events] == ["uncached", "call", "crossed"]


@pytest.mark.parametrize("kept", ["memory", "file"])
def test_decorated_functions_are_answered_from_the_cache(tmp_path: Any, kept: str) -> None:
    store = Memory() if kept == "memory" else Sqlite(tmp_path / "store.db")
    gate = Orchestrator(Policy.of(model=[Cache()], tool=[Cache()]), world=World(store=store))
    made: list[Any] = []

    @gate.model("m")
    def complete(messages: list[dict[str, str]], temperature: float = 0.0) -> dict[str, Any]:
        made.append(temperature)
        return {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}], "usage": {}}

    @gate.tool("add", idempotent=True)
    def add(a: int, b: int) -> int:
        made.append((a, b))
        return a + b

    @gate.model("stream")
    def stream(prompt: str) -> Iterator[str]:
        made.append(prompt)
        yield from ("a", "b", "c")

    asked = [{"role": "user", "content": "x"}]
    first, again = complete(asked), complete(asked)
    assert first == again
    first["choices"].clear()
    assert complete(asked) == again
    complete(asked, temperature=1.0)
    assert made == [0.0, 1.0]
    made.clear()
    assert (add(1, 2), add(1, 2), add(2, 2)) == (3, 3, 4)
    assert made == [(1, 2), (2, 2)]
    made.clear()
    assert "".join(stream("p")) == "".join(stream("p")) == "abc"
    assert made == ["p"]


def test_calls_side_by_side_keep_nothing_before_the_whole_is_accepted() -> None:
    from tests.engine.example_guards import both

    def refuses(call: Call) -> Flow:
        yield call
        raise Blocked((), "reply")

    world = World(clock=VirtualClock())
    assert play([refuses, both, Cache()], ask(), [say("a"), say("b")], world=world).error is not None
    assert len(play([both, Cache()], ask(), [say("a"), say("b")], world=world).calls) == 2


def test_a_store_that_fails_at_the_end_fails_the_call() -> None:
    class Broken(Memory):
        def update(self, key: str, change: Any, keep: float | None = None, /) -> Any:
            if change.__qualname__.startswith("Cache._accepted"):
                raise OSError("disk full")
            return super().update(key, change, keep)

    outcome = play(Cache(), ask(), [say("x")], world=World(clock=VirtualClock(), store=Broken()))
    assert getattr(outcome.error, "code", "") == "guard_failed"
    assert "disk" not in str(outcome.error)


@pytest.mark.parametrize(
    "wrong", [{"ttl": 0.0}, {"most": 0}, {"size": 0}, {"stale": -1.0}, {"patience": -1.0}]
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Cache(**wrong)
