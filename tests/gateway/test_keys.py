"""Virtual keys: only a secret that was made and not revoked opens, as each process sees at once."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from orchestrator.boundaries._gateway.keys import Key, Keys
from orchestrator.cli import cli


class Opening(RuleBasedStateMachine):
    """Two processes' views of one file, beside a dictionary of what was made."""

    secrets: Any = Bundle("secrets")

    @initialize()
    def open(self) -> None:
        from tempfile import TemporaryDirectory

        self.folder = TemporaryDirectory()
        file = Path(self.folder.name, "keys.db")
        self.views = [Keys(file), Keys(file)]
        self.model: dict[str, tuple[Key, bool]] = {}

    @rule(
        target=secrets, view=st.integers(0, 1), user=st.text(min_size=1), expires=st.none() | st.floats(1, 9)
    )
    def create(self, view: int, user: str, expires: float | None) -> str:
        key, secret = self.views[view].create(Key(user=user, roles=("agent",), expires=expires))
        self.model[secret] = key, False
        return secret

    @rule(view=st.integers(0, 1), secret=secrets)
    def revoke(self, view: int, secret: str) -> None:
        key, revoked = self.model[secret]
        assert self.views[view].revoke(key.id) == (not revoked)
        self.model[secret] = key, True

    @rule(view=st.integers(0, 1), secret=secrets, now=st.integers(0, 10))
    def find(self, view: int, secret: str, now: int) -> None:
        key, revoked = self.model[secret]
        over = key.expires is not None and key.expires <= now
        assert self.views[view].find(secret, now) == (None if revoked or over else key)

    @rule(view=st.integers(0, 1), wrong=st.text())
    def wrong(self, view: int, wrong: str) -> None:
        assert self.views[view].find(wrong, 0) is None

    @rule(view=st.integers(0, 1))
    def lists(self, view: int) -> None:
        shown = {key.id: key.revoked for key in self.views[view]}
        assert shown == {key.id: revoked for key, revoked in self.model.values()}

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            for view in self.views:
                view.close()
            self.folder.cleanup()


TestOpening = Opening.TestCase
TestOpening.settings = settings(max_examples=40, stateful_step_count=20)


def test_a_file_of_keys_holds_no_secret(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.db")
    made = [keys.create(Key(user=f"u{number}"))[1] for number in range(20)]
    keys.close()
    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert all(secret.removeprefix("wl_").encode() not in held for secret in made)
    assert len(set(made)) == 20


def test_models_and_policies_are_globs() -> None:
    key = Key(user="u", models=("gpt-*", "small"), policies=("claims-*",))
    assert [key.may(name) for name in ("gpt-5", "small", "large")] == [True, True, False]
    assert [key.allows(name) for name in ("claims-eu", "other")] == [True, False]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"user": ""}, "needs a user"),
        ({"user": "u", "usd": -1.0}, "usd must be"),
        ({"user": "u", "requests": float("nan")}, "requests must be"),
        ({"user": "u", "window": 60.0}, "window is for"),
    ],
)
def test_a_wrong_key_is_refused(wrong: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Key(**wrong)


def test_another_file_is_no_file_of_keys(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be looked at as one " * 20)
    with pytest.raises(ValueError, match="no file of keys"):
        Keys(file)


def wardline(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_keys_are_created_listed_and_revoked_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "keys.db"
    made = wardline("key", "create", "ann", "-k", file, "--role", "agent", "--usd", 5, "--window", "24h")
    secret = made.stdout.strip()
    assert made.exit_code == 0
    keys = Keys(file)
    key = keys.find(secret, 0)
    assert key is not None
    assert (key.user, key.roles, key.usd, key.window) == ("ann", ("agent",), 5.0, 86_400.0)
    shown = wardline("key", "list", "-k", file)
    assert f"{key.id}  works" in shown.output
    assert secret not in shown.output
    assert json.loads(wardline("key", "list", "-k", file, "--json").output)["id"] == key.id
    assert wardline("key", "revoke", key.id, "-k", file).exit_code == 0
    assert keys.find(secret, 0) is None
    assert "revoked" in wardline("key", "list", "-k", file).output
    keys.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "ann", "--window", "soon"], "write it like 30s"),
        (["create", "ann", "--window", "1h"], "window is for"),
        (["revoke", "12345678"], "make a key with"),
    ],
)
def test_a_wrong_command_is_told_in_a_line(tmp_path: Path, arguments: list[str], told: str) -> None:
    done = wardline("key", *arguments, "-k", tmp_path / "keys.db")
    assert done.exit_code != 0
    assert told in done.output


def test_an_unknown_id_is_told(tmp_path: Path) -> None:
    Keys(tmp_path / "keys.db").close()
    assert "no working key" in wardline("key", "revoke", "12345678", "-k", tmp_path / "keys.db").output
