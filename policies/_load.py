"""Read a policy: the file, what it extends, and the guards it names.  Any mistake refuses the whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from guards._cel import ConditionError
from guards._errors import PolicyError
from guards._flow import Checking, Guard, Observe, Screen
from guards._helpers import Helper, with_helpers
from guards._models import Model, Price, with_models
from policies._build import build, check_keys, is_check, references, refused, resolved, settings
from policies._find import find, known, suggest
from policies._policy import (
    BOUNDARIES,
    Boundary,
    Example,
    Placed,
    Policy,
    Several,
    outcomes,
)
from policies._when import READINGS, When, compiled
from policies._yaml import MOST_BYTES, Node, read

VERSION = 1
MOST_FILES = 50
LIBRARY = Path(__file__).parent / "library"
NAMED = {"models": "small: {id: gpt-5-mini}", "helpers": "judge: {shape: moderation}"}
"""What a policy declares by name, each with an example."""
BARE_NAME = re.compile(r"[A-Za-z0-9_-]+")


def _sound_glob(glob: str) -> str:
    if not glob or glob != glob.strip():
        raise ValueError("a glob is a name, or part of one with * or ?, as in `claims.*`")
    if glob.count("[") > glob.count("]"):
        raise ValueError("this glob has a [ that is not closed; write [[] for the character itself")
    return glob


Glob = Annotated[str, AfterValidator(_sound_glob)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """Where any guard stands: before which targets, in earnest or only watching, and under what condition."""

    use: str
    only: Annotated[tuple[Glob, ...], Several()] = ()
    mode: Literal["enforce", "observe"] = "enforce"
    when: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The keys of a policy file."""

    wardline: Any = None
    name: Any = None
    extends: Any = None
    models: Any = None
    helpers: Any = None
    model: Any = None
    tool: Any = None
    examples: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a policy tells its guards: its digest, models and helpers."""

    digest: str
    models: Mapping[str, Model]
    helpers: Mapping[str, Helper]


@dataclass(frozen=True, slots=True)
class Layer:
    """What a file and all that it extends say, as it is written; `named` are models and helpers."""

    named: Mapping[str, Mapping[str, Node]]
    chains: Mapping[Boundary, tuple[Node, ...]]


def load(source: Path | str) -> Policy:
    """Load a policy file, or a shipped policy by its name: a word without a dot or slash is a name.

    Raises `PolicyError` with the place, what is wrong there, and the likely cure.
    """
    if isinstance(source, str) and BARE_NAME.fullmatch(source):
        if source not in shipped():
            what = f"there is no shipped policy called {source!r}; a file is written like ./{source}"
            raise PolicyError(source, 0, 0, "", what, suggest(source, shipped()))
        return _policy(_root(LIBRARY / f"{source}.yaml"))
    return _policy(_root(Path(source)))


def loads(text: str | bytes, name: str = "policy", folder: Path | None = None) -> Policy:
    """Load a policy from its text.  `name` stands in errors; relative paths start in `folder`, or here."""
    return _policy(_checked(read(text, name, folder or Path())))


def shipped() -> tuple[str, ...]:
    """The names of the policies that come with this library."""
    return tuple(sorted(file.stem for file in LIBRARY.glob("*.yaml")))


def starter() -> str:
    """The text of a commented policy to begin with."""
    return (LIBRARY / "starter.yaml").read_text(encoding="utf-8")


def _policy(root: Node) -> Policy:
    layer = _layer(root, (root.document.file,), {})
    known = Known(
        digest=_digest(layer),
        models={key: _model(node) for key, node in layer.named["models"].items()},
        helpers={key: _helper(node) for key, node in layer.named["helpers"].items()},
    )
    return Policy(
        name=_text(root, "name"),
        model=tuple(_placed(item, known) for item in layer.chains["model"]),
        tool=tuple(_placed(item, known) for item in layer.chains["tool"]),
        models=known.models,
        helpers=known.helpers,
        examples=tuple(_example(node) for node in _list(root, "examples")),
        digest=known.digest,
        source=root.document.file,
    )


def _digest(layer: Layer) -> str:
    whole: dict[str, Any] = {kind: [item.value for item in items] for kind, items in layer.chains.items()}
    for kind, nodes in layer.named.items():
        whole[kind] = {key: node.value for key, node in nodes.items()}
    canonical = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


# Files, and what they extend


def _root(path: Path) -> Node:
    """A file's top level, checked for shape."""
    if trouble := _trouble(path):
        raise PolicyError(str(path), 0, 0, "", trouble, _similar(path))
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PolicyError(str(path), 0, 0, "", f"cannot be read: {_reason(error)}") from None
    return _checked(read(content, str(path), path.parent))


