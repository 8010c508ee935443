"""schema: the reply is a valid value, or the caller gets a structured error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from guards._body import leaves, patch
from guards._errors import Exhausted, GuardError, Invalid, Problem, Rejected, Unavailable, UpstreamError
from guards._flow import Flow
from guards._salvage import strict
from guards._schema._ask import FIRST, MISSING, Question, carry_on, corrections, whole, written
from guards._schema._fallback import Attempt, Coerce, Found, Salvage, Way, open_ended
from guards._schema._faults import Fault
from guards._schema._partial import Partial
from guards._schema._rules import Rule
from guards._schema._subschema import resolved
from guards._types import UNUSED, Call, Part, Reply
from guards._validate import Ruled, Validator, described, from_file, in_file, typed_once
from guards._value import replace
from guards._wishes import Wishing, clock, record, review
from guards._worst import Inner, Worst

if TYPE_CHECKING:
    from pathlib import Path


CUT_SHORT = frozenset({"length", "content_filter"})
CUT = (Problem("", "a value that was not cut off"),)
FORMATS: tuple[Way, ...] = ("json", "xml", "yaml", "table", "key_value")


@dataclass(frozen=True, slots=True)
class Schema:
    """The reply is a value that fits `schema`; if not, it is read leniently, asked for again, or `Invalid`.

    `schema` is a JSON Schema (inline, or a `.json` file beside the policy) or a Python type by import path
    (`package.module:Name`); without it, the type that the decorated function `returns`, else any JSON.
    `rules` are conditions over the whole value, each with its own message. What can be read with nothing
    lost and nothing invented costs no re-ask. `attempts` counts the re-asks, at most 2: `reask` says whether
    they are for the places that are wrong alone (`patch`), or for the `whole`. `native` is the provider's
    own structured output, set where the model function has a `response_format` that nobody gave.

    Then come the ways of `fallback`, in their order: formats that the parser knows, `{regex: ...}` and
    `{call: package.module:function}`. There the parser may go further: `lossy` lets it drop, round and
    choose, `defaults` fills in the schema's own, and `cut` takes what is whole of a text that broke off.
    `coerce` is how far values are brought to the schema's types, at any time: `exact`, `safe` or `eager`.
    `otherwise` there is an `error`, the `default`, or `escalate`: a person is asked for the value. The
    validated value is the reply's `value`; its text is the JSON alone.
    """

    schema: Any = None
    attempts: int = 2
    reask: Literal["patch", "whole"] = "patch"
    rules: tuple[Rule, ...] = ()
    fallback: tuple[Way, ...] = FORMATS
    lossy: bool = False
    coerce: Coerce = "safe"
    defaults: bool = False
    cut: bool = False
    otherwise: Literal["error", "default", "escalate"] = "error"
    default: Any = None
    native: Literal["json_schema", "json_object", "none"] = "json_schema"
    _validate: Any = field(default=None, init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 0 <= self.attempts <= 2:
            raise ValueError(f"attempts is the number of re-asks: 0, 1 or 2, not {self.attempts}")
        if self.default is not None and self.otherwise != "default":
            raise ValueError("default is used with `otherwise: default` alone; add that, or remove it")
        if in_file(self.schema):
            return  # read by `located`, which knows the folder
        validator = described(self.schema)
        object.__setattr__(self, "_validate", Ruled(validator, self.rules) if self.rules else validator)
        self._check_default()

    def located(self, folder: Path) -> Self:
        """The same guard with its schema file read, from a policy's folder."""
        schema = from_file(self.schema, folder)
        return self if schema is self.schema else replace(self, schema=schema)

    def _check_default(self) -> None:
        if self.otherwise != "default" or self._validate is None:
            return
        _, wrong = self._validate(self.default)
        if wrong:
            raise ValueError(f"default does not fit the schema: {wrong[0].path or '/'}: {wrong[0].need}")

    def __call__(self, call: Call) -> Flow:
        if not call.stream:
            return (yield from self._settled(call))
        if not call.options.get("partial"):
            return (yield from self._settled(replace(call, stream=False)))
        reply: Reply = yield call
        # A live reply is judged as it passes, by what `partial` makes.
        return reply if reply.live else (yield from self._settled(call, reply))

    def worst(self, call: Call, inner: Inner) -> Worst:
        """Every re-ask is needed; a person who is asked for the value takes any time."""
        asked = inner(call).times(1 + self.attempts)
        return asked.later(inf) if self.otherwise == "escalate" else asked

    def partial(self, returns: Any = None) -> Partial:
        """What makes validated partial values of one stream."""
        options = {} if returns is None else {"returns": returns}
        validator = self._validator_for(Call(kind="model", target="", options=options))

        def judge(text: str) -> tuple[Any, Any]:
            reply = Reply(parts=(Part(text=text, role="assistant", origin="untrusted"),))
            attempt = self._judged(reply, FIRST, validator)
            if attempt.found is None:
                raise _invalid([attempt])
            return attempt.found.value, strict(attempt.found.text)

        return Partial(validator.parts, judge)

    def _validator_for(self, call: Call) -> Validator:
        if self._validate is None:
            raise ValueError(f"the schema file {self.schema} was not read; load the policy from its file")
        own: Validator = self._validate
        returns = call.options.get("returns")
        if self.schema is not None or returns is None:
            return own
        return Ruled(typed_once(returns), self.rules) if self.rules else typed_once(returns)

    @property
    def _salvage(self) -> Salvage:
        """How leniently a text is read."""
        return Salvage(
            ways=self.fallback, lossy=self.lossy, coerce=self.coerce, defaults=self.defaults, cut=self.cut
        )

    def _settled(self, call: Call, given: Reply | None = None) -> Flow:
        """The reply as a valid one, after as many re-asks as it takes and the policy has."""
        validator = self._validator_for(call)
        question: Question | None = FIRST
        tried: list[Attempt] = []
        failure: GuardError | None = None
        while question is not None:
            started = None if call.run.deadline is None else (yield from clock())
            try:
                reply: Reply = given or (yield self._asking(call, question, validator))
            except (Exhausted, Unavailable, UpstreamError) as error:
                if not tried:
                    raise
                failure = error
                error.partial = reply.text if error.partial is None else error.partial
                break
            given = None
            attempt = self._judged(reply, question, validator)
            if attempt.found is not None:
                return (yield from self._done(call, tried, attempt.found, reply))
            tried.append(attempt)
            question = self._next(tried, validator)
            if question is not None and started is not None and (yield from _too_late(call, started)):
                break
            if question is not None:
                yield from record(call.event("re-asked", "schema", reask=len(tried)))
        return (yield from self._last(call, tried, validator, failure))

    def _asking(self, call: Call, question: Question, validator: Validator) -> Call:
        """The call as it goes inward, with what is asked and with the provider's own structured output."""
        call = call.add(*question.parts) if question.parts else call
        schema = validator.schema if question.schema is None else question.schema
        if self.native == "none" or not _of_object(schema):
            return call
        wanted: dict[str, Any] = {"type": self.native}
        if self.native == "json_schema":
            wanted["json_schema"] = {"name": "reply", "schema": schema}
        return replace(call, options={**call.options, "response_format": wanted})

    def _judged(self, reply: Reply, question: Question, validator: Validator) -> Attempt:
        """Whether the reply is valid, as it stands or read with nothing lost; else what is wrong with it."""
        if reply.plain:
            return self._judged_structure(reply, validator)
        problems: tuple[Problem, ...] = ()
        texts, cut_short = question.read(_said(reply)), reply.finish in CUT_SHORT
        for text in texts:
            try:
                value, problems = validator.read(text)
            except ValueError as error:
                problems = (Problem("", f"JSON and nothing else; this is not JSON: {_reason(error)}"),)
            else:
                if not problems and not (cut_short and open_ended(text)):
                    return Attempt(reply, text, found=Found(value, text))
            if (found := self._salvage.lossless(text, validator, cut_short=cut_short)) is not None:
                return Attempt(reply, text, found=found)
            problems = problems or CUT
        return Attempt(reply, texts[0], problems)

    def _judged_structure(self, reply: Reply, validator: Validator) -> Attempt:
        """A structure is judged as it is: there is no text of it to be read otherwise."""
        try:
            text = _plain(patch(reply.raw, reply.parts))
            value, problems = validator.read(text)
        except ValueError:
            return Attempt(reply, "", (Problem("", "a value that JSON can hold"),))
        return Attempt(reply, text, problems, None if problems else Found(value, text))

    def _next(self, tried: list[Attempt], validator: Validator) -> Question | None:
        """What to ask next; None where another answer would not help, or may not be asked for."""
        last = tried[-1]
        if len(tried) > self.attempts or last.reply.finish == "content_filter":
            return None
        if last.reply.finish == "length":
            return None if _was_cut(tried[:-1]) or last.reply.plain else carry_on(last.text)
        if len(tried) > 1 and tried[-2].problems == last.problems:
            return None
        value = self._salvage.value(last.text)
        faults = (Fault((), "JSON and nothing else"),) if value is MISSING else validator.faults(value)
        question = corrections(value, faults, validator.schema) if self.reask == "patch" else None
        return question or whole(last.text, value, faults, validator.schema)

    def _last(
        self, call: Call, tried: list[Attempt], validator: Validator, failure: GuardError | None
    ) -> Flow:
        """What is left when asking did not help: the lossy tier, and what the policy has otherwise."""
        reply = tried[-1].reply
        for attempt in reversed(tried if not reply.plain else []):
            cut_short = attempt.reply.finish in CUT_SHORT
            if (found := self._salvage.anyhow(attempt.text, validator, cut_short=cut_short)) is not None:
                return (yield from self._done(call, tried, found, reply, how="fallback"))
        if self.otherwise == "default":
            found = Found(validator(self.default)[0], written(self.default))
            return (yield from self._done(call, tried, found, reply, how="default"))
        if self.otherwise == "escalate":
            found = yield from self._by_a_person(call, tried, validator)
            return (yield from self._done(call, tried, found, reply, how="person"))
        raise failure or _invalid(tried)

    def _by_a_person(self, call: Call, tried: list[Attempt], validator: Validator) -> Wishing[Found]:
        """The value as a person gives it; it is judged as a reply is."""
        question = f"No reply of {len(tried)} fits the schema; give the value as JSON (modify), or reject."
        last = Part(text=tried[-1].text, role="assistant", origin="untrusted")
        decision = yield from review(question, call.add(last))
        if decision.verdict == "reject":
            raise Rejected(decision.by, decision.reason)
        given = "\n".join(part.text for part in decision.parts) if decision.verdict == "modify" else ""
        attempt = self._judged(Reply(parts=(Part(text=given),)), FIRST, validator)
        if attempt.found is None:
            raise _invalid(tried)
        return attempt.found

    def _done(
        self, call: Call, tried: list[Attempt], found: Found, reply: Reply, how: str = "lossless"
    ) -> Flow:
        """The reply with its value and the JSON of it, and with the tokens of every attempt."""
        if tried or found.changes:
            reasks = len(tried) - (how != "lossless")
            event = call.event(
                "repaired",
                "schema",
                reasks=reasks,
                how=how,
                changes=found.changes,
                confidence=found.confidence,
            )
            yield from record(event)
        if tried:
            replies = [attempt.reply for attempt in tried if attempt.reply is not reply]
            reply = replace(reply, usage=sum((one.usage for one in replies), reply.usage))
        if reply.plain:
            return replace(reply, value=found.value) if how == "lossless" else _structure(reply, found)
        retold = reply if len(reply.parts) == 1 and _said(reply) == found.text else _retold(reply, found.text)
        return replace(retold, value=found.value)


