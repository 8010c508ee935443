"""`wardline mask`, `unmask` and `eval pii`: the guard's own engine on files."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from guards._pii._find import Span
from guards._pii._operators import Operators
from guards._pii._vault import Vault
from orchestrator import personal
from orchestrator.cli import cli
from orchestrator.stores._codec import Codec
from policies import PolicyError

LETTER = "Dear ann@example.com,\nyour card 4111 1111 1111 1111 is blocked.\n"
KEY = "0123456789abcdef"


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    file = tmp_path / "letter.txt"
    file.write_text(LETTER, encoding="utf-8")
    return file


def wardline(*arguments: object, key: str = KEY, text: str | None = None) -> Result:
    environment = {"WARDLINE_KEY": key}
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=environment, input=text)


def test_a_text_is_masked_and_put_back(letter: Path, tmp_path: Path) -> None:
    vault, masked = tmp_path / "vault", tmp_path / "masked.txt"
    done = wardline("mask", letter, "--vault", vault)
    assert done.output == "Dear <EMAIL_ADDRESS_1>,\nyour card <CREDIT_CARD_1> is blocked.\n"
    assert b"ann@" not in vault.read_bytes()
    masked.write_text(done.output, encoding="utf-8")
    assert wardline("unmask", masked, "--vault", vault).output == LETTER
    assert wardline("mask", text=LETTER).output == done.output


def test_a_vault_opens_to_its_key_alone_and_shows_any_change(letter: Path, tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    wardline("mask", letter, "--vault", vault)
    sealed = vault.read_bytes()
    other = wardline("unmask", letter, "--vault", vault, key="fedcba9876543210")
    assert "was changed, or sealed under another key" in other.output
    for place in range(len(sealed)):
        vault.write_bytes(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])
        with pytest.raises(ValueError, match=r"holds nothing of ours|was changed"):
            personal.restored(vault, KEY)
    short = wardline("unmask", letter, "--vault", vault, key="short")
    assert "must hold a key of 16, 24 or 32 bytes; it holds 5" in short.output


def test_a_vault_comes_back_whole(tmp_path: Path) -> None:
    vault = Vault()
    vault.mask('Ann says <PERSON_7> and "Oslo"', [Span(0, 3, "PERSON")])
    vault.mask("Oslo", [Span(0, 4, "LOCATION")], Operators({"LOCATION": "surrogate"}, KEY))
    personal.save(vault, tmp_path / "vault", KEY)
    assert personal.restored(tmp_path / "vault", KEY) == vault


def test_a_sealed_state_that_is_no_vault_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vault").write_bytes(Codec(KEY).encode({"a": 1}, personal.FILE))
    with pytest.raises(ValueError, match="is no vault"):
        personal.restored(tmp_path / "vault", KEY)


def test_what_was_found_is_explained(letter: Path) -> None:
    rows = json.loads(wardline("mask", letter, "--json").output)
    assert [(row["entity"], row["start"], row["end"]) for row in rows] == [
        ("EMAIL_ADDRESS", 5, 20),
        ("CREDIT_CARD", 32, 51),
    ]
    told = wardline("mask", letter, "--explain").output
    assert "<CREDIT_CARD_1>" in told
    assert "4111" not in told
    assert wardline("mask", "--explain", text="nothing").output == ""
    assert wardline("mask", "--json", text="nothing").output == "[]\n"


def test_a_policy_without_a_mask_says_so(tmp_path: Path) -> None:
    bare, observed = tmp_path / "bare.yaml", tmp_path / "observed.yaml"
    bare.write_text("wardline: 1\nmodel: [{use: retry}]\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="no guard here masks personal data"):
        personal.mask_of(str(bare))
    observed.write_text(
        "wardline: 1\nmodel: [{use: mask, mode: observe, when: call.stream}]\n", encoding="utf-8"
    )
    assert personal.mask_of(str(observed)).entities


def test_finding_is_measured(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    rows = [
        {"text": LETTER, "spans": [{"start": 5, "end": 20, "label": "EMAIL"}], "source": "mail"},
        {"text": "call Bob", "spans": [{"start": 5, "end": 8, "label": "PERSON"}], "source": "chat"},
    ]
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    told = wardline("eval", "pii", data, "-p", "default", "-p", "strict")
    assert told.exit_code == 0, told.output
    assert told.output.count("EMAIL_ADDRESS") == 2
    assert "source mail" in told.output
    data.write_text("{", encoding="utf-8")
    assert "data.jsonl:1: " in wardline("eval", "pii", data).output
