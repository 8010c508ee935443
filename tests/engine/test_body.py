"""Values are patched at their strings' paths: round trip, sharing, and nothing else touched."""

from collections import deque, namedtuple
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from guards import Denied, Part
from guards._body import get, leaves, patch

Pair = namedtuple("Pair", "left right")


@dataclass(frozen=True)
class Frozen:
    name: str
    items: Any = ()


@dataclass(slots=True)
class Slotted:
    name: str
    late: str = field(init=False)


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)
    name: str
    inner: Any = None


class Attrs:
    """Looks like a class made by attrs."""

    class _Attribute:
        name = "title"

    __attrs_attrs__ = (_Attribute,)

    def __init__(self, title: str) -> None:
        self.title = title


def containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(values, max_size=3),
        st.lists(values, max_size=3).map(tuple),
        st.lists(values, max_size=3).map(deque),
        st.dictionaries(st.text(max_size=3) | st.integers(0, 3), values, max_size=3),
        st.dictionaries(st.text(max_size=3), values, max_size=3).map(MappingProxyType),
        st.frozensets(st.text(max_size=3), max_size=3),
        st.sets(st.text(max_size=3), max_size=3),
        st.builds(Pair, values, values),
        st.builds(Frozen, st.text(max_size=3), values),
        st.builds(Model, name=st.text(max_size=3), inner=values, extra=st.text(max_size=3)),
        st.builds(Attrs, st.text(max_size=3)),
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=2),
    containers,
    max_leaves=12,
)


@given(VALUES)
def test_putting_back_what_was_there_gives_the_same_object(value: Any) -> None:
    parts = [Part(text=text, at=at) for at, text in leaves(value)]
    assert patch(value, parts) is value
    assert all(get(value, part.at) == part.text for part in parts)


@given(VALUES)
def test_every_string_is_reached_and_nothing_else_changes(value: Any) -> None:
    before = list(leaves(value))
    shape = repr(value)
    fresh = patch(
        value, [Part(text=f"{text}\N{BLACK STAR}{i}", at=at) for i, (at, text) in enumerate(before)]
    )
    after = sorted(text for _, text in leaves(fresh))
    assert after == sorted(f"{text}\N{BLACK STAR}{i}" for i, (_, text) in enumerate(before))
    assert type(fresh) is type(value) or isinstance(value, MappingProxyType)
    assert repr(value) == shape or "Attrs" in shape  # the original is left as it was
    assert sorted(text for _, text in leaves(value)) == sorted(text for _, text in before)


def test_only_what_changed_is_copied() -> None:
    value = {"a": ["x", "y"], "b": {"c": "z"}}
    fresh = patch(value, [Part(text="new", at=("a", 0)), Part(text="z", at=("b", "c"))])
    assert fresh == {"a": ["new", "y"], "b": {"c": "z"}}
    assert fresh["b"] is value["b"]


def test_a_dataclass_keeps_what_was_never_set_unset() -> None:
    value = Slotted("x")
    assert [at for at, _ in leaves(value)] == [("name",)]
    assert patch(value, [Part(text="y", at=("name",))]).name == "y"
    assert value.name == "x"


def test_content_nested_too_deeply_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(Denied, match="nested deeper"):
        list(leaves(loop))


def test_what_is_no_container_is_no_content() -> None:
    assert list(leaves([1, 2.5, None, b"x", object(), str, Frozen])) == []


def test_pydantic_and_slotted_dataclasses_are_patched() -> None:
    from typing import ClassVar

    from pydantic.dataclasses import dataclass as checked

    @checked
    class Checked:
        text: str

    @dataclass(frozen=True, slots=True)
    class Kinded:
        kind: ClassVar[str] = "a kind is no content"
        text: str = "x"

    for value in (Checked("x"), Kinded()):
        assert [text for _, text in leaves(value)] == ["x"]
        assert patch(value, [Part(text="y", at=("text",))]).text == "y"
        assert value.text == "x"
