"""taint: what came from outside decides nothing about where things go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any, ClassVar, Literal, TypeAlias

from guards._body import leaves, members
from guards._errors import Blocked, Denied, Rejected
from guards._flow import Flow
from guards._provenance import Digests, Memory, addresses, destinations, fold, listed, needed, said, traces
from guards._types import Call, Finding, Part, Reply
from guards._wishes import Wishing, record, review, update

Then: TypeAlias = Literal["pass", "ask", "refuse"]
Mark: TypeAlias = Literal["untrusted", "private", "copied"]

OUTBOUND = (
    "*send*", "*post", "*post_*", "*publish*", "*upload*", "*share*", "*forward*", "*reply*", "*invite*",
    "*transfer*", "*.pay", "pay", "*_pay", "*pay_*", "*schedule_*", "*webhook*", "*http*", "*fetch*",
    "*webpage*", "*browse*", "*participant*", "*create_event*", "*create_calendar*", "*add_user*",
    "*notify*", "*export*",
)  # fmt: skip
DESTINATIONS = (
    "to", "cc", "bcc", "*recipient*", "*receiver*", "*destination*", "*address*", "*email*", "*url*", "*uri*",
    "*link*", "*host*", "*domain*", "*webhook*", "*endpoint*", "*channel*", "*iban*", "*account*", "*phone*",
    "*participant*", "*attendee*", "*invitee*", "*user*", "*beneficiary*", "*payee*",
)  # fmt: skip
CHANGING = (
    "*delete*", "*remove*", "*update*", "*change*", "*reset*", "*cancel*", "*password*", "*credential*",
    "*permission*", "*grant*", "*revoke*", "*reserve*", "*book_*", "*buy*", "*purchase*", "*order_*",
)  # fmt: skip

REMEMBERED = 10_000
"""How many digests of a kind are kept for a run; the oldest are forgotten, and then ask."""
DESTINATION, CHANGE, COPIED, TRIFECTA, RULE = "destination", "change", "copied", "trifecta", "rule"
MESSAGES = {
    CHANGE: "changes something in a way that the user did not name, after untrusted content was read",
    DESTINATION: "goes to where the user did not name, after untrusted content was read",
    COPIED: "an argument copies what only untrusted content said",
    TRIFECTA: "private data, untrusted content and a way out came together",
    RULE: "the policy's rule forbids this after what was read",
}


@dataclass(frozen=True, slots=True)
class TaintRule:
    """When a run has all the `marks`, a tool that matches one of `tools` is asked about or refused."""

    tools: tuple[str, ...]
    marks: tuple[Mark, ...] = ("untrusted",)
    then: Then = "ask"


@dataclass(frozen=True, slots=True)
class Argument:
    """One text that a tool would be given, and the names it goes by."""

    names: tuple[str, ...]
    text: str


Reason: TypeAlias = tuple[str, Then]


@dataclass(frozen=True, slots=True)
class Taint:
    """Once untrusted content was read, nothing goes where neither the user nor a list says.

    Results of tools that match `untrusted` mark the run as having read untrusted content, those of `private`
    as holding private data. After the first mark, tools that match `outbound` may only go to destinations
    that stand in the user's text or in `allow` (hosts, mail addresses, names; `*` for any part); arguments
    that match `destinations` name them, and links and mail addresses in all others count too. Tools that
    match `changing` may only be given what stands there, whatever the argument. `unknown` says what becomes
    of a call with another destination or value, `copied` of one whose argument copies eight words or
    an address from untrusted content alone, `trifecta` of an outbound call with both marks: pass, ask a
    person, or refuse. `rules` add what else is asked or refused after which marks. With `replies`, tool calls
    in a model's reply are judged too, for programs whose tools are run elsewhere; such replies are not
    streamed, and what would be asked is blocked.
    """

    untrusted: tuple[str, ...] = ("*",)
    private: tuple[str, ...] = ()
    outbound: tuple[str, ...] = OUTBOUND
    destinations: tuple[str, ...] = DESTINATIONS
    changing: tuple[str, ...] = CHANGING
    allow: tuple[str, ...] = ()
    unknown: Then = "ask"
    copied: Then = "pass"
    trifecta: Then = "refuse"
    rules: tuple[TaintRule, ...] = ()
    replies: bool = False

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for one in self.allow:
            if not one or "/" in one:
                raise ValueError(f"allow has {one!r}; write a host such as example.com, or *@example.com")

    def __call__(self, call: Call) -> Flow:
        inner = self._model(call) if call.kind == "model" else self._tool(call)
        return (yield from inner)

    def _model(self, call: Call) -> Flow:
        """What the user says and what came from outside is learned; the reply's tool calls may be judged."""
        state = yield from self._learn(call, call.parts)
        if not self.replies:
            through: Reply = yield call
            return through
        reply: Reply = yield replace(call, stream=False)
        for target, arguments in asked_tools(reply.parts):
            reasons = self._reasons(call, state, target, arguments)
            yield from self._note(call, reasons)
            if any(then != "pass" for _, then in reasons):
                raise Blocked(tuple(found(code) for code, then in reasons if then != "pass"), "reply")
        return reply

    def _tool(self, call: Call) -> Flow:
        state = yield from recalled(call)
        arguments = list(given(call))
        reasons = self._reasons(call, state, call.target, arguments)
        yield from self._note(call, reasons)
        if any(then == "refuse" for _, then in reasons):
            raise Denied("; ".join(MESSAGES[code] for code, then in reasons if then == "refuse"))
        if any(then == "ask" for _, then in reasons):
            call = yield from self._ask(call, reasons, arguments)
        # The mark stands before the answer: an error's words, or a stream's, are read as well.
        marks = [mark for mark in ("untrusted", "private") if matches(call.target, getattr(self, mark))]
        if marks:
            yield from update(key(call), lambda state: (merged(state, marks=marks), None))
        reply: Reply = yield call
        if "untrusted" in marks and not reply.live:
            yield from self._learn(call, reply.parts)
        return reply

    def _learn(self, call: Call, parts: tuple[Part, ...]) -> Wishing[dict[str, Any]]:
        """Read those parts that were not read before, and remember digests of what they say."""
        state = yield from recalled(call)
        digest = Digests.of(key(call))
        known = frozenset(state.get("read", ()))
        fresh: dict[str, list[str]] = {"read": [], "said": [], "seen": [], "marks": []}
        for part in parts:
            kind = source(call, part)
            name = digest(f"{kind}:{part.text}")
            if not kind or name in known:
                continue
            fresh["read"].append(name)
            if kind == "said":
                fresh["said"] += map(digest, said(part.text))
            else:
                fresh["marks"] = ["untrusted"]
                fresh["seen"] += traces(digest, part.text)
        if fresh["read"]:
            state = yield from update(key(call), lambda state: (new := merged(state, **fresh), new))
        return state

    def _reasons(
        self, call: Call, state: Mapping[str, Any], target: str, arguments: list[Argument]
    ) -> list[Reason]:
        """Everything that speaks against a tool call, and what the policy makes of it."""
        marks, memory = set(state.get("marks", ())), Memory.of(key(call), state)
        if "untrusted" in marks and any(memory.copies(one.text) for one in arguments):
            marks.add(COPIED)
        reasons: list[Reason] = [(COPIED, self.copied)] if COPIED in marks else []
        reasons += [
            (RULE, rule.then)
            for rule in self.rules
            if marks.issuperset(rule.marks) and matches(target, rule.tools)
        ]
        if "untrusted" in marks and matches(target, self.outbound):
            if "private" in marks:
                reasons.append((TRIFECTA, self.trifecta))
            if next(self._unknown(memory, arguments), None) is not None:
                reasons.append((DESTINATION, self.unknown))
        if "untrusted" in marks and matches(target, self.changing):
            texts = (one.text for one in arguments if one.text.strip())
            if not all(self._meant(memory, text) for text in texts):
                reasons.append((CHANGE, self.unknown))
        return reasons

    def _unknown(self, memory: Memory, arguments: list[Argument]) -> Iterator[str]:
        """Destinations that neither the user nor the list names."""
        beside = {
            fold(one.partition("@")[0])
            for argument in arguments
            if any(matches(name, self.destinations) for name in argument.names)
            for one in addresses(argument.text)
            if "@" in one and self._meant(memory, one)
        }
        for argument in arguments:
            names = any(matches(name, self.destinations) for name in argument.names)
            for one in dict.fromkeys((destinations if names else addresses)(argument.text)):
                # Whoever is named by a mail address may be called by its first part beside it.
                if fold(one) not in beside and not self._meant(memory, one):
                    yield one

    def _meant(self, memory: Memory, text: str) -> bool:
        return listed(text, self.allow) or memory.knows(text)

    def _ask(self, call: Call, reasons: list[Reason], arguments: list[Argument]) -> Wishing[Call]:
        """The call as a person lets it go; where it goes is known from then on."""
        why = "; ".join(MESSAGES[code] for code, then in reasons if then == "ask")
        decision = yield from review(f"May {call.target} be called? {why}.".replace("..", "."), call)
        if decision.verdict not in ("approve", "modify"):
            raise Rejected(decision.by or "nobody", decision.reason or "no person has decided")
        if decision.verdict == "modify":
            call = replace(call, parts=decision.parts)
            arguments = list(given(call))
        state = yield from recalled(call)
        memory = Memory.of(key(call), state)
        approved = [
            memory.digest(form) for one in self._unknown(memory, arguments) for form in needed(one)[0]
        ]
        yield from update(key(call), lambda state: (merged(state, said=approved), None))
        return call

    def _note(self, call: Call, reasons: list[Reason]) -> Wishing[None]:
        if reasons:
            yield from record(call.event("found", "taint", tuple(found(code) for code, _ in reasons)))


