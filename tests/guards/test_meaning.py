"""meaning: what is near to a denied example is found; without an embedding nothing passes."""

import json
from math import sqrt
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Blocked, Call, Decision, GuardError, GuardFailed, Part, Rejected, Reply, Unavailable
from guards._helpers import Helper, with_helpers
from guards._worst import Worst, worst
from guards.meaning import Meaning, cosine, packed, unit, unpacked
from orchestrator import VirtualClock, World
from orchestrator.stores.memory import Memory
from orchestrator.testing import Outcome, play, say
from tests.engine.example_guards import ask

VECTORS = st.lists(st.floats(-10, 10).map(lambda one: round(one, 3)), min_size=3, max_size=3).filter(any)
EXAMPLES = ("alpha", "beta", "gamma", "delta")
HTTP = Helper(shape="http", url="https://host/embed", pointer="/data/0/embedding")


class Embedder:
    """Gives each text its vector, in the helper's own shape; the model says `said`."""

    def __init__(self, vectors: dict[str, list[float]], said: str = "fine", pointed: bool = False) -> None:
        self.vectors, self.said, self.pointed = vectors, said, pointed
        self.asked: list[str] = []

    def __call__(self, call: Call) -> Reply:
        if not call.via:
            return say(self.said)
        self.asked.append(call.text)
        vector = self.vectors[call.text]
        return say(json.dumps({"data": [{"embedding": vector}]} if self.pointed else vector))


def near(one: list[float], other: list[float]) -> float:
    """The cosine, from its definition."""
    return sum(a * b for a, b in zip(one, other, strict=True)) / sqrt(
        sum(a * a for a in one) * sum(b * b for b in other)
    )


def guard(**more: Any) -> Meaning:
    topics = {"deny": {"first": EXAMPLES[:2], "second": EXAMPLES[2:3]}, "allow": {"third": EXAMPLES[3:]}}
    return Meaning(**{**topics, **more})


@settings(max_examples=150, deadline=None)
@given(
    st.lists(VECTORS, min_size=5, max_size=5), st.sampled_from([0.3, 0.6, 0.9]), st.booleans(), st.booleans()
)
@example([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0], [1.0, 0.1, 0]], 0.9, True, False)
def test_a_text_is_blocked_exactly_where_it_is_near_a_denied_topic_or_far_from_all_allowed_ones(
    vectors: list[list[float]], similar: float, pointed: bool, at_reply: bool
) -> None:
    *known, text = vectors
    script = Embedder({**dict(zip(EXAMPLES, known, strict=True)), "asked": text}, "asked", pointed)
    made = guard(similar=similar, at=("reply",) if at_reply else ("call",))
    made = with_helpers(made, {"embeddings": HTTP}) if pointed else made
    outcome = play(made, ask("anything" if at_reply else "asked", stream=True), script)
    first, second, third = (
        max(near(text, one) for one in some) for some in (known[:2], known[2:3], known[3:])
    )
    wanted = {"meaning.denied"} if max(first, second) >= similar else set()
    wanted |= {"meaning.off"} if third < similar else set()
    if any(abs(one - similar) < 0.02 for one in (first, second, third)):
        return  # too close to call: what is kept of an example is rounded
    codes = {one.code for one in outcome.error.findings} if isinstance(outcome.error, Blocked) else set()
    assert codes == wanted
    assert (outcome.text == "asked" if at_reply else outcome.text == script.said) or bool(wanted)


NEAR = {
    "alpha": [1.0, 0],
    "beta": [0, 1.0],
    "gamma": [1.0, 1.0],
    "delta": [-1.0, 0.2],
    "bad": [1.0, 0.05],
    "good": [-1.0, 0],
}


def test_examples_are_embedded_once_and_again_when_their_time_is_over() -> None:
    clock, store = VirtualClock(), Memory()
    world, script = World(store=store, clock=clock), Embedder(NEAR)
    made = guard(ttl=100.0)
    for _ in range(3):
        assert play(made, ask("good"), script, world=world).text == "fine"
    assert script.asked == [*EXAMPLES, "good", "good", "good"]
    clock.advance(101)
    play(made, ask("good"), script, world=world)
    assert script.asked[7:] == [*EXAMPLES, "good"]
    play(guard(deny={"other": ("beta",)}), ask("good"), script, world=world)
    assert script.asked[12:] == ["beta", "delta", "good"]


