"""Addresses that a renderer of Markdown or HTML would fetch or offer, and where each points."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

from guards._text._percent import unquoted
from guards._text._scan import sought

LONGEST = 2048
"""Characters of one address; a longer one is reported up to there."""

BLANK = r"[\s\x00-\x20]"
STOP = r"\s<>\"'`"
# A scheme may be written with blanks, tabs and entities inside, which browsers take out.
GAP = r"[\t\r\n]{0,2}"
SCHEME = rf"(?:h{GAP}t{GAP}t{GAP}p{GAP}s?|ftps?|wss?|file|data|javascript|vbscript|blob)"
BARE = sought(
    rf"(?<![A-Za-z0-9+.-]){SCHEME}{GAP}(?::|&colon;|&#0{{0,5}}58;?|&#x0{{0,5}}3a;?)[^{STOP}]{{1,{LONGEST}}}",
    re.IGNORECASE,
)
# Two slashes at the beginning take the page's scheme; browsers read a backslash as a slash.
RELATIVE = sought(rf"(?<![A-Za-z0-9:/\\])[/\\]{{2}}[^{STOP}/\\]{{1,255}}[^{STOP}]{{0,{LONGEST}}}")
WWW = sought(rf"(?<![A-Za-z0-9./@-])www\.[^{STOP}]{{1,{LONGEST}}}", re.IGNORECASE)
# In brackets, an address may hold a host in square ones, and ends where the next link begins.
INLINE = r"(?:[^\s<>\[!]|(?<=[/@])\[|!(?!\[))"
# What stands where only an address stands, whatever it looks like.
PLACES = sought(
    rf"(?P<image>!)?\[[^\[\]]{{0,500}}\]\(\s{{0,20}}<?(?P<inline>{INLINE}{{1,{LONGEST}}})"
    rf"|^[ ]{{0,3}}\[[^\[\]]{{1,500}}\]:\s{{0,20}}<?(?P<reference>[^\s<>]{{1,{LONGEST}}})"
    rf"|<(?P<auto>[A-Za-z][A-Za-z0-9+.-]{{1,31}}:[^\s<>]{{1,{LONGEST}}})>"
    r"|(?P<attribute>\b(?:src|href|srcset|imagesrcset|action|formaction|poster|background|data|cite|ping|content"
    rf"|xlink:href|longdesc|manifest|lowsrc|dynsrc|style)){BLANK}{{0,20}}={BLANK}{{0,20}}"
    rf"(?:\"(?P<double>[^\"]{{0,{LONGEST}}})|'(?P<single>[^']{{0,{LONGEST}}})|(?P<plain>[^\s\"'<>]{{1,{LONGEST}}}))"
    rf"|\burl\(\s{{0,20}}[\"']?(?P<css>[^\s\"')]{{1,{LONGEST}}})"
    rf"|@import\s{{1,20}}[\"'](?P<import>[^\"']{{1,{LONGEST}}})",
    re.IGNORECASE | re.MULTILINE,
)
IMAGES = frozenset(
    {"src", "srcset", "imagesrcset", "poster", "background", "style", "lowsrc", "dynsrc", "xlink:href"}
)
# Elements whose `href` or `data` is fetched, not offered.
FETCHING = re.compile(r"<(?:link|base|use|image|feimage|object|script)\b[^<]{0,2048}\Z", re.IGNORECASE)
CLOSERS = {")": "(", "]": "[", "}": "{"}
PORT = re.compile(r":\d*$")
NUMBER = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}\.?", re.IGNORECASE)


class Link(NamedTuple):
    """An address, its span, and whether showing the text fetches it."""

    start: int
    end: int
    url: str
    fetched: bool


class Target(NamedTuple):
    """Where an address points: its scheme and host in lower case, and what data it carries."""

    scheme: str
    host: str
    userinfo: str
    path: str
    query: str


def links(text: str) -> Iterator[Link]:
    """Every address in a text, with those that overlap another of the same place."""
    for pattern, read in WRITTEN:
        for match in pattern.whole.finditer(text):
            yield from read(match)


def bare(match: re.Match[str]) -> Iterator[Link]:
    url = _trimmed(match[0])
    yield Link(match.start(), match.start() + len(url), url, False)


def placed(match: re.Match[str]) -> Iterator[Link]:
    group = match.lastgroup or ""
    attribute = (match["attribute"] or "").lower()
    url = match[group]
    start = match.start(group)
    if group == "inline":
        url = _balanced(url)
    fetched = group in ("css", "import") or match["image"] is not None or attribute in IMAGES
    if attribute in ("href", "data"):
        fetched = FETCHING.search(match.string, max(0, match.start() - LONGEST), match.start()) is not None
    if attribute in ("srcset", "imagesrcset", "ping"):
        for one in re.finditer(r"[^\s,][^\s]*[^\s,]", url):
            yield Link(start + one.start(), start + one.end(), one[0], fetched)
    elif attribute == "content":
        if (refresh := re.search(r"url\s*=\s*['\"]?(.+)", url, re.IGNORECASE)) is not None:
            yield Link(start + refresh.start(1), start + refresh.end(1), refresh[1], True)
    elif attribute != "style" and url.strip():
        yield Link(start, start + len(url), url, fetched)
    elif attribute == "style":
        for one in re.finditer(r"url\(\s*(?:&quot;|&apos;|&#39;|['\"])?([^'\")\s&]+)", url, re.IGNORECASE):
            yield Link(start + one.start(1), start + one.end(1), one[1], True)


def _trimmed(url: str) -> str:
    """Without the punctuation of the sentence, and a bracket that the address did not open."""
    unopened = {closer: url.count(closer) - url.count(opener) for closer, opener in CLOSERS.items()}
    end = len(url)
    while end and (url[end - 1] in ".,;:!?*_~|" or unopened.get(url[end - 1], 0) > 0):
        end -= 1
        if url[end] in unopened:
            unopened[url[end]] -= 1
    return url[:end]


def _balanced(url: str) -> str:
    depth = 0
    for at, char in enumerate(url):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return url[:at]
    return url


WRITTEN = ((PLACES, placed), (BARE, bare), (RELATIVE, bare), (WWW, bare))
"""How addresses are written, and what reads them there."""


def targets(url: str) -> tuple[Target, ...]:
    """Where an address points as HTML, and as Markdown, in which a backslash only protects a sign."""
    readings = dict.fromkeys((url, re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", url)))
    return tuple(map(target, readings))


def target(url: str) -> Target:
    """Where an address points, as a browser reads it."""
    plain = re.sub(r"[\t\r\n]", "", html.unescape(url)).strip("".join(map(chr, range(33))))
    plain = plain.replace("\\", "/")
    scheme, sign, rest = plain.partition(":")
    scheme = scheme.lower()
    if not sign or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        scheme, rest = "", plain
    if scheme in ("", "http", "https", "ftp", "ws", "wss", "ftps", "file"):
        slashes = len(rest) - len(rest.lstrip("/"))
        if slashes < 2 and not scheme:
            if rest.lower().startswith("www."):
                return _parsed("http", rest)
            return Target("", "", "", *_split(rest))
        return _parsed(scheme or "https", rest[slashes:])
    return Target(scheme, "", "", *_split(rest))


def _parsed(scheme: str, rest: str) -> Target:
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    userinfo, at, host = authority.rpartition("@")
    path, query = _split(rest[len(authority) :])
    return Target(scheme, _host(host), userinfo if at else "", path, query)


def _split(rest: str) -> tuple[str, str]:
    path, sign, query = rest.partition("?")
    if not sign:
        path, sign, query = rest.partition("#")
    return path, query


def _host(written: str) -> str:
    """A host in lower case, decoded, in ASCII, without its port; a number as the address it stands for."""
    host = PORT.sub("", unquoted(written)).lower().rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return "xn--"
    return _address(host) if NUMBER.fullmatch(host) else host


def _address(host: str) -> str:
    """Four decimal numbers for an IPv4 address in decimal, octal, hexadecimal, or fewer parts."""
    try:
        parts = [int(one, _base(one)) for one in host.split(".")]
    except ValueError:
        return host  # no number to a browser either
    number = parts[-1] + sum(part << 8 * (3 - at) for at, part in enumerate(parts[:-1]))
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)) if number < 1 << 32 else host


def _base(number: str) -> int:
    if number.startswith("0x"):
        return 16
    return 8 if number.startswith("0") and len(number) > 1 else 10
