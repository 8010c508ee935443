"""Advice on the order of guards: given exactly when a pair stands the wrong way round."""

from collections.abc import Iterable
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import Advice, Example, Placed, Policy, lint, load, loads, shipped
from policies._lint import ONCE, ORDER, Rule

NAMES = sorted({name for rule in ORDER for name in (rule.outer, rule.inner)})
# The order of layers that resilience practice agrees on, outermost first.
AGREED = [
    "deadline", "invisible", "permit", "arguments", "taint", "injection", "approve", "schema", "mask",
    "judge", "cache", "degrade", "fallback", "route", "hedge", "residency", "budget", "retry", "rate_limit",
    "concurrency", "breaker", "timeout",
]  # fmt: skip
PROVEN = (Example(model="hi", expect="passes"),)


def policy(*names: str, only: Iterable[str] = ()) -> Policy:
    def nothing(call: object) -> None:
        raise NotImplementedError

    placed = tuple(Placed(nothing, name, tuple(only)) for name in names)  # type: ignore[arg-type]
    return Policy(model=placed, examples=PROVEN)


def test_the_agreed_order_of_layers_needs_no_advice() -> None:
    assert lint(policy(*AGREED)) == []
    assert set(NAMES) - {"trace"} <= set(AGREED)


@pytest.mark.parametrize("rule", ORDER, ids=lambda rule: f"{rule.outer}-{rule.inner}")
def test_a_pair_the_wrong_way_round_is_found_and_only_so(rule: Rule) -> None:
    outer, inner = rule.outer, rule.inner
    assert lint(policy(outer, inner)) == []
    (advice,) = lint(policy(inner, outer))
    assert advice.message == f"put {outer} before {inner} (model.0)"
    assert (advice.path, advice.level, advice.why) == ("model.1", rule.level, rule.why)


@settings(max_examples=60)
@given(st.permutations(AGREED))
def test_advice_is_given_once_for_every_pair_the_wrong_way_round(names: list[str]) -> None:
    wrong = [
        rule
        for rule in ORDER
        if {rule.outer, rule.inner} <= {*names} and names.index(rule.outer) > names.index(rule.inner)
    ]
    assert len(lint(policy(*names))) == len(wrong)


def test_following_the_advice_ends() -> None:
    """The rules contradict neither one another nor themselves."""
    for trio in permutations(NAMES, 3):
        orders = [order for order in permutations(trio) if not lint(policy(*order))]
        assert orders, f"no order of {trio} is free of advice"


@pytest.mark.parametrize("name", sorted(ONCE))
def test_a_guard_that_should_stand_once_is_found_twice(name: str) -> None:
    (advice,) = lint(policy(name, name))
    assert advice.path == "model.1"
    assert lint(policy("timeout", "timeout")) == []


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ([], [], True),
        (["a"], [], True),
        (["a"], ["b"], False),
        (["a", "b"], ["c", "b"], True),
        (["a*"], ["abc"], True),
        (["a*"], ["b"], False),
        (["a*"], ["*b"], True),
    ],
)
def test_guards_that_share_no_target_need_no_order(one: list[str], other: list[str], *, meet: bool) -> None:
    outer, inner = policy("cache", only=one).model[0], policy("mask", only=other).model[0]
    assert bool(lint(Policy(model=(outer, inner), examples=PROVEN))) is meet


def test_a_guard_that_goes_on_for_what_it_cannot_see_is_found() -> None:
    written = """
wardline: 1
model:
  - {use: schema}
  - {use: route, escalate_on: [invalid, unavailable]}
examples: [{model: hi, reply: "1", expect: passes}]
"""
    (advice,) = lint(loads(written))
    assert (advice.path, advice.message) == ("model.1", "put route before schema (model.0)")
    assert "cannot see what schema refuses" in advice.why
    unwritten = written.replace(", escalate_on: [invalid, unavailable]", "")
    again = written.replace("[invalid, unavailable]}", "[invalid]}\n  - {use: schema}")
    assert lint(loads(unwritten)) == []
    assert [one.message for one in lint(loads(again))] == ["schema stands here a second time, inside model.0"]


def test_a_policy_without_guards_or_examples_is_told_so() -> None:
    assert [(one.level, one.message) for one in lint(Policy())] == [("warning", "this policy has no guards")]
    (note,) = lint(Policy.of(model=policy("mask").guards("model", "x")))
    assert (note.level, note.path) == ("note", "examples")


def test_what_only_watches_is_noted_with_its_place() -> None:
    found = lint(loads("wardline: 1\ntool:\n  - {use: permit, mode: observe}"))
    assert found[0] == Advice(
        "note",
        "tool.0",
        "permit only watches",
        "with `mode: observe` it reports what it would do, and changes nothing",
        "policy",
        3,
    )


def test_errors_come_first() -> None:
    levels = [advice.level for advice in lint(policy("timeout", "retry", "cache", "mask"))]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)
    assert levels[0] == "error"


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_policy_needs_no_more_than_notes(name: str) -> None:
    assert [one for one in lint(load(name)) if one.level != "note"] == []


def test_asking_a_tool_again_is_advised_against() -> None:
    text = "wardline: 1\n{}: [{{use: invisible, then: reask}}]\nexamples: [{{model: hi, expect: passes}}]"
    assert lint(loads(text.format("model"))) == []
    (advice,) = lint(loads(text.format("tool")))
    assert (advice.level, advice.path) == ("warning", "tool.0")
    assert "say `then: block`" in advice.message


def test_a_permit_that_reads_arguments_stands_inside_the_guard_that_repairs_them() -> None:
    rules = "rules: [{tools: [pay], when: 'amount <= 500'}]"
    wrong = loads(f"wardline: 1\ntool:\n  - {{use: permit, {rules}}}\n  - {{use: arguments}}\n")
    right = loads(
        f"wardline: 1\ntool:\n  - {{use: permit}}\n  - {{use: arguments}}\n  - {{use: permit, {rules}}}\n"
    )
    assert [advice.path for advice in lint(wrong) if advice.level == "error"] == ["tool.1"]
    assert not [advice for advice in lint(right) if advice.level == "error"]
