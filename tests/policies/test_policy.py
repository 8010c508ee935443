"""The values of a policy: targets, prices, examples, and the front door."""

import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from guards import Usage
from guards.permit import Permit
from guards.retry import Retry
from policies import Example, Model, Placed, Policy, Price, load, loads, shipped, starter
from policies._policy import outcomes

COUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, input=COUNTS, output=COUNTS, cached=COUNTS)
GLOBS = st.lists(st.sampled_from(["*", "a", "a*", "?", "claims.*", "[ab]"]), max_size=3).map(tuple)


@given(GLOBS, st.sampled_from(["", "a", "ab", "b", "claims.pay", "Claims.pay", "*"]))
def test_a_guard_stands_before_the_targets_that_a_glob_matches_or_all(
    only: tuple[str, ...], target: str
) -> None:
    placed = Placed(Retry(), "retry", only)
    expected = not only or any(fnmatchcase(target, glob) for glob in only)
    assert placed.applies(target) is expected
    assert Policy(model=(placed,)).guards("model", target) == ((Retry(),) if expected else ())


def test_a_policy_written_in_python_keeps_the_order_of_its_guards() -> None:
    policy = Policy.of(model=[Permit(), Retry()], tool=[Permit(deny=("x",))], models={"a": Model(id="b")})
    assert policy.guards("model", "any") == (Permit(), Retry())
    assert policy.guards("tool", "any") == (Permit(deny=("x",)),)
    assert [placed.use for placed in policy.model] == ["permit", "retry"]
    assert policy.models == {"a": Model(id="b")}


@settings(max_examples=60)
@given(USAGES, USAGES)
def test_a_cost_adds_up_and_is_never_negative(one: Usage, other: Usage) -> None:
    price = Price(input=0.25, output=2.0, cached=0.025)
    assert price.cost(one) >= 0
    if one.cached <= one.input and other.cached <= other.input:
        assert price.cost(one + other) == pytest.approx(price.cost(one) + price.cost(other))


def test_a_price_is_for_a_million_tokens_and_cached_input_is_part_of_the_input() -> None:
    usage = Usage(input=3_000_000, output=1_000_000, cached=1_000_000)
    assert Price(input=1, output=10).cost(usage) == 13
    assert Price(input=1, output=10, cached=0.5).cost(usage) == 12.5
    assert Model(id="x", price=Price(input=1, output=10)).cost(usage) == 13
    assert Model(id="x").cost(usage) is None


def test_a_listed_price_is_looked_up() -> None:
    cost = Model(id="gpt-5-mini", price="auto").cost(Usage(input=1_000_000, output=1_000_000))
    assert cost is not None
    assert 0 < cost < 100
    with pytest.raises(ValueError, match="does not list 'no-such-model'"):
        Model(id="no-such-model", price="auto")


def test_what_an_example_may_expect_is_every_way_a_call_may_end() -> None:
    assert outcomes() == (
        "passes", "blocked", "denied", "exhausted", "guard_failed", "invalid", "rejected", "unavailable",
        "upstream_error",
    )  # fmt: skip


def test_an_example_knows_its_target_and_replies() -> None:
    assert Example(model="hi", expect="passes").target == "model"
    assert Example(model="hi", target="gpt-5", expect="passes").target == "gpt-5"
    assert Example(tool="pay", expect="passes").target == "pay"
    assert Example(model="hi", reply="ho", expect="passes").replies == ("ho",)
    with pytest.raises(ValueError, match="names the tool"):
        Example(tool="", expect="passes")


def test_a_shipped_policy_loads_by_its_name_and_as_a_file() -> None:
    assert {"default", "observe", "starter", "strict"} <= set(shipped())
    for name in shipped():
        by_name = load(name)
        assert by_name.examples
        assert load(by_name.source) == load(Path(by_name.source)) == by_name


def test_the_starter_is_a_policy() -> None:
    assert loads(starter()).name == "my-policy"


def test_a_shipped_policy_can_be_extended_by_name() -> None:
    policy = loads("wardline: 1\nextends: default\ntool: [{use: permit, tools: [a]}, inherit]")
    assert policy.model == load("default").model
    assert [placed.use for placed in policy.tool][:1] == ["permit"]


def test_the_front_door_opens_only_what_it_shows() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        policies.nothing
    assert all(getattr(policies, name) for name in policies.__all__)


def test_looking_at_the_front_door_imports_neither_yaml_nor_pydantic() -> None:
    code = (
        "import policies, sys; policies.Policy; print({'yaml', 'pydantic', 'guards.mask'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
