"""Fenced blocks of code in a text that flows by, each judged by its language as soon as that is there."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from guards._stream import CONTEXT
from guards._text._scan import Sought, begun, sought
from guards._types import Finding

LONGEST = 8192
"""Characters of one finding; a block that is longer has several."""
# The line that opens a block ends with its line, or after so many characters.
OPENING = sought(
    r"^[ ]{0,3}(?P<fence>`{3,64}+|~{3,64}+)[ \t]{0,16}+(?P<language>[\w+#.-]{0,64}+)"
    r"[^\n]{0,200}+(?:\n|[^\n])",
    re.MULTILINE,
)


class Fences:
    """Reads for blocks: `judge` says what a block in a language is, from its first line to its last."""

    def __init__(self, judge: Callable[[str, int, int], Finding | None]) -> None:
        self.judge = judge
        self.text, self.start, self.at = "", 0, 0
        self.language, self.fence, self.begun = "", "", 0

    def read(self, text: str, *, final: bool) -> tuple[list[Finding], int]:
        self.text += text
        found: list[Finding] = []
        while (self._close(found, final=final) if self.fence else self._open(final=final)) is not None:
            pass
        held = self.fence and self.judge(self.language, self.begun, self.begun + 1)
        end = self.start + len(self.text)
        edge = self.begun if held and not final else end if self.fence else self.at
        past = max(0, min(edge, self.at) - self.start - CONTEXT)
        self.text, self.start = self.text[past:], self.start + past
        return found, edge

    def _open(self, *, final: bool) -> bool | None:
        """Go into the next block; None where the text has no other yet."""
        at = self.at - self.start
        open_ = len(self.text) if final else begun(OPENING, self.text, at)
        match = OPENING.whole.search(self.text, at)
        if match is None or (not final and match.start() >= open_):
            self.at = self.start + open_
            return None
        self.language, self.fence = match["language"], match["fence"]
        self.begun, self.at = self.start + match.start(), self.start + match.end()
        return True

    def _close(self, found: list[Finding], *, final: bool) -> bool | None:
        """Go out of the block; None where the text does not close it yet."""
        closing, at = _closing(self.fence), self.at - self.start
        match = closing.whole.search(self.text, at)
        end = self.start + (match.end() if match else len(self.text))
        while end - self.begun > LONGEST:
            self._note(found, self.begun + LONGEST)
        if match is not None or final:
            self._note(found, end)
        if match is None:
            self.at = self.start + begun(closing, self.text, at)
            return None
        self.at, self.fence = end, ""
        return True

    def _note(self, found: list[Finding], end: int) -> None:
        one = self.judge(self.language, self.begun, end)
        found += [one] if one else []
        self.begun = end


@lru_cache(maxsize=64)
def _closing(fence: str) -> Sought:
    return sought(rf"^[ ]{{0,3}}{re.escape(fence)}", re.MULTILINE)
