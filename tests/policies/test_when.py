"""A condition lets its guard act only on a true answer, and the call by only on a false one."""

import pickle
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Call, Denied, Flow, GuardFailed, Part, Run
from guards._cel import ConditionError
from guards.permit import Permit
from orchestrator.testing import play, say
from policies._when import READINGS, When, compiled

REFUSE = Permit(tools=())


def call(**more: Any) -> Call:
    return Call(kind="model", target="gpt", parts=(Part(text="hello"),), **more)


def refused(condition: str, given: Call) -> bool:
    """Whether a guard that refuses everything acted; otherwise the call went by it, unchanged."""
    outcome = play(When(REFUSE, condition), given, [say("fine")])
    if isinstance(outcome.error, Denied):
        return True
    assert outcome.error is None
    assert outcome.calls == [given]
    assert outcome.text == "fine"
    return False


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('call.kind == "model"', True),
        ('call.kind == "tool"', False),
        ('call.target.startsWith("gp")', True),
        ('call.text == "hello"', True),
        ("call.stream", True),
        ('run.user == "ann" && run.session == "s" && run.region == "eu"', True),
        ('"admin" in run.roles', True),
        ('"viewer" in run.roles', False),
        ('run.roles.exists(role, role.startsWith("ad"))', True),
        ('run.tags["team"] == "claims"', True),
        ("has(run.tags.team) && !has(run.tags.tier)", True),
        ('"tier" in run.tags ? run.tags["tier"] == "gold" : false', False),
        ("size(run.roles) == 2", True),
        ("true", True),
        ("false", False),
    ],
)
def test_a_guard_acts_exactly_when_its_condition_holds(condition: str, *, holds: bool) -> None:
    run = Run(
        user="ann", session="s", region="eu", roles=frozenset({"admin", "agent"}), tags={"team": "claims"}
    )
    assert refused(condition, call(stream=True, run=run)) is holds


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)


@settings(max_examples=80)
@given(st.frozensets(TEXT), st.dictionaries(TEXT, TEXT), TEXT)
@example(frozenset({"\\x00"}), {}, "")
def test_a_condition_reads_what_the_run_says(
    roles: frozenset[str], tags: Mapping[str, str], user: str
) -> None:
    run = Run(roles=roles, tags=tags, user=user)
    assert refused(f"size(run.roles) == {len(roles)}", call(run=run))
    assert refused(f"size(run.tags) == {len(tags)} && size(run.user) == {len(user)}", call(run=run))


@pytest.mark.parametrize(
    "condition",
    [
        'run.tags["none"] == "secret"',
        "1 / size(run.roles) == 1",
        'call.text.matches("(")',
        'call.text.matches(call.text + "(")',
        'int(call.text) == 1',
        '!(run.tags["none"] == "secret")',
    ],
)  # fmt: skip
def test_a_condition_that_gives_no_answer_refuses_the_call_and_quotes_nothing(condition: str) -> None:
    outcome = play(When(REFUSE, condition), call(), [say("fine")])
    assert isinstance(outcome.error, GuardFailed)
    assert outcome.calls == []
    assert outcome.error.guard == "permit"
    assert "its condition gave no answer: " in str(outcome.error)
    assert "hello" not in str(outcome.error)
    assert "none" not in str(outcome.error)


@pytest.mark.parametrize(
    "run",
    [
        Run(user="a\0b"),
        Run(tags={"a\0": ""}),
        Run(roles=frozenset({"\0"})),
        Run(user="\ud800"),
        Run(tags={"\udcff": ""}),
        Run(user=None),
        Run(roles=frozenset({3})),
    ],  # type: ignore[arg-type]
)
def test_what_a_condition_cannot_read_refuses_the_call(run: Run) -> None:
    condition = 'run.user == "a" || size(run.tags) == 1 || "a" in run.roles'
    outcome = play(When(REFUSE, condition), call(run=run), [say("fine")])
    assert outcome.calls == []
    assert isinstance(outcome.error, (GuardFailed, Denied))


WORDS = st.sampled_from(
    [*READINGS, "==", "!=", "&&", "||", "!", "(", ")", "[", "]", '"a"', "1", "in", "has(", "true", "?", ":",
     ".", "é", "matches", "'", '"', "\n", "\x00", "dyn(", "call", "-", "{", "}", "map(x, x)"]
)  # fmt: skip


@settings(max_examples=200)
@given(st.text(max_size=30) | st.lists(WORDS, max_size=12).map(" ".join))
@example("")
@example("\ud800")
@example("(" * 5000)
@example("!" * 5000 + "true")
@example("[" + "1," * 60_000 + "1] == []")
def test_any_text_compiles_or_is_refused(condition: str) -> None:
    try:
        compiled(condition)
    except ConditionError as error:
        str(error)


def test_a_condition_that_would_run_for_ever_is_stopped() -> None:
    numbers = "[1,2,3,4,5,6,7,8,9,10]"
    condition = "size(call.text) > 0"
    for letter in "abcdefgh":
        condition = f"{numbers}.all({letter}, {condition})"
    outcome = play(When(REFUSE, condition), call(), [say("fine")])
    assert isinstance(outcome.error, GuardFailed)
    assert outcome.calls == []


@pytest.mark.parametrize(
    ("condition", "line", "column", "unknown"),
    [
        ("run.usr == 'a'", 1, 4, "run.usr"),
        ("true &&\n  run.usr == 'a'", 2, 6, "run.usr"),
        ("nobody", 1, 1, "nobody"),
        ("1 == 'a'", 1, 3, ""),
        ("true &&", 1, 8, ""),
        ("run.user", 1, 1, ""),
    ],
)
def test_a_wrong_condition_says_where_it_is_wrong(
    condition: str, line: int, column: int, unknown: str
) -> None:
    with pytest.raises(ConditionError) as caught:
        compiled(condition)
    error = caught.value
    assert (error.line, error.column, error.unknown) == (line, column, unknown)


def test_a_condition_stands_in_for_its_guard() -> None:
    class Heavy:
        name = "heavy one"
        heavy = True

        def __call__(self, call: Call) -> Flow:
            raise NotImplementedError

    assert When(Heavy(), "true").name == "heavy one"
    assert When(Heavy(), "true").heavy
    assert not When(REFUSE, "true").heavy
    assert pickle.loads(pickle.dumps(When(REFUSE, "true"))) == When(REFUSE, "true")
