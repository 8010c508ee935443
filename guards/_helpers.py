"""What a policy knows of its helpers: second parties that a guard may ask, such as a judge.

A call whose `via` names a helper goes to it instead of the guarded thing.  A guard with a method
`with_helpers(helpers)` is given them when its policy is made, by their names; it returns the guard that
knows them, or raises ValueError with cause and cure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, TypeVar

from guards._body import leaves
from guards._models import Model, Price
from guards._types import Call, Finding, Part
from guards._value import replace

if TYPE_CHECKING:
    from pathlib import Path

G = TypeVar("G")
Format: TypeAlias = Literal["moderation", "typed", "llama_guard", "yes_no", "answer"]
FORMATS: dict[str, tuple[Format, ...]] = {
    "moderation": ("moderation",),
    "chat": ("typed", "llama_guard", "yes_no"),
    "http": ("answer",),
    "function": ("answer", "typed", "llama_guard", "yes_no"),
}
"""How a helper of each shape may be spoken to; the first is the usual one."""
URL = re.compile(r"https?://(\[[0-9a-fA-F:.]+\]|[^\s/?#@:\[\]]+)(:[0-9]{1,5})?([/?][!-~]*)?\Z")
PLACES = {"text": "{text}", "asked": "{asked}", "rule": "{rule}"}
"""What a template may hold: the text to judge, what it replies to, and the judge's rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """A second party that a guard may ask: how it is reached, and how it is spoken to.

    `shape` is `moderation` (OpenAI's moderation API), `chat` (an OpenAI-compatible chat model), `http` (any
    endpoint that takes and gives JSON) or `function` (a function of the program's own, registered under
    the helper's name). `url` is the API's base, as `https://api.openai.com/v1`, or of `http` the whole
    address; `model` is what the server calls the model. A key is never written here: `key_env` names an
    environment variable that holds it, `key_file` a file; it goes out in the header `key_header`.

    `format` says how a chat model or a function is asked and read: `typed` (a verdict as JSON),
    `llama_guard` (safe, or unsafe with hazard codes), `yes_no` (whether a rule is broken) or `answer` (the
    text alone; true, a score, or a word at the JSON `pointer`). `prompt` is the text of the question where
    a model wants its own, with `{text}`, `{asked}` (what the text replies to) and `{rule}` in it. `body` is
    what is posted to an `http` endpoint, `options` what is said to a chat model beside the question, as
    `{max_tokens: 100}`. `price` and `region` are as a model's; what is not a chat model
    has no price unless it says so.
    """

    shape: Literal["moderation", "chat", "http", "function"]
    url: str = ""
    model: str = ""
    key_env: str = ""
    key_file: str = ""
    key_header: str = "authorization"
    format: Format | None = None
    prompt: str = ""
    body: Mapping[str, Any] = field(default_factory=lambda: {"text": PLACES["text"]})
    pointer: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    price: Price | Literal["auto", "none"] | None = None
    region: str = ""

    def __post_init__(self) -> None:
        if self.shape in ("chat", "http") and not self.url:
            raise ValueError(f"a helper of shape {self.shape} needs `url`, where it is asked")
        if self.url and not URL.match(self.url):
            raise ValueError(
                "url must begin with https:// or http:// and a host, without a name or password in it; "
                "keep those in key_env or key_file"
            )
        if self.shape == "chat" and not self.model:
            raise ValueError("a helper of shape chat needs `model`, what the server calls it")
        if self.key_env and self.key_file:
            raise ValueError("key_env and key_file are both given; leave one of them out")
        if self.key_env and not re.fullmatch(r"[A-Za-z_]\w*", self.key_env, re.ASCII):
            raise ValueError("key_env is the name of an environment variable, never the key itself")
        if self.spoken not in FORMATS[self.shape]:
            raise ValueError(f"format of a {self.shape} helper is {' or '.join(FORMATS[self.shape])}")
        if self.prompt and PLACES["text"] not in self.prompt:
            raise ValueError("prompt needs {text} in it, where the text to judge goes")
        if not any(PLACES["text"] in text for _, text in leaves(self.body)):
            raise ValueError("body needs {text} in one of its texts, where the text to judge goes")
        if self.pointer and not self.pointer.startswith("/"):
            raise ValueError("pointer is a JSON pointer, as /result/flagged")
        if self.price == "auto":
            _ = self.facts

    @property
    def spoken(self) -> Format:
        """How it is spoken to."""
        return self.format or FORMATS[self.shape][0]

    @property
    def facts(self) -> Model:
        """What there is to know about it where it is called in a model's place."""
        price = self.price if self.price or self.shape == "chat" else "none"
        return Model(id=self.model or self.shape, price=price, region=self.region)

    def located(self, folder: Path) -> Helper:
        """The same helper, its key's file looked for beside the policy."""
        return replace(self, key_file=str(folder / self.key_file)) if self.key_file else self


Helpers: TypeAlias = Mapping[str, Helper]


def with_helpers(guard: G, helpers: Helpers) -> G:
    """The guard, once it knows the policy's helpers, if it wants to."""
    learn: Any = getattr(guard, "with_helpers", None)
    return guard if learn is None else learn(helpers)


def asking(
    call: Call, name: str, parts: tuple[Part, ...], seconds: float, options: Mapping[str, Any] | None = None
) -> Call:
    """A call to a helper about another call, of the same run, which may take so many seconds."""
    return replace(
        call,
        kind="model",
        via=name,
        parts=parts,
        options=options or {},
        timeout=seconds if call.timeout is None else min(seconds, call.timeout),
        stream=False,
        dropped=(),
        raw=None,
    )


@dataclass(frozen=True, slots=True)
class Given:
    """A check that finds in some parts of a content what a helper has said of the whole."""

    name: str
    parts: tuple[Part, ...]
    found: tuple[Finding, ...]

    window: ClassVar[None] = None

    def __call__(self, part: Part) -> tuple[Finding, ...]:
        if not any(part is one for one in self.parts):
            return ()
        return tuple(replace(one, end=len(part.text)) for one in self.found)


def facts(helpers: Helpers) -> dict[str, Model]:
    """The helpers as models, for those who look at prices and regions."""
    return {name: helper.facts for name, helper in helpers.items()}
