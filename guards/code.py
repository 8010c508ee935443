"""code: code blocks by language, dangerous shell commands, and database statements that write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from guards._stream import Reader, whole
from guards._text._fences import LONGEST, Fences
from guards._text._scan import Both, Scan, sought
from guards._types import Finding, Part

ALIASES = {
    "sh": "shell", "bash": "shell", "zsh": "shell", "console": "shell", "ksh": "shell", "fish": "shell",
    "ps1": "powershell", "pwsh": "powershell", "bat": "batch", "cmd": "batch", "dosbatch": "batch",
    "py": "python", "python3": "python", "js": "javascript", "node": "javascript", "jsx": "javascript",
    "ts": "typescript", "tsx": "typescript", "rb": "ruby", "c++": "cpp", "cs": "csharp", "c#": "csharp",
    "postgres": "sql", "postgresql": "sql", "mysql": "sql", "sqlite": "sql", "plsql": "sql", "tsql": "sql",
    "golang": "go", "rs": "rust", "pl": "perl", "htm": "html", "vb": "vbscript", "vbs": "vbscript",
}  # fmt: skip
START = r"(?:^|[;\n])[ \t]{0,8}(?:\$[ ]|#[ ]|>[ ]|sudo[ ]){0,2}"
COMMANDS = sought(
    rf"{START}(?P<run>(?:rm[ ]{{1,8}}-[a-zA-Z]{{0,8}}[rf][a-zA-Z]{{0,8}}[ ]|dd[ ]{{1,8}}if="
    r"|mkfs(?:\.\w{1,16})?[ ]"
    r"|chmod[ ]{1,8}(?:-R[ ]{1,8})?[0-7]{3,4}[ ]"
    r"|(?:curl|wget)[ ][^\n|]{0,500}\|[ ]{0,8}(?:sudo[ ]{1,8})?(?:ba|z|da)?sh\b"
    r"|nc[ ]{1,8}-[a-z]{0,8}[el]|bash[ ]{1,8}-i[ ]|:\(\)\{"
    r"|Remove-Item[ ]|Invoke-Expression\b"
    r"|iex[ ]|powershell(?:\.exe)?[ ]{1,8}-|del[ ]{1,8}/[fsq]|format[ ]{1,8}[a-z]:)[^\n]{0,500})",
    re.IGNORECASE,
)
NAME = r"[\w.\"`\[\]]{1,128}"
WRITES = sought(
    rf"\b(?:insert\s{{1,20}}into\s{{1,20}}{NAME}\s{{0,20}}(?:\(|values\b|select\b)"
    rf"|update\s{{1,20}}{NAME}\s{{1,20}}set\s{{1,20}}{NAME}\s{{0,20}}="
    rf"|delete\s{{1,20}}from\s{{1,20}}{NAME}(?:\s{{0,20}};|\s{{1,20}}where\b|\s{{0,20}}\Z)"
    rf"|(?:drop|truncate|alter)\s{{1,20}}(?:table|database|schema|view|index|user|role)\s{{1,20}}{NAME}"
    rf"|create\s{{1,20}}(?:table|database|user|role|trigger)\s{{1,20}}{NAME}\s{{0,20}}(?:\(|;|with\b)"
    rf"|(?:grant|revoke)\s{{1,20}}[\w, ]{{1,100}}\s{{1,20}}on\s{{1,20}}{NAME}\s{{1,20}}(?:to|from)\b"
    rf"|merge\s{{1,20}}into\s{{1,20}}{NAME})",
    re.IGNORECASE,
)
MESSAGES = {
    "block": "a block of code in a language that is denied",
    "shell": "a shell command that changes or fetches things",
    "sql": "a database statement that writes",
}


@dataclass(frozen=True, slots=True)
class Code:
    """Code blocks whose language is in `deny`, or not in `allow` where that is given, and dangerous lines.

    `*` in `deny` means every block.  A block without a language has the name `none`.  `shell` and `sql` say
    whether commands that delete, overwrite or run what they fetch, and statements that write, are found
    anywhere in the text.  A long block is found in several pieces.
    """

    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    shell: bool = True
    sql: bool = True
    window: ClassVar[int] = LONGEST

    def __call__(self, part: Part) -> list[Finding]:
        return whole(self.reader(part), part.text)

    def reader(self, part: Part) -> Reader:
        lines = Scan(
            (pattern, judge)
            for pattern, judge, wanted in ((COMMANDS, _command, self.shell), (WRITES, _write, self.sql))
            if wanted
        )
        return Both(Fences(self._block), lines) if self.deny or self.allow else lines

    def _block(self, language: str, start: int, end: int) -> Finding | None:
        return None if self._may_stand(language.lower()) else _finding("block", start, end)

    def _may_stand(self, written: str) -> bool:
        language = ALIASES.get(written, written or "none")
        denied = {ALIASES.get(one.lower(), one.lower()) for one in self.deny}
        allowed = {ALIASES.get(one.lower(), one.lower()) for one in self.allow}
        return language not in denied and "*" not in denied and (not allowed or language in allowed)


def _command(match: re.Match[str]) -> Iterator[Finding]:
    yield _finding("shell", *match.span("run"))


def _write(match: re.Match[str]) -> Iterator[Finding]:
    yield _finding("sql", *match.span())


def _finding(kind: str, start: int, end: int) -> Finding:
    return Finding(code=f"code.{kind}", message=MESSAGES[kind], start=start, end=end, fix="[code removed]")


guard = Code
