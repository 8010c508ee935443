"""The one abstraction: a guard takes a call, yields it on, gets the reply, and returns a reply."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from guards._errors import Blocked, GuardError, GuardFailed
from guards._stream import Window, mend
from guards._types import Action, Call, Content, Event, Finding, Part, Reply, Side
from guards._value import replace
from guards._wishes import All, Record, Review, Turn, Update, Wait, Wish

Flow: TypeAlias = Generator[Wish, Any, Reply]

# Yield the call to send it inward: the reply comes back from the yield, or its error is raised there.
# Yield it again to try again, never yield it to answer yourself, raise to refuse.
Guard: TypeAlias = Callable[[Call], Flow]

M = TypeVar("M", bound=Content)


class Check(Protocol):
    """Looks at one part and reports findings.  Pure: no I/O, no clock, no memory.

    `window` is the longest match in characters; None means that only a whole text can be judged.  A check
    with a window must be *local*: whether it reports a match depends on nothing farther than `window`
    characters from either end of it, and matches are looked for at every position, so that a text can be
    checked while it flows by.
    """

    @property
    def window(self) -> int | None: ...
    def __call__(self, part: Part, /) -> Iterable[Finding]: ...


def guard_name(guard: object) -> str:
    """What a guard is called in errors and events: its own `name`, or its class or function."""
    name = getattr(guard, "name", None)
    return name if isinstance(name, str) else getattr(guard, "__name__", type(guard).__name__.lower())


@dataclass(frozen=True, slots=True)
class Screen:
    """A check lifted into a guard: `at` says on which sides it looks, `then` what a finding does."""

    check: Check
    at: tuple[Side, ...] = ("call", "reply")
    then: Action = "block"

    @property
    def name(self) -> str:
        return guard_name(self.check)

    @property
    def heavy(self) -> bool:
        return bool(getattr(self.check, "heavy", False))

    def __call__(self, call: Call) -> Flow:
        if "call" in self.at:
            call, found = settle(self.check, call, self.then, "call")
            if found:
                yield Record(call.event("found", self.name, found))
        if "reply" not in self.at:
            untouched: Reply = yield call
            return untouched
        if self.check.window is None and call.stream:
            call = replace(call, stream=False)
        reply: Reply = yield call
        if reply.live:
            return replace(reply, filters=(*reply.filters, self._tap(call)))
        reply, found = settle(self.check, reply, self.then, "reply")
        if found:
            yield Record(call.event("found", self.name, found))
        return reply

    def _tap(self, call: Call) -> Callable[[Callable[[Event], None]], Window]:
        def tap(note: Callable[[Event], None]) -> Window:
            def noted(found: tuple[Finding, ...]) -> None:
                note(call.event("found", self.name, found))

            return Window(self.check, self.then, noted)

        return tap


screen = Screen


def settle(check: Check, content: M, then: Action, side: Side) -> tuple[M, tuple[Finding, ...]]:
    """Turn findings into consequences: for whole content here, for flowing text in `Window`, nowhere else."""
    found = [tuple(check(part)) for part in content.parts]
    flat = tuple(finding for each in found for finding in each)
    if not flat:
        return content, ()
    if then == "block":
        raise Blocked(flat, side)
    if then == "redact":
        fixed = iter(found)
        content = content.rewrite(lambda part: mend(part.text, next(fixed)))
    return content, flat


@dataclass(frozen=True, slots=True)
class Around:
    """A guard that stands around another one, and goes by its name."""

    guard: Guard

    @property
    def name(self) -> str:
        return guard_name(self.guard)

    @property
    def heavy(self) -> bool:
        return bool(getattr(self.guard, "heavy", False))


def bare(guard: Any) -> Any:
    """The guard itself, without those that stand around it."""
    while isinstance(guard, Around):
        guard = guard.guard
    return guard


@dataclass(frozen=True, slots=True)
class Observe(Around):
    """A guard that reports what it would do, and changes nothing.

    It is shown the call and the reply; the original call goes inward once, and whatever the guard makes of
    it is recorded and dropped.
    """

    def __call__(self, call: Call) -> Flow:
        flow = self.guard(call)
        would = yield from self._next(flow, flow.send, None)
        if not isinstance(would, Call):
            yield self._note(call, would)
            reply: Reply = yield call
            return reply
        if would != call:
            yield self._note(call, "change the call")
        outcome: Reply | GuardError
        try:
            outcome = yield call
        except GuardError as error:
            outcome = error
        except GeneratorExit:
            raise
        except BaseException as stop:
            yield from self._next(flow, flow.throw, stop)  # it may give back what it holds
            raise
        resume = flow.throw if isinstance(outcome, GuardError) else flow.send
        would = yield from self._next(flow, resume, outcome)
        if would is not outcome:
            yield self._note(call, "change the reply" if isinstance(would, Reply) else would)
        flow.close()
        if isinstance(outcome, GuardError):
            raise outcome
        return outcome

    def _next(
        self, flow: Flow, step: Callable[[Any], Wish], value: Any
    ) -> Generator[Wish, Any, Wish | Reply | GuardError]:
        """What the guard does next: a call, a question, a reply or an error; nothing is waited for."""
        while True:
            try:
                wish = step(value)
            except StopIteration as done:
                return cast("Reply", done.value)
            except GuardError as error:
                return error
            except Exception as accident:
                return GuardFailed.of(self.name, accident)
            if isinstance(wish, (Call, Review, All)):
                return wish
            if isinstance(wish, Turn):
                wish = Update(wish.key, wish.change)
            value = None if isinstance(wish, Wait) else (yield wish)
            step = flow.send

    def _note(self, call: Call, would: object) -> Record:
        match would:
            case GuardError():
                would = f"raise {would.code}"
            case Call():
                would = "call again"
            case Reply():
                would = "answer itself"
            case Review():
                would = "ask a person"
            case All():
                would = "make several calls"
        return Record(call.event("observed", self.name, would=would))