def _too_late(call: Call, started: float) -> Wishing[bool]:
    """Whether another attempt that takes as long as the last one would end after the deadline."""
    now = yield from clock()
    return call.run.deadline is not None and now + (now - started) >= call.run.deadline


def _was_cut(tried: list[Attempt]) -> bool:
    return any(attempt.reply.finish == "length" for attempt in tried)


def _invalid(tried: list[Attempt]) -> Invalid:
    error = Invalid(len(tried), tuple(attempt.problems for attempt in tried))
    error.partial = tried[-1].text
    error.usage = sum((attempt.reply.usage for attempt in tried), UNUSED)
    return error


def _of_object(schema: Any) -> bool:
    """Whether a schema is of an object: providers hold a model to no other."""
    root = resolved(schema, schema)
    return isinstance(root, Mapping) and root.get("type") == "object"


def _said(reply: Reply) -> str:
    """What the model wrote as text; tool calls are no part of an answer."""
    parts = reply.parts
    if len(parts) == 1 and parts[0].kind == "text":
        return parts[0].text
    return "\n".join(part.text for part in parts if part.kind == "text")


def _retold(reply: Reply, text: str) -> Reply:
    """The reply with its text replaced: all of it stands in the first text part."""
    first = next((part for part in reply.parts if part.kind == "text"), None)
    if first is None:
        return reply.add(Part(text=text, role="assistant", origin="untrusted"))
    return reply.rewrite(lambda part: part.text if part.kind != "text" else text if part is first else "")


def _structure(reply: Reply, found: Found) -> Reply:
    """A reply that is a structure, with another in its place."""
    raw = strict(found.text)
    parts = (Part(text=text, role="assistant", at=at, origin="untrusted") for at, text in leaves(raw))
    return replace(reply, parts=tuple(parts), raw=raw, value=found.value)


def _plain(value: Any) -> str:
    """A structure as JSON.  Raises ValueError if it holds what JSON cannot."""
    from pydantic_core import to_json

    return to_json(value).decode()


def _reason(error: ValueError) -> str:
    # The decoder's own words name the place and what was expected, and quote nothing.
    return getattr(error, "msg", "") or str(error).partition(":")[0]


guard = Schema
