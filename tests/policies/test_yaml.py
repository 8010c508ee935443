"""The strict YAML reader: what is read is what is written, and all else is refused with its place."""

import json
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import PolicyError
from policies import _yaml
from policies._yaml import Node, read

HERE = Path()
PARSERS = [parser for name in ("CSafeLoader", "SafeLoader") if (parser := getattr(yaml, name, None))]


def value(text: str | bytes) -> Any:
    return read(text, "file.yaml", HERE).value


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.__name__)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds with the parser in C and without it."""
    monkeypatch.setattr(_yaml, "PARSER", request.param)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.usefixtures("parser")
@settings(max_examples=60)
@given(JSON)
def test_any_json_reads_as_itself(whole: Any) -> None:
    text = json.dumps(whole, ensure_ascii=True)
    if "\\ud8" not in text and "\\ud9" not in text and "\\uda" not in text and "\\udb" not in text:
        assert value(text) == whole


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("OFF", "OFF"), ("y", "y"), ("NO", "NO"),
        ("1:30", "1:30"), ("190:20:30", "190:20:30"), ("2024-01-01", "2024-01-01"),
        ("0o17", 15), ("0x1F", 31),
        ("20_000", 20_000), ("-3", -3), ("+3", 3), ("0", 0), ("0.5", 0.5), (".5", 0.5), ("1e3", 1000.0),
        ("1.", 1.0), ("30s", "30s"), ("2MB", "2MB"), ("~", None), ("null", None), ("", None), ("true", True),
        ("False", False), ("tRue", "tRue"), ('"true"', "true"), ("'0777'", "0777"), ("=", "="), ("1_", "1_"),
        ("_1", "_1"), ("1__0", "1__0"), ("0b1", "0b1"), ("nan", "nan"), ("inf", "inf"), ("é", "é"),
    ],
)  # fmt: skip
def test_a_plain_value_is_what_yaml_1_2_says(written: str, meant: Any) -> None:
    got = value(f"a: {written}")["a"]
    assert (got, type(got)) == (meant, type(meant))


REFUSED = [
    ("a: 1\nb: 2\na: 3", 3, 1, "written twice"),
    ("a: {x: 1, x: 2}", 1, 11, "written twice"),
    ("a: &x 1\nb: *x", 1, 4, "anchors"),
    ("a: *x", 1, 4, "aliases"),
    ("*x : 1", 1, 1, "aliases"),
    ("&k a: 1", 1, 1, "anchors"),
    ("a: !!str 1", 1, 4, "tags"),
    ("a: !!python/object/apply:os.system [id]", 1, 4, "tags"),
    ("!x a: 1", 1, 1, "tags"),
    ("a: 1\n---\nb: 2", 2, 1, "second document"),
    ("%YAML 1.1\n---\na: 1", 1, 1, "YAML 1.2"),
    ("%TAG ! tag:example.org,2000:\n---\na: 1", 1, 1, "YAML 1.2"),
    ("<<: {a: 1}", 1, 1, "merge keys"),
    ("1: a", 1, 1, "a key must be a text"),
    ("true: a", 1, 1, "a key must be a text"),
    ("on: a", 1, 1, "a key must be a text"),
    ("x:\n  No: a", 2, 3, "a key must be a text"),
    ("~: a", 1, 1, "a key must be a text"),
    ("? [a]\n: b", 1, 3, "a key must be a text"),
    ("a: 0777", 1, 4, "leading zero"),
    ("a: -007", 1, 4, "leading zero"),
    ("a: [.inf]", 1, 5, "finite"),
    ("a: .NaN", 1, 4, "finite"),
    ("a: 1e999", 1, 4, "finite"),
    (f"a: {'9' * 5000}", 1, 4, "too many digits"),
    (f"a: 0x{'f' * 5000}", 1, 4, "too many digits"),
    ("a: 1\n\tb: 2", 2, 1, "a tab stands"),
    ("a: b: c", 1, 5, "looks like another key"),
    ("a: @b", 1, 4, "may not begin"),
    ("a: 'b", 1, 6, "not YAML"),
    ("a: [1\n", 2, 1, "it began at line 1, column 4"),
    ("a\nb: 1", 2, 2, ""),
    ("a: \x07", 1, 4, "U+0007"),
    ("\ufeffa: \x07", 1, 5, "U+0007"),
    ("a: 1\nb: \x00", 2, 4, "U+0000"),
    (b"a: 1\nb: \xff", 2, 4, "not UTF-8"),
    (b"\xff", 1, 1, "not UTF-8"),
    ("a: \ud800", 1, 4, "not UTF-8"),
    ("", 1, 1, "empty"),
    ("# only a comment\n", 1, 1, "empty"),
    ("[" * 900_000, 1, 51, "50 levels"),
    ("a: " + "{b: " * 60, 1, 200, "50 levels"),
    ("[" * 10_000_000, 0, 0, "too large"),
    ("é" * 600_000, 0, 0, "too large"),
]


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("text", "line", "column", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_means_something_else_is_refused_where_it_stands(
    text: str | bytes, line: int, column: int, said: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        value(text)
    assert said in str(caught.value)
    assert (caught.value.line, caught.value.file) == (line, "file.yaml")
    if _yaml.PARSER is PARSERS[0] and "not YAML" not in said:
        assert caught.value.column == column


@pytest.mark.usefixtures("parser")
def test_a_bomb_of_aliases_is_refused_at_its_fuse() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(PolicyError, match="anchors"):
        value(bomb)


def test_half_of_a_character_is_refused_by_either_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    for parser in PARSERS:
        monkeypatch.setattr(_yaml, "PARSER", parser)
        with pytest.raises(PolicyError):
            value('a: "\\ud800"')


FRAGMENTS = st.sampled_from(
    ["a", "b: ", ": ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "&x ", "*x", "!!str ", "<<", "? ",
     "---\n", "...\n", "%YAML 1.2\n", "'", '"', "\\", "|\n", ">-\n", "#", "0", "0777", "1_0", ".inf", "~",
     "yes", "é", "\x85", "\u2028", "\ufeff", "\x00", "@", "`", "=", "1e9999", "0x", "${A}", "inherit", "\r\n"]
)  # fmt: skip


@pytest.mark.usefixtures("parser")
@settings(max_examples=250)
@given(st.binary(max_size=60) | st.text(max_size=40) | st.lists(FRAGMENTS, max_size=25).map("".join))
@example(b"\x00")
@example("? \n: 1")
@example('"\\ud800"')
@example("a: \x85")
def test_any_input_gives_plain_values_or_a_policy_error(source: str | bytes) -> None:
    try:
        node = read(source, "file.yaml", HERE)
    except PolicyError as error:
        error.detail()
    else:
        assert json.loads(json.dumps(node.value)) == node.value
        assert set(node.document.values) == set(paths(node))


def paths(node: Node) -> list[tuple[str | int, ...]]:
    inner = list(node) if isinstance(node.value, list) else []
    if isinstance(node.value, dict):
        inner = [one for _, one in node.items()]
    return [node.path, *(path for one in inner for path in paths(one))]


@pytest.mark.usefixtures("parser")
@settings(max_examples=60)
@given(st.lists(st.text(string.ascii_letters, min_size=3, max_size=8), min_size=1, max_size=6, unique=True))
def test_every_value_and_key_knows_its_line_and_column(names: list[str]) -> None:
    text = "top:\n" + "".join(f"  - {{key_{name}: value_{name}}}\n" for name in names)
    root = read(text, "file.yaml", HERE)
    lines = text.splitlines()
    for index, name in enumerate(names):
        node = root["top"][index][f"key_{name}"]
        line, column = node.place
        assert lines[line - 1][column - 1 :].startswith(f"value_{name}")
        line, column = root.document.keys[node.path]
        assert lines[line - 1][column - 1 :].startswith(f"key_{name}")


@pytest.mark.parametrize(
    ("text", "line", "column", "place"),
    [
        ("a: one two", 1, 5, (1, 8)),
        ("a: 'one two'", 1, 5, (1, 9)),
        ("a: |\n  one\n  two", 2, 1, (3, 3)),
        ("a:\n  one two", 1, 1, (2, 3)),
        ("a: >\n  one\n  two", 1, 1, (1, 4)),  # folded: the text is not in the file as it reads
        ('a: "on\\u0065"', 1, 2, (1, 4)),
        ("a: one", 7, 1, (1, 4)),
    ],
)
def test_a_place_in_a_text_is_a_place_in_the_file(
    text: str, line: int, column: int, place: tuple[int, int]
) -> None:
    assert read(text, "file.yaml", HERE)["a"].inside(line, column) == place
