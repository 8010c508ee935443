"""function: a chain around a Python function, so that its arguments and its result cross the line guarded.

`Target` knows one decorated function, `Crossing` one call of it; neither does I/O.  Four short wrappers
call plain, async, generator and async-generator functions.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from itertools import chain as joined
from typing import Any, Literal

from guards._arguments import OWNER, PARAMETERS
from guards._body import leaves, patch, without
from guards._errors import Denied, UpstreamError
from guards._models import Models
from guards._types import Call, Part, Reply
from guards._value import maker
from orchestrator._engine.chain import Chain
from orchestrator._engine.drive import World, arun, run
from orchestrator._engine.session import CURRENT, current, inside
from orchestrator.boundaries import _shapes
from orchestrator.boundaries._signature import Parameters

new_call, new_part, new_reply = maker(Call), maker(Part), maker(Reply)
FORMAT = "response_format"
MODEL = "model"
"""The parameter of a model function that says which model to ask; it is no content."""


def guarded(function: Any, settings: Settings) -> Any:
    """The function with a chain around it; what it is called with and what it gives stay as typed."""
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(guarded(function.__func__, settings))
    parameters = Parameters.of(function)
    if settings.kind == "tool" and parameters.owner:
        settings = replace(settings, options={**settings.options, OWNER: parameters.owner})
    target = Target(settings, parameters)
    if settings.kind == "model" and not target.parameters.names:
        raise TypeError(f"{settings.name}: a model function needs a parameter that holds the prompt")
    wrapper = _wrapper(function)(function, target)
    wrapper.__wardline__ = target
    return wrapper


def _wrapper(function: Any) -> Callable[[Any, Target], Any]:
    if inspect.isasyncgenfunction(function):
        return _async_generator
    if inspect.isgeneratorfunction(function):
        return _generator
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return _async
    return _sync


def _sync(function: Callable[..., Any], target: Target) -> Any:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if target.open:
            return function(*args, **kwargs)
        crossing = target.cross(args, kwargs)

        def perform(call: Call) -> Reply:
            args, kwargs = crossing.arguments(call)
            with inside(call.run):
                return target.heard(function(*args, **kwargs))

        return target.answer(target.run(crossing, perform))

    return wrapper


def _async(function: Callable[..., Awaitable[Any]], target: Target) -> Any:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        if target.open:
            return await function(*args, **kwargs)
        crossing = target.cross(args, kwargs)

        async def perform(call: Call) -> Reply:
            args, kwargs = crossing.arguments(call)
            with inside(call.run):
                return target.heard(await function(*args, **kwargs))

        return target.answer(await target.arun(crossing, perform))

    return wrapper


def _generator(function: Callable[..., Iterable[Any]], target: Target) -> Any:
    from orchestrator.boundaries._relay import Relay

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Iterator[Any]:
        crossing = target.cross(args, kwargs, stream=True)

        def perform(call: Call) -> Reply:
            args, kwargs = crossing.arguments(call)
            opening = []
            with inside(call.run):
                chunks = iter(function(*args, **kwargs))
                for chunk in chunks:
                    opening.append(chunk)
                    if call.stream and _shapes.speaks(chunk):
                        return Reply(live=True, raw=(opening, chunks))
            return Relay.collect(opening)

        reply = target.run(crossing, perform)
        if not reply.live:
            yield from Relay.replay(reply)
            return
        opening, chunks = reply.raw
        relay = Relay(reply, crossing.call, target.settings.world, target.own)
        stopped: BaseException | None = None
        try:
            for chunk in joined(opening, relay.pulled(chunks)):
                yield from relay.feed(chunk)
            yield from relay.end()
        except Exception as error:
            stopped = relay.failed(error)
        except BaseException as left:
            stopped = left
            raise
        finally:
            try:
                # One that hangs in its thread cannot be closed, and must not hide why it was left.
                with suppress(ValueError):
                    getattr(chunks, "close", int)()
            finally:
                unsettled = relay.settle(stopped)
        if failure := stopped or unsettled:
            raise failure

    return wrapper


def _async_generator(function: Callable[..., AsyncIterator[Any]], target: Target) -> Any:
    from orchestrator.boundaries._relay import END, Relay

    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        crossing = target.cross(args, kwargs, stream=True)

        async def perform(call: Call) -> Reply:
            args, kwargs = crossing.arguments(call)
            opening = []
            with inside(call.run):
                chunks = aiter(function(*args, **kwargs))
                async for chunk in chunks:
                    opening.append(chunk)
                    if call.stream and _shapes.speaks(chunk):
                        return Reply(live=True, raw=(opening, chunks))
            return Relay.collect(opening)

        reply = await target.arun(crossing, perform)
        if not reply.live:
            for chunk in Relay.replay(reply):
                yield chunk
            return
        opening, chunks = reply.raw
        relay = Relay(reply, crossing.call, target.settings.world, target.own)
        stopped: BaseException | None = None
        try:
            for chunk in opening:
                for out in relay.feed(chunk):
                    yield out
            while (chunk := await relay.apull(chunks)) is not END:
                for out in relay.feed(chunk):
                    yield out
            for out in relay.end():
                yield out
        except Exception as error:
            stopped = relay.failed(error)
        except BaseException as left:
            stopped = left
            raise
        finally:
            try:
                if hasattr(chunks, "aclose"):
                    await chunks.aclose()
            finally:
                unsettled = await relay.asettle(stopped)
        if failure := stopped or unsettled:
            raise failure

    return wrapper


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a decorator was told: `prompt` names the argument that a re-ask is appended to.

    `models` are those of the policy: a function whose parameter `model` says which one to ask is given the id
    of the one that a guard has chosen.
    """

    kind: Literal["model", "tool"]
    name: str
    chain: Chain
    world: World
    prompt: str | None = None
    returns: Any = None
    options: Mapping[str, Any]
    models: Models = field(default_factory=dict)


