"""Edit the text of a policy: what is added is added, and all else stays as it is written, comments too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from guards._errors import PolicyError

COMMENT = re.compile(r"#[^\n]*")


def extended(text: str, line: int, use: str, lists: Mapping[str, Iterable[str]], **texts: str) -> str:
    """The text of a policy in which the guard `use` that begins in `line` has more entries in its lists.

    `texts` are settings that it gets where it does not have them.  Raises `PolicyError` where it is not clear
    which guard is meant.
    """
    for name, value in texts.items():
        if name not in _settings(_item(text, line, use)):
            text = _with_setting(text, _item(text, line, use), f'{name}: "{value}"')
    for name, entries in lists.items():
        for entry in entries:
            text = _with_entry(text, _item(text, line, use), name, entry)
    return text


def _item(text: str, line: int, use: str) -> Any:
    """The mapping of a guard, with its place in the text."""
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    chains = [value for key, value in root.value if key.value in ("model", "tool")]
    meant = [
        item
        for chain in chains
        for item in chain.value
        if item.start_mark.line == line - 1 and _settings(item).get("use", item).value == use
    ]
    if len(meant) != 1:
        raise PolicyError("", line, 0, "", f"{len(meant)} guards {use} begin here", "write one a line")
    return meant[0]


def _settings(item: Any) -> dict[str, Any]:
    return {key.value: value for key, value in item.value} if isinstance(item, yaml.MappingNode) else {}


def _with_setting(text: str, item: Any, written: str) -> str:
    if item.flow_style:
        return _before_close(text, item, written)
    first, _ = item.value[0]
    return _new_line(text, _settings(item)["use"], first.start_mark.column, written)


def _with_entry(text: str, item: Any, name: str, entry: str) -> str:
    known = _settings(item).get(name)
    if known is None:
        return _with_setting(text, item, f'{name}: ["{entry}"]')
    if known.flow_style:
        return _before_close(text, known, f'"{entry}"')
    return _new_line(text, known.value[-1], known.start_mark.column, f'- "{entry}"')


def _before_close(text: str, node: Any, written: str) -> str:
    """The text with something before the closing bracket of a node."""
    start, close = node.start_mark.index + 1, node.end_mark.index - 1
    inner = [one[-1] if isinstance(one, tuple) else one for one in node.value[-1:]]
    done = inner[0].end_mark.index if inner else start
    left = COMMENT.sub("", text[done:close])
    sign = "" if not inner else " " if "," in left else ", "
    at = close if "\n" in left else done + len(left.rstrip())
    return text[:at] + sign + written + text[at:]


def _new_line(text: str, after: Any, column: int, written: str) -> str:
    """The text with a line more, below the one in which a node ends."""
    end = text.find("\n", after.end_mark.index)
    ended = "\r\n" if "\r\n" in text else "\n"
    if end < 0:
        return f"{text}{ended}{' ' * column}{written}"
    return f"{text[: end + 1]}{' ' * column}{written}{ended}{text[end + 1 :]}"
