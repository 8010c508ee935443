"""mcp: a policy's tool chain around the tools of MCP servers: one's own, or those of others.

`Middleware` stands in a server, `Session` around a client's session, and `relay` between a client and a
server that know nothing of it, which is what `wardline mcp` runs.  They need the extra `mcp`.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.boundaries._mcp.pins import Pins
from orchestrator.boundaries._mcp.relay import Relay
from orchestrator.boundaries._mcp.tools import ERROR, Payload, Toolbox, envelope, known

if TYPE_CHECKING:
    from orchestrator._engine.orchestrator import Orchestrator

__all__ = ["Middleware", "Pins", "Relay", "Session", "Toolbox"]


class Middleware:
    """Guards the tools of your own server: `MCPServer(..., middleware=[Middleware(gate)])`.

    What the policy does not permit is neither listed nor called.  Descriptions are your own, and trusted.
    `who` says of a request's context in whose name it is made, as `gate.session` takes it; without it, the
    session that is in force counts.  `idempotent` are globs of tools that a policy may retry.
    """

    def __init__(
        self,
        gate: Orchestrator,
        *,
        who: Callable[[Any], Mapping[str, Any]] | None = None,
        idempotent: Iterable[str] = (),
    ) -> None:
        self._gate, self._who = gate, who
        self._tools = Toolbox(gate, idempotent=idempotent)

    async def __call__(self, context: Any, call_next: Any) -> Any:
        if context.request_id is None or context.method not in ("tools/list", "tools/call"):
            return await call_next(context)
        with self._gate.session(**self._who(context)) if self._who else nullcontext():
            return await (self._list if context.method == "tools/list" else self._call)(context, call_next)

    async def _list(self, context: Any, call_next: Any) -> Any:
        result = wire(await call_next(context))
        return {**result, "tools": self._tools.listed(result["tools"])}

    async def _call(self, context: Any, call_next: Any) -> Any:
        # Never as a task, whose result would come past the guards.
        params = {name: one for name, one in (context.params or {}).items() if name != "task"}

        async def lists(cursor: Payload) -> Payload:
            asked = {**cursor, **envelope(params)}
            return wire(await call_next(replace(context, method="tools/list", params=asked)))

        async def perform(arguments: dict[str, Any]) -> Payload:
            return await answered(call_next(replace(context, params={**params, "arguments": arguments})))

        await known(self._tools, params.get("name"), lists)
        return raised(await self._tools.called(params.get("name"), params.get("arguments"), perform))


class Session:
    """Guards what a program calls through a client or its session; all else is that one's own.

    Tools whose descriptions read like instructions, or have changed since they were pinned, are neither
    listed nor called.  Without `pins`, a description is held to what it was first in this session.
    `idempotent` are globs of tools that a policy may retry.
    """

    def __init__(
        self, gate: Orchestrator, session: Any, *, pins: Pins | None = None, idempotent: Iterable[str] = ()
    ) -> None:
        self._session, self._tools = session, Toolbox(gate, pins or Pins(), idempotent)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def list_tools(self, *args: Any, **kwargs: Any) -> Any:
        """The tools of one page that this run may see."""
        result = await self._session.list_tools(*args, **kwargs)
        names = {tool["name"] for tool in self._tools.listed(wire(tool) for tool in result.tools)}
        return result.model_copy(update={"tools": [tool for tool in result.tools if tool.name in names]})

    async def call_tool(self, name: str, arguments: Any = None, *args: Any, **kwargs: Any) -> Any:
        """The tool's result; a refusal is a result with `is_error`."""
        from mcp.types import CallToolResult

        kinds: list[Any] = []

        async def perform(arguments: dict[str, Any]) -> Payload:
            return await answered(self._session.call_tool(name, arguments, *args, **kwargs), kinds)

        await known(self._tools, name, self._lists)
        payload = raised(await self._tools.called(name, arguments, perform))
        kind = CallToolResult if "content" in payload else kinds[-1]
        return kind.model_validate(payload)

    async def _lists(self, cursor: Payload) -> Payload:
        from mcp.types import PaginatedRequestParams

        if "params" in inspect.signature(self._session.list_tools).parameters:
            cursor = {"params": PaginatedRequestParams(**cursor)} if cursor else {}
        return wire(await self._session.list_tools(**cursor))


def wire(result: Any) -> Payload:
    """A result as it is sent."""
    if isinstance(result, Mapping):
        return dict(result)
    sent: Payload = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return sent


async def answered(result: Awaitable[Any], kinds: list[Any] | None = None) -> Payload:
    """A result as it is sent, or the error that came instead; its words are guarded as a result's are."""
    from mcp import MCPError

    try:
        made = await result
    except MCPError as error:
        return {ERROR: wire(error.error)}
    if kinds is not None:
        kinds.append(type(made))
    return wire(made)


def raised(payload: Payload) -> Payload:
    """A result; raises the error that came instead."""
    from mcp import MCPError

    if ERROR in payload:
        raise MCPError(**payload[ERROR])
    return payload
