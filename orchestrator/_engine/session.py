"""Whose request this is: a run, carried by a context variable across tasks and our own threads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar, Token, copy_context
from types import TracebackType
from typing import ParamSpec, TypeVar

from guards._types import Lone, Run
from guards._value import maker, replace
from orchestrator._engine.clock import Clock
from orchestrator._engine.trace import Ending, Sink, begun, new_id, shown

P = ParamSpec("P")
T = TypeVar("T")

new_run = maker(Run)
CURRENT: ContextVar[Run | None] = ContextVar("wardline_run", default=None)


class Session:
    """A stretch of work in one run's name; `with` and `async with` alike.

    One that stands inside another inherits what it does not set, and its deadline can only be earlier.
    `traceparent` is the W3C header of whoever asked for this.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        request_id: str | None = None,
        session: str | None = None,
        user: str | None = None,
        roles: Collection[str] | None = None,
        region: str | None = None,
        timeout: float | None = None,
        tags: Mapping[str, str] | None = None,
        traceparent: str = "",
        sink: Sink | None = None,
    ) -> None:
        if isinstance(roles, str):
            raise TypeError(f"roles is a collection of names, not one string; write roles=[{roles!r}]")
        self._clock, self._timeout = clock, timeout
        self._open: list[tuple[Token[Run | None], Ending | None]] = []
        named = {"request_id": request_id, "session": session, "user": user, "region": region}
        self._set: dict[str, object] = {key: value for key, value in named.items() if value is not None}
        if roles is not None:
            self._set["roles"] = frozenset(roles)
        self._tags, self._traceparent, self._sink = tags, traceparent, sink

    def __enter__(self) -> Run:
        outer = CURRENT.get() or Run()
        run = replace(outer, **self._set)  # type: ignore[arg-type]  # the keys are Run's own fields
        if "request_id" in self._set:
            run = replace(run, lone=None)  # what has a name of its own may be gone on with later
        if self._tags:
            run = replace(run, tags={**outer.tags, **self._tags})
        if self._timeout is not None:
            ends = self._clock.now() + self._timeout
            run = replace(run, deadline=ends if outer.deadline is None else min(ends, outer.deadline))
        if not run.request_id:
            run = replace(run, request_id=new_id())
        open_span = None
        if self._sink is not None and run.request_id != outer.request_id:
            run, open_span = begun(run, self._traceparent, self._clock, self._sink)
        self._open.append((CURRENT.set(run), open_span))
        return run

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, end = self._open.pop()
        CURRENT.reset(token)
        if end is not None:
            end(error)

    async def __aenter__(self) -> Run:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def bind(function: Callable[P, T]) -> Callable[P, T]:
    """The function, carrying the current run into whatever thread calls it, any number of times at once."""
    run = CURRENT.get()

    def bound(*args: P.args, **kwargs: P.kwargs) -> T:
        def work() -> T:
            CURRENT.set(run)
            return function(*args, **kwargs)

        return copy_context().run(work)

    return bound


def current() -> Run:
    """The run in force, or a fresh one of a single request."""
    return CURRENT.get() or new_run(request_id=new_id(), lone=Lone())


class inside:
    """Within it, calls are made inside one of this run: they share its deadline and lie one deeper."""

    __slots__ = ("_leave", "_run", "_token")

    def __init__(self, run: Run) -> None:
        self._run = run

    def __enter__(self) -> None:
        run = self._run
        self._token = CURRENT.set(replace(run, depth=run.depth + 1))
        self._leave = None if run.within is None else shown(run.within)

    def __exit__(self, *error: object) -> None:
        if self._leave is not None:
            self._leave()
        CURRENT.reset(self._token)
