"""upstreams: where requests go, with which key, and under which address.

A request for the model `NAME/model` goes to the upstream NAME; any other goes to the first one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from orchestrator.boundaries._messages import Headers

# How each provider's clients send a key, by how the path of the request ends or what is in it.
SENDERS = (
    ("/messages", b"x-api-key", b"%s"),
    ("generatecontent", b"x-goog-api-key", b"%s"),
    ("/openai/deployments/", b"api-key", b"%s"),
    ("", b"authorization", b"Bearer %s"),
)
KEY_HEADERS = frozenset({b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key"})


class UpstreamsError(ValueError):
    """An upstream cannot be used; says which, why, and what is needed."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider: its base URL, as its own clients are told it, and the key that is sent there."""

    name: str
    url: str
    key: str = field(default="", repr=False)

    def address(self, path: str) -> str:
        """Where a request for a path of ours goes; a base URL that ends in `/v1` has that already."""
        base = self.url.rstrip("/")
        begins = urlsplit(base).path
        if begins and (path == begins or path.startswith(f"{begins}/")):
            return base[: len(base) - len(begins)] + path
        return base + path

    def keyed(self, path: str, headers: Headers) -> Headers:
        """Headers with this upstream's key instead of the client's own; without a key, as they are."""
        if not self.key:
            return headers
        low = path.lower()
        name, value = next((name, value) for part, name, value in SENDERS if part in low)
        kept = [(one, said) for one, said in headers if one.lower() not in KEY_HEADERS]
        return [*kept, (name, value % self.key.encode())]


@dataclass(frozen=True, slots=True)
class Upstreams:
    """The upstreams of a gateway, the first one for whatever names none."""

    known: tuple[Upstream, ...]

    @classmethod
    def read(
        cls,
        named: Sequence[str],
        key_envs: Sequence[str] = (),
        key_files: Sequence[str] = (),
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """From `NAME=URL`, `NAME=VARIABLE` and `NAME=FILE`.  Raises `UpstreamsError`."""
        if not named:
            raise UpstreamsError("no upstream is named; write --upstream NAME=https://...")
        urls = dict(_pair(one, "URL", "--upstream openai=https://api.openai.com/v1") for one in named)
        keys: dict[str, str] = {}
        for one in key_envs:
            name, variable = _pair(one, "VARIABLE", "--key-env openai=OPENAI_API_KEY")
            if not environ.get(variable):
                raise UpstreamsError(f"upstream {name}: the environment has no {variable}; set it")
            keys[name] = environ[variable].strip()
        for one in key_files:
            name, path = _pair(one, "FILE", "--key-file openai=/run/secrets/openai")
            try:
                keys[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise UpstreamsError(
                    f"upstream {name}: {path} cannot be read: {type(error).__name__}"
                ) from None
        for name in keys.keys() - urls.keys():
            raise UpstreamsError(f"a key is given for the upstream {name}, which has no URL")
        return cls(
            tuple(Upstream(name, _checked(name, url), keys.get(name, "")) for name, url in urls.items())
        )

    def chosen(self, model: str) -> tuple[Upstream, str]:
        """Where a model is asked, and what it is called there."""
        name, slash, rest = model.partition("/")
        if slash and rest:
            for upstream in self.known:
                if upstream.name == name:
                    return upstream, rest
        return self.known[0], model

    def may_be_named(self, body: bytes, path: str) -> bool:
        """Whether a request that nobody has read may name an upstream, in its body or in its path."""
        return any(
            b'"%s/' % (name := one.name.encode()) in body or b'"%s\\/' % name in body or one.name in path
            for one in self.known
        )


def _pair(said: str, what: str, example: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not (name and equals and value):
        raise UpstreamsError(f"{said!r} is not NAME={what}; write it like {example}")
    return name, value


def _checked(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UpstreamsError(f"upstream {name}: {url!r} is no http or https URL")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UpstreamsError(
            f"upstream {name}: a URL has no login, query or fragment; give a key by --key-env"
        )
    return url
