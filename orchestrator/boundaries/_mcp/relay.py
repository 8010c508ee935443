"""Messages between a client and a server that know nothing of each other's guard; only tools are looked at.

What is said of tools goes through a `Toolbox`, and tasks are refused.  Every other message, in both
directions, goes on as it came: progress, cancellation, logging, sampling, elicitation, resources, prompts,
whatever else there may be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    NAME_BEARING_METHODS,
    encode_header_value,
    find_invalid_x_mcp_header,
    mcp_param_headers,
    x_mcp_header_map,
)
from mcp.shared.message import ClientMessageMetadata, SessionMessage
from mcp.types import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from orchestrator.boundaries._mcp.tools import ERROR, Payload, Toolbox, envelope, known

CANCELLED = "notifications/cancelled"
LIST_CHANGED = "notifications/tools/list_changed"


NO_TASKS = {"code": METHOD_NOT_FOUND, "message": "a guard stands here, and tools are called without tasks"}


class Relay:
    """Between `client`, a pair of streams to read from and to write to, and `server`, another such pair."""

    def __init__(self, tools: Toolbox, client: tuple[Any, Any], server: tuple[Any, Any]) -> None:
        self._tools = tools
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._asked: dict[str, asyncio.Future[Any]] = {}
        self._work: dict[Any, asyncio.Task[None]] = {}
        self._count, self._version = 0, ""
        self._initializing: set[Any] = set()

    async def run(self) -> None:
        """Until the client has left, or the server has; then all four streams are closed."""
        ways = [asyncio.create_task(self._upward()), asyncio.create_task(self._downward())]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
        finally:
            over = [*ways, *self._work.values()]
            for task in over:
                task.cancel()
            await asyncio.gather(*over, return_exceptions=True)
            for end in (self._to_client, self._from_client, self._to_server, self._from_server):
                await end.aclose()

    async def _upward(self) -> None:
        async for message in self._from_client:
            if isinstance(message, Exception):
                continue  # no message, and the transport has said so
            said = message.message
            if isinstance(said, JSONRPCRequest) and said.method in ("tools/list", "tools/call"):
                self._work[said.id] = asyncio.create_task(self._guarded(said))
            elif isinstance(said, JSONRPCRequest) and said.method.startswith("tasks/"):
                await self._to_client.send(SessionMessage(_reply(said, {ERROR: NO_TASKS})))
            elif isinstance(said, JSONRPCNotification) and self._cancels(said):
                continue
            else:
                if isinstance(said, JSONRPCRequest) and said.method == "initialize":
                    self._initializing.add(said.id)
                await self._send(said)

    async def _downward(self) -> None:
        async for message in self._from_server:
            if isinstance(message, Exception):
                continue
            said = message.message
            if isinstance(said, (JSONRPCResponse, JSONRPCError)):
                if isinstance(said.id, str) and (asked := self._asked.pop(said.id, None)) is not None:
                    if not asked.done():
                        asked.set_result(said)
                    continue
                if said.id in self._initializing and isinstance(said, JSONRPCResponse):
                    self._version = str(said.result.get("protocolVersion", ""))
            elif isinstance(said, JSONRPCNotification) and said.method == LIST_CHANGED:
                self._tools.stale = True
            await self._to_client.send(SessionMessage(said))

    def _cancels(self, said: JSONRPCNotification) -> bool:
        """Whether a notification cancels what is under way here; the server is told in our own words."""
        work = self._work.get((said.params or {}).get("requestId")) if said.method == CANCELLED else None
        if work is not None:
            work.cancel()
        return work is not None

    async def _guarded(self, said: JSONRPCRequest) -> None:
        """Answer a request about tools."""
        try:
            payload = await (self._list if said.method == "tools/list" else self._call)(said.params or {})
            await self._to_client.send(SessionMessage(_reply(said, payload)))
        except Exception:
            # What it says may quote content, so only that it happened is told.
            error = {"code": INTERNAL_ERROR, "message": "the request could not be guarded, and was not made"}
            await self._to_client.send(SessionMessage(_reply(said, {ERROR: error})))
        finally:
            self._work.pop(said.id, None)

    async def _list(self, params: Mapping[str, Any]) -> Payload:
        page = await self._ask("tools/list", params)
        return page if ERROR in page else {**page, "tools": self._tools.listed(page.get("tools", ()))}

    async def _call(self, params: Mapping[str, Any]) -> Payload:
        async def lists(cursor: Payload) -> Payload:
            return await self._ask("tools/list", {**cursor, **envelope(params)})

        async def perform(arguments: dict[str, Any]) -> Payload:
            # As a server does that has no tasks: their results would come past the guards.
            kept = {name: one for name, one in params.items() if name != "task"}
            return await self._ask("tools/call", {**kept, "arguments": arguments})

        await known(self._tools, params.get("name"), lists)
        return await self._tools.called(params.get("name"), params.get("arguments"), perform)

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Payload:
        """What the server answers; it is told when nobody waits for that any more."""
        self._count += 1
        name = f"wardline-{self._count}"
        answer = self._asked[name] = asyncio.get_running_loop().create_future()
        await self._send(JSONRPCRequest(jsonrpc="2.0", id=name, method=method, params=dict(params)))
        try:
            said = await answer
        except asyncio.CancelledError:
            told = {"requestId": name, "reason": "nobody waits for it any more"}
            await self._send(JSONRPCNotification(jsonrpc="2.0", method=CANCELLED, params=told))
            raise
        finally:
            self._asked.pop(name, None)
        if isinstance(said, JSONRPCError):
            return {ERROR: said.error.model_dump(by_alias=True, exclude_none=True)}
        result: Payload = said.result
        return result

    async def _send(self, said: Any) -> None:
        headers = self._headers(said)
        metadata = ClientMessageMetadata(headers=headers) if headers else None
        await self._to_server.send(SessionMessage(said, metadata))

    def _headers(self, said: Any) -> dict[str, str]:
        """What streamable HTTP repeats of a message in its headers; other transports do not look at it."""
        params = getattr(said, "params", None) or {}
        version = params.get("_meta", {}).get(PROTOCOL_VERSION_META_KEY)
        if not isinstance(version, str):
            return {MCP_PROTOCOL_VERSION_HEADER: self._version} if self._version else {}
        headers = {MCP_PROTOCOL_VERSION_HEADER: version, MCP_METHOD_HEADER: said.method}
        name = params.get(NAME_BEARING_METHODS.get(said.method, ""))
        if isinstance(name, str):
            headers[MCP_NAME_HEADER] = encode_header_value(name)
        if said.method == "tools/call" and self._tools.knows(name):
            schema = self._tools.schema(str(name))
            if find_invalid_x_mcp_header(schema) is None:
                headers |= mcp_param_headers(x_mcp_header_map(schema), params.get("arguments") or {})
        return headers


def _reply(said: JSONRPCRequest, payload: Payload) -> JSONRPCResponse | JSONRPCError:
    if ERROR in payload:
        return JSONRPCError(jsonrpc="2.0", id=said.id, error=ErrorData.model_validate(payload[ERROR]))
    return JSONRPCResponse(jsonrpc="2.0", id=said.id, result=payload)