def with_parameters(settings: Settings, function: Any, parameters: Any) -> Settings:
    """The settings of a tool, with what it takes told to the guard that judges arguments."""
    if parameters is None:
        from orchestrator.boundaries._parameters import taken

        parameters = taken(function)
    return replace(settings, options={**settings.options, PARAMETERS: parameters})


class Target:
    """One decorated function: arguments in, call out; reply in, result out."""

    def __init__(self, settings: Settings, parameters: Parameters) -> None:
        self.settings, self.parameters = settings, parameters
        self.stage: Callable[[Crossing, Call], Reply] | None = None
        """What answers instead of the function, in a test."""
        if settings.prompt is not None and settings.prompt not in parameters.names:
            raise TypeError(
                f"{settings.name} has no parameter {settings.prompt!r}; it has {', '.join(parameters.names)}"
            )
        world = settings.world
        # The parameters whose plain strings need no reading: most calls have one, and it is the prompt.
        prompts = parameters.names if settings.kind == "model" else ()
        own = settings.kind == "model" and settings.prompt != MODEL and MODEL in parameters.names
        self.chosen = MODEL if own else ""
        self._prompts = frozenset(prompts) - _shapes.SYSTEM_PARAMETERS - {self.chosen}
        self._bare = not settings.chain.guards and world.sink is None and world.price is None

    @property
    def open(self) -> bool:
        """Nothing stands around this call: no guard, no note-taker, no deadline."""
        return (
            self._bare
            and self.stage is None
            and ((current := CURRENT.get()) is None or current.deadline is None)
        )

    def cross(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, stream: bool = False) -> Crossing:
        settings, parameters = self.settings, self.parameters
        body = self._bound(args, kwargs)
        parts: list[Part] = []
        for name, value in body.items():
            if type(value) is str and name in self._prompts:
                parts.append(new_part(text=value, name=name, at=(name,)))
            elif isinstance(value, (Iterator, AsyncIterator)):
                raise Denied(
                    f"{settings.name}: {name} is read only once, so nobody can look at it; pass a list"
                )
            elif name not in (parameters.owner, self.chosen):
                parts.extend(self._asked(name, value))
        if settings.kind == "model" and not parts:
            raise Denied(
                f"{settings.name} was called without any text; "
                f"pass it in one of: {', '.join(parameters.names)}"
            )
        call = new_call(
            kind=settings.kind,
            target=settings.name,
            parts=tuple(parts),
            options=settings.options,
            stream=stream,
            run=current(),
            raw=body,
        )
        return Crossing(self, args, kwargs, body, call)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Arguments by name; a guard that judges them is shown those that do not fit the function, too."""
        parameters = self.parameters
        try:
            return parameters.bind(args, kwargs)
        except TypeError:
            if PARAMETERS not in self.settings.options or len(args) != bool(parameters.owner):
                raise
            return {**dict(zip([parameters.owner], args, strict=False)), **kwargs}

    def _asked(self, name: str, value: Any) -> Iterable[Part]:
        if self.settings.kind == "model":
            return _shapes.asked(name, value)
        return (
            Part(text=text, role="assistant", kind="tool_call", name=name, at=at, origin="untrusted")
            for at, text in leaves(value, (name,))
        )

    def run(self, crossing: Crossing, perform: Callable[[Call], Reply]) -> Reply:
        if (stage := self.stage) is not None:
            perform = partial(stage, crossing)
        try:
            return run(self.settings.chain, crossing.call, perform, self.settings.world)
        except UpstreamError as error:
            failure = self.own(error)
        raise failure

    async def arun(self, crossing: Crossing, perform: Callable[[Call], Awaitable[Reply]]) -> Reply:
        if (stage := self.stage) is not None:
            perform = _awaitable(partial(stage, crossing))
        try:
            return await arun(self.settings.chain, crossing.call, perform, self.settings.world)
        except UpstreamError as error:
            failure = self.own(error)
        raise failure

    def own(self, error: UpstreamError) -> BaseException:
        """What the caller is raised: a tool's own exception as it was, a model's failure in our terms."""
        own = self.settings.kind == "tool" and error.target == self.settings.name
        return error.__cause__ if own and error.__cause__ is not None else error

    def heard(self, result: Any) -> Reply:
        if type(result) is str and self.settings.kind == "model":
            part = new_part(text=result, role="assistant", origin="untrusted")
            return new_reply(parts=(part,), raw=result)
        if inspect.isawaitable(result) or isinstance(result, (Iterator, AsyncIterator)):
            getattr(result, "close", int)()
            raise Denied(
                f"{self.settings.name} returned {type(result).__name__}, which would pass unseen; "
                "declare the function async, or as a generator"
            )
        if self.settings.kind == "model":
            return _shapes.heard(result)
        parts = tuple(
            Part(
                text=text,
                role="tool",
                kind="tool_result",
                name=self.settings.name,
                at=at,
                origin="untrusted",
            )
            for at, text in leaves(result)
        )
        return Reply(parts=parts, plain=not isinstance(result, str), raw=result)

    def answer(self, reply: Reply) -> Any:
        if self.settings.returns is not None:
            return reply.value
        if len(reply.parts) == 1 and not reply.parts[0].at:
            return reply.parts[0].text
        return patch(reply.raw, reply.parts)


def _awaitable(perform: Callable[[Call], Reply]) -> Callable[[Call], Awaitable[Reply]]:
    async def performed(call: Call) -> Reply:
        return perform(call)

    return performed


class Crossing:
    """One call of a decorated function."""

    __slots__ = ("_args", "_body", "_kwargs", "call", "target")

    def __init__(
        self, target: Target, args: tuple[Any, ...], kwargs: dict[str, Any], body: dict[str, Any], call: Call
    ) -> None:
        self.target, self.call = target, call
        self._args, self._kwargs, self._body = args, kwargs, body

    def arguments(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the function is called with: as it was, but for what the guards changed."""
        body = self._with_format(call)
        if call.raw is not self.call.raw:
            body = call.raw
        if call.target != self.call.target:
            body = {**body, MODEL: self._chosen(call.target)}
        if call.parts is self.call.parts:
            return self._unbound(body)
        body = without(patch(body, (part for part in call.parts if part.at)), call.dropped)
        added = [part for part in call.parts if not part.at]
        if added:
            name = self._place()
            body = {**body, name: _shapes.appended(body[name], added)}
        return self._unbound(body)

    def _unbound(self, body: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if body is self._body:
            return self._args, self._kwargs
        return self.target.parameters.unbind(body)

    def _with_format(self, call: Call) -> Mapping[str, Any]:
        """The arguments, with the structured output that a guard asks for, where nobody chose another."""
        wanted = call.options.get(FORMAT)
        if wanted is None or self._body.get(FORMAT, FORMAT) is not None:
            return self._body
        return {**self._body, FORMAT: wanted}

    def _chosen(self, target: str) -> str:
        """The provider's name for the model that a guard has chosen."""
        if not self.target.chosen:
            name = self.target.settings.name
            raise Denied(f"{target} was chosen, but {name} has no parameter `model` that says which to ask")
        model = self.target.settings.models.get(target)
        return target if model is None else model.id

    def _place(self) -> str:
        """The argument that takes what a guard adds: the chat messages, else the prompt."""
        settings = self.target.settings
        if settings.prompt is not None:
            return settings.prompt
        names = [name for name in self._body if name != self.target.parameters.owner]
        for name in names:
            if _shapes.is_messages(self._body[name]):
                return name
        for name in names:
            if isinstance(self._body[name], str) and name not in _shapes.SYSTEM_PARAMETERS:
                return name
        raise Denied(
            f"{settings.name} has no argument that a re-ask can be appended to; name one with prompt="
        )
