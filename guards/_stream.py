"""Text in passing: a check applied while a reply flows, holding back no more than it must."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from guards._errors import Blocked, Exhausted
from guards._types import Action, Filter, Finding, Part
from guards._value import replace

if TYPE_CHECKING:
    from guards._flow import Check

# Overlapping matches can chain without end; a stream that makes us hold more than this is refused.
HELD_CHARACTERS = 65_536
# What a check sees before the text in hand, at the least.
CONTEXT = 64
# So much may be held and looked at again with every piece that comes.
EAGER = 128


SAID = Part(text="", role="assistant", origin="untrusted")
"""What a model says, as far as a check is told of a stream."""
RETURNED = Part(text="", role="tool", kind="tool_result", origin="untrusted")


class Reader(Protocol):
    """One text that flows by, and what a check finds in it.

    `read` takes the text that comes next, and whether it is the last.  It gives the findings that have become
    certain, each once, with offsets from the start of the whole text, and the place before which no other
    will start.
    """

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]: ...


def reader(check: Check, part: Part) -> Reader:
    """What reads a part of a live reply for a check.  Raises TypeError for one that needs the whole text."""
    if check.window is None:
        raise TypeError(f"{type(check).__name__} has no window: it needs the whole text")
    own: Callable[[Part], Reader] | None = getattr(check, "reader", None)
    return Nearby(check, part) if own is None else own(part)


def whole(reading: Reader, text: str) -> list[Finding]:
    """What a reader finds in a text that is all there, in order."""
    found, _ = reading.read(text, final=True)
    return sorted(found, key=_place)


class Nearby:
    """Reads for a local check: what begins at a place is certain once `2 * window` characters more are seen.

    A check that can say more has `pending(text)`: where the earliest match starts that more text may still
    bring or change.  One whose matches depend on less before them than `window` says on how much: `before`.
    """

    def __init__(self, check: Check, part: Part) -> None:
        self.check, self.part = check, part
        self.window = check.window or 0
        self.before = max(CONTEXT, getattr(check, "before", self.window))
        self.pending: Callable[[str], int] | None = getattr(check, "pending", None)
        self.text, self.start, self.at = "", 0, 0

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        self.text += text
        end = self.start + len(self.text)
        edge = end if final else self.start + self._settled()
        if edge <= self.at:
            return [], self.at
        part = replace(self.part, text=self.text)
        each = (moved(one, self.start) for one in self.check(part))
        found = [one for one in each if self.at <= one.start < edge]
        self.at = edge
        past = max(0, edge - self.before - self.start)
        self.text, self.start = self.text[past:], self.start + past
        return found, edge

    def _settled(self) -> int:
        return len(self.text) - 2 * self.window if self.pending is None else self.pending(self.text)


class Window:
    """A check over flowing text: what comes out equals what the check makes of the whole text.

    What its reader is certain of is let go; a cut never falls inside a match.  Raises `Blocked` before any
    character of a blocked match is let go, and `Exhausted` when matches that overlap one another would make
    it hold more than `HELD_CHARACTERS` beside what the check itself needs.
    """

    def __init__(
        self,
        check: Check,
        then: Action,
        note: Callable[[tuple[Finding, ...]], None] = lambda found: None,
        most: int = HELD_CHARACTERS,
        refusal: str = "",
        part: Part = SAID,
    ) -> None:
        self.reader = reader(check, part)
        self.then, self.note, self.refusal = then, note, refusal
        self.most = most + 2 * (check.window or 0)
        self.held, self.unread, self.start = "", "", 0
        self.found: list[Finding] = []

    def feed(self, text: str) -> str:
        return self._passed(text, final=False)

    def end(self) -> str:
        return self._passed("", final=True)

    def _passed(self, text: str, *, final: bool) -> str:
        self.held += text
        self.unread += text
        # What is held for long is read again each time, so it is when there is a good deal more of it.
        if not final and len(self.unread) * 8 < len(self.held) - EAGER:
            return ""
        found, edge = self.reader.read(self.unread, final=final)
        self.unread = ""
        self.found += found
        edge = _before_matches(self.found, edge)
        settled = tuple(sorted((one for one in self.found if one.start < edge), key=_place))
        if settled:
            self.found = [one for one in self.found if one.start >= edge]
            if self.then not in ("redact", "warn") and (acted := serious(settled)):
                raise Blocked(acted, "reply", self.refusal)
            self.note(settled)
        cut = edge - self.start
        if len(self.held) - cut > self.most:
            raise Exhausted("held-back stream text")
        out, self.held = self.held[:cut], self.held[cut:]
        if settled and self.then == "redact":
            out = mend(out, [self._here(one) for one in serious(settled)])
        self.start = edge
        return out

    def _here(self, finding: Finding) -> Finding:
        """The finding in the text in hand; what was let go of it is gone."""
        return moved(replace(finding, start=max(finding.start, self.start)), -self.start)


def moved(finding: Finding, by: int) -> Finding:
    """The finding so many characters later."""
    return replace(finding, start=finding.start + by, end=finding.end + by) if by else finding


def _place(finding: Finding) -> tuple[int, int, str]:
    return finding.start, finding.end, finding.code


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


class Whole:
    """A filter that looks at its text when it has all of it, and takes out what a check finds."""

    def __init__(self, check: Check, part: Part, note: Callable[[tuple[Finding, ...]], None]) -> None:
        self.check, self.part, self.note = check, part, note
        self.text = ""

    def feed(self, text: str) -> str:
        self.text += text
        return ""

    def end(self) -> str:
        found = tuple(self.check(replace(self.part, text=self.text)))
        self.note(found)
        return mend(self.text, serious(found))


def looked(check: Check, part: Part) -> tuple[tuple[Finding, ...], str]:
    """What a check finds in a part, and the part's text without it.

    Of the arguments of a tool call, in JSON, each string is a text: offsets are those in its string.
    """
    found: list[Finding] = []
    if part.kind != "tool_call":
        found += check(part)
        return tuple(found), mend(part.text, serious(found))
    from guards._strings import Strings

    passing = Strings(lambda: Whole(check, part, found.extend))
    text = passing.feed(part.text) + passing.end()
    return tuple(found), text
