"""links: addresses that carry data out, or lead to hosts that the policy does not know."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import ClassVar, Literal

from guards._stream import whole
from guards._text._links import LONGEST, WRITTEN, Link, Target, targets
from guards._text._scan import Scan
from guards._types import Finding, Part

MESSAGES = {
    "host": "an address on a host that is not allowed",
    "image": "an address that is fetched when the text is shown, on a host that is not allowed",
    "data": "an address that carries data to a host that is not allowed",
    "scheme": "an address that holds content or a program itself",
    "login": "an address with a login in it, which can hide its host",
    "number": "an address whose host is a number",
    "punycode": "an address whose host has letters that look like others",
}
# Content or a program inside the address.
HELD = frozenset({"data", "javascript", "vbscript", "blob", "file"})
PICTURE = re.compile(r"image/(?:png|gif|jpe?g|webp|avif);base64,", re.IGNORECASE)
TOKEN = re.compile(r"[A-Za-z0-9+/_=%-]{24,}")


@dataclass(frozen=True, slots=True)
class Links:
    """Markdown, HTML, CSS and bare addresses that a reader's program would fetch or offer to open.

    `hosts` are the hosts allowed, as globs such as `*.example.com`, which `example.com` alone does not match.
    `unknown` says what is reported on other hosts: `all` addresses, only those that are `fetched` when the
    text is shown or carry data (the default), or only `data`.  Reported on every host that is not allowed: a
    login in the address, a number for a host, punycode, and addresses that hold content or a program.
    """

    hosts: tuple[str, ...] = ()
    unknown: Literal["all", "fetched", "data"] = "fetched"
    window: ClassVar[int] = LONGEST

    def __post_init__(self) -> None:
        for host in self.hosts:
            if "/" in host or ":" in host or host != host.lower() or not host:
                raise ValueError(
                    f"hosts has {host!r}; write a host alone, in lower case, as example.com or *.example.com"
                )

    def __call__(self, part: Part) -> list[Finding]:
        return whole(self.reader(part), part.text)

    def reader(self, part: Part) -> Scan:
        return Scan((pattern, partial(self._judged, read)) for pattern, read in WRITTEN)

    def _judged(
        self, read: Callable[[re.Match[str]], Iterator[Link]], match: re.Match[str]
    ) -> Iterator[Finding]:
        for link in read(match):
            if (kind := self._kind(link)) is not None:
                yield Finding(
                    code=f"links.{kind}",
                    message=MESSAGES[kind],
                    start=link.start,
                    end=link.end,
                    fix="about:blank",
                )

    def _kind(self, link: Link) -> str | None:
        """What is wrong with an address; None for what is allowed."""
        kinds = (self._wrong(to, fetched=link.fetched) for to in targets(link.url))
        return next((kind for kind in kinds if kind is not None), None)

    def _wrong(self, to: Target, *, fetched: bool) -> str | None:
        if to.scheme in HELD:
            return None if to.scheme == "data" and PICTURE.match(to.path) else "scheme"
        if not to.host or to.host in self.hosts or any(fnmatchcase(to.host, one) for one in self.hosts):
            return None
        if fetched and self.unknown != "data":
            return "image"
        return _suspect(to) or ("host" if self.unknown == "all" else None)


def _suspect(to: Target) -> str | None:
    if to.userinfo:
        return "login"
    if re.fullmatch(r"[\d.]+|\[.*\]?", to.host):
        return "number"
    if "xn--" in to.host:
        return "punycode"
    return "data" if _carries(to) else None


def _carries(to: Target) -> bool:
    """Whether an address has room for data: a query, or a part of its path or host that no word fills."""
    parts = [*to.path.split("/"), *to.host.split(".")]
    return bool(to.query) or any(TOKEN.fullmatch(part) and any(map(str.isdigit, part)) for part in parts)


guard = Links
