"""The tools of one MCP server as a policy lets them be seen and called; all in the words of the wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias

from guards._arguments import LISTING
from guards._body import leaves
from guards._errors import Denied, GuardError
from guards._flow import bare, guard_name
from guards._types import Call, Part, Path, Reply
from orchestrator._engine.chain import chain
from orchestrator._engine.drive import run
from orchestrator._engine.session import current
from orchestrator.boundaries._mcp.pins import Pins, Tool
from orchestrator.boundaries._said import Said

if TYPE_CHECKING:
    from orchestrator._engine.orchestrator import Orchestrator

Payload: TypeAlias = dict[str, Any]
Perform: TypeAlias = Callable[[dict[str, Any]], Awaitable[Payload]]

# Strings of a result that say what a block is, or what no model reads as text.
STRUCTURE = frozenset({"type", "mimeType", "data", "blob", "_meta", "resultType", "requestState", "code"})
ERROR = "error"
"""Under it stands, in place of a result, the error that a server answered."""
OPEN = frozenset({"structuredContent", ERROR})
"""What in a result has fields that the tool names as it likes."""
COMPLETE = {"resultType": "complete"}
"""What the protocol wants of a result since 2026-07-28; before that, it is one more field."""
UNKNOWN = "the server has not listed it"


class Toolbox:
    """What a run may see and call of a server's tools.

    Without `pins` the tools are the program's own: their descriptions are trusted.  `idempotent` are globs
    of tools that a policy may retry.
    """

    def __init__(self, gate: Orchestrator, pins: Pins | None = None, idempotent: Iterable[str] = ()) -> None:
        self._gate, self._pins, self._idempotent = gate, pins, tuple(idempotent)
        self._known: dict[str, Tool] = {}
        self._refused: dict[str, str] = {}
        self.stale = True
        """Whether the server may have other tools than it listed last."""

    def listed(self, tools: Iterable[Tool]) -> list[Tool]:
        """Those tools that this run may see.  What was refused cannot be called, either."""
        held = [tool for tool in tools if isinstance(tool.get("name"), str)]
        objections = self._pins.judged(held, suspect) if self._pins is not None else {}
        for tool in held:
            self._known[tool["name"]] = tool
            self._refused.pop(tool["name"], None)
        self._refused |= objections
        return [tool for tool in held if tool["name"] not in objections and self._permitted(tool["name"])]

    def knows(self, name: object) -> bool:
        return not self.stale and name in self._known

    def schema(self, name: str) -> Any:
        """What a tool takes, as the server describes it."""
        return self._known[name].get("inputSchema")

    def _permitted(self, name: str) -> bool:
        """Whether the policy's permits let this run call a tool with some arguments."""
        permits = [
            guard for guard in self._gate.policy.guards("tool", name) if guard_name(bare(guard)) == "permit"
        ]
        call = Call(kind="tool", target=name, options={LISTING: True}, run=current(), raw={})
        try:
            run(chain(permits), call, lambda call: Reply(), replace(self._gate.world, sink=None))
        except GuardError:
            return False
        return True

    async def called(self, name: object, arguments: Any, perform: Perform) -> Payload:
        """The result of a tool call, guarded; a refusal is a tool's error, which the model may read."""
        try:
            if not isinstance(name, str) or name not in self._known:
                raise self._denied(str(name) if name in self._known else "a tool", UNKNOWN)
            if name in self._refused:
                raise self._denied(name, self._refused[name])
            return await self._crossed(name, arguments, perform)
        except GuardError as error:
            return refusal(error)

    def _denied(self, name: str, why: str) -> Denied:
        call = Call(kind="tool", target=name, run=current())
        self._gate.world.note(call.event("refused", "mcp", reason=why))
        error = Denied(f"{name} may not be called: {why}")
        error.locate(call, 0, None)
        return error

    async def _crossed(self, name: str, arguments: Any, perform: Perform) -> Payload:
        async def tool(**arguments: Any) -> Any:
            return said(await perform(arguments))

        again = any(fnmatchcase(name, glob) for glob in self._idempotent)
        guarded: Any = self._gate.tool(name, idempotent=again, parameters=self.schema(name))(tool)
        answer = await guarded(**(arguments or {}))
        return answer.result() if isinstance(answer, Said) else _told(answer)


async def known(tools: Toolbox, name: object, lists: Perform) -> None:
    """Have the server list its tools, page by page, where it has not listed this one as it stands now."""
    if tools.knows(name):
        return
    cursor: dict[str, Any] = {}
    while True:
        page = await lists(cursor)
        tools.listed(page.get("tools", ()))
        if not page.get("nextCursor"):
            break
        cursor = {"cursor": page["nextCursor"]}
    tools.stale = False


def said(result: Payload) -> Said:
    """A result with the texts in it that a model may read."""
    return Said(result, [(at, text) for at, text in leaves(result) if _read(at)])


def _read(at: Path) -> bool:
    """Whether a model may read what stands there; what a tool names by itself is content throughout."""
    return at[0] in OPEN or STRUCTURE.isdisjoint(at)


def _told(answer: Any) -> Payload:
    """A result that a guard has made up."""
    texts = [text for _, text in leaves(answer)]
    return {**COMPLETE, "content": [{"type": "text", "text": text} for text in texts]}


def refusal(error: GuardError) -> Payload:
    """A guard's error as a tool's: no content, and what went wrong for programs under `_meta`."""
    return {
        **COMPLETE,
        "content": [{"type": "text", "text": str(error)}],
        "isError": True,
        "_meta": {"wardline/error": error.detail()},
    }


def envelope(params: Mapping[str, Any]) -> Payload:
    """What another request of the same client says about it, as one of its own does."""
    meta = {key: one for key, one in params.get("_meta", {}).items() if key != "progressToken"}
    return {"_meta": meta} if meta else {}


def suspect(tool: Tool) -> bool:
    """Whether anything in a description reads like instructions to the model."""
    from guards.injection import Injection

    judge = Injection()
    parts = (
        Part(text=text, role="tool", kind="tool_result", origin="untrusted")
        for at, text in leaves({key: one for key, one in tool.items() if key != "_meta"})
    )
    return any(one.code == "injection.instruction" for part in parts for one in judge.findings(part))
