"""judge: a second model or a moderation endpoint decides whether a text may pass."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, ClassVar, Literal, Self

from guards._cached import blake_key
from guards._errors import Exhausted, GuardError, GuardFailed, Unavailable
from guards._flow import Flow, Screen, broken
from guards._helpers import Given, Helper, Helpers, asking
from guards._text._marks import sign_of
from guards._types import Action, Call, Content, Finding, Part, Reply, Side
from guards._units import Seconds
from guards._value import replace
from guards._verdicts import Case, Question, Unread, Verdict, named, question, read
from guards._ways_on import named as known_names
from guards._ways_on import told, tried
from guards._wishes import Record, Wishing, clock, draw, record, together, update
from guards._worst import Inner, Worst, in_turn
from guards.content import toxicity

USUAL = Helper(shape="function")
OTHERS = ("user", "tool")


@dataclass(frozen=True, slots=True)
class Judge:
    """Asks a helper of the policy what it makes of the text, and acts on its verdict.

    `at` says what is judged: the call (what users and tools say in it, before it leaves) or the reply.
    `then` is block, replace (`refusal` stands there instead), reask (the model is told the rule, at most
    `reasks` times), escalate (a person decides) or warn. `helper` is asked; with `beside`, while the call
    itself is on its way, whose reply is held until the verdict. With a `share` below 1, only so many are
    judged, and `then` is warn. `rule` says in words what to look for, `categories` which ones count,
    `least` from which score on; without it the helper's own flags count. A judge that takes longer than
    `seconds`, cannot be reached or gives no clear verdict, has failed. Then `on_error` says what happens:
    block, pass, or `other`, a second helper, after which it blocks; with `then: warn` the text passes. A
    text of more than `characters` counts as one that may not pass. With a `suspicion`, only texts are judged
    that the classifier of the guard content gives such a score; it knows insults and hate, and nothing else.
    A verdict is kept for `ttl`, under a digest keyed with `key`, and never the text.
    """

    at: tuple[Side, ...] = ("call",)
    then: Action = "block"
    refusal: str = ""
    reasks: int = 1
    helper: str = "judge"
    beside: bool = False
    share: float = 1.0
    rule: str = ""
    categories: tuple[str, ...] = ()
    least: float | None = None
    seconds: Seconds = 10.0
    characters: int = 50_000
    suspicion: float = 0.0
    on_error: Literal["block", "pass", "other"] = "block"
    other: str = ""
    ttl: Seconds = 3_600.0
    key: str = field(default="", repr=False)
    _helpers: Helpers = field(default_factory=dict, init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self._screen(())  # it says what is wrong with the settings that all checks have
        if self.then == "redact":
            raise ValueError("then is redact: a judge does not say which words; write block or replace")
        if self.beside and ("call" not in self.at or self.then in ("reask", "escalate") or self.share < 1):
            raise ValueError("beside is for all calls, so with call in `at`, then block, replace or warn")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}; give a number above 0, and at most 1")
        if self.share < 1 and self.then != "warn":
            raise ValueError("share is below 1, so most texts are not judged; write `then: warn`")
        if self.least is not None and not 0 < self.least <= 1:
            raise ValueError(f"least is {self.least}; give a score above 0, and at most 1")
        if not self.seconds > 0 or self.characters < 1 or not self.ttl >= 0:
            raise ValueError("seconds and characters must be more than 0, and ttl not negative")
        if not 0 <= self.suspicion < 1:
            raise ValueError(f"suspicion is {self.suspicion}; give a score from 0, and below 1")
        if (self.on_error == "other") != bool(self.other):
            raise ValueError("other is the helper that `on_error: other` asks; give both or none")

    @property
    def heavy(self) -> bool:
        """The classifier takes its time with a long text."""
        return self.suspicion > 0

    def with_helpers(self, helpers: Helpers) -> Self:
        """The same guard, knowing the policy's helpers.  Raises ValueError for one that it does not have."""
        for key, name in (("helper", self.helper), ("other", self.other)):
            if name or key == "helper":
                if not helpers:
                    raise ValueError(f"{key} is {name!r}, and there is none; declare it under `helpers`")
                known_names((name,), helpers, key, "helper")
                if (known := named(helpers[name])) is not None:
                    known_names(self.categories, known, "categories", "category")
        clone = copy(self)
        object.__setattr__(clone, "_helpers", helpers)  # past the frozen class's own guard: it is ours still
        return clone

    def __call__(self, call: Call) -> Flow:
        reply: Reply | None = None
        if "call" in self.at:
            case = yield from self._case(call, call, "call")
            answer = outcome = None
            if self.beside and call.kind == "model" and (yield from self._to_ask(case)):
                asking = self._asking(call, self.helper, case)
                answer, outcome = yield from together(asking, replace(call, stream=False))
            found = yield from self._found(call, case, answer)
            settled = yield from self._screen(found, call).settled(call, call, "call")
            if self.then == "replace" and settled is not call:
                return told(self.refusal, "fixed")
            if isinstance(outcome, GuardError):
                raise outcome
            call, reply = settled, outcome
        if reply is None:
            reply = yield replace(call, stream=False) if "reply" in self.at else call
        return (yield from self._judged(call, reply)) if "reply" in self.at else reply

    def worst(self, call: Call, inner: Inner) -> Worst:
        """Every verdict is an attempt, or two, and so is every re-ask, which has a verdict of its own."""
        verdict = in_turn(inner(self._asking(call, name, None)) for name in self._names)
        again = self.reasks if self.then == "reask" and call.kind == "model" else 0
        return inner(call).times(1 + again) + verdict.times(len(self.at) + again)

    @property
    def _names(self) -> tuple[str, ...]:
        return (self.helper, self.other) if self.other else (self.helper,)

    def _judged(self, call: Call, reply: Reply) -> Flow:
        """A reply that may pass, or what stands in its place."""
        case = yield from self._case(call, reply, "reply")
        found = yield from self._found(call, case)
        for _ in range(self.reasks if self.then == "reask" and call.kind == "model" else 0):
            if not found:
                break
            shown = tuple(self._screen(found, reply).check(reply.parts[0]))
            yield Record(call.event("reasked", "judge", shown))
            again: Reply = yield replace(call.add(broken(shown)), stream=False)
            reply = replace(again, usage=reply.usage + again.usage)
            case = yield from self._case(call, reply, "reply")
            found = yield from self._found(call, case)
        return (yield from self._screen(found, reply).settled(call, reply, "reply"))

    def _case(self, call: Call, content: Call | Reply, side: Side) -> Wishing[Case | None]:
        """What is to be judged of a content; None if nothing is."""
        if isinstance(content, Reply) and content.live:
            raise GuardFailed("judge", "a reply that still flows cannot be judged")
        text = "\n".join(part.text for part in _judged_parts(content))
        if not text.strip() or (self.share < 1 and (yield from draw()) >= self.share):
            return None
        if self.suspicion and len(text) <= self.characters and toxicity(text) < self.suspicion:
            return None
        asked = [part.text for part in call.parts if part.role == "user"] if side == "reply" else []
        return Case(
            text=text,
            side=side,
            asked="".join(asked[-1:]),
            rule=self.rule,
            categories=self.categories,
            least=self.least,
        )

    def _to_ask(self, case: Case | None) -> Wishing[bool]:
        """Whether the helper has to be asked, as the verdict is not known."""
        if case is None or len(case.text) > self.characters:
            return False
        return (yield from self._kept(self.helper, case)) is None

    def _found(
        self, call: Call, case: Case | None, answer: Reply | GuardError | None = None
    ) -> Wishing[Verdict]:
        """What speaks against a text, by the first helper that gives a verdict; `answer` is there already."""
        if case is None:
            return ()
        if len(case.text) > self.characters:
            return (("too_long", 1.0),)
        failures: list[GuardError] = []
        for name in self._names:
            found = None if answer is not None else (yield from self._kept(name, case))
            if found is not None:
                return found
            outcome = answer or (yield from tried(self._asking(call, name, case)))
            verdict = self._read(name, case, outcome)
            if not isinstance(verdict, GuardError):
                yield from self._keep(name, case, verdict)
                return verdict
            why = getattr(verdict, "reason", "") or verdict.code
            yield from record(call.event("unjudged", "judge", helper=name, why=why))
            failures.append(verdict)
            answer = None
        if self.on_error == "pass" or self.then == "warn":
            return ()
        unjudged = Unavailable(self.helper, self._names)
        unjudged.reason, unjudged.earlier = "it gave no verdict", tuple(failures)
        raise unjudged

    def _asking(self, call: Call, name: str, case: Case | None) -> Call:
        """The call to a helper: about a case, or about nothing, where only its bounds matter."""
        asked = Question((), {}) if case is None else question(self._helper(name), case, sign_of(call))
        return asking(call, name, asked.parts, self.seconds, asked.options)

    def _read(self, name: str, case: Case, outcome: Reply | GuardError) -> Verdict | GuardError:
        """A verdict, or why there is none; raises what no other helper could mend."""
        if isinstance(outcome, Reply):
            try:
                return read(self._helper(name), case, outcome.text)
            except Unread as problem:
                return Unavailable.now(name, f"its answer is no verdict: {problem}")
        if isinstance(outcome, GuardFailed) or (
            isinstance(outcome, Exhausted) and outcome.bound == "deadline"
        ):
            raise outcome
        return outcome

    def _helper(self, name: str) -> Helper:
        return self._helpers.get(name, USUAL)

    def _screen(self, found: Verdict, content: Content | None = None) -> Screen:
        """What acts on a verdict: of a whole content, where all of it is replaced, else at its first part."""
        parts = () if content is None else _judged_parts(content)
        message = f"judged so by {self.helper}"
        findings = tuple(Finding(code=f"judge.{code}", message=message, score=score) for code, score in found)
        check = Given("judge", parts if self.then == "replace" else parts[:1], findings)
        return Screen(check=check, at=self.at, then=self.then, refusal=self.refusal, reasks=self.reasks)

    def _kept(self, name: str, case: Case) -> Wishing[Verdict | None]:
        """The verdict on the same text, if it is known."""
        if not self.ttl:
            return None
        now = yield from clock()
        state = yield from update(self._place(name, case), _as_it_is)
        if not state or now >= state["until"]:
            return None
        return tuple((code, score) for code, score in state["found"])

    def _keep(self, name: str, case: Case, found: Verdict) -> Wishing[None]:
        if not self.ttl:
            return
        now = yield from clock()
        state = {"found": [list(one) for one in found], "until": now + self.ttl}
        yield from update(self._place(name, case), _set_to(state), keep=self.ttl)

    def _place(self, name: str, case: Case) -> str:
        """The key of a verdict's state: a digest of all that it may depend on."""
        whole = repr((name, self._helper(name), case)).encode()
        return f"judge:{blake2b(whole, key=blake_key(self.key.encode()), digest_size=20).hexdigest()}"


def _as_it_is(state: Any) -> tuple[Any, Any]:
    return state, state


def _set_to(state: Any) -> Callable[[Any], tuple[Any, None]]:
    return lambda _: (state, None)


def _judged_parts(content: Content) -> tuple[Part, ...]:
    """What others than the program and, in a call, the model itself have written."""
    if isinstance(content, Call) and content.kind == "model":
        return tuple(part for part in content.parts if part.origin != "trusted" and part.role in OTHERS)
    return content.parts


guard = Judge