def _trouble(path: Path) -> str:
    """Why a path is no file to read, if it is none."""
    try:
        if path.is_file():
            return ""
        return "this is not a file" if path.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        return f"this is not a path: {_reason(error)}"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()


def _similar(path: Path) -> str:
    """A policy beside a missing one whose name is close."""
    try:
        names = [file.name for file in path.parent.iterdir() if file.suffix in (".yaml", ".yml")]
    except (OSError, ValueError):
        return ""
    hint = suggest(path.name, names)
    return hint if hint.startswith("did") else ""


def _checked(root: Node) -> Node:
    check_keys(root, settings(Layout), "a policy")
    if "wardline" not in root.value:
        raise root.error("needs `wardline: 1`, the version of this format", "write it in the first line")
    version = root["wardline"]
    if type(version.value) is not int or version.value != VERSION:
        raise version.error("this version of the format is not known", "this library reads `wardline: 1`")
    return root


def _layer(root: Node, trail: tuple[str, ...], done: dict[str, Layer]) -> Layer:
    """What a file says on top of what it extends.

    `trail` are the files that led here, and `done` what is known of files that are read already.
    """
    bases = [_base(node, trail, done) for node in _extends(root)]
    named = {kind: _names(root, kind, bases) for kind in NAMED}
    return Layer(named, {kind: _chain(root, kind, bases) for kind in BOUNDARIES})


def _base(node: Node, trail: tuple[str, ...], done: dict[str, Layer]) -> Layer:
    path = _extended(node)
    place = os.path.realpath(path)
    if any(place == os.path.realpath(file) for file in trail):
        circle = " -> ".join(Path(file).name for file in (*trail, str(path)))
        raise node.error(f"a policy cannot extend itself: {circle}")
    if len(trail) >= MOST_FILES:
        raise node.error(f"more than {MOST_FILES} policies extend one another")
    if place not in done:
        done[place] = _layer(_root(path), (*trail, str(path)), done)
    return done[place]


def _extends(root: Node) -> Iterable[Node]:
    if "extends" not in root.value:
        return ()
    extends = root["extends"]
    return extends if isinstance(extends.value, list) else (extends,)


def _extended(node: Node) -> Path:
    """The file that an `extends` names."""
    name = resolved(node)
    if not isinstance(name, str) or not name:
        raise node.error("should be the name of a shipped policy, or the path of a file")
    if BARE_NAME.fullmatch(name):
        if name not in shipped():
            raise node.error("there is no shipped policy with this name", suggest(name, shipped()))
        return LIBRARY / f"{name}.yaml"
    path = node.document.folder / name
    if trouble := _trouble(path):
        raise node.error(trouble, _similar(path))
    return path


def _chain(root: Node, kind: Boundary, bases: list[Layer]) -> tuple[Node, ...]:
    """A chain's items: those inherited, or those written here with `inherit` for those inherited."""
    givers = [base.chains[kind] for base in bases if base.chains[kind]]
    items = _list(root, kind) if kind in root.value else None
    splices = [item for item in items or () if item.value == "inherit"]
    if len(givers) > 1 and (splices or items is None):
        where = splices[0] if splices else root["extends"]
        message = f"more than one of the extended policies has a `{kind}` chain, so their order is open"
        raise where.error(message, f"extend one of them, or write the whole `{kind}` list here")
    inherited = givers[0] if givers else ()
    if items is None:
        return inherited
    if splices and not bases:
        raise splices[0].error("there is nothing to inherit", "this policy has no `extends`")
    if len(splices) > 1:
        raise splices[1].error("`inherit` stands here twice", "each inherited guard would run twice")
    return tuple(one for item in items for one in (inherited if item.value == "inherit" else (item,)))


# Values at the top level


def _text(root: Node, key: str) -> str:
    if key not in root.value:
        return ""
    text = resolved(root[key])
    if not isinstance(text, str):
        raise root[key].error("should be a text", "put it in quotes")
    return text