@pytest.mark.parametrize("then", ["block", "replace", "escalate", "warn"])
@pytest.mark.parametrize("side", ["call", "reply"])
def test_what_is_found_leads_to_what_the_policy_says(then: Any, side: Any) -> None:
    refusal = "Not here." if then in ("block", "replace") else ""
    made = guard(then=then, at=(side,), refusal=refusal)
    decide = lambda question: Decision("reject", by="ann", reason="no")  # noqa: E731
    outcome = play(made, ask("bad" if side == "call" else "x"), Embedder(NEAR, "bad"), decide=decide)
    match then:
        case "block":
            assert isinstance(outcome.error, Blocked)
            assert (outcome.error.refusal, outcome.error.side) == ("Not here.", side)
        case "replace":
            assert outcome.text == "Not here."
            assert len([call for call in outcome.calls if not call.via]) == (side == "reply")
        case "escalate":
            assert isinstance(outcome.error, Rejected)
        case "warn":
            assert outcome.text == "bad"
            (event,) = [event for event in outcome.events if event.what == "found"]
            assert {one.code for one in event.findings} == {"meaning.denied", "meaning.off"}


BROKEN = [
    *map(say, ("no", "{}", '["a"]', "[true]", "[0, 0]", "[]", "[1e999, 1]", "[1]")),
    TimeoutError("late"),
    ConnectionError("gone"),
]


@pytest.mark.parametrize("number", range(len(BROKEN)))
@pytest.mark.parametrize("late", [False, True])
def test_without_an_embedding_nothing_passes_but_where_the_policy_only_warns(number: int, late: bool) -> None:
    def script(call: Call) -> Any:
        broken = call.via and (call.text == "good") == late
        return BROKEN[number] if broken else Embedder(NEAR)(call)

    if not late and BROKEN[number] == say("[1]"):
        return  # all examples are of one length, which fits nothing but themselves
    outcome = play(guard(), ask("good"), script)
    assert isinstance(outcome.error, Unavailable)
    assert outcome.error.target == "embeddings"
    assert "good" not in str(outcome.error) + repr(outcome.error.detail())
    warned = play(guard(then="warn"), ask("good"), script)
    assert warned.text == "fine"
    assert [event.what for event in warned.events if event.guard == "meaning"] == ["unjudged"]


def test_only_the_user_s_last_words_are_compared_and_nothing_without_them() -> None:
    parts = (
        Part(text="gamma", role="system", origin="trusted"),
        Part(text="bad"), Part(text="bad", role="assistant"), Part(text="good"), Part(text=" "),
    )  # fmt: skip
    script = Embedder(NEAR)
    assert play(guard(), Call(kind="model", target="m", parts=parts), script).text == "fine"
    assert script.asked[-1] == "good"
    assert play(guard(), Call(kind="model", target="m", parts=parts[:1]), script).text == "fine"
    assert play(Meaning(), ask("bad"), [say("fine")]).text == "fine"


def test_a_live_reply_that_nobody_asked_for_is_not_let_pass() -> None:
    outcome = play(guard(at=("reply",)), ask(stream=True), [say("", live=True)], chunks=["bad"])
    assert isinstance(outcome.error, GuardFailed)


def test_a_call_takes_no_more_attempts_than_are_explained() -> None:
    made = guard(at=("call", "reply"), then="warn")
    outcome: Outcome = play(made, ask("good"), Embedder({**NEAR, "fine": [1.0, 1.0]}))
    assert outcome.attempts <= worst([made], ask(), lambda call: Worst(1, 1, 1)).attempts


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=40).filter(
        lambda some: sum(a * a for a in some) > 1e-6
    )
)
def test_what_is_kept_of_a_vector_points_where_it_pointed(numbers: list[float]) -> None:
    vector = unit(numbers)
    assert cosine(vector, unpacked(packed(vector))) > 0.99


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"similar": 0.0}, "similar is 0.0"),
        ({"seconds": 0.0}, "seconds and ttl must be more than 0"),
        ({"deny": {"x": ()}}, "deny needs examples under 'x'"),
        ({"allow": {"x": (" ",)}}, "allow needs examples under 'x'"),
        ({"then": "replace"}, "then is replace: it needs `refusal`"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings_: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        guard(**settings_)


def test_a_helper_that_the_policy_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="declare it under `helpers`"):
        with_helpers(guard(), {})
    with pytest.raises(ValueError, match="helper: unknown helper 'embeddings'; there are judge"):
        with_helpers(guard(), {"judge": HTTP})
    assert issubclass(Unavailable, GuardError)
