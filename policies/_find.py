"""From the name in a policy file to the guard: the file name is the registry.

`use: mask` means the module `guards.mask`, or what an installed package offers under that name in the
entry point group `wardline.guards`.  A package cannot put its own guard in place of one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import is_dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any

import guards

GROUP = "wardline.guards"


def built_in() -> dict[str, str]:
    """The guards of this library: name -> where it is."""
    found = [one.name for one in iter_modules(guards.__path__) if not one.ispkg]
    return {name: f"guards.{name}:guard" for name in sorted(found) if not name.startswith("_")}


def known() -> dict[str, str]:
    """Every guard that a policy may use: name -> where it is."""
    return dict(sorted({**{one.name: one.value for one in _offered()}, **built_in()}.items()))


def find(name: str) -> type[Any]:
    """The dataclass of the guard with that name.

    Raises `LookupError` saying what is wrong with the name, or with the guard found under it.
    """
    home = built_in().get(name) or _offer(name)
    module, _, attribute = home.partition(":")
    try:
        kind: Any = import_module(module)
        for step in filter(None, attribute.split(".")):
            kind = getattr(kind, step)
    except Exception as accident:
        raise LookupError(f"the guard {name!r} cannot be imported: {type(accident).__name__}") from accident
    if not (isinstance(kind, type) and is_dataclass(kind) and callable(kind)):
        raise LookupError(f"the guard {name!r} is not a dataclass, so a policy cannot configure it")
    return kind


def _offer(name: str) -> str:
    """Where the installed package is that offers a guard."""
    homes = sorted({one.value for one in _offered() if one.name == name})
    if not homes:
        raise LookupError(f"there is no guard called {name!r}")
    if len(homes) > 1:
        raise LookupError(f"several packages offer a guard called {name!r}: {', '.join(homes)}")
    return homes[0]


def _offered() -> Iterable[EntryPoint]:
    """What installed packages offer; a name that could not stand in a file is no guard's name."""
    return [one for one in entry_points(group=GROUP) if re.fullmatch("[a-z][a-z0-9_]*", one.name)]


def suggest(word: str, words: Iterable[str]) -> str:
    """The likely cure for a word that is not one of `words`."""
    words = list(words)
    close = get_close_matches(word, words, n=1) or get_close_matches(word.lower(), words, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(words)}" if words else ""
