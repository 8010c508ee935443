"""pydantic_ai: a policy around the tools of a Pydantic AI agent: `Agent(model, capabilities=[Guard(gate)])`.

Its model goes through the transport: `OpenAIProvider(http_client=gate.async_client())`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_ai import ModelRetry
from pydantic_ai.capabilities import AbstractCapability

from orchestrator._engine.orchestrator import Orchestrator
from orchestrator.seams import REFUSALS


@dataclass
class Guard(AbstractCapability[Any]):
    """What the agent's tools are called with and what they answer crosses the policy's tool chain.

    A refusal is told to the model, which may try otherwise as often as the tool has retries.  `idempotent`
    are the names of tools that the policy may retry.
    """

    gate: Orchestrator
    idempotent: tuple[str, ...] = ()

    async def wrap_tool_execute(self, ctx: Any, *, call: Any, tool_def: Any, args: Any, handler: Any) -> Any:
        async def tool(**arguments: Any) -> Any:
            return await handler(arguments)

        name, schema = tool_def.name, tool_def.parameters_json_schema
        guarded: Any = self.gate.tool(name, idempotent=name in self.idempotent, parameters=schema)(tool)
        try:
            return await guarded(**args)
        except REFUSALS as error:
            raise ModelRetry(str(error)) from None
