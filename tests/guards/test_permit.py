"""permit: only what is listed, for those who may."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards import Call, Denied, Run
from guards.permit import Permit
from orchestrator.testing import play, say

NAMES = st.text(alphabet="ab.", min_size=1, max_size=4)
ROLES = st.frozensets(st.sampled_from(["agent", "admin", "viewer"]))


def tool(target: str, roles: frozenset[str] = frozenset()) -> Call:
    return Call(kind="tool", target=target, run=Run(roles=roles))


@given(NAMES, st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=3), ROLES, ROLES)
def test_a_call_passes_exactly_when_listed_not_denied_and_in_role(
    target: str, tools: list[str], deny: list[str], needed: frozenset[str], held: frozenset[str]
) -> None:
    guard = Permit(tools=tuple(tools), deny=tuple(deny), roles=needed)
    outcome = play(guard, tool(target, held), [say("done")])
    allowed = target in tools and target not in deny and (not needed or bool(needed & held))
    assert (outcome.error is None) == allowed
    assert len(outcome.calls) == allowed


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"tools": ("claims.*",)}, "payments.send is not on the list of what may be called"),
        ({"deny": ("*.send",)}, "payments.send is on the deny list"),
        ({"roles": frozenset({"b", "a"})}, "payments.send needs one of the roles a, b"),
        ({"tools": ("Payments.*",)}, "payments.send is not on the list of what may be called"),
    ],
)
def test_a_refusal_names_the_rule(settings: dict[str, Any], reason: str) -> None:
    error = play(Permit(**settings), tool("payments.send", frozenset({"x"})), []).error
    assert isinstance(error, Denied)
    assert error.reason == reason


def test_by_default_everything_may() -> None:
    assert play(Permit(), tool("anything"), [say("done")]).text == "done"
