"""The JSON Schema of the policy file: fresh, and of one mind with the loader."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guards import PolicyError
from policies import _schema, known, loads, schema, shipped
from policies._find import built_in
from policies._load import LIBRARY
from policies._schema import FILE, text
from tests.policies.test_load import VALID, WRONG

VALIDATOR = jsonschema.Draft202012Validator(schema(built_in()))


def fits(policy: Any) -> bool:
    return bool(VALIDATOR.is_valid(policy))


def test_the_file_is_fresh() -> None:
    assert FILE.read_text(encoding="utf-8") == text(built_in()), "run `python -m policies`"


def test_python_m_policies_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "schema.json"
    monkeypatch.setattr(_schema, "FILE", file)
    runpy.run_module("policies", run_name="__main__")
    assert capsys.readouterr().out == f"{file}\n"
    assert file.read_bytes() == FILE.read_bytes()


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(FILE.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_policy_fits_it(name: str) -> None:
    VALIDATOR.validate(yaml.safe_load((LIBRARY / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", sorted(set(shipped()) - {"starter"}))
def test_a_shipped_policy_tells_editors_where_it_is(name: str) -> None:
    first = (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schema.json"


@pytest.mark.parametrize("name", built_in())
def test_every_guard_is_described(name: str) -> None:
    described = schema(built_in())["$defs"][f"use-{name}"]
    assert described["description"]
    assert {"use", "only", "mode", "when"} <= set(described["properties"])
    assert not described["additionalProperties"]
    assert fits({"wardline": 1, "model": [{"use": name}]})
    assert not fits({"wardline": 1, "model": [{"use": name, "no_such_setting": 1}]})


# Mistakes of shape.  What a path, a condition or the environment means, only the loader can know.
SHAPES = [
    text
    for text, _, _, said in WRONG
    if re.search("should be|a whole number|did you mean|needs|only a check", said)
    and not re.search("when:|extends|[$]", text)
]


@pytest.mark.parametrize("text", SHAPES)
def test_a_mistake_of_shape_is_one_to_an_editor_too(text: str) -> None:
    assert not fits(yaml.safe_load(text))


VALUES = st.sampled_from([None, True, 0, 1, 2.5, "", "full", "30s", "a", [], ["a"], {}, {"a": 1}])


@settings(max_examples=150)
@given(st.data())
def test_what_the_loader_takes_fits_the_schema(data: st.DataObject) -> None:
    """Start from a valid policy and change one value anywhere: if it loads, it fits."""
    whole = yaml.safe_load(VALID)
    place, key = data.draw(st.sampled_from(list(places(whole))))
    place[key] = data.draw(VALUES)
    written = json.dumps(whole)
    try:
        loads(written)
    except PolicyError:
        return
    VALIDATOR.validate(json.loads(written))


def places(value: Any) -> Any:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@given(st.sampled_from(["20_000", "1_0"]))
@example("1_000_000")
def test_a_number_with_underscores_is_no_mistake_to_an_editor(number: str) -> None:
    assert fits({"wardline": 1, "model": [{"use": "retry", "attempts": number}]})
    assert not fits({"wardline": 1, "model": [{"use": "retry", "attempts": "many"}]})


@pytest.mark.usefixtures("plugged")
def test_the_guards_of_installed_packages_are_part_of_it() -> None:
    broken = {"absent", "clash", "function", "missing", "opaque", "twice"}
    sound = sorted({*known()} - broken)
    whole = schema(sound)
    check = jsonschema.Draft202012Validator(whole)
    check.check_schema(whole)
    assert check.is_valid({"wardline": 1, "model": [{"use": "shout", "at": ["call"], "then": "warn"}]})
    assert check.is_valid({"wardline": 1, "model": [{"use": "token", "key": "k", "level": {"low": 1}}]})
    assert not check.is_valid({"wardline": 1, "model": [{"use": "token", "key": "k", "made": 1}]})
    assert not check.is_valid({"wardline": 1, "model": [{"use": "token", "key": "k", "level": {"lo": 1}}]})
    assert not check.is_valid({"wardline": 1, "model": [{"use": "token", "key": "k", "at": ["call"]}]})
