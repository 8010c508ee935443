"""openai_agents: a policy around the function tools of the OpenAI Agents SDK: `guarded(gate, agent)`.

Its model goes through the transport: `AsyncOpenAI(http_client=gate.async_client())` is the client it takes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from agents import FunctionTool

from guards._salvage import ParseError, parse
from orchestrator.seams import REFUSALS

if TYPE_CHECKING:
    from orchestrator._engine.orchestrator import Orchestrator

A = TypeVar("A")
NOT_JSON = "the arguments are not a JSON object"


def guarded(gate: Orchestrator, agent: A, *, idempotent: tuple[str, ...] = ()) -> A:
    """The agent with a guard around each of its function tools.

    A refusal is the tool's answer, which the model may read.  `idempotent` are the names of tools that the
    policy may retry.
    """
    held: Any = agent
    tools = [
        _tool(gate, tool, tool.name in idempotent) if isinstance(tool, FunctionTool) else tool
        for tool in held.tools
    ]
    made: A = held.clone(tools=tools)
    return made


def _tool(gate: Orchestrator, tool: FunctionTool, idempotent: bool) -> FunctionTool:
    async def invoke(context: Any, text: str) -> Any:
        async def run(**arguments: Any) -> Any:
            return await tool.on_invoke_tool(context, json.dumps(arguments))

        whole: Any = gate.tool(tool.name, idempotent=idempotent, parameters=tool.params_json_schema)(run)
        arguments = _read(text)
        if arguments is None:
            return NOT_JSON
        try:
            return await whole(**arguments)
        except REFUSALS as error:
            return str(error)

    return replace(tool, on_invoke_tool=invoke)


def _read(text: str) -> dict[str, Any] | None:
    """What a model wrote as arguments, read with nothing lost; None if it is no object."""
    try:
        parsed = parse(text or "{}", formats=("json",))
    except ParseError:
        return None
    return parsed.plain if parsed.lossless and isinstance(parsed.plain, dict) else None
