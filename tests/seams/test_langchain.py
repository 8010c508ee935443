"""LangChain agents and LangGraph nodes: the policy around the model and the tools, in sync and async."""

import asyncio
import json
from typing import Annotated, Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain.agents.structured_output import ToolStrategy
from langchain.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain.tools import InjectedToolCallId, tool
from langchain_openai import ChatOpenAI
from langgraph.graph import MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command
from pydantic import BaseModel

from guards import Exhausted
from guards.budget import Budget
from guards.schema import Schema
from orchestrator import Orchestrator
from orchestrator.seams.langchain import Guard
from policies import Policy
from tests.seams.offline import ATTACK, SECRET, Model, calls, gate, placeholder, says

RAN: list[Any] = []


@tool
def pay(amount: int, to: str) -> str:
    """Pays."""
    RAN.append((amount, to))
    return f"paid {amount} to {to}"


@tool
def drop(table: str) -> str:
    """Drops."""
    RAN.append(table)
    return "dropped"


@tool
def page(tool_call_id: Annotated[str, InjectedToolCallId]) -> Any:
    """Reads a page, and notes it in the state."""
    return Command(update={"messages": [ToolMessage(ATTACK, tool_call_id=tool_call_id)]})


def chat(model: Model) -> ChatOpenAI:
    clients = {"root_client": model.client(), "root_async_client": model.async_client()}
    return ChatOpenAI(
        model="m",
        api_key="k",  # type: ignore[arg-type]
        client=clients["root_client"].chat.completions,
        async_client=clients["root_async_client"].chat.completions,
        **clients,  # type: ignore[arg-type]
    )


def asked(model: Model, text: str, *, sync: bool, **more: Any) -> Any:
    policy = more.pop("policy", None) or gate()
    agent = create_agent(chat(model), [pay, drop, page], middleware=[Guard(policy)], **more)
    state: Any = {"messages": [{"role": "user", "content": text}]}
    RAN.clear()
    with policy.session(session="s"):
        return agent.invoke(state) if sync else asyncio.run(agent.ainvoke(state))


@pytest.mark.parametrize("sync", [True, False])
def test_personal_data_is_hidden_from_the_model_and_whole_for_tools_and_user(sync: bool) -> None:
    model = Model(
        lambda body: calls("pay", {"amount": "5", "to": placeholder(body)}),
        lambda body: says("done, and so says " + body["messages"][-1]["content"]),
    )
    state = asked(model, f"pay {SECRET}", sync=sync, system_prompt=f"for {SECRET}")
    assert SECRET not in model.text
    assert RAN == [(5, SECRET)]
    assert state["messages"][-1].content == f"done, and so says paid 5 to {SECRET}"


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("pay", {"amount": "much", "to": "x"}), "no valid arguments after 1 attempts: /amount: integer"),
        (
            ("pay", {"amount": 501, "to": "x"}),
            "denied: pay may not be called with these arguments by: rule 1",
        ),
        (("drop", {"table": "t"}), "denied: drop is on the deny list"),
        (("page", {}), "reply blocked: injection.instruction"),
    ],
)
def test_a_refused_tool_call_is_told_to_the_model_which_may_do_otherwise(
    sync: bool, call: tuple[str, Any], told: str
) -> None:
    model = Model(calls(*call), says("well then"))
    state = asked(model, "do it", sync=sync)
    assert not RAN
    assert model.last() == told
    assert state["messages"][-1].content == "well then"


def test_a_bound_that_is_reached_ends_the_agent_s_run() -> None:
    policy = Orchestrator(Policy.of(model=[Budget(calls=1, per="session")]))
    with pytest.raises(Exhausted):
        asked(Model(calls("drop", {"table": "t"}), says("no")), "go", sync=True, policy=policy)


class Answer(BaseModel):
    who: str


def test_what_is_structured_has_the_values_too() -> None:
    model = Model(lambda body: calls("Answer", {"who": placeholder(body)}))
    state = asked(model, f"who is {SECRET}", sync=True, response_format=ToolStrategy(Answer))
    assert state["structured_response"] == Answer(who=SECRET)
    assert SECRET not in model.text


def test_a_guard_may_ask_again_with_messages_of_its_own() -> None:
    policy = Orchestrator(Policy.of(model=[Schema({"type": "object", "required": ["a"]})]))
    model = Model(says("{}"), says('{"a": 1}'))
    state = asked(model, "json", sync=True, policy=policy)
    assert json.loads(state["messages"][-1].content) == {"a": 1}
    assert len(model.asked[1]["messages"]) == 2


def test_messages_keep_all_that_no_guard_has_changed() -> None:
    system, ai = (
        SystemMessage("s"),
        AIMessage("x", tool_calls=[{"name": "t", "args": {"a": SECRET}, "id": "1"}]),
    )
    sent = [
        HumanMessage(["a", {"type": "image_url", "image_url": {"url": "data:"}}], name="n"),
        ai,
        HumanMessage(SECRET),
    ]
    request: Any = ModelRequest(model=None, system_message=system, messages=list(sent))  # type: ignore[arg-type]
    heard = []

    def handler(request: Any) -> Any:
        heard.append(request)
        return ModelResponse([AIMessage("ok")])

    policy = gate()
    assert Guard(policy).wrap_model_call(request, handler).result[0].content == "ok"
    (got,) = heard
    assert got.system_message == system
    assert got.messages[0] == sent[0]
    assert got.messages[1].tool_calls[0]["args"] != {"a": SECRET}
    assert SECRET not in str(got.messages)
    untouched = Guard(Orchestrator(Policy.of())).wrap_model_call
    assert untouched(request, lambda request: AIMessage("as is")).result[0].content == "as is"


def test_a_graph_s_tool_node_is_guarded_by_the_same_wrappers() -> None:
    policy = gate()
    guard = Guard(policy)
    node = ToolNode([pay, page], wrap_tool_call=guard.wrap_tool_call, awrap_tool_call=guard.awrap_tool_call)
    graph: Any = StateGraph(MessagesState)
    graph.add_node("tools", node)
    graph.set_entry_point("tools")
    compiled = graph.compile()
    for amount, told in (("7", "paid 7 to x"), (501, "denied: pay may not be called")):
        call = {"name": "pay", "args": {"amount": amount, "to": "x"}, "id": "1", "type": "tool_call"}
        state: Any = {"messages": [AIMessage("", tool_calls=[call])]}
        for final in (compiled.invoke(state), asyncio.run(compiled.ainvoke(state))):
            assert final["messages"][-1].content.startswith(told)
    call = {"name": "nothing", "args": {}, "id": "1", "type": "tool_call"}
    final = compiled.invoke({"messages": [AIMessage("", tool_calls=[call])]})
    assert final["messages"][-1].status == "error"
