"""permit: only listed tools and models may be called, and only by runs that hold a listed role."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from guards._errors import Denied
from guards._flow import Flow
from guards._types import Call, Reply


@dataclass(frozen=True, slots=True)
class Permit:
    """A call passes when its target matches one of `tools`, none of `deny`, and its run holds one of `roles`.

    `tools` and `deny` are globs of targets; without `roles`, everybody may.
    """

    tools: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    roles: frozenset[str] = frozenset()

    def __call__(self, call: Call) -> Flow:
        if any(fnmatchcase(call.target, pattern) for pattern in self.deny):
            raise Denied(f"{call.target} is on the deny list")
        if not any(fnmatchcase(call.target, pattern) for pattern in self.tools):
            raise Denied(f"{call.target} is not on the list of what may be called")
        if self.roles and not self.roles & call.run.roles:
            raise Denied(f"{call.target} needs one of the roles {', '.join(sorted(self.roles))}")
        reply: Reply = yield call
        return reply


guard = Permit
