"""schema: the reply is a valid value, or the caller gets a structured error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from json import dumps
from typing import TYPE_CHECKING, Any, Literal, Self

from guards._body import patch
from guards._errors import Invalid, Problem
from guards._flow import Flow
from guards._salvage import candidates, read, strict
from guards._types import Call, Part, Reply
from guards._validate import Validator, anything, json_schema, typed, typed_once
from guards._wishes import record

if TYPE_CHECKING:
    from pathlib import Path

CUT_SHORT = frozenset({"length", "content_filter"})


@dataclass(frozen=True, slots=True)
class Schema:
    """The reply is JSON that fits `schema`; if not, it is salvaged, asked for again, or `Invalid`.

    `schema` is a JSON Schema (inline, or a `.json` file beside the policy) or a Python type by import path
    (`package.module:Name`); without it, the type that the decorated function `returns`, else any JSON.
    JSON in a fence or in prose is taken out without asking again, if exactly one value in it fits.
    `attempts` counts the re-asks; without `json` under `fallback`, nothing is taken out. The validated
    value is the reply's `value`; its text is the JSON alone.
    """

    schema: Any = None
    attempts: int = 2
    fallback: tuple[Literal["json"], ...] = ("json",)
    _validate: Validator | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.attempts <= 2:
            raise ValueError(f"attempts is the number of re-asks: 0, 1 or 2, not {self.attempts}")
        if isinstance(self.schema, str) and self.schema.endswith(".json"):
            return  # read by `located`, which knows the folder
        object.__setattr__(self, "_validate", _validator(self.schema))

    def located(self, folder: Path) -> Self:
        """The same guard with its schema file read, from a policy's folder."""
        if not isinstance(self.schema, str) or not self.schema.endswith(".json"):
            return self
        try:
            schema = strict((folder / self.schema).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{self.schema} is not JSON: {error}") from None
        return replace(self, schema=schema)

    def __call__(self, call: Call) -> Flow:
        validate = self._validator_for(call)
        call = replace(call, stream=False) if call.stream else call
        asked = call
        problems: list[tuple[Problem, ...]] = []
        while True:
            reply: Reply = yield asked
            valid, wrong = self._judged(reply, validate)
            if valid is not None:
                if valid.text != reply.text or problems:
                    yield from record(call.event("repaired", "schema", reasks=len(problems)))
                return valid
            problems.append(wrong)
            if len(problems) > self.attempts or reply.finish in CUT_SHORT:
                break
            asked = call.add(*_feedback(reply, wrong))
        error = Invalid(len(problems), tuple(problems))
        error.partial = reply.text
        raise error

    def _validator_for(self, call: Call) -> Validator:
        if self._validate is None:
            raise ValueError(f"the schema file {self.schema} was not read; load the policy from its file")
        returns = call.options.get("returns")
        return typed_once(returns) if self.schema is None and returns is not None else self._validate

    def _judged(self, reply: Reply, validate: Validator) -> tuple[Reply | None, tuple[Problem, ...]]:
        """The reply as a valid one, or what is wrong with it."""
        if reply.plain:
            try:
                value, wrong = validate(_plain(patch(reply.raw, reply.parts)))
            except ValueError:
                return None, (Problem("", "a value that JSON can hold"),)
            return (None, wrong) if wrong else (replace(reply, value=value), ())
        text = _said(reply)
        try:
            value, wrong = validate(strict(text))
        except ValueError as error:
            wrong = (Problem("", f"JSON and nothing else; this is not JSON: {_reason(error)}"),)
        else:
            if not wrong:
                return replace(reply, value=value), ()
        salvaged = _salvaged(text, validate) if "json" in self.fallback else None
        if salvaged is None:
            return None, wrong
        value, clean = salvaged
        return replace(_retold(reply, clean), value=value), ()


def _validator(schema: Any) -> Validator:
    if schema is None:
        return anything
    if isinstance(schema, str):
        return typed(_imported(schema))
    if isinstance(schema, (Mapping, bool)):
        return json_schema(schema)
    return typed(schema)


def _imported(path: str) -> Any:
    from importlib import import_module

    module, colon, name = path.partition(":")
    if not colon:
        raise ValueError(f"{path!r} is neither a .json file nor an import path; write package.module:Name")
    try:
        return getattr(import_module(module), name)
    except (Exception, SystemExit) as error:  # a module may do anything while it is imported
        raise ValueError(f"{path!r} cannot be imported: {type(error).__name__}: {error}") from None


def _said(reply: Reply) -> str:
    """What the model wrote as text; tool calls are no part of an answer."""
    return "\n".join(part.text for part in reply.parts if part.kind == "text")


def _retold(reply: Reply, text: str) -> Reply:
    """The reply with its text replaced: all of it stands in the first text part."""
    first = next(part for part in reply.parts if part.kind == "text")
    return reply.rewrite(lambda part: part.text if part.kind != "text" else text if part is first else "")


def _salvaged(text: str, validate: Validator) -> tuple[Any, str] | None:
    """The one value in the text that fits; None if there is none, or if two that differ do."""
    fitting: dict[str, tuple[Any, str]] = {}
    for found in candidates(text):
        if (there := read(text[found.start : found.end])) is None:
            continue
        value, wrong = validate(there[0])
        if not wrong:
            fitting.setdefault(dumps(there[0], sort_keys=True), (value, there[1]))
    return next(iter(fitting.values())) if len(fitting) == 1 else None


def _plain(value: Any) -> Any:
    """A structure as JSON values."""
    from pydantic_core import to_json

    return strict(to_json(value).decode())


def _reason(error: ValueError) -> str:
    # The decoder's own words name the place and what was expected, and quote nothing.
    return getattr(error, "msg", "") or str(error).partition(":")[0]


def _feedback(reply: Reply, wrong: tuple[Problem, ...]) -> tuple[Part, Part]:
    lines = "\n".join(f"- {problem.path or '/'}: need {problem.need}" for problem in wrong)
    told = (
        "The previous reply is not valid. What it needs, by JSON pointer:\n"
        f"{lines}\n"
        "Reply again with the corrected JSON value alone: no prose, no code fence."
    )
    return (
        Part(text=_said(reply), role="assistant", origin="untrusted"),
        Part(text=told, role="user", origin="trusted"),
    )


guard = Schema
