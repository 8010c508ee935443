"""The front door: a policy, and the decorators that put it around functions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, Self, TypeVar, cast, overload

from guards._flow import Guard, bare, guard_name
from guards._models import with_models
from guards._types import Call, Reply
from orchestrator._engine.chain import Chain, chain
from orchestrator._engine.drive import World
from orchestrator._engine.session import Session
from orchestrator.boundaries.function import Settings, guarded, with_parameters
from orchestrator.boundaries.helpers import Helping

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.telemetry.evidence import Evidence
    from policies._policy import Policy

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


MOST_CHAINS = 1_000
"""For how many targets the folded guards are kept ready."""


class Keeping(Protocol):
    """A decorator that keeps a function's type as it is."""

    def __call__(self, function: Callable[P, T], /) -> Callable[P, T]: ...


class Returning(Protocol[R_co]):
    """A decorator whose function returns the validated value."""

    @overload
    def __call__(
        self, function: Callable[P, Coroutine[Any, Any, Any]], /
    ) -> Callable[P, Coroutine[Any, Any, R_co]]: ...
    @overload
    def __call__(self, function: Callable[P, Any], /) -> Callable[P, R_co]: ...


class Growing(Protocol):
    """A decorator whose generator function yields partial values, and last the whole."""

    @overload
    def __call__(self, function: Callable[P, AsyncIterator[Any]], /) -> Callable[P, AsyncIterator[Any]]: ...
    @overload
    def __call__(self, function: Callable[P, Iterator[Any]], /) -> Callable[P, Iterator[Any]]: ...


