"""Editing a policy's text: entries are added, and every character that was there stays."""

from difflib import SequenceMatcher
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import PolicyError
from policies._edit import extended
from policies._yaml import read

A, B = "0" * 32, "1e" * 16
BEFORE = st.sampled_from(["", "# first\n", "name: x   # named\n", "tool:\n  - {use: size}\n"])
ITEMS = st.sampled_from(
    [
        "  - {use: secrets}",
        "  - { use: secrets , then: redact }  # why",
        "  - {use: secrets, at: [call, reply],}",
        "  - {then: redact, # a }\n     use: secrets, # b ]\n    }",
        "  - {use: secrets,\n     allow_digests: []}",
        f'  - {{use: secrets, allow_digests: ["{B}"], generic: true}}',
        f"  - {{use: secrets, allow_digests: [ '{B}' , ] }}",
        "  - use: secrets   # the name",
        "  - then: redact\n    use: secrets\n    # below\n    at: [call]",
        f'  - use: secrets\n    allow_digests:\n      - "{B}"  # an old one\n    then: redact',
        f"  - use: secrets\n    allow_digests:\n    - '{B}'",
        "  - use: secrets\n    allow_digests: [\n      # none yet\n    ]",
        f'  - use: secrets\n    allow_digests: [\n      "{B}", # one, two ]\n    ]',
        "  -   use: 'secrets'\n\n      then: redact",
        "  - {use: secrets, only: 'h\u00e9llo \U0001f600, [}'}  # \u00e9",
    ]
)
AFTER = st.sampled_from(["", "\n", "\n  - {use: links}  # next\n", "\n# the end", "\n  - use: mask\n\n"])


@settings(max_examples=300, deadline=None)
@given(
    BEFORE, ITEMS, AFTER, st.lists(st.sampled_from([A, "e" * 32]), unique=True), st.sampled_from(["", "\r\n"])
)
@example("", "  - {then: redact, # a }\n     use: secrets, # b ]\n    }", "", [A], "")
def test_what_is_added_stands_there_and_nothing_is_taken_out(
    before: str, item: str, after: str, new: list[str], ends: str
) -> None:
    old = f"wardline: 1\n{before}model:\n{item}{after}"
    old = old.replace("\n", ends) if ends else old
    node = read(old, "p", Path())
    line = node["model"][0].place[0]
    edited = extended(old, line, "secrets", {"allow_digests": new}, allow_key="${KEY}")
    changed, was = read(edited, "p", Path()).value, node.value
    item_was, item_is = was["model"].pop(0), changed["model"].pop(0)
    assert item_is.pop("allow_digests", []) == [*item_was.pop("allow_digests", []), *new]
    assert item_is.pop("allow_key") == "${KEY}"
    assert (item_is, changed) == (item_was, was)
    assert all(
        tag in ("equal", "insert") for tag, *_ in SequenceMatcher(None, old, edited, False).get_opcodes()
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model: [{use: secrets}, {use: secrets}]", 1),
        ("model:\n - {use: links}", 2),
        ("model:\n - {use: secrets}", 3),
        ("model:\n - inherit", 2),
    ],
)
def test_a_guard_that_is_not_there_or_not_alone_is_refused(text: str, line: int) -> None:
    with pytest.raises(PolicyError, match=f"{line}.*guards secrets begin here"):
        extended(text, line, "secrets", {"allow_digests": [A]})
