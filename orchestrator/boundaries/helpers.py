"""helpers: who answers when a guard asks a second party: an HTTP endpoint, or a function of the program."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary, finalize

from guards._body import leaves, put
from guards._errors import GuardFailed
from guards._helpers import PLACES, Helper, Helpers
from guards._types import Call, Part, Reply
from guards._value import replace
from orchestrator._engine.session import inside
from orchestrator.boundaries import _shapes

if TYPE_CHECKING:
    import asyncio

    import httpx

OPENAI = "https://api.openai.com/v1"
MODERATION_MODEL = "omni-moderation-latest"
SECONDS = 60.0
"""How long an answer may take where the call sets no bound."""
LARGEST = 1_000_000
"""The bytes of an answer that are read; a longer one is a failure."""
CONTENT = ("choices", 0, "message", "content")


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted to a helper, and how many seconds it may take."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    seconds: float


class Helping:
    """A policy's helpers at work.

    Connections are kept, to be used again; `aclose` closes those of the running event loop, and the others
    close with this object.
    """

    def __init__(self, helpers: Helpers) -> None:
        self._helpers, self._functions = dict(helpers), dict[str, Callable[[str], Any]]()
        self._lock, self._client = Lock(), cast("httpx.Client | None", None)
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient] = WeakKeyDictionary()

    def registered(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A decorator that makes a function the helper of that name.  Raises ValueError."""
        if (helper := self._helpers.get(name)) is None or helper.shape != "function":
            declared = f"as {helper.shape}" if helper is not None else "not at all"
            raise ValueError(
                f"{name!r} is declared {declared}; write `{name}: {{shape: function}}` under `helpers`"
            )

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self._functions[name] = function
            return function

        return register

    def ask(self, call: Call) -> Reply:
        helper = self._known(call.via)
        if helper.shape == "function":
            with inside(call.run):
                return _told(call.via, self._functions[call.via](call.text))
        with self._posted(request(helper, call)) as response:
            response.raise_for_status()
            content = Gathered()
            for chunk in response.iter_bytes():
                content.add(chunk)
        return heard(helper, bytes(content.bytes))

    async def aask(self, call: Call) -> Reply:
        helper = self._known(call.via)
        if helper.shape == "function":
            with inside(call.run):
                answer = self._functions[call.via](call.text)
                return _told(call.via, await answer if inspect.isawaitable(answer) else answer)
        async with self._aposted(request(helper, call)) as response:
            response.raise_for_status()
            content = Gathered()
            async for chunk in response.aiter_bytes():
                content.add(chunk)
        return heard(helper, bytes(content.bytes))

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        import asyncio

        if (client := self._clients.pop(asyncio.get_running_loop(), None)) is not None:
            await client.aclose()

    def _known(self, name: str) -> Helper:
        """The helper of that name, ready to be asked."""
        helper = self._helpers.get(name)
        if helper is None:
            raise GuardFailed(_place(name), "the policy declares no such helper")
        if helper.shape == "function" and name not in self._functions:
            raise GuardFailed(
                _place(name), f"no function is registered; decorate one with gate.helper({name!r})"
            )
        return helper

    @contextmanager
    def _posted(self, asked: Request) -> Iterator[httpx.Response]:
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client()
                finalize(self, self._client.close)
        with self._client.stream(
            "POST", asked.url, content=asked.body, headers=asked.headers, timeout=asked.seconds
        ) as response:
            yield response

    @asynccontextmanager
    async def _aposted(self, asked: Request) -> AsyncIterator[httpx.Response]:
        import asyncio

        import httpx

        loop = asyncio.get_running_loop()
        if (client := self._clients.get(loop)) is None:
            client = self._clients[loop] = httpx.AsyncClient()
        async with client.stream(
            "POST", asked.url, content=asked.body, headers=asked.headers, timeout=asked.seconds
        ) as response:
            yield response


def request(helper: Helper, call: Call) -> Request:
    """What is posted to a helper for a call.  Raises `GuardFailed` where its key is not there."""
    base = (helper.url or OPENAI).rstrip("/")
    body: Any
    match helper.shape:
        case "moderation":
            url, body = f"{base}/moderations", {"model": helper.model or MODERATION_MODEL, "input": call.text}
        case "chat":
            messages = [{"role": part.role, "content": part.text} for part in call.parts]
            url, body = (
                f"{base}/chat/completions",
                {"model": helper.model, "messages": messages, **call.options},
            )
        case _:
            filled = [(at, text.replace(PLACES["text"], call.text)) for at, text in leaves(helper.body)]
            url, body = helper.url, put(helper.body, filled)
    headers = {"content-type": "application/json", "accept": "application/json"}
    if key := _key(helper, call.via):
        bearer = helper.key_header.lower() == "authorization"
        headers[helper.key_header] = f"Bearer {key}" if bearer else key
    content = json.dumps(body, ensure_ascii=False)
    return Request(url, _sound(content).encode(), headers, SECONDS if call.timeout is None else call.timeout)


def _sound(text: str) -> str:
    """A text without halves of surrogate pairs, which no server can be sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _key(helper: Helper, name: str) -> str:
    """The helper's key, read anew, as it may be exchanged; empty if it has none."""
    if helper.key_env:
        key, where = os.environ.get(helper.key_env, ""), f"the environment variable {helper.key_env}"
    elif helper.key_file:
        try:
            with open(helper.key_file, encoding="utf-8") as file:
                key, where = file.read().strip(), "key_file"
        except (OSError, ValueError):
            raise GuardFailed(_place(name), f"its key_file cannot be read: {helper.key_file}") from None
    else:
        return ""
    # A client would quote a key that no header can hold in its error.
    if not key or not key.isascii() or not key.isprintable():
        raise GuardFailed(_place(name), f"{where} holds no key")
    return key


def heard(helper: Helper, content: bytes) -> Reply:
    """What a helper answered.  Raises ValueError for what cannot be read."""
    if helper.shape != "chat":
        return _say(content.decode())
    completion = json.loads(content)
    reply = _shapes.heard(completion)
    said = [part for part in reply.parts if part.at == CONTENT]  # and not what it thought before
    if not said:
        raise ValueError("the answer is no chat completion with a text")
    return replace(_say(said[0].text), usage=reply.usage, model=reply.model, finish=reply.finish)


def _told(name: str, answer: Any) -> Reply:
    """What a function answered: a text as it is, else as JSON."""
    if inspect.isawaitable(answer):
        getattr(answer, "close", int)()
        raise GuardFailed(_place(name), "its function is async, and this call is not")
    return _say(answer if isinstance(answer, str) else json.dumps(answer))


def _say(text: str) -> Reply:
    return Reply(parts=(Part(text=text, role="assistant", origin="untrusted"),), raw=text)


class Gathered:
    """An answer, as it comes in."""

    def __init__(self) -> None:
        self.bytes = bytearray()

    def add(self, chunk: bytes) -> None:
        self.bytes += chunk
        if len(self.bytes) > LARGEST:
            raise ValueError(f"the answer is longer than {LARGEST} bytes")


def _place(name: str) -> str:
    return f"helper {name}"
