"""A guard is found by its name, among ours and those that packages offer."""

from dataclasses import is_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies._find import built_in, find, known, suggest


def test_every_guard_of_this_library_is_a_configurable_dataclass() -> None:
    assert built_in()
    for name in built_in():
        assert is_dataclass(find(name))
        assert find(name).__dataclass_params__.frozen


@pytest.mark.usefixtures("plugged")
def test_a_package_offers_guards_under_names_a_file_can_hold() -> None:
    assert known()["shout"] == "plugged_guards:Shout"
    assert find("shout").__name__ == "Shout"
    assert "Not-A-Name" not in known()


@pytest.mark.usefixtures("plugged")
def test_a_package_cannot_put_its_guard_in_place_of_ours() -> None:
    assert known()["retry"] == "guards.retry:guard"
    assert find("retry").__module__ == "guards.retry"


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nobody", "no guard called 'nobody'"),
        ("_flow", "no guard called"),
        ("__init__", "no guard called"),
        ("os", "no guard called"),
        ("", "no guard called"),
        ("twice", "several packages"),
        ("absent", "ModuleNotFoundError"),
        ("missing", "AttributeError"),
        ("function", "is not a dataclass"),
    ],
)
def test_what_is_no_guard_is_refused_with_the_reason(name: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        find(name)


@given(st.text())
def test_no_name_but_a_known_one_finds_anything(name: str) -> None:
    if name not in known():
        with pytest.raises(LookupError):
            find(name)


def test_a_slip_is_answered_with_the_nearest_word() -> None:
    assert suggest("retyr", ["retry", "mask"]) == "did you mean 'retry'?"
    assert suggest("RETRY", ["retry", "mask"]) == "did you mean 'retry'?"
    assert suggest("xyzzy", ["retry", "mask"]) == "known: retry, mask"
    assert suggest("xyzzy", []) == ""
