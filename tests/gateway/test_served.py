"""Policies at work: swapped whole when their files change; a bad one never takes the place of a good one."""

import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards import PolicyError, Run
from guards._value import replace
from orchestrator import VirtualClock, World
from orchestrator.boundaries._gateway.keys import Key
from orchestrator.boundaries._gateway.served import Served
from orchestrator.testing import play, say
from tests.engine.example_guards import ask

GOOD = "wardline: 1\nname: n{0}\nmodel:\n  - {{use: timeout, seconds: {0}}}\n"
BAD = ("model: [", "wardline: 1\nmodel:\n  - {use: nothing}\n", "", "\x00")


def written(file: Path, text: str) -> None:
    """Write a file whose time of change is another one for sure."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(text)
    os.utime(file, ns=(before + 1_000_000, before + 1_000_000))


@given(changes=st.lists(st.integers(1, 9) | st.sampled_from(BAD) | st.none(), max_size=8))
def test_the_last_good_policy_serves_whatever_was_written(
    changes: list[int | str | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("served") / "policy.yaml"
    written(file, GOOD.format(99))
    served, serving = Served({"default": str(file)}, World()), "n99"
    for change in changes:
        if change is None:
            assert served.reload() == []
        elif isinstance(change, int):
            written(file, GOOD.format(change))
            assert served.reload() == ["default"]
            serving = f"n{change}"
        else:
            written(file, change)
            assert served.reload() == []
        assert served.policy("default").name == serving


def test_a_bad_policy_is_told_in_the_log_with_its_place(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "policy.yaml"
    written(file, GOOD.format(1))
    served = Served({"default": str(file)}, World())
    written(file, BAD[1])
    with caplog.at_level(logging.ERROR, "wardline.gateway"):
        served.reload()
    assert "policy.yaml:3" in caplog.text
    assert "the one before it goes on serving" in caplog.text


def test_a_bad_policy_never_starts(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(BAD[1])
    with pytest.raises(PolicyError):
        Served({"default": str(file)}, World())


def test_each_keys_bounds_are_its_own_and_outlive_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    written(file, GOOD.format(1))
    world = World(clock=VirtualClock())
    served = Served({"default": str(file)}, world)
    keys = [Key(user="u", calls=2, requests=60, id=name) for name in "ab"]
    ended = []
    for turn in range(3):
        for key in keys:
            gate = served.gate("default", key)
            assert gate is served.gate("default", key)
            call = replace(ask(), run=Run(user=key.user, tags={"key": key.id}))
            outcome = play(gate.chain("model", "m"), call, [say("yes")], world=world)
            ended.append((turn, key.id, outcome.error is None))
        written(file, GOOD.format(turn + 2))
        served.reload()
    assert ended == [(turn, name, turn < 2) for turn in range(3) for name in "ab"]


def test_a_bound_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(GOOD.format(1) + "models:\n  m: {id: m}\n")
    served = Served({"default": str(file)}, World())
    with pytest.raises(ValueError, match="has no price"):
        served.gate("default", Key(user="u", usd=1.0))
