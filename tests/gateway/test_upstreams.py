"""Upstreams: which one, under which address, with whose key."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.boundaries._gateway.upstreams import Upstream, Upstreams, UpstreamsError

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)


@pytest.mark.parametrize(
    ("base", "path", "address"),
    [
        ("https://api.openai.com/v1", "/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1/", "/v1/models", "https://api.openai.com/v1/models"),
        ("https://api.anthropic.com", "/v1/messages", "https://api.anthropic.com/v1/messages"),
        ("http://[::1]:8089/v1", "/v1", "http://[::1]:8089/v1"),
        ("http://host/proxy", "/v1/messages", "http://host/proxy/v1/messages"),
        ("http://host/v1", "/v11/x", "http://host/v1/v11/x"),
    ],
)
def test_an_address_is_the_base_urls_host_with_the_path_once(base: str, path: str, address: str) -> None:
    assert Upstream("a", base).address(path) == address


@given(names=st.lists(NAMES, min_size=1, unique=True), model=st.text(), other=NAMES)
def test_a_model_goes_to_the_upstream_it_names_else_to_the_first(
    names: list[str], model: str, other: str
) -> None:
    upstreams = Upstreams.read([f"{name}=http://{name}" for name in names])
    for name in names:
        where, called = upstreams.chosen(f"{name}/{model}")
        assert (where.name, called) == ((name, model) if model else (names[0], f"{name}/"))
    if other not in names:
        assert upstreams.chosen(f"{other}/{model}") == (upstreams.known[0], f"{other}/{model}")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/v1/chat/completions", (b"authorization", b"Bearer s3")),
        ("/v1/messages", (b"x-api-key", b"s3")),
        ("/v1beta/models/gemini:generateContent", (b"x-goog-api-key", b"s3")),
        ("/openai/deployments/d/chat/completions", (b"api-key", b"s3")),
    ],
)
def test_an_upstreams_key_takes_the_place_of_the_clients(path: str, sent: tuple[bytes, bytes]) -> None:
    own = [(b"Authorization", b"Bearer wl_x"), (b"x-api-key", b"wl_x"), (b"accept", b"*/*")]
    assert Upstream("a", "http://a", "s3").keyed(path, own) == [(b"accept", b"*/*"), sent]
    assert Upstream("a", "http://a").keyed(path, own) == own
    assert "s3" not in repr(Upstream("a", "http://a", "s3"))


def test_keys_come_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n")
    upstreams = Upstreams.read(
        ["a=http://a", "b=http://b"], ["a=A_KEY"], [f"b={file}"], environ={"A_KEY": "from-env"}
    )
    assert [one.key for one in upstreams.known] == ["from-env", "from-file"]


@pytest.mark.parametrize(
    ("named", "envs", "files", "told"),
    [
        ([], [], [], "no upstream is named"),
        (["http://a"], [], [], "not NAME=URL"),
        (["a=ftp://a"], [], [], "no http or https URL"),
        (["a=http://me:pw@a"], [], [], "no login"),
        (["a=http://a"], ["a=NOT_THERE"], [], "the environment has no NOT_THERE"),
        (["a=http://a"], [], ["a=/not/there"], "cannot be read"),
        (["a=http://a"], ["b=KEY"], [], "which has no URL"),
    ],
)
def test_a_wrong_upstream_is_refused(named: list[str], envs: list[str], files: list[str], told: str) -> None:
    with pytest.raises(UpstreamsError, match=told):
        Upstreams.read(named, envs, files, environ={"KEY": "k"})