def _list(root: Node, key: str) -> tuple[Node, ...]:
    if key not in root.value:
        return ()
    node = root[key]
    if not isinstance(node.value, list):
        raise node.error("should be a list", "begin each entry with a dash, or leave the key out")
    return tuple(node)


def _names(root: Node, kind: str, bases: list[Layer]) -> dict[str, Node]:
    """The models or helpers by their names: those inherited, and those written here."""
    named = {key: node for base in bases for key, node in base.named[kind].items()}
    if kind not in root.value:
        return named
    if not isinstance(root[kind].value, dict):
        raise root[kind].error(f"should be a mapping of names to {kind}", f"as in `{NAMED[kind]}`")
    return named | dict(root[kind].items())


def _model(node: Node) -> Model:
    check_keys(node, settings(Model), "a model")
    if isinstance(node.value.get("price"), dict):
        check_keys(node["price"], settings(Price), "a price")
    return build(Model, node)


def _helper(node: Node) -> Helper:
    check_keys(node, settings(Helper), "a helper")
    if isinstance(node.value.get("price"), dict):
        check_keys(node["price"], settings(Price), "a price")
    return build(Helper, node).located(node.document.folder)


def _example(node: Node) -> Example:
    check_keys(node, sorted({*settings(Example)} - {"line", "file"}), "an example")
    example = build(Example, node)
    if "expect" in node.value and example.expect not in outcomes():
        raise node["expect"].error("this is no way for a call to end", suggest(example.expect, outcomes()))
    return replace(example, line=node.place[0], file=node.document.file)


# Guards


def _placed(item: Node, known: Known) -> Placed:
    kind = _kind(item)
    check = is_check(kind)
    _check_item(item, kind, check=check)
    placing = build(Placing, item)
    guard = _informed(item, build(kind, item), known)
    if check:
        checking = build(Checking, item)
        guard = Screen(guard, **{key: getattr(checking, key) for key in settings(Checking)})
    if placing.mode == "observe":
        guard = Observe(guard)
    if placing.when is not None:
        guard = _conditional(item["when"], placing.when, guard)
    return Placed(
        guard=guard,
        use=placing.use,
        only=placing.only,
        written=item.value,
        file=item.document.file,
        line=item.place[0],
    )


def _kind(item: Node) -> type[Any]:
    """The dataclass of the guard that an item names."""
    if isinstance(item.value, str):
        raise item.error("a guard is written as a mapping", f"write {{use: {item.value}}}")
    if not isinstance(item.value, dict):
        raise item.error("a guard is written as a mapping", "as in {use: timeout, seconds: 30}")
    if "use" not in item.value:
        raise item.error("needs `use`, the name of a guard", suggest("", known()))
    use = item["use"]
    if not isinstance(use.value, str):
        raise use.error("should be the name of a guard", suggest("", known()))
    try:
        return find(use.value)
    except LookupError as error:
        raise use.error(str(error), "" if use.value in known() else suggest(use.value, known())) from None


def _check_item(item: Node, kind: type[Any], *, check: bool) -> None:
    """Refuse a key that this guard does not have, and a guard that has one of everybody's keys."""
    common = [*settings(Placing), *(settings(Checking) if check else ())]
    own = settings(kind)
    if clash := sorted({*common} & {*own}):
        raise item.error(f"this guard has a setting `{clash[0]}`, which every guard has already")
    for key in settings(Checking):
        if key in item.value and key not in (*own, *common):
            raise item.error(f"only a check takes `{key}`", f"{item.value['use']} is not one", key=key)
    check_keys(item, [*own, *common], item.value["use"])


def _informed(item: Node, made: Any, known: Known) -> Any:
    """The guard, once it has read the files it names, beside its policy, and knows what that says."""
    try:
        if hasattr(made, "located"):
            made = made.located(item.document.folder)
        if hasattr(made, "with_policy"):
            made = made.with_policy(known.digest)
        return with_helpers(with_models(made, known.models), known.helpers)
    except Exception as accident:
        raise refused(item, accident) from None


def _conditional(node: Node, condition: str, guard: Guard) -> Guard:
    try:
        compiled(condition)
    except ConditionError as error:
        if references(node.value):
            raise refused(node, error) from None
        place = node.inside(error.line, error.column) if error.line else node.place
        hint = suggest(error.unknown, READINGS) if error.unknown else ""
        path = ".".join(map(str, node.path))
        raise PolicyError(node.document.file, *place, path, error.message, hint) from None
    return When(guard, condition)
