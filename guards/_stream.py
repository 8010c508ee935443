"""Text in passing: a check applied while a reply flows, holding back no more than it must."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from guards._errors import Blocked, Exhausted
from guards._types import Action, Filter, Finding, Part
from guards._value import replace

if TYPE_CHECKING:
    from guards._flow import Check

# Overlapping matches can chain without end; a stream that makes us hold more than this is refused.
HELD_CHARACTERS = 65_536
# What a check sees before the text in hand, at the least.
CONTEXT = 64


class Window:
    """A check over flowing text: what comes out equals what the check makes of the whole text.

    A position may be let go once every match that starts before it is known, which is when `window` more
    characters have been seen than the longest match can reach; a cut never falls inside a match.
    Raises `Blocked` before any character of a blocked match is let go, and `Exhausted` when matches that
    overlap one another would make it hold more than `HELD_CHARACTERS`.

    A check that can say more has `pending(text)`: where the earliest match starts that more text may still
    bring or change.  Then nothing else is held.
    """

    def __init__(
        self,
        check: Check,
        then: Action,
        note: Callable[[tuple[Finding, ...]], None] = lambda found: None,
        most: int = HELD_CHARACTERS,
        refusal: str = "",
    ) -> None:
        if check.window is None:
            raise TypeError(f"{type(check).__name__} has no window: it needs the whole text")
        self.check, self.then, self.note, self.most = check, then, note, most
        self.refusal = refusal
        self.window, self.reach = check.window, 2 * check.window
        self.behind = self.ahead = ""
        self.pending: Callable[[str], int] | None = getattr(check, "pending", None)

    def feed(self, text: str) -> str:
        self.ahead += text
        if self.pending is None:
            return self._release(len(self.ahead) - self.reach, final=False)
        return self._release(self.pending(self.behind + self.ahead) - len(self.behind), final=False)

    def end(self) -> str:
        return self._release(len(self.ahead), final=True)

    def _release(self, cut: int, *, final: bool) -> str:
        if cut <= 0:
            return ""
        found = self._found()
        if not final:
            cut = _before_matches(found, cut)
            if len(self.ahead) - cut > self.most + self.reach:
                raise Exhausted("held-back stream text")
        settled = tuple(finding for finding in found if finding.start < cut)
        if settled:
            if self.then not in ("redact", "warn") and (acted := serious(settled)):
                raise Blocked(acted, "reply", self.refusal)
            self.note(settled)
        out, self.ahead = self.ahead[:cut], self.ahead[cut:]
        self.behind = (self.behind + out)[-max(self.window, CONTEXT) :]
        return mend(out, serious(settled)) if self.then == "redact" else out

    def _found(self) -> list[Finding]:
        base = len(self.behind)
        part = Part(text=self.behind + self.ahead, role="assistant", origin="untrusted")
        return [
            replace(finding, start=finding.start - base, end=finding.end - base)
            for finding in self.check(part)
            if finding.start >= base
        ]


def _before_matches(found: Iterable[Finding], cut: int) -> int:
    for finding in sorted(found, key=lambda f: -f.start):
        if finding.start < cut < finding.end:
            cut = finding.start
    return cut


def serious(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that something comes of."""
    return tuple(one for one in found if not one.advisory)


def mend(text: str, findings: Iterable[Finding]) -> str:
    """Put each finding's fix in place of its span; overlapping spans become one, under the first fix."""
    out: list[str] = []
    done = 0
    for finding in sorted(findings, key=lambda f: (f.start, -f.end)):
        if finding.fix is None:
            continue
        if finding.start >= done:
            out += [text[done : finding.start], finding.fix]
        done = max(done, finding.end)
    return "".join([*out, text[done:]])


class Pipe:
    """Filters in order, as one filter: the innermost guard's comes first."""

    def __init__(self, filters: Iterable[Filter]) -> None:
        self.filters = tuple(filters)

    def feed(self, text: str) -> str:
        for one in self.filters:
            text = one.feed(text)
        return text

    def end(self) -> str:
        text = ""
        for one in self.filters:
            text = (one.feed(text) if text else "") + one.end()
        return text
