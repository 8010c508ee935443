"""The one abstraction: a guard takes a call, yields it on, gets the reply, and returns a reply."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar, cast

from guards._allowed import Unlisted, sound
from guards._errors import Blocked, GuardError, GuardFailed, Rejected
from guards._stream import RETURNED, SAID, Window, looked, serious
from guards._types import Action, Call, Content, Event, Finding, Part, Reply, Side
from guards._value import replace
from guards._ways_on import told, tried
from guards._wishes import All, Record, Review, Turn, Update, Wait, Wish, Wishing, review
from guards._worst import Inner, Worst

Flow: TypeAlias = Generator[Wish, Any, Reply]

# Yield the call to send it inward: the reply comes back from the yield, or its error is raised there.
# Yield it again to try again, never yield it to answer yourself, raise to refuse.  One that says
# `at_helpers = False` is not there for calls that ask a helper.
Guard: TypeAlias = Callable[[Call], Flow]

M = TypeVar("M", bound=Content)


class Check(Protocol):
    """Looks at one part and reports findings.  Pure: no I/O, no clock, no memory.

    `window` is the longest match in characters; None means that only a whole text can be judged.  A check
    with a window must be *local*: whether it reports a match depends on nothing farther than `window`
    characters from either end of it, and matches are looked for at every position, so that a text can be
    checked while it flows by.  One that knows better what may be let go has `pending(text)`, where the
    earliest match starts that more text may still bring or change, or `reader(part)`, which reads a text as
    it comes (`guards._stream.Reader`); then its whole text is best read by that, too.
    """

    @property
    def window(self) -> int | None: ...
    def __call__(self, part: Part, /) -> Iterable[Finding]: ...


def guard_name(guard: object) -> str:
    """What a guard is called in errors and events: its own `name`, or its class or function."""
    name = getattr(guard, "name", None)
    return name if isinstance(name, str) else getattr(guard, "__name__", type(guard).__name__.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """What a check takes beside its own settings: the sides it looks at, and what a finding does.

    `then` is block; redact, which takes the found text out; replace, after which `refusal` stands there in
    place of the whole reply, and what was found in a call is never sent; reask, which tells the model what
    rule its reply broke, at most `reasks` times, and then blocks; escalate, which asks a person; or warn.
    `refusal` is also what an error that blocks says the user may be told.  A matched text whose keyed digest
    is in `allow_digests` is no finding; `allow_key` is the key, and `wardline allow` writes both.
    """

    at: tuple[Side, ...] = ("call", "reply")
    then: Action = "block"
    refusal: str = ""
    reasks: int = 1
    allow_digests: tuple[str, ...] = ()
    allow_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        sound(self.allow_digests, self.allow_key)
        if not self.at:
            raise ValueError("`at: []` would never look; name call, reply or both")
        if self.then == "replace" and not self.refusal:
            raise ValueError("then is replace: it needs `refusal`, the text that stands there instead")
        if self.then == "reask" and "reply" not in self.at:
            raise ValueError(
                "then is reask: it needs reply in `at`, as a model is asked again about its reply"
            )
        if self.reasks < 1:
            raise ValueError(f"reasks is {self.reasks}; give 1 or more, or `then: block`")
        if self.refusal and self.then not in ("block", "replace", "reask"):
            raise ValueError(f"refusal is told to nobody with `then: {self.then}`; leave it out")


WHOLE = ("replace", "reask", "escalate")
"""What is done about a whole reply, before any of it is let go."""


@dataclass(frozen=True, slots=True)
class Screen(Checking):
    """A check lifted into a guard."""

    check: Check

    at_helpers: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return guard_name(self.check)

    @property
    def heavy(self) -> int:
        return getattr(self.check, "heavy", 0)

    @property
    def judged(self) -> Check:
        """The check, without what the policy lets pass."""
        return Unlisted(self.check, self.allow_digests, self.allow_key) if self.allow_digests else self.check

    def __call__(self, call: Call) -> Flow:
        if "call" in self.at:
            settled = yield from self.settled(call, call, "call")
            if self.then == "replace" and settled is not call:
                return told(self.refusal, "fixed")
            call = settled
        if "reply" not in self.at:
            untouched: Reply = yield call
            return untouched
        if call.stream and (self.check.window is None or self.then in WHOLE):
            call = replace(call, stream=False)
        reply: Reply = yield call
        if self.then == "reask" and call.kind == "model":
            reply = yield from self._asked_again(call, reply)
        if reply.live:
            return replace(reply, filters=(*reply.filters, self._tap(call)))
        return (yield from self.settled(call, reply, "reply"))

    def worst(self, call: Call, inner: Inner) -> Worst:
        """Every re-ask is an attempt like the first; a tool is never run again."""
        again = self.then == "reask" and call.kind == "model"
        return inner(call).times(1 + again * self.reasks)

    def settled(self, call: Call, content: M, side: Side) -> Wishing[M]:
        """What may go on of a content; raises `Blocked` or `Rejected`."""
        fixed, found = settle(self.judged, content, self.then, side, self.refusal)
        if found:
            yield Record(call.event("found", self.name, found))
        if self.then == "escalate" and (acted := serious(found)):
            return (yield from self._reviewed(call, content, acted, side))
        return fixed

    def _asked_again(self, call: Call, reply: Reply) -> Flow:
        """A reply without findings, or the last one that the model may give."""
        for _ in range(self.reasks):
            found = serious(one for part in reply.parts for one in looked(self.judged, part)[0])
            if not found:
                break
            yield Record(call.event("reasked", self.name, found))
            again: Reply = yield call.add(broken(found))
            reply = replace(again, usage=reply.usage + again.usage)
        return reply

    def _reviewed(self, call: Call, content: M, found: tuple[Finding, ...], side: Side) -> Wishing[M]:
        """The content as a person lets it pass; raises `Rejected`."""
        shown = call if side == "call" else call.add(*content.parts)
        codes = ", ".join(sorted({one.code for one in found}))
        question = f"{self.name} found {codes} in the {side} (of {call.target}). May it pass?"
        decision = yield from review(question, shown)
        match decision.verdict:
            case "approve":
                return content
            case "modify" if side == "call":
                return replace(content, parts=decision.parts)
            case "modify":
                return retold(content, [part.text for part in decision.parts])
        raise Rejected(decision.by or "nobody", decision.reason or "no person has decided")

    def _tap(self, call: Call) -> Callable[[Callable[[Event], None]], Window]:
        def tap(note: Callable[[Event], None]) -> Window:
            def noted(found: tuple[Finding, ...]) -> None:
                note(call.event("found", self.name, found))

            part = RETURNED if call.kind == "tool" else SAID
            return Window(self.judged, self.then, noted, refusal=self.refusal, part=part)

        return tap


screen = Screen


def settle(
    check: Check, content: M, then: Action, side: Side, refusal: str = ""
) -> tuple[M, tuple[Finding, ...]]:
    """Turn findings into consequences: for whole content here, for flowing text in `Window`, nowhere else.

    Content that a person is to see is left as it is.
    """
    seen = [looked(check, part) for part in content.parts]
    found = [each for each, _ in seen]
    flat = tuple(finding for each in found for finding in each)
    acted = serious(flat)
    if not acted:
        return content, flat
    if then in ("block", "reask"):
        raise Blocked(acted, side, refusal)
    if then == "redact":
        texts = iter([text for _, text in seen])
        content = content.rewrite(lambda part: next(texts))
    if then == "replace":
        each = map(serious, found)
        content = content.rewrite(lambda part: refusal if next(each) else part.text)
    return content, flat


def broken(found: tuple[Finding, ...]) -> Part:
    """What a model is told whose reply may not be used: the rules, and nothing of what it wrote."""
    rules = "; ".join(sorted({f"{one.message} ({one.code})" for one in found}))
    text = f"A reply to this was withheld because of a rule: {rules}. Reply again, and keep to the rule."
    return Part(text=text, role="user", origin="trusted")


def retold(content: M, texts: list[str]) -> M:
    """The content with other texts in its parts; the last part has all that are left over."""
    last = len(content.parts) - 1
    each = iter([*texts[:last], "\n".join(texts[last:])])
    return content.rewrite(lambda part: next(each, ""))


@dataclass(frozen=True, slots=True)
class Around:
    """A guard that stands around another one, and goes by its name."""

    guard: Guard

    @property
    def name(self) -> str:
        return guard_name(self.guard)

    @property
    def heavy(self) -> int:
        return getattr(self.guard, "heavy", 0)


def passive(call: Call) -> Flow:
    """What stands in the place of a guard that a call does not concern."""
    reply: Reply = yield call
    return reply


def concerned(guard: Guard, call: Call) -> Guard:
    """The guard, if it is there for such calls."""
    return passive if call.via and not getattr(bare(guard), "at_helpers", True) else guard


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
        """What the guard does next: a call, a question, a reply or an error; nothing is waited for.

        Helpers that it asks do answer, or nobody would know what it makes of that.
        """
        while True:
            try:
                wish = step(value)
            except StopIteration as done:
                return cast("Reply", done.value)
            except GuardError as error:
                return error
            except Exception as accident:
                return GuardFailed.of(self.name, accident)
            if isinstance(wish, Call) and wish.via:
                value = yield from tried(wish)
                step = flow.throw if isinstance(value, GuardError) else flow.send
                continue
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
