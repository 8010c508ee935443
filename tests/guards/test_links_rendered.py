"""Every address that a renderer of CommonMark and HTML would fetch is seen, judged by real parsers."""

import re
import warnings
from collections.abc import Iterator

import html5lib
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from guards import Part
from guards._text._links import links, targets
from guards.links import Links

RENDER = MarkdownIt("commonmark", {"html": True})
FETCHED = {
    ("img", "src"), ("img", "srcset"), ("source", "src"), ("source", "srcset"), ("video", "src"),
    ("video", "poster"), ("audio", "src"), ("track", "src"), ("iframe", "src"), ("embed", "src"),
    ("object", "data"), ("input", "src"), ("script", "src"), ("link", "href"), ("image", "href"),
    ("use", "href"), ("body", "background"), ("table", "background"), ("td", "background"), ("frame", "src"),
}  # fmt: skip
OFFERED = {("a", "href"), ("area", "href"), ("form", "action"), ("button", "formaction"), ("a", "ping")}
CSS = re.compile(
    r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)|@import\s+(?:"([^"]*)"|'([^']*)')""", re.I
)


def rendered(text: str) -> Iterator[str]:
    """The addresses that stand in the page that a text becomes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page = html5lib.parse(RENDER.render(text), namespaceHTMLElements=False)
    for element in page.iter():
        if not isinstance(element.tag, str):
            continue
        tag = element.tag.rpartition("}")[2]
        for name, value in element.attrib.items():
            plain = name.rpartition("}")[2]
            if (tag, plain) in FETCHED | OFFERED:
                yield from _values(plain, value)
            if plain == "style":
                yield from _css(value)
        if tag == "style":
            yield from _css(element.text or "")
        if tag == "meta" and element.get("http-equiv", "").lower() == "refresh":
            yield from re.findall(r"(?i)url\s*=\s*['\"]?([^'\"]+)", element.get("content", ""))


def _values(name: str, value: str) -> Iterator[str]:
    if name == "srcset":
        yield from (one.split()[0] for one in value.split(",") if one.strip())
    elif name == "ping":
        yield from value.split()
    else:
        yield value


def _css(text: str) -> Iterator[str]:
    for found in CSS.findall(text):
        yield next((one for one in found if one), "")


def hosts(url: str) -> set[str]:
    """Where an address leads; one with signs that no host has leads nowhere."""
    return {to.host for to in targets(url) if re.fullmatch(r"[\w.-]+|\[[\w:.]+\]", to.host)}


URLS = st.builds(
    "{}{}{}".format,
    st.sampled_from(["https://", "HTTP://", "//", "https:\\\\", "ht\ntps://", "http:/", " https://"]),
    st.sampled_from(["evil.test", "a@evil.test", "EVIL.test.", "evil.test:8080", "[::1]", "0x7f.1",
                     "b\u00fccher.test"]),
    st.sampled_from(["", "/x?d=1", "/a_(b)", "#f", "/a b", "/%41?q='x'", "/&amp;y=1"]),
)  # fmt: skip
QUOTED = st.builds("{1}{0}{1}".format, URLS, st.sampled_from(["'", '"', ""]))
ENTITIES = st.sampled_from([("", ""), (":", "&colon;"), ("/", "&#47;"), ("e", "&#x65;"), ("t", "&#0116;")])
MARKS = [
    "![x](URL)", "[x](URL)", "[x](<URL> 'title')", "<URL>", "[r][1]\n\n[1]: URL", "[1]\n\n[1]: <URL>\n",
    "![x][]\n\n[x]: URL 'y'", "[![a](URL)](b)", "> ![q](URL)\n", "* [i](URL)\n", "![a\n](URL)",
    "[a](\nURL\n)",
    "[x](URL \"t\n\")", "![*e*](URL)",
]  # fmt: skip
TAGS = [
    "<img src=Q>", "<IMG alt=a SRC = Q>", "<img/src=Q>", "<img srcset='URL 1x, /b 2x'>", "<a href=Q>x</a>",
    "<video poster=Q></video>", "<audio src=Q></audio>", "<iframe src=Q></iframe>", "<embed src=Q>",
    "<object data=Q></object>", "<input type=image src=Q>", "<link rel=stylesheet href=Q>",
    "<svg><image xlink:href=Q /></svg>", "<svg><use href=Q /></svg>", "<table background=Q></table>",
    '<p style="background:url(URL)">', "<p style=\"background:url('URL')\">",
    "<style>p{background:url(URL)}</style>",
    '<style>@import "URL";</style>', "<form action=Q>", "<button formaction=Q>", "<a ping=Q href=x>y</a>",
    '<meta http-equiv="refresh" content="0;url=URL">', "<img\nsrc=Q\n>",
    "<div><source srcset='/a, URL 2x'></div>",
    "<track src=Q>", "<area href=Q>", "<script src=Q></script>",
]  # fmt: skip
PIECES = st.builds(
    lambda form, url, quoted, swap: form.replace("URL", url).replace("Q", quoted.replace(*swap)),
    st.sampled_from(MARKS + TAGS),
    URLS,
    QUOTED,
    ENTITIES.filter(lambda pair: pair[0]) | st.just(("\0", "")),
)
NOISE = st.sampled_from(
    ["", "text ", "\n\n", "(", "**", "`", "<b>", "\\", "<!-- ", " -->", "```\n", "    ", "]"]
)


@settings(max_examples=600, deadline=None)
@given(st.lists(NOISE | PIECES, min_size=1, max_size=4).map("".join))
@example("![a](https://evil.test/a_(b))")
@example("<svg><image xlink:href='//evil.test/x' /></svg>")
def test_every_address_that_a_renderer_would_fetch_or_offer_is_seen(text: str) -> None:
    seen = {host for link in links(text) for host in hosts(link.url)}
    for url in rendered(text):
        there = hosts(url)
        assert not there or there & seen, "a renderer reads a host here that is not seen"


def shown(form: str) -> bool:
    """Whether showing a form fetches its address, in a page that CommonMark would make of it."""
    return not re.match(r"<a |<area|<form|<button|<img/|<img\n", form)


@pytest.mark.parametrize("form", [one for one in TAGS + MARKS[:1] if shown(one)])
def test_what_is_fetched_when_shown_is_reported_as_such(form: str) -> None:
    text = form.replace("URL", "https://evil.test/x").replace("Q", "'https://evil.test/x'")
    assert list(rendered(text))
    assert "links.image" in {one.code for one in Links()(Part(text=text))}
