"""Rules over the whole value: only true holds, each has its own message, and no content is told."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import BaseModel

from guards import Invalid
from guards._schema._rules import Rule
from guards.schema import Schema
from orchestrator.testing import play, say
from policies import loads
from tests.engine.example_guards import ask
from tests.guards.schemas import JSON

HERE = __name__


class Line(BaseModel):
    item: str
    price: float


class Order(BaseModel):
    lines: list[Line]
    total: float


def totals_agree(order: Order) -> bool:
    return abs(sum(line.price for line in order.lines) - order.total) < 0.01


def crashes(value: Any) -> bool:
    raise RuntimeError(f"quotes {value}")


TOTALS = Rule(name="totals", need="the sum of the lines' prices", call=f"{HERE}:totals_agree", at=("/total",))
PLAUSIBLE = Rule(name="plausible", need="a total below 1000", holds="value.total < 1000.0", at=("/total",))


def test_a_rule_across_fields_asks_for_the_place_it_names() -> None:
    wrong = {"lines": [{"item": "a", "price": 1}, {"item": "b", "price": 2}], "total": 4}
    outcome = play(
        Schema(Order, rules=(PLAUSIBLE, TOTALS)), ask(), [say(json.dumps(wrong)), say('{"/total": 3}')]
    )
    assert outcome.reply is not None
    assert outcome.reply.value.total == 3
    assert "/total: got 4; need the sum of the lines' prices" in outcome.calls[1].text
    error = play(Schema(Order, rules=(TOTALS,), attempts=0), ask(), [say(json.dumps(wrong))]).error
    assert isinstance(error, Invalid)
    assert error.problems == ((("/total", "the sum of the lines' prices (totals)"),),)


@settings(deadline=None)
@given(JSON)
def test_only_true_holds_and_a_rule_that_cannot_tell_refuses(value: Any) -> None:
    total = value.get("total") if isinstance(value, dict) else None
    numeric = isinstance(total, (int, float)) and not isinstance(total, bool)
    assert bool(PLAUSIBLE.faults(value)) == (not (numeric and total < 1000))
    for rule in (
        Rule(name="n", need="n", call=f"{HERE}:crashes"),
        Rule(name="n", need="n", holds="value.nothing.here == 1"),
    ):
        assert rule.faults(value)


@pytest.mark.parametrize("text", ["a\0b", "\0"])
def test_what_a_condition_cannot_read_does_not_hold(text: str) -> None:
    rule = Rule(name="n", need="n", holds="value.a != 'a'")
    assert rule.faults({"a": text})
    assert rule.faults({"a": "b", text: 1})
    assert rule.faults({"a": ["b", {"c": text}]})
    assert not rule.faults({"a": "b"})


def test_a_rule_without_a_place_asks_for_the_whole() -> None:
    rule = Rule(name="few", need="at most two items", holds="size(value) <= 2")
    outcome = play(Schema(rules=(rule,)), ask(), [say("[1, 2, 3]"), say("[1]")])
    assert outcome.text == "[1]"
    assert outcome.calls[1].parts[1].text == "[1, 2, 3]"
    assert "/: got a list of 3; need at most two items" in outcome.calls[1].parts[2].text


def test_rules_hold_for_what_the_function_returns_too() -> None:
    outcome = play(
        Schema(rules=(TOTALS,), attempts=0),
        ask(options={"returns": Order}),
        [say('{"lines": [], "total": 1}')],
    )
    assert isinstance(outcome.error, Invalid)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"holds": "value >"}, "rule r: not a condition over `value`: at column"),
        ({"holds": "vlue.a > 1"}, "no 'vlue.a' to read"),
        ({"holds": "1 + 1"}, "a condition must be true or false"),
        ({"holds": "value.a == '\ud800'"}, "not a condition"),
        ({"call": "nowhere:f"}, "cannot be imported"),
        ({}, "either `holds`, a condition, or `call`"),
        ({"holds": "true", "call": "json:dumps"}, "either `holds`, a condition, or `call`"),
        ({"holds": "true", "at": ("total",)}, "a JSON pointer starts with /"),
        ({"holds": "true", "need": ""}, "says under `need`"),
    ],
)
def test_a_wrong_rule_is_refused(keys: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Rule(**{"name": "r", "need": "n", **keys})


def test_a_policy_file_says_rules_and_ways_to_fall_back_on() -> None:
    policy = loads(
        f"""
wardline: 1
model:
  - use: schema
    schema: {{type: object, required: [total]}}
    rules:
      - {{name: plausible, need: a total below 1000, holds: "value.total < 1000.0", at: [/total]}}
    fallback: [json, {{regex: "Total: (?P<total>[0-9]+)"}}, {{call: "{HERE}:nothing"}}]
    otherwise: default
    default: {{total: 0}}
examples:
  - {{model: hi, reply: '{{"total": 5}}', returns: "5"}}
"""
    )
    (schema,) = policy.guards("model", "m")
    assert play(schema, ask(), [say("nothing")] * 3).text == '{"total": 0}'


def nothing(text: str) -> Any:
    raise ValueError(text)
