"""What every way of guarding a provider's own SDK must do alike: one table, run through each of them.

A way is a context manager: given a policy file and the upstream's URL, it yields where the SDK's requests go
and by which HTTP clients.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import anthropic
import openai

from orchestrator.sim.provider import Answer
from orchestrator.sim.server import serve
from orchestrator.testing._plan import Step
from orchestrator.testing._wire import answered, asked_in

SECRET = "AKIAQ4VZ7J3MX2NPLTRW"
MAIL = "ann@example.com"
HELD = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A step that calls a tool; `{asked}` in its arguments stands for what was asked."""

    name: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is asked under which policy, what the upstream answers, and how it must end.

    `status` is None where the error came in mid-stream, after part of the text.
    """

    name: str
    policy: str
    asks: str = "hello"
    steps: tuple[Step | Called, ...] = ()
    stream: bool = False
    text: str = ""
    tools: tuple[tuple[str, Mapping[str, str]], ...] = ()
    error: str = ""
    status: int | None = None
    attempts: int = 1
    models: tuple[str, ...] = ()
    header: str = ""


MASK = "  - {use: mask, entities: [EMAIL_ADDRESS]}"
SCHEMA = """  - use: schema
    schema: {type: object, required: [count], properties: {count: {type: integer}}}
    attempts: 2"""
SECRETS = "  - {use: secrets, at: [%s], then: block}"
FALLBACK = "  - {use: fallback, models: [second]}"
TIMEOUT = f"  - {{use: timeout, seconds: {HELD}}}"
LONG = "All is well here and there. " * 40

TO_MAIL = f"to {MAIL}"
SCENARIOS = (
    Scenario(
        name="plain",
        policy=MASK,
        asks=TO_MAIL,
        steps=(Step(text="I wrote {asked}"),),
        text=f"I wrote {TO_MAIL}",
    ),
    Scenario(
        name="stream",
        policy=MASK,
        asks=TO_MAIL,
        steps=(Step(text="I wrote {asked} now"),),
        stream=True,
        text=f"I wrote {TO_MAIL} now",
    ),
    Scenario(
        name="tools",
        policy=MASK,
        asks=MAIL,
        steps=(Called(name="send", arguments={"to": "{asked}"}),),
        tools=(("send", {"to": MAIL}),),
    ),
    Scenario(
        name="tools in a stream",
        policy=MASK,
        asks=MAIL,
        steps=(Called(name="send", arguments={"to": "{asked}", "body": "hi"}),),
        stream=True,
        tools=(("send", {"to": MAIL, "body": "hi"}),),
    ),
    Scenario(
        name="structured",
        policy=SCHEMA,
        steps=(Step(text='Here: ```json\n{"count": 1}\n```'),),
        text='{"count": 1}',
    ),
    Scenario(
        name="structured in a stream",
        policy=SCHEMA,
        steps=(Step(text='{"count": 1,}'),),
        stream=True,
        text='{"count": 1}',
    ),
    Scenario(
        name="block on call",
        policy=SECRETS % "call",
        asks=f"use {SECRET}",
        steps=(Step(),),
        error="blocked",
        status=400,
        attempts=0,
    ),
    Scenario(
        name="block in reply",
        policy=SECRETS % "reply",
        steps=(Step(text=f"use {SECRET}"),),
        error="blocked",
        status=400,
    ),
    Scenario(
        name="block in mid-stream",
        policy=SECRETS % "reply",
        steps=(Step(text=f"{LONG}{SECRET} {LONG}"),),
        stream=True,
        text=LONG,
        error="blocked",
    ),
    Scenario(
        name="re-ask",
        policy=SCHEMA,
        steps=(Step(text="no"), Step(text='{"count": 2}')),
        text='{"count": 2}',
        attempts=2,
    ),
    Scenario(
        name="fallback",
        policy=FALLBACK,
        steps=(Step(fault="status", status=500), Step(text="second")),
        text="second",
        attempts=2,
        models=("sim", "sim-second"),
    ),
    Scenario(
        name="fallback of a stream",
        policy=FALLBACK,
        steps=(Step(fault="status", status=503), Step(text="second")),
        stream=True,
        text="second",
        attempts=2,
        models=("sim", "sim-second"),
    ),
    Scenario(
        name="timeout", policy=TIMEOUT, steps=(Step(fault="timeout"),), error="upstream_error", status=504
    ),
    Scenario(
        name="429",
        policy=MASK,
        steps=(Step(fault="status", status=429, wait="7"),),
        error="429",
        status=429,
        header="7",
    ),
)


def policy_of(scenario: Scenario) -> str:
    """The scenario's policy as a file's text."""
    models = "models:\n  first: {id: sim, price: none}\n  second: {id: sim-second, price: none}\n"
    return f"wardline: 1\nname: seam\n{models}model:\n{scenario.policy}\n"


class Script:
    """A provider that answers a scenario's steps, one request after the other, then the last one again."""

    models: Mapping[str, Any] = {}

    def __init__(self, scenario: Scenario) -> None:
        self._scenario, self._lock = scenario, Lock()
        self.begin()

    def begin(self) -> None:
        """Start anew."""
        self._steps = list(self._scenario.steps)
        self.asked: list[str] = []
        self.asked_models: list[str] = []

    def answer(self, body: Mapping[str, Any], key: str = "") -> Answer:
        with self._lock:
            asked = asked_in(body)
            self.asked.append(json.dumps(body))
            self.asked_models.append(body["model"])
            step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, Step):
            return answered(step, asked, body["model"], tuple(range(5, 3_000, 5)))
        whole = answered(Step(text="", finish="tool_calls"), asked, body["model"])
        given = {name: text.replace("{asked}", asked) for name, text in step.arguments.items()}
        call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": step.name, "arguments": json.dumps(given)},
        }
        assert whole.body is not None
        whole.body["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
        return whole


@dataclass(slots=True)
class Ended:
    """How a request ended at the program: what it got, and what was raised."""

    text: str = ""
    tools: list[tuple[str, Any]] = field(default_factory=list)
    error: str = ""
    status: int | None = None
    header: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an SDK sends its requests, and what makes the client that it sends them by."""

    url: str
    client: Callable[[], Any]
    async_client: Callable[[], Any]
    key: str = "sk-none"


Way: TypeAlias = Callable[[Path, str], AbstractContextManager[Place]]
Sdk: TypeAlias = Callable[[Place, Scenario], Ended]
TOOLS = {"type": "object", "properties": {"to": {"type": "string"}}}


def run(scenario: Scenario, way: Way, folder: Path) -> None:
    """Run a scenario through a way by every SDK, and hold each to what the table says."""
    file = folder / "policy.yaml"
    file.write_text(policy_of(scenario), encoding="utf-8")
    script = Script(scenario)
    with serve(script, hold=5 * HELD) as upstream, way(file, upstream.url) as place:  # type: ignore[arg-type]
        for sdk in SDKS:
            script.begin()
            _check(scenario, sdk(place, scenario), script, sdk.__name__)


def _check(scenario: Scenario, ended: Ended, script: Script, sdk: str) -> None:
    assert (sdk, ended.error) == (sdk, scenario.error)
    assert (sdk, ended.status) == (sdk, scenario.status)
    if scenario.error and scenario.text:  # cut off: a beginning of it, and nothing else
        assert 0 < len(ended.text) <= len(scenario.text), sdk
        assert scenario.text.startswith(ended.text), sdk
    else:
        assert (sdk, ended.text) == (sdk, scenario.text)
    assert (sdk, tuple(ended.tools)) == (sdk, scenario.tools)
    assert (sdk, ended.header) == (sdk, scenario.header)
    assert (sdk, len(script.asked)) == (sdk, scenario.attempts)
    assert not scenario.models or tuple(script.asked_models) == scenario.models, sdk
    assert all(MAIL not in body and SECRET not in body for body in script.asked), sdk


def _error(error: Any, ended: Ended) -> Ended:
    """What an SDK raised, as the table has it."""
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error", body)
    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None)
    ended.status = None if status == 200 else status
    ended.error = str(inner.get("code") or status)
    ended.header = (response.headers.get("retry-after") or "") if response is not None else ""
    return ended


def _chat(ended: Ended, message: Any) -> None:
    ended.text += message.content or ""
    for call in message.tool_calls or ():
        ended.tools.append((call.function.name, json.loads(call.function.arguments)))


def _grown(ended: Ended, calls: dict[int, list[str]], chunk: Any) -> None:
    for choice in chunk.choices:
        ended.text += choice.delta.content or ""
        for call in choice.delta.tool_calls or ():
            name, text = calls.setdefault(call.index, ["", ""])
            function = call.function
            calls[call.index] = [name or function.name or "", text + (function.arguments or "")]


def _tools_of(calls: Mapping[int, list[str]]) -> list[tuple[str, Any]]:
    return [(name, json.loads(text)) for name, text in calls.values()]


def _chat_asked(scenario: Scenario) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "send", "parameters": TOOLS}}
    said = [{"role": "user", "content": scenario.asks}]
    return {"model": "sim", "messages": said, "tools": [tool], "stream": scenario.stream}


def openai_chat(place: Place, scenario: Scenario) -> Ended:
    ended, calls = Ended(), dict[int, list[str]]()
    url = f"{place.url}/v1"
    with openai.OpenAI(api_key=place.key, base_url=url, http_client=place.client(), max_retries=0) as client:
        try:
            reply: Any = client.chat.completions.create(**_chat_asked(scenario))
            if scenario.stream:
                for chunk in reply:
                    _grown(ended, calls, chunk)
            else:
                _chat(ended, reply.choices[0].message)
        except openai.APIError as error:
            return _error(error, ended)
    ended.tools += _tools_of(calls)
    return ended


def async_openai_chat(place: Place, scenario: Scenario) -> Ended:
    async def ask() -> Ended:
        ended, calls = Ended(), dict[int, list[str]]()
        async with openai.AsyncOpenAI(
            api_key=place.key, base_url=f"{place.url}/v1", http_client=place.async_client(), max_retries=0
        ) as client:
            try:
                reply: Any = await client.chat.completions.create(**_chat_asked(scenario))
                if scenario.stream:
                    async for chunk in reply:
                        _grown(ended, calls, chunk)
                else:
                    _chat(ended, reply.choices[0].message)
            except openai.APIError as error:
                return _error(error, ended)
        ended.tools += _tools_of(calls)
        return ended

    return asyncio.run(ask())


def openai_responses(place: Place, scenario: Scenario) -> Ended:
    ended = Ended()
    tool: Any = {"type": "function", "name": "send", "parameters": TOOLS, "strict": False}
    url = f"{place.url}/v1"
    with openai.OpenAI(api_key=place.key, base_url=url, http_client=place.client(), max_retries=0) as client:
        asked: Any = {"model": "sim", "input": scenario.asks, "tools": [tool]}
        try:
            if scenario.stream:
                with client.responses.create(**asked, stream=True) as events:
                    for event in events:
                        if event.type == "response.output_text.delta":
                            ended.text += event.delta
                        if event.type == "response.function_call_arguments.done":
                            ended.tools.append((event.name, json.loads(event.arguments)))
                        if event.type == "response.completed" and event.response.output_text:
                            assert event.response.output_text == ended.text
            else:
                _response(ended, client.responses.create(**asked))
        except openai.APIError as error:
            return _error(error, ended)
    return ended


def _response(ended: Ended, reply: Any) -> None:
    ended.text += reply.output_text
    for item in reply.output:
        if item.type == "function_call":
            ended.tools.append((item.name, json.loads(item.arguments)))


def _message_asked(scenario: Scenario) -> dict[str, Any]:
    tool = {"name": "send", "input_schema": TOOLS}
    said = [{"role": "user", "content": scenario.asks}]
    return {"model": "sim", "messages": said, "tools": [tool], "max_tokens": 1_000}


def _message(ended: Ended, reply: Any) -> None:
    for block in reply.content:
        if block.type == "text":
            ended.text += block.text
        else:
            ended.tools.append((block.name, block.input))


def anthropic_messages(place: Place, scenario: Scenario) -> Ended:
    ended = Ended()
    with anthropic.Anthropic(
        api_key=place.key, base_url=place.url, http_client=place.client(), max_retries=0
    ) as client:
        try:
            if not scenario.stream:
                _message(ended, client.messages.create(**_message_asked(scenario)))
                return ended
            with client.messages.stream(**_message_asked(scenario)) as stream:
                for text in stream.text_stream:
                    ended.text += text
                whole = stream.get_final_message()
        except anthropic.APIError as error:
            return _error(error, ended)
    told = Ended()
    _message(told, whole)
    assert told.text == ended.text
    return told


def async_anthropic_messages(place: Place, scenario: Scenario) -> Ended:
    async def ask() -> Ended:
        ended, told = Ended(), Ended()
        async with anthropic.AsyncAnthropic(
            api_key=place.key, base_url=place.url, http_client=place.async_client(), max_retries=0
        ) as client:
            try:
                if not scenario.stream:
                    _message(ended, await client.messages.create(**_message_asked(scenario)))
                    return ended
                async with client.messages.stream(**_message_asked(scenario)) as stream:
                    async for text in stream.text_stream:
                        ended.text += text
                    _message(told, await stream.get_final_message())
            except anthropic.APIError as error:
                return _error(error, ended)
        return told

    return asyncio.run(ask())


SDKS: tuple[Sdk, ...] = (
    openai_chat,
    async_openai_chat,
    openai_responses,
    anthropic_messages,
    async_anthropic_messages,
)
