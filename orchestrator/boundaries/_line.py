"""line: how a coroutine of the exchange reaches what is sync, or what is async."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any, Protocol

from guards._errors import GuardError
from guards._types import Call, Reply
from orchestrator._engine.chain import Chain
from orchestrator._engine.drive import World, arun, run, unsuspended
from orchestrator.boundaries._messages import Answer, Ask
from orchestrator.boundaries._relay import END, Relay


class Line(Protocol):
    """What there is to reach."""

    async def send(self, send: Any, ask: Ask) -> Answer: ...
    async def run(self, guard: Chain, call: Call, perform: Any, world: World) -> Reply: ...
    async def next(self, chunks: Any) -> Any: ...
    async def pull(self, relay: Relay, chunks: Any) -> Any: ...
    async def settle(self, relay: Relay, stopped: BaseException | None) -> GuardError | None: ...
    async def close(self, answer: Answer) -> None: ...


class Here:
    """The sync line; none of its coroutines suspends."""

    async def send(self, send: Any, ask: Ask) -> Answer:
        answer: Answer = send(ask)
        return answer

    async def run(self, guard: Chain, call: Call, perform: Any, world: World) -> Reply:
        return run(guard, call, lambda call: unsuspended(perform(call)), world)

    async def next(self, chunks: Any) -> Any:
        return next(chunks, END)

    async def pull(self, relay: Relay, chunks: Any) -> Any:
        return relay.pull(chunks)

    async def settle(self, relay: Relay, stopped: BaseException | None) -> GuardError | None:
        return relay.settle(stopped)

    async def close(self, answer: Answer) -> None:
        answer.close()


class There:
    """The async line."""

    async def send(self, send: Any, ask: Ask) -> Answer:
        answer: Answer = await send(ask)
        return answer

    async def run(self, guard: Chain, call: Call, perform: Any, world: World) -> Reply:
        return await arun(guard, call, perform, world)

    async def next(self, chunks: Any) -> Any:
        return await anext(chunks, END)

    async def pull(self, relay: Relay, chunks: Any) -> Any:
        return await relay.apull(chunks)

    async def settle(self, relay: Relay, stopped: BaseException | None) -> GuardError | None:
        return await relay.asettle(stopped)

    async def close(self, answer: Answer) -> None:
        closing = answer.close()
        if isawaitable(closing):
            await closing
