"""invisible: characters that nobody sees and a model reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar
from unicodedata import bidirectional, category

from guards._types import Finding, Part

KINDS = {
    "control": r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f",
    "bidi": r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069",
    "zero_width": r"\u00ad\u115f\u1160\u180e\u200b-\u200d\u2060-\u2065\u206a-\u206f"
    r"\u3164\ufeff\uffa0\ufff9-\ufffb",
    "tag": r"\U000e0000-\U000e00ff\U000e01f0-\U000e0fff",
    "selector": r"\U000e0100-\U000e01ef",
}
MESSAGES = {
    "control": "a control character",
    "bidi": "a character that turns the direction of text",
    "zero_width": "a character without width",
    "tag": "a tag character, which spells text unseen",
    "selector": "a variation selector, which can carry data unseen",
}
SUSPECTS = re.compile("|".join(f"(?P<{kind}>[{characters}])" for kind, characters in KINDS.items()))
# Arabic, Indic and other scripts without case join their letters, and emoji their parts, with these two.
JOINERS = "\u200c\u200d"
JOINED = frozenset({"Lo", "Mn", "Mc", "So", "Sk"})
# Hebrew and Arabic text sets these beside punctuation and foreign words.
MARKS = "\u061c\u200e\u200f"


@dataclass(frozen=True, slots=True)
class Invisible:
    """Control, bidirectional, zero-width and tag characters, and supplementary variation selectors.

    Tabs and line ends are ordinary.  So are a joiner between letters of a script that joins or between emoji,
    and a direction mark beside a letter that is written from right to left.  Source of the sets: the Unicode
    Character Database.
    """

    window: ClassVar[int | None] = 1

    def __call__(self, part: Part) -> Iterator[Finding]:
        text = part.text
        if text.isascii() and text.isprintable():
            return
        for match in SUSPECTS.finditer(text):
            if match[0] in JOINERS and _joins(text, match.start()):
                continue
            if match[0] in MARKS and _turns(text, match.start()):
                continue
            kind = match.lastgroup or ""
            yield Finding(
                code=f"invisible.{kind}",
                message=MESSAGES[kind],
                start=match.start(),
                end=match.end(),
                fix="",
            )


def _joins(text: str, at: int) -> bool:
    return 0 < at < len(text) - 1 and category(text[at - 1]) in JOINED and category(text[at + 1]) in JOINED


def _turns(text: str, at: int) -> bool:
    beside = text[max(0, at - 1) : at] + text[at + 1 : at + 2]
    return any(bidirectional(char) in ("R", "AL") and category(char) == "Lo" for char in beside)


guard = Invisible
