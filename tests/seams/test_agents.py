"""Frameworks whose model the transport guards, tools by their seam: the policy around the whole agent."""

import asyncio
from typing import Any

import httpx2
import instructor
import pytest
from agents import Agent as OpenAIAgent
from agents import OpenAIChatCompletionsModel, Runner, function_tool, set_tracing_disabled
from langchain_openai import ChatOpenAI
from langgraph.graph import MessagesState, StateGraph
from openai import AsyncOpenAI, BadRequestError, OpenAI
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from guards import screen
from guards.topics import Topics
from orchestrator import Orchestrator
from orchestrator.seams.openai_agents import guarded
from orchestrator.seams.pydantic_ai import Guard
from policies import Policy
from tests.seams.offline import SECRET, Model, calls, gate, placeholder, says


def sync_client(policy: Orchestrator, model: Model) -> OpenAI:
    return OpenAI(api_key="k", max_retries=0, http_client=policy.client(httpx2.MockTransport(model)))


def async_client(policy: Orchestrator, model: Model) -> AsyncOpenAI:
    inner = httpx2.MockTransport(model)
    return AsyncOpenAI(api_key="k", max_retries=0, http_client=policy.async_client(inner))


def agent_script() -> Model:
    """Calls a tool with what stands for the secret, and repeats what the tool answers."""
    return Model(
        lambda body: calls("tell", {"who": placeholder(body)}),
        lambda body: says("so " + body["messages"][-1]["content"]),
    )


def test_pydantic_ai_hides_personal_data_from_the_model_alone() -> None:
    policy, model, ran = gate(), agent_script(), []
    provider = OpenAIProvider(openai_client=async_client(policy, model))
    agent = Agent(OpenAIChatModel("m", provider=provider), capabilities=[Guard(policy)])

    @agent.tool_plain
    def tell(who: str) -> str:
        """Tells."""
        ran.append(who)
        return f"told {who}"

    with policy.session(session="s"):
        assert asyncio.run(agent.run(f"tell {SECRET}")).output == f"so told {SECRET}"
    assert ran == [SECRET]
    assert SECRET not in model.text


def test_openai_agents_hide_personal_data_from_the_model_alone() -> None:
    policy, model, ran = gate(), agent_script(), []

    @function_tool
    def tell(who: str) -> str:
        """Tells."""
        ran.append(who)
        return f"told {who}"

    set_tracing_disabled(True)
    chat = OpenAIChatCompletionsModel("m", openai_client=async_client(policy, model))
    agent = guarded(policy, OpenAIAgent(name="a", tools=[tell], model=chat))
    with policy.session(session="s"):
        assert asyncio.run(Runner.run(agent, f"tell {SECRET}")).final_output == f"so told {SECRET}"
    assert ran == [SECRET]
    assert SECRET not in model.text


class Person(BaseModel):
    mail: str


def test_instructor_needs_no_more_than_the_transport() -> None:
    model = Model(lambda body: calls("Person", {"mail": placeholder(body)}))
    client: Any = instructor.from_openai(sync_client(gate(), model))
    asked = [{"role": "user", "content": f"who is {SECRET}"}]
    person = client.chat.completions.create(model="m", messages=asked, response_model=Person)
    assert person.mail == SECRET
    assert SECRET not in model.text


def test_a_langgraph_node_needs_no_more_than_the_transport() -> None:
    policy, model = gate(), Model(lambda body: says("hello " + placeholder(body)))
    sync: Any = policy.client(httpx2.MockTransport(model))
    chat = ChatOpenAI(model="m", api_key="k", http_client=sync, max_retries=0)  # type: ignore[arg-type]
    graph: Any = StateGraph(MessagesState)
    graph.add_node("chat", lambda state: {"messages": [chat.invoke(state["messages"])]})
    graph.set_entry_point("chat")
    final = graph.compile().invoke({"messages": [{"role": "user", "content": f"I am {SECRET}"}]})
    assert final["messages"][-1].content == f"hello {SECRET}"
    assert SECRET not in model.text


def test_a_block_is_the_provider_s_own_error_that_no_framework_retries() -> None:
    policy = Orchestrator(Policy.of(model=[screen(Topics(deny={"x": ("forbidden",)}))]))
    model = Model(says("no"))
    with pytest.raises(BadRequestError):
        sync_client(policy, model).chat.completions.create(
            model="m", messages=[{"role": "user", "content": "forbidden"}]
        )
    assert not model.asked
