"""Which descriptions of tools were accepted, so that one that changes behind the user's back is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

Tool: TypeAlias = Mapping[str, Any]
FORMAT = 1
CHANGED = "its description has changed since it was accepted; look at it with `wardline mcp accept`"
SUSPECT = "its description reads like instructions to the model; look at it with `wardline mcp accept`"


class Pins:
    """The pins of one server, in a file that several share; without a file, those of this process.

    Raises ValueError if the file is not one of pins.
    """

    def __init__(self, path: Path | None = None, server: str = "") -> None:
        self.path, self.server = path, server
        self._servers: dict[str, Any] = {}
        with self._changing():
            pass

    def judged(self, tools: Iterable[Tool], suspect: Callable[[Tool], bool]) -> dict[str, str]:
        """Why tools must wait for a person to accept them, by name.

        One that was never seen is accepted, unless it is `suspect`.
        """
        objections: dict[str, str] = {}
        with self._changing() as mine:
            for tool in tools:
                name, said = tool["name"], digest(tool)
                if mine["accepted"].setdefault(name, "" if suspect(tool) else said) == said:
                    mine["waiting"].pop(name, None)
                else:
                    why = objections[name] = CHANGED if mine["accepted"][name] else SUSPECT
                    mine["waiting"][name] = {"why": why, "tool": dict(tool)}
        return objections

    def accept(self, name: str) -> None:
        """From now on, a tool that waits may be as it is described now.  Raises KeyError if none does."""
        with self._changing() as mine:
            mine["accepted"][name] = digest(mine["waiting"].pop(name)["tool"])

    @property
    def waiting(self) -> Mapping[str, Mapping[str, Any]]:
        """What waits to be accepted, by tool: `why`, and the `tool` as the server describes it now."""
        with self._changing() as mine:
            return dict(mine["waiting"])

    @contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, Any]]]:
        """This server's pins, to be read and changed by nobody else until they are written."""
        if self.path is None:
            yield self._servers.setdefault(self.server, {"accepted": {}, "waiting": {}})
            return
        with locked(self.path):
            servers = held(self.path) if self.path.exists() else {}
            before = json.dumps(servers)
            yield servers.setdefault(self.server, {"accepted": {}, "waiting": {}})
            if json.dumps(servers) != before:
                fresh = self.path.with_name(f"{self.path.name}.new")
                text = json.dumps({"pins": FORMAT, "servers": servers}, indent=2, sort_keys=True)
                fresh.write_text(text + "\n", encoding="utf-8")
                fresh.replace(self.path)


def held(path: Path) -> dict[str, Any]:
    """What a file holds, by server: what is `accepted`, and what is `waiting`."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        servers: dict[str, Any] = read["servers"]
        whole = read["pins"] == FORMAT and all(
            isinstance(one["accepted"], dict) and isinstance(one["waiting"], dict) for one in servers.values()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise ValueError(f"{path} is not a file of pins; name another, or remove it and accept anew")
    return servers


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else changes a file meanwhile who asks in this way."""
    import fcntl

    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(tool: Tool) -> str:
    """What a description says, but for what the transport adds to it."""
    said = {key: one for key, one in tool.items() if key != "_meta"}
    return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
