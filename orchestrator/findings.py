"""What a policy's guards find in a text, and why: the work of `wardline explain-finding` and `allow`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any

from guards._allowed import digest
from guards._flow import Screen, bare
from guards._types import Finding, Part, Role
from guards.mask import Mask
from policies import Placed, Policy, PolicyError, loads
from policies._edit import extended
from policies._find import built_in, known, suggest
from policies._policy import BOUNDARIES


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding of a guard of a policy, and where that guard stands."""

    path: str
    placed: Placed
    finding: Finding


def seen(policy: Policy, part: Part, use: str = "") -> list[Seen]:
    """What the guards of a policy, or those called `use`, find in one part, in the policy's order."""
    return [
        Seen(path, placed, finding)
        for path, placed in looking(policy, use)
        for finding in finder(placed.guard)(part)
    ]


def said(text: str, role: Role) -> Part:
    """A text as that role says it; what a tool says is untrusted."""
    if role == "tool":
        return Part(text=text, role=role, kind="tool_result", origin="untrusted")
    return Part(text=text, role=role)


def looking(policy: Policy, use: str = "") -> Iterator[tuple[str, Placed]]:
    """The guards of a policy that look at texts."""
    for kind in BOUNDARIES:
        for at, placed in enumerate(getattr(policy, kind)):
            if use in ("", placed.use) and finds(placed.guard):
                yield f"{kind}.{at}", placed


def finds(guard: Any) -> bool:
    """Whether a guard looks at texts, so that what it finds in one can be told."""
    return isinstance(bare(guard), (Screen, Mask)) or hasattr(bare(guard), "findings")


def finder(guard: Any) -> Callable[[Part], Iterable[Finding]]:
    """What finds, of a guard that does."""
    guard = bare(guard)
    if isinstance(guard, Screen):
        return guard.judged
    if isinstance(guard, Mask):
        return lambda part: map(_personal, guard.find(part.text))
    found: Callable[[Part], Iterable[Finding]] = guard.findings
    return found


def _personal(span: Any) -> Finding:
    code = f"pii.{span.entity.lower()}"
    return Finding(code=code, message="personal data", start=span.start, end=span.end, score=span.score)


def row(one: Seen) -> dict[str, Any]:
    """A finding as JSON, without the text that was found."""
    found = one.finding
    return {
        "guard": one.placed.use,
        "path": one.path,
        "line": one.placed.line,
        "code": found.code,
        "view": found.view or "plain",
        "why": found.message,
        "score": round(found.score, 4),
        "start": found.start,
        "end": found.end,
        "then": _then(one),
    }


def _then(one: Seen) -> str:
    guard = bare(one.placed.guard)
    if one.finding.advisory or one.finding.code.endswith(".suspected"):
        return "record"
    return str(getattr(guard, "then", "mask"))


def meaning(code: str) -> Iterator[str]:
    """What a code of a finding says, in lines: the guard, what it looks for, and its rule.

    Raises `LookupError` for a code of no guard.
    """
    name, _, rest = code.partition(".")
    name = {"pii": "mask"}.get(name, name)
    if name not in built_in():
        raise LookupError(f"no guard finds {code!r}; {suggest(name, known())}")
    module = import_module(f"guards.{name}")
    yield cleandoc(module.__doc__ or "").partition("\n")[0]
    told = getattr(module, "MESSAGES", {}).get(rest) or _rule(name, rest)
    if told:
        yield f"{code}: {told}"
    yield cleandoc(module.guard.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _rule(name: str, rest: str) -> str:
    """What a rule looks for, of guards whose rules stand in a table."""
    if name == "mask":
        return f"personal data of the kind {rest.upper()}"
    if name == "secrets":
        from guards._text._secret import rules

        held = rules(True)
        found = {
            key for table in (held.keys, held.words) for key, many in table.items() for rule in many
            if rule.code == f"secrets.{rest}"
        }  # fmt: skip
        return f"a value after {', '.join(sorted(found)[:8])}" if found else ""
    return {
        "instruction": "an instruction to the model, likely enough for `then`",
        "suspected": "it may be an instruction to the model; it is recorded, and nothing else",
    }.get(rest, "")


def allow(file: Path, place: Placed, text: str, found: Iterable[Finding], key: str, key_env: str) -> int:
    """Let the policy's guard pass what was found, and say how many texts are new to it.

    Only the digests go into the file, which keeps its comments and layout.  Raises `PolicyError` when the
    guard is not written in this file, or the file could not be edited so that it holds.
    """
    old = file.read_bytes().decode("utf-8")
    known = getattr(bare(place.guard), "allow_digests", ())
    digests = {digest(text[one.start : one.end], key): None for one in found}
    fresh = [one for one in digests if one not in known]
    reference = {} if getattr(bare(place.guard), "allow_key", "") else {"allow_key": f"${{{key_env}}}"}
    new = extended(old, place.line, place.use, {"allow_digests": fresh}, **reference)
    changed = loads(new, str(file), file.parent)
    if not any(_holds(placed, place, digests) for _, placed in looking(changed, place.use)):
        raise PolicyError(
            str(file), place.line, 0, "", "this guard cannot be edited; add allow_digests by hand"
        )
    _write(file, new)
    return len(fresh)


def _holds(placed: Placed, place: Placed, digests: Iterable[str]) -> bool:
    """Whether this is the guard, and lets the texts pass."""
    listed = set(getattr(bare(placed.guard), "allow_digests", ()))
    return (placed.file, placed.line) == (place.file, place.line) and listed.issuperset(digests)


def _write(file: Path, text: str) -> None:
    """Replace a file at once, so that nobody reads half a policy."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(text.encode("utf-8"))
        os.chmod(name, file.stat().st_mode & 0o7777)
        os.replace(name, file)
    except BaseException:
        os.unlink(name)
        raise
