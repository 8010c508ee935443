"""permit: only what is listed, for those who may, with arguments that a rule permits."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import Call, Denied, Part, PolicyError, Run
from guards._body import leaves
from guards.permit import Permit, PermitRule
from orchestrator.testing import play, say
from policies import loads

NAMES = st.text(alphabet="ab.", min_size=1, max_size=4)
ROLES = st.frozensets(st.sampled_from(["agent", "admin", "viewer"]))


def tool(target: str, roles: frozenset[str] = frozenset(), **arguments: Any) -> Call:
    parts = tuple(Part(text=text, at=at, kind="tool_call") for at, text in leaves(arguments))
    return Call(kind="tool", target=target, run=Run(user="ann", roles=roles), parts=parts, raw=arguments)


def passes(guard: Permit, call: Call) -> bool:
    outcome = play(guard, call, [say("done")])
    assert outcome.error is None or isinstance(outcome.error, Denied)
    assert len(outcome.calls) == (outcome.error is None)
    return outcome.error is None


@given(NAMES, st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=3), ROLES, ROLES)
def test_a_call_passes_exactly_when_listed_not_denied_and_in_role(
    target: str, tools: list[str], deny: list[str], needed: frozenset[str], held: frozenset[str]
) -> None:
    guard = Permit(tools=tuple(tools), deny=tuple(deny), roles=needed)
    allowed = target in tools and target not in deny and (not needed or bool(needed & held))
    assert passes(guard, tool(target, held)) == allowed


RULES = st.lists(
    st.tuples(st.sampled_from(["pay", "pay*", "*", "see"]), ROLES, st.none() | st.integers(-3, 3)), max_size=4
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["pay", "see", "paid"]), RULES, ROLES, st.integers(-4, 4) | st.floats(-4, 4))
@example(
    "pay", [("pay", frozenset({"agent"}), 1), ("pay", frozenset({"admin"}), None)], frozenset({"agent"}), 2
)
def test_a_tool_that_rules_name_passes_exactly_by_one_of_them(
    target: str, drawn: list[tuple[str, frozenset[str], int | None]], held: frozenset[str], amount: float
) -> None:
    rules = tuple(
        PermitRule(tools=(glob,), roles=roles, when="" if most is None else f"amount <= {most}")
        for glob, roles, most in drawn
    )

    def named(glob: str) -> bool:
        return glob in ("*", target) or (glob == "pay*" and target == "pay")

    mine = [(roles, most) for glob, roles, most in drawn if named(glob)]
    allowed = not mine or any(
        (not roles or roles & held) and (most is None or amount <= most) for roles, most in mine
    )
    assert passes(Permit(rules=rules), tool(target, held, amount=amount)) == bool(allowed)


JSON = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
SIZE = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "maximum": 500}},
    "required": ["amount"],
}


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["amount", "to", "run", "arguments"]), JSON, max_size=3))
@example({"amount": True})
@example({"amount": 10**30})
@example({"amount": 1, "to": "\0"})
def test_a_condition_and_a_schema_permit_the_same_and_what_they_cannot_judge_neither_permits(
    arguments: dict[str, Any],
) -> None:
    by_schema = passes(Permit(rules=(PermitRule(tools=("pay",), schema=SIZE),)), tool("pay", **arguments))
    when = "type(amount) == int && amount <= 500"
    by_condition = passes(Permit(rules=(PermitRule(tools=("pay",), when=when),)), tool("pay", **arguments))
    amount = arguments.get("amount")
    expected = isinstance(amount, int) and not isinstance(amount, bool) and amount <= 500
    assert by_schema == expected
    assert by_condition == (expected and amount > -(2**63))


def test_a_condition_reads_whose_run_it_is_and_no_argument_passes_for_that() -> None:
    guard = Permit(rules=(PermitRule(tools=("see",), when="owner == run.user && 'agent' in run.roles"),))
    agent = frozenset({"agent"})
    assert passes(guard, tool("see", agent, owner="ann"))
    assert not passes(guard, tool("see", agent, owner="bob"))
    assert not passes(guard, tool("see", owner="ann", run={"user": "ann", "roles": ["agent"]}))


def test_what_cannot_be_written_as_json_is_not_permitted_by_a_rule_that_reads_it() -> None:
    guard = Permit(rules=(PermitRule(tools=("pay",), when="arguments == null || amount == null"),))
    assert passes(guard, tool("pay", amount=None))
    assert not passes(guard, tool("pay", amount=object()))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"tools": ("claims.*",)}, "payments.send is not on the list of what may be called"),
        ({"deny": ("*.send",)}, "payments.send is on the deny list"),
        ({"roles": frozenset({"b", "a"})}, "payments.send needs one of the roles a, b"),
        ({"tools": ("Payments.*",)}, "payments.send is not on the list of what may be called"),
        (
            {"rules": (PermitRule(tools=("payments.*",), roles=frozenset({"b"})),)},
            "payments.send needs one of the roles b",
        ),
        (
            {
                "rules": (
                    PermitRule(tools=("payments.*",), name="small", when="amount <= 5"),
                    PermitRule(tools=("*.send",), when="to == 'bank'"),
                )
            },
            "payments.send may not be called with these arguments by: small, rule 2",
        ),
    ],
)
def test_a_refusal_names_the_rule_and_no_argument(settings: dict[str, Any], reason: str) -> None:
    call = tool("payments.send", frozenset({"x"}), amount=4711, to="secret place")
    error = play(Permit(**settings), call, []).error
    assert isinstance(error, Denied)
    assert error.reason == reason


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{tools: [], when: 'a > 1'}", "names no tool"),
        ("{tools: [pay], when: 'amount <='}", "ends too early"),
        ("{tools: [pay], when: '1 + 1'}", "must be true or false"),
        ("{tools: [pay], when: 'largest(amount) < 1'}", "no 'largest' to read here"),
        (
            "{tools: [pay], when: 'amont < 1', "
            "schema: {properties: {amount: {}}, additionalProperties: false}}",
            "reads 'amont', which the schema",
        ),
        ("{tools: [pay], schema: {type: intger}}", "schema"),
    ],
)
def test_a_wrong_rule_is_refused_when_the_policy_is_loaded(rule: str, problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        loads(f"wardline: 1\ntool:\n  - {{use: permit, rules: [{rule}]}}\n")


def test_a_schema_may_stand_in_a_file_beside_the_policy(tmp_path: Any) -> None:
    from policies import load

    (tmp_path / "pay.json").write_text('{"properties": {"amount": {"maximum": 500}}}')
    (tmp_path / "p.yaml").write_text(
        "wardline: 1\ntool:\n  - {use: permit, rules: [{tools: [pay], schema: pay.json}]}\n"
        "examples:\n  - {tool: pay, arguments: {amount: 501}, expect: denied}\n"
    )
    (guard,) = load(tmp_path / "p.yaml").guards("tool", "pay")
    assert passes(guard, tool("pay", amount=500))
    assert not passes(guard, tool("pay", amount=501))
    unread = Permit(rules=(PermitRule(tools=("pay",), schema="pay.json"),))
    assert not passes(unread, tool("pay", amount=500))


def test_by_default_everything_may() -> None:
    assert play(Permit(), tool("anything"), [say("done")]).text == "done"
