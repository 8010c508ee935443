"""Pydantic AI: the policy around an agent's tools."""

import asyncio
from datetime import date
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from orchestrator.seams.pydantic_ai import Guard
from tests.seams.offline import ATTACK, Model, calls, gate, says


def asked(model: Model) -> tuple[str, list[Any]]:
    """What the agent answers, and what its tools were called with."""
    ran: list[Any] = []
    provider = OpenAIProvider(openai_client=model.async_client())
    agent = Agent(OpenAIChatModel("m", provider=provider), capabilities=[Guard(gate())])

    @agent.tool_plain
    def pay(amount: int, when: date) -> str:
        """Pays."""
        ran.append((amount, when))
        return f"paid {amount}"

    @agent.tool_plain
    def page() -> str:
        """Reads a page."""
        return ATTACK

    @agent.tool_plain
    def drop() -> str:
        """Drops."""
        ran.append("dropped")
        return "dropped"

    return asyncio.run(agent.run("do it")).output, ran


def test_what_is_permitted_is_called_with_what_the_tool_is_typed_for() -> None:
    model = Model(calls("pay", {"amount": 5, "when": "2026-01-02"}), says("done"))
    assert asked(model) == ("done", [(5, date(2026, 1, 2))])
    assert model.last() == "paid 5"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (
            ("pay", {"amount": 501, "when": "2026-01-02"}),
            "denied: pay may not be called with these arguments",
        ),
        (("drop", {}), "denied: drop is on the deny list"),
        (("page", {}), "reply blocked: injection.instruction"),
    ],
)
def test_a_refused_tool_call_is_told_to_the_model_which_may_do_otherwise(
    call: tuple[str, Any], told: str
) -> None:
    model = Model(calls(*call), says("well then"))
    assert asked(model) == ("well then", [])
    assert told in model.last()
    assert ATTACK not in model.text