def source(call: Call, part: Part) -> Literal["said", "seen", ""]:
    """Whether a part is the user's own word or comes from outside; the assistant's is neither.

    A call inside another is made by a tool, whose prompts are not the user's, whatever role they have.
    """
    if part.role == "assistant":
        return ""
    if part.kind == "tool_result" or part.role == "tool" or part.origin == "untrusted":
        return "seen"
    return "" if call.run.depth else "said"


def given(call: Call) -> Iterator[Argument]:
    """What a tool would be given: texts, and numbers, which are destinations too."""
    for part in call.parts:
        yield Argument(named(part), part.text)
    if isinstance(call.raw, Mapping):
        for names, number in numbers(call.raw):
            yield Argument(names, str(number))


def named(part: Part) -> tuple[str, ...]:
    return (part.name, *(one for one in part.at if isinstance(one, str)))


def numbers(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """Whole numbers in a value; an amount is one as well, but has another name."""
    if isinstance(value, int) and not isinstance(value, bool):
        yield at, value
    for name, member in members(value) or ():
        yield from numbers(member, (*at, name) if isinstance(name, str) else at)


def asked_tools(parts: Iterable[Part]) -> Iterator[tuple[str, list[Argument]]]:
    """The tools that a reply asks for, each with its arguments, which may be written as JSON."""
    for part in parts:
        if part.kind != "tool_call":
            continue
        try:
            value = json.loads(part.text)
        except ValueError:
            value = part.text
        if not isinstance(value, (dict, list)):
            value = {named(part)[-1]: part.text}
        texts = [
            Argument(tuple(one for one in at if isinstance(one, str)), text) for at, text in leaves(value)
        ]
        yield part.name, texts + [Argument(names, str(number)) for names, number in numbers(value)]


def matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name.lower(), one.lower()) for one in globs)


def merged(state: Mapping[str, Any] | None, **fresh: list[str]) -> dict[str, Any]:
    """A state with more in it; what is told again is young again, and the oldest goes."""
    new = dict(state or {})
    for name, more in fresh.items():
        kept = dict.fromkeys([*new.get(name, ()), *more])
        new[name] = list(kept)[-REMEMBERED:]
    return new


def recalled(call: Call) -> Wishing[dict[str, Any]]:
    """What the run remembers so far."""

    def same(state: Any) -> tuple[Any, dict[str, Any]]:
        return state, state or {}

    return (yield from update(key(call), same))


def found(code: str) -> Finding:
    return Finding(code=f"taint.{code}", message=MESSAGES[code])


def key(call: Call) -> str:
    """Where a run is remembered: a session has one memory, as its later calls read what earlier ones did."""
    name = call.run.session or call.run.request_id
    return "taint:" + blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


guard = Taint
