"""OpenAI Agents SDK: the policy around an agent's function tools."""

import asyncio
from typing import Any

import pytest
from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled

from orchestrator.seams.openai_agents import guarded
from tests.seams.offline import ATTACK, Model, calls, gate, says

RAN: list[Any] = []


@function_tool
def pay(amount: int, to: str) -> str:
    """Pays."""
    RAN.append((amount, to))
    return f"paid {amount}"


@function_tool
def drop() -> str:
    """Drops."""
    RAN.append("dropped")
    return "dropped"


@function_tool
def page() -> str:
    """Reads a page."""
    return ATTACK


def asked(model: Model) -> Any:
    RAN.clear()
    set_tracing_disabled(True)
    chat = OpenAIChatCompletionsModel("m", openai_client=model.async_client())
    agent = guarded(gate(), Agent(name="a", tools=[pay, drop, page], model=chat))
    return asyncio.run(Runner.run(agent, "do it")).final_output


@pytest.mark.parametrize(
    "arguments", [{"amount": 5, "to": "x"}, {"amount": "5", "to": "x"}, "{amount: 5, 'to': 'x',}"]
)
def test_arguments_are_repaired_where_nothing_is_lost(arguments: Any) -> None:
    model = Model(calls("pay", arguments), says("done"))
    assert asked(model) == "done"
    assert RAN == [(5, "x")]
    assert model.last() == "paid 5"


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("pay", {"amount": "much", "to": "x"}), "no valid arguments after 1 attempts: /amount: integer"),
        (("pay", {"amount": 501, "to": "x"}), "denied: pay may not be called with these arguments"),
        (("pay", "[]"), "the arguments are not a JSON object"),
        (("pay", "what?"), "the arguments are not a JSON object"),
        (("drop", {}), "denied: drop is on the deny list"),
        (("page", {}), "reply blocked: injection.instruction"),
    ],
)
def test_a_refused_tool_call_is_told_to_the_model_which_may_do_otherwise(
    call: tuple[str, Any], told: str
) -> None:
    model = Model(calls(*call), says("well then"))
    assert asked(model) == "well then"
    assert not RAN
    assert model.last().startswith(told)
    assert ATTACK not in model.text
