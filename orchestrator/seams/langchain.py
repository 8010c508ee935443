"""langchain: a policy around the model and the tools of a LangChain agent, and around LangGraph's tool nodes.

`create_agent(model, tools, middleware=[Guard(gate)])`.  For a graph of one's own,
`ToolNode(tools, wrap_tool_call=guard.wrap_tool_call, awrap_tool_call=guard.awrap_tool_call)`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.types import Command

from guards._body import leaves
from guards._errors import GuardError
from orchestrator.boundaries._said import Said
from orchestrator.seams import REFUSALS

if TYPE_CHECKING:
    from orchestrator._engine.orchestrator import Orchestrator

ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}
SYSTEM = "system"


class Guard(AgentMiddleware[Any, Any, Any]):
    """What the agent asks its model and its tools crosses the policy's chains.

    `model` is what the policy calls the agent's model; tools go by their own names.  A tool call that is
    refused is answered with the reason, so that the model can do otherwise; other errors are raised.
    `idempotent` are the names of tools that the policy may retry.
    """

    def __init__(self, gate: Orchestrator, *, model: str = "model", idempotent: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._gate, self._model, self._idempotent = gate, model, idempotent

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        asking = Asking(request)

        def ask(messages: list[Any]) -> Any:
            return asking.heard(handler(asking.with_messages(messages)))

        return asking.answer(self._gate.model(self._model)(ask)(asking.messages))

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        asking = Asking(request)

        async def ask(messages: list[Any]) -> Any:
            return asking.heard(await handler(asking.with_messages(messages)))

        return asking.answer(await self._gate.model(self._model)(ask)(asking.messages))

    def wrap_tool_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        def tool(**arguments: Any) -> Any:
            return _told(handler(_with_arguments(request, arguments)))

        try:
            return _result(request, self._guarded(request)(tool)(**request.tool_call["args"]))
        except REFUSALS as error:
            return _refused(request, error)

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        async def tool(**arguments: Any) -> Any:
            return _told(await handler(_with_arguments(request, arguments)))

        try:
            return _result(request, await self._guarded(request)(tool)(**request.tool_call["args"]))
        except REFUSALS as error:
            return _refused(request, error)

    def _guarded(self, request: Any) -> Any:
        name, tool = request.tool_call["name"], request.tool
        schema = tool.tool_call_schema if tool is not None else None
        parameters = schema if schema is None or isinstance(schema, Mapping) else schema.model_json_schema()
        return self._gate.tool(name, idempotent=name in self._idempotent, parameters=parameters or {})


def _with_arguments(request: Any, arguments: dict[str, Any]) -> Any:
    return request.override(tool_call={**request.tool_call, "args": arguments})


def _told(answer: Any) -> Said:
    """What a tool answers: a message, or a command that updates the graph's state with messages."""
    if not isinstance(answer, Command):
        return Said(answer, list(leaves(answer.content, ("content",))))
    update = answer.update if isinstance(answer.update, Mapping) else {}
    return Said(
        answer,
        [
            told
            for n, message in enumerate(update.get("messages", ()))
            for told in leaves(message.content, ("update", "messages", n, "content"))
        ],
    )


def _result(request: Any, answer: Any) -> Any:
    return answer.result() if isinstance(answer, Said) else _message(request, "\n".join(answer))


def _refused(request: Any, error: GuardError) -> ToolMessage:
    return _message(request, str(error), status="error")


def _message(request: Any, text: str, **more: Any) -> ToolMessage:
    call = request.tool_call
    return ToolMessage(content=text, name=call["name"], tool_call_id=call["id"], **more)


class Asking:
    """One request to an agent's model, in the shape of chat messages, and back."""

    def __init__(self, request: ModelRequest[Any]) -> None:
        self._request = request
        known = {str(n): message for n, message in enumerate(request.messages)}
        if request.system_message is not None:
            known = {SYSTEM: request.system_message, **known}
        self._known: dict[str, Any] = known
        self._response: Any = None
        self.messages = [_chat(message, name) for name, message in known.items()]

    def with_messages(self, messages: list[Any]) -> ModelRequest[Any]:
        """The request with the messages as guards have left them; an `id` says which one each was."""
        if messages is self.messages:
            return self._request
        made = {message.get("id", object()): self._made(message) for message in messages}
        system = made.pop(SYSTEM, None)
        return self._request.override(messages=list(made.values()), system_message=system)

    def _made(self, said: Mapping[str, Any]) -> Any:
        message = self._known.get(said.get("id", ""))
        if message is None:
            kinds = {"system": SystemMessage, "assistant": AIMessage}
            return kinds.get(said["role"], HumanMessage)(content=said["content"])
        changed: dict[str, Any] = {"content": said["content"]}
        if calls := said.get("tool_calls"):
            changed["tool_calls"] = _called(message.tool_calls, calls)
        return message.model_copy(update=changed)

    def heard(self, response: Any) -> Any:
        """What the model said, in the shape of a chat completion."""
        self._response = response if isinstance(response, ModelResponse) else ModelResponse([response])
        messages = self._response.result
        choices = [{"message": _chat(m), "finish_reason": _finish(m)} for m in messages]
        # The structured response repeats what was said, and the program reads it.
        again = [text for _, text in leaves(self._response.structured_response)]
        choices += [{"message": {"role": "assistant", "content": again}}] if again else []
        return {"choices": choices, "usage": _usage(messages)}

    def answer(self, said: Any) -> ModelResponse[Any]:
        """What the guards let through, as the agent's framework has it."""
        if not isinstance(said, Mapping):
            return ModelResponse([AIMessage(content=said)])
        choices, structured = said["choices"], self._response.structured_response
        messages = []
        for message, choice in zip(self._response.result, choices, strict=False):
            told = choice["message"]
            changed = {"content": told["content"]}
            if calls := told.get("tool_calls"):
                changed["tool_calls"] = _called(message.tool_calls, calls)
            messages.append(message.model_copy(update=changed))
        if len(choices) > len(messages):
            places = list(leaves(structured))
            structured = Said(structured, places)
            structured[:] = choices[-1]["message"]["content"]
            structured = structured.result()
        return ModelResponse(messages, structured)


def _chat(message: Any, name: str = "") -> dict[str, Any]:
    """A message as a chat message; what tools are called with is a text of JSON there."""
    chat = {"role": ROLES.get(message.type, "user"), "content": message.content}
    if name:
        chat["id"] = name
    if calls := getattr(message, "tool_calls", None):
        chat["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": _function(call)} for call in calls
        ]
    return chat


def _function(call: Mapping[str, Any]) -> dict[str, str]:
    return {"name": call["name"], "arguments": json.dumps(call["args"])}


def _called(before: list[Any], calls: list[Any]) -> list[Any]:
    """Tool calls with the arguments that guards have left."""
    return [
        {**old, "args": json.loads(call["function"]["arguments"])}
        for old, call in zip(before, calls, strict=True)
    ]


def _finish(message: Any) -> str:
    return str(message.response_metadata.get("finish_reason") or "")


def _usage(messages: list[Any]) -> dict[str, Any]:
    """The tokens of an answer, as a chat completion tells them."""
    told: Any = next((m.usage_metadata for m in messages if getattr(m, "usage_metadata", None)), {})
    cached = told.get("input_token_details", {}).get("cache_read", 0)
    return {
        "prompt_tokens": told.get("input_tokens", 0),
        "completion_tokens": told.get("output_tokens", 0),
        "prompt_tokens_details": {"cached_tokens": cached},
    }