class Orchestrator:
    """A policy at work.  `world` gives it a store, a clock, a reviewer and a sink for events.

    `evidence` hears of those too, told as `orchestrator.telemetry` has them.
    """

    def __init__(
        self, policy: Policy, *, world: World | None = None, evidence: Evidence | None = None
    ) -> None:
        world = world or World()
        if (policy.models or policy.helpers) and world.price is None:
            world = replace(world, price=self._price)
        if evidence is not None:
            world = evidence.watch(policy, world)
        self.helpers = Helping(policy.helpers)
        """Who answers when a guard asks a helper of the policy."""
        if world.helpers is None:
            world = replace(world, helpers=self.helpers)
        self.policy, self.world = policy, world
        self._chains: dict[tuple[str, str], Chain] = {}
        self._outer: tuple[Guard, ...] = ()

    @classmethod
    def from_policy(
        cls, policy: Policy | Path | str, *, world: World | None = None, evidence: Evidence | None = None
    ) -> Self:
        """From a policy file, or the name of a shipped one.  Raises `PolicyError` if it has any mistake."""
        from policies import Policy, load

        return cls(policy if isinstance(policy, Policy) else load(policy), world=world, evidence=evidence)

    @overload
    def model(self, name: str, *, prompt: str | None = None) -> Keeping: ...
    @overload
    def model(self, name: str, *, prompt: str | None = None, returns: type[R]) -> Returning[R]: ...
    @overload
    def model(
        self, name: str, *, prompt: str | None = None, returns: Any = None, partial: Literal[True]
    ) -> Growing: ...
    def model(
        self, name: str, *, prompt: str | None = None, returns: Any = None, partial: bool = False
    ) -> Any:
        """Guard a function that asks a model.

        `name` is what the policy calls it.  A guard that asks again appends to the chat messages among its
        arguments, else to the argument named `prompt`, else to the first string.  A guard that chooses the
        model (route, fallback) puts its id into the argument `model`.  With `returns`, the reply is
        validated against that type (a Pydantic model, a dataclass, `list[...]`), and its value returned.
        With `partial`, a generator function yields values instead of chunks: each time a member is complete
        and fits, what is complete so far, and last the whole value.
        """
        return self._decorator("model", name, prompt=prompt, returns=returns, partial=partial)

    def tool(self, name: str, *, idempotent: bool = False, parameters: Any = None) -> Keeping:
        """Guard a function that does something; only an `idempotent` one is ever retried.

        `parameters` are a JSON Schema of its arguments by name, for the policy's `arguments` guard; without
        it, the function's type hints say what it takes.
        """
        return cast("Keeping", self._decorator("tool", name, idempotent=idempotent, parameters=parameters))

    def helper(self, name: str) -> Keeping:
        """Have a function answer as a helper that the policy declares with `shape: function`.

        It is given the text that a guard asks about, and returns what the helper's `format` says: usually
        true where the text may not pass, or a score from 0 to 1.
        """
        return cast("Keeping", self.helpers.registered(name))

    @property
    def open(self) -> bool:
        """Whether nothing stands before models: no guard, and nobody who takes notes or keeps accounts."""
        return not (self.policy.model or self._outer) and self.world.sink is None and self.world.price is None

    def client(
        self, inner: Any = None, *, unknown: Literal["pass", "refuse"] = "pass", **options: Any
    ) -> Any:
        """An HTTP client for a provider's SDK: `OpenAI(http_client=gate.client())`.

        It is an `httpx2.Client`, or an `httpx.Client` where only that is installed; `inner` is the transport
        of either that it sends by, and `options` are the client's own.  What is asked on a path that is no
        known provider's passes untouched, or with `unknown="refuse"` not at all.
        """
        from orchestrator.boundaries.http import client

        return client(self, inner, unknown=unknown, **options)

    def async_client(
        self, inner: Any = None, *, unknown: Literal["pass", "refuse"] = "pass", **options: Any
    ) -> Any:
        """The same for an async SDK: `AsyncOpenAI(http_client=gate.async_client())`."""
        from orchestrator.boundaries.http import async_client

        return async_client(self, inner, unknown=unknown, **options)

    def session(
        self,
        *,
        request_id: str | None = None,
        session: str | None = None,
        user: str | None = None,
        roles: Collection[str] | None = None,
        region: str | None = None,
        timeout: float | None = None,
        tags: Mapping[str, str] | None = None,
        traceparent: str = "",
    ) -> Session:
        """In whose name the calls within are made; `timeout` is in seconds for all of them together.

        `traceparent` is the W3C header of whoever asked for this, so that the spans go on with that trace.
        """
        return Session(
            self.world.clock,
            request_id=request_id,
            session=session,
            user=user,
            roles=roles,
            region=region,
            timeout=timeout,
            tags=tags,
            traceparent=traceparent,
            sink=self.world.sink,
        )

    def chain(self, kind: Literal["model", "tool"], target: str) -> Chain:
        """The guards that apply to one target, folded once."""
        key = (kind, target)
        if key not in self._chains:
            if len(self._chains) >= MOST_CHAINS:  # a client may name as many models as it likes
                self._chains.clear()
            self._chains[key] = chain((*self._outer, *self.policy.guards(kind, target)))
        return self._chains[key]

    def within(self, *outer: Guard) -> Self:
        """The same policy at work inside more guards, such as a user's own bounds.  Raises ValueError."""
        made = copy(self)
        made._chains = {}
        made._outer = (*self._outer, *(with_models(guard, self.policy.models) for guard in outer))
        return made

    def _decorator(
        self,
        kind: Literal["model", "tool"],
        name: str,
        *,
        prompt: str | None = None,
        returns: Any = None,
        idempotent: bool = False,
        partial: bool = False,
        parameters: Any = None,
    ) -> Callable[[Any], Any]:
        whole = self.chain(kind, name)
        options: dict[str, Any] = {"idempotent": True} if idempotent else {}
        if partial:
            options["partial"] = True
        schema: Any = None
        if returns is not None or partial:
            from guards.schema import Schema

            if returns is not None:
                options["returns"] = returns
            schema = next((guard for guard in whole.guards if isinstance(guard, Schema)), None)
            if schema is None:
                schema = Schema()
                whole = chain((schema, *whole.guards))
        settings = Settings(
            kind=kind,
            name=name,
            chain=whole,
            world=self.world,
            prompt=prompt,
            returns=returns,
            options=options,
            models=self.policy.models or {},
        )
        if kind == "tool" and any(guard_name(bare(guard)) == "arguments" for guard in whole.guards):
            return lambda function: guarded(function, with_parameters(settings, function, parameters))
        if not partial:
            return lambda function: guarded(function, settings)
        from orchestrator.boundaries._partial import growing

        return lambda function: growing(guarded(function, settings), lambda: schema.partial(returns), name)

    def _price(self, call: Call, reply: Reply) -> float | None:
        """What a call cost in US dollars, by the policy's price for its target."""
        helper = self.policy.helpers.get(call.via)
        model = self.policy.models.get(call.target) if helper is None else helper.facts
        return model.cost(reply.usage) if model is not None else None
