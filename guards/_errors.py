"""Everything this library raises.

GuardError
├── Blocked        a guard found something that may not pass; `.findings` say why
├── Invalid        no valid reply after every attempt; `.problems` say what was wrong each time
├── Exhausted      a bound was reached; `.bound` names it, `.partial` holds what was finished
├── Unavailable    nothing that could answer is up; `.tried` names what was asked
├── Denied         this run may not do this; `.reason` says which rule
├── Rejected       a person said no; `.by` says who
├── GuardFailed    a guard crashed; the call did not go through
├── UpstreamError  the model or tool itself failed; `.__cause__` says how
└── PolicyError    a policy file is wrong; file, line and column say where

None of them carries content in its text or in `detail()`, so all are safe to log. What was finished when
a bound was reached travels in the attribute `partial`, which is neither printed nor part of `detail()`.
`earlier` are the errors of the attempts before the last one, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from guards._types import Call, Finding, Side, Usage


class GuardError(Exception):
    """Base of all errors of this library; safe to log, safe to pickle."""

    code: ClassVar[str] = "error"
    retryable: bool = False
    boundary: str = ""
    target: str = ""
    request_id: str = ""
    attempts: int = 0
    cost: float | None = None
    partial: Any = None
    earlier: tuple[GuardError, ...] = ()

    def locate(self, call: Call, attempts: int, cost: float | None) -> None:
        """Note where this happened; the driver calls it once, and the innermost place wins."""
        if not self.boundary:
            self.boundary, self.request_id = call.kind, call.run.request_id
            self.target = self.target or call.target
            self.attempts, self.cost = attempts, cost

    def detail(self) -> dict[str, Any]:
        """The error as JSON: what happened, where, after how much, and whether trying again can help."""
        return {
            "code": self.code,
            "message": str(self),
            "boundary": self.boundary,
            "target": self.target,
            "request_id": self.request_id,
            "attempts": self.attempts,
            "cost": self.cost,
            "retryable": self.retryable,
            "partial": self.partial is not None,
        }


class Blocked(GuardError):
    """A guard found something that may not pass on this side.

    `refusal` is what the policy has the user told, or empty.
    """

    code = "blocked"

    def __init__(self, findings: tuple[Finding, ...], side: Side, refusal: str = "") -> None:
        super().__init__(findings, side, refusal)
        self.findings, self.side, self.refusal = findings, side, refusal

    def __str__(self) -> str:
        return f"{self.side} blocked: {', '.join(sorted({finding.code for finding in self.findings}))}"

    def detail(self) -> dict[str, Any]:
        found = [{"code": f.code, "message": f.message, "score": f.score} for f in self.findings]
        return {**super().detail(), "side": self.side, "findings": found, "refusal": self.refusal}


class Problem(NamedTuple):
    """One thing wrong with a value: where (JSON pointer), and what the schema needs there."""

    path: str
    need: str


class Invalid(GuardError):
    """No attempt gave a valid value; `problems` has one tuple an attempt, `partial` the last text.

    `what` was asked for, and `usage` are the tokens of all attempts.
    """

    code = "invalid"
    usage: Usage | None = None
    what: str = "reply"

    def __init__(self, tries: int, problems: tuple[tuple[Problem, ...], ...]) -> None:
        super().__init__(tries, problems)
        self.tries, self.problems = tries, problems

    def __str__(self) -> str:
        last = self.problems[-1] if self.problems else ()
        said = "; ".join(f"{problem.path or '/'}: {problem.need}" for problem in last[:3])
        return f"no valid {self.what} after {self.tries} attempts: {said}"

    def detail(self) -> dict[str, Any]:
        return {**super().detail(), "problems": [[p._asdict() for p in tried] for tried in self.problems]}


class Exhausted(GuardError):
    """A bound was reached; `bound` names it and `partial` holds what was finished by then.

    `degrade` says that the policy wants the call to go on with less, where a guard further out can.
    """

    code = "exhausted"
    degrade: bool = False

    def __init__(self, bound: str, partial: Any = None) -> None:
        super().__init__(bound)
        self.bound, self.partial = bound, partial

    def __str__(self) -> str:
        return f"{self.bound} exhausted"

    def detail(self) -> dict[str, Any]:
        return {**super().detail(), "bound": self.bound}


class Unavailable(GuardError):
    """Nothing that could answer `target` is up; `tried` names what was asked, in order.

    `reason` says what keeps it from answering, and `retry_after` for how many seconds, where that is known.
    """

    code = "unavailable"
    retryable = True
    reason: str = ""
    retry_after: float | None = None

    def __init__(self, target: str, tried: tuple[str, ...] = ()) -> None:
        super().__init__(target, tried)
        self.target, self.tried = target, tried

    def __str__(self) -> str:
        why = f": {self.reason}" if self.reason else ""
        when = f"; try again in {self.retry_after:.1f} s" if self.retry_after is not None else ""
        names = f"; tried {', '.join(self.tried)}" if self.tried else ""
        return f"{self.target} is unavailable{why}{when}{names}"

    def detail(self) -> dict[str, Any]:
        more = {"tried": list(self.tried), "reason": self.reason, "retry_after": self.retry_after}
        return {**super().detail(), **more}

    @classmethod
    def now(cls, target: str, reason: str, retry_after: float | None = None) -> Unavailable:
        """A refusal by a guard, which asked nobody."""
        refusal = cls(target)
        refusal.reason, refusal.retry_after = reason, retry_after
        return refusal


class Denied(GuardError):
    """This run may not make this call; `reason` names the rule."""

    code = "denied"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"denied: {self.reason}"

    def detail(self) -> dict[str, Any]:
        return {**super().detail(), "reason": self.reason}


class Rejected(GuardError):
    """A person looked at this call and said no, or nobody was there to say yes."""

    code = "rejected"

    def __init__(self, by: str, reason: str) -> None:
        super().__init__(by, reason)
        self.by, self.reason = by, reason

    def __str__(self) -> str:
        return f"rejected by {self.by}: {self.reason}"

    def detail(self) -> dict[str, Any]:
        return {**super().detail(), "by": self.by, "reason": self.reason}


class GuardFailed(GuardError):
    """A guard crashed, so the call did not go through; `problem` says how, without any content.

    The accident itself is not chained: its message may quote what the guard was reading.
    """

    code = "guard_failed"

    def __init__(self, guard: str, problem: str) -> None:
        super().__init__(guard, problem)
        self.guard, self.problem = guard, problem

    def __str__(self) -> str:
        return f"guard {self.guard} failed: {self.problem}"

    def detail(self) -> dict[str, Any]:
        return {**super().detail(), "guard": self.guard, "problem": self.problem}

    @classmethod
    def of(cls, guard: str, accident: BaseException) -> GuardFailed:
        """Name the kind and the place of an accident, and leave its message behind."""
        trace = accident.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        kind = type(accident).__name__
        if trace is None:
            return cls(guard, kind)
        file = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
        return cls(guard, f"{kind} at {file}:{trace.tb_lineno}")


# What resilience practice retries: the server may answer next time, and the request was not at fault.
RETRYABLE_STATUS = frozenset({408, 409, 429, 500, 502, 503, 504, 529})


class UpstreamError(GuardError):
    """The model or tool failed: with an HTTP status, a timeout, a broken connection or an exception.

    `status` is the HTTP status or None; `kind` is timeout, connection, status, quota (a 429 that no waiting
    cures), context (a prompt that is too long) or error; `retry_after` is in seconds, as the server asked;
    `advice` is what it said about trying again; `limits` are its rate limits.  What it raised is the
    `__cause__`.
    """

    code = "upstream_error"
    advice: bool | None = None
    limits: Mapping[str, float] = MappingProxyType({})

    def __init__(
        self, target: str, status: int | None = None, retry_after: float | None = None, kind: str = "error"
    ) -> None:
        super().__init__(target, status, retry_after, kind)
        self.target, self.status, self.retry_after, self.kind = target, status, retry_after, kind
        passing = status in RETRYABLE_STATUS and kind != "quota"
        self.retryable = kind in ("timeout", "connection") or passing

    def __str__(self) -> str:
        how = f"status {self.status}" if self.status else self.kind
        if self.kind == "error" and self.__cause__ is not None:
            how = type(self.__cause__).__name__
        return f"{self.target} failed: {how}"

    def detail(self) -> dict[str, Any]:
        more = {"status": self.status, "kind": self.kind, "retry_after": self.retry_after}
        return {**super().detail(), **more}


class PolicyError(GuardError):
    """A policy file is wrong; says where, what, and the likely cure.  `line` and `column` count from 1."""

    code = "policy"

    def __init__(self, file: str, line: int, column: int, path: str, message: str, hint: str = "") -> None:
        super().__init__(file, line, column, path, message, hint)
        self.file, self.line, self.column = file, line, column
        self.path, self.message, self.hint = path, message, hint

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.line else f"{self.file}: "
        what = f"{self.path}: {self.message}" if self.path else self.message
        return place + what + (f" ({self.hint})" if self.hint else "")

    def detail(self) -> dict[str, Any]:
        place = {"file": self.file, "line": self.line, "column": self.column, "path": self.path}
        return {**super().detail(), **place, "hint": self.hint}
