"""Why a call should be tried elsewhere, and what is kept of the tries: shared by the guards that go on."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from copy import copy
from typing import Any, Literal, TypeAlias, TypeVar

from guards._errors import Blocked, Denied, Exhausted, GuardError, Invalid, Unavailable, UpstreamError
from guards._failures import elsewhere
from guards._models import Models
from guards._types import Call, Part, Reply
from guards._wishes import Wish

Trigger: TypeAlias = Literal[
    "unavailable", "failed", "invalid", "blocked", "exhausted", "refused", "low_confidence"
]

G = TypeVar("G")
REFUSED = "content_filter"


class Elsewhere(Denied):
    """This target may not be used for this run; another one may."""


def tried(call: Call) -> Generator[Wish, Any, Reply | GuardError]:
    """What a call comes to, its error as a value."""
    try:
        reply: Reply = yield call
    except GuardError as error:
        return error
    return reply


def why(outcome: Reply | GuardError) -> Trigger | Literal["elsewhere", ""]:
    """What an outcome says about trying elsewhere; empty if nothing.

    A deadline that has passed is over everywhere.  A refusal by the model is one only to those who ask for
    it: to have another model answer is a decision of the policy.
    """
    match outcome:
        case Reply():
            return "refused" if outcome.finish == REFUSED else ""
        case Elsewhere():
            return "elsewhere"
        case Unavailable():
            return "unavailable"
        case UpstreamError():
            return "unavailable" if elsewhere(outcome) else "failed"
        case Invalid():
            return "invalid"
        case Blocked():
            return "blocked"
        case Exhausted() if outcome.bound != "deadline":
            return "exhausted"
    return ""


def unsure(reply: Reply, pointer: str, least: float) -> bool:
    """Whether a reply states less confidence than `least`, or none at all, at a JSON pointer."""
    value = reply.value
    if value is None:
        try:
            value = json.loads(reply.text)
        except (ValueError, RecursionError):
            return True
    value = pointed(value, pointer)
    return not isinstance(value, (int, float)) or not value >= least


def pointed(value: Any, pointer: str) -> Any:
    """What stands at a JSON pointer of a value, or in an attribute of that name; None if nothing does."""
    for step in pointer.strip("/").split("/"):
        if isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            value = getattr(value, step, None)
    return value


def final(target: str, tried: Iterable[tuple[str, GuardError]]) -> GuardError:
    """The error to raise when every way was tried: the last one, or that nothing which answers is up."""
    names, errors = zip(*tried, strict=True)
    last: GuardError = errors[-1]
    if len(errors) > 1 and all(why(error) in ("unavailable", "elsewhere") for error in errors):
        last = Unavailable(target, tuple(dict.fromkeys(names)))
    last.earlier = tuple(error for error in errors if error is not last)
    return last


def named(names: Iterable[str], known: Iterable[str], key: str, what: str = "model") -> None:
    """Refuse the name of a model, or of what it is, that there is not."""
    known = tuple(known)
    for name in names:
        if name not in known:
            raise ValueError(f"{key}: unknown {what} {name!r}; there are {', '.join(known) or 'none'}")


def told(text: str, source: str) -> Reply:
    """A reply that nobody gave just now."""
    part = Part(text=text, role="assistant", origin="trusted")
    return Reply(parts=(part,), source=source)


def knowing(guard: G, models: Models) -> G:
    """The guard as it is, with the policy's models known to it."""
    clone = copy(guard)
    object.__setattr__(clone, "_models", models)  # past the frozen class's own guard: it is ours still
    return clone
