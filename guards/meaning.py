"""meaning: texts near in meaning to what may not be talked about, or far from all that may."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf, sqrt
from typing import Any, ClassVar, Literal, Self, TypeAlias, TypeVar

from guards._errors import GuardError, GuardFailed, Unavailable
from guards._flow import Flow, Screen
from guards._helpers import Given, Helper, Helpers, asking
from guards._types import Call, Content, Finding, Part, Reply, Side
from guards._units import Seconds
from guards._value import replace
from guards._ways_on import named, pointed, told
from guards._wishes import Wishing, clock, record, together, update
from guards._worst import Inner, Worst

USUAL = Helper(shape="function")
READ = 8_000
"""How many characters of a text are embedded."""
Vector: TypeAlias = tuple[float, ...]
M = TypeVar("M", bound=Content)


@dataclass(frozen=True, slots=True)
class Meaning:
    """Compares texts with examples of topics by their embeddings, which a helper of the policy makes.

    `deny` and `allow` map names of topics to examples of what people say about them. A text whose embedding
    is at least `similar` to an example of a denied topic (the cosine, from 0 to 1) is found, and with `allow`
    one that is like no example of it. `at` says where: the last thing that the user says in a call, or all of
    the reply. `then` is block, replace (`refusal` stands there instead), escalate (a person decides) or warn.
    `helper` takes a text and gives a list of numbers, at its `pointer` where it has one. It may take
    `seconds`; without an answer the text does not pass, except with `then: warn`. Examples are embedded once
    and kept for `ttl`. Of a text, the first 8,000 characters are compared.
    """

    deny: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    similar: float = 0.6
    at: tuple[Side, ...] = ("call",)
    then: Literal["block", "replace", "escalate", "warn"] = "block"
    refusal: str = ""
    helper: str = "embeddings"
    seconds: Seconds = 10.0
    ttl: Seconds = 86_400.0
    _helpers: Helpers = field(default_factory=dict, init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self._screen((), ())  # it says what is wrong with the settings that all checks have
        if not 0 < self.similar <= 1:
            raise ValueError(f"similar is {self.similar}; give a likeness above 0, and at most 1")
        if not self.seconds > 0 or not self.ttl > 0:
            raise ValueError("seconds and ttl must be more than 0")
        for key, topics in (("deny", self.deny), ("allow", self.allow)):
            for topic, said in topics.items():
                if not said or not all(one.strip() for one in said):
                    raise ValueError(f"{key} needs examples under {topic!r}, and none of them empty")

    def with_helpers(self, helpers: Helpers) -> Self:
        """The same guard, knowing the policy's helpers.  Raises ValueError for one that it does not have."""
        if not helpers:
            raise ValueError(f"helper is {self.helper!r}, and there is none; declare it under `helpers`")
        named((self.helper,), helpers, "helper", "helper")
        clone = copy(self)
        object.__setattr__(clone, "_helpers", helpers)  # past the frozen class's own guard: it is ours still
        return clone

    def __call__(self, call: Call) -> Flow:
        if "call" in self.at:
            settled = yield from self._settled(call, call, "call")
            if self.then == "replace" and settled is not call:
                return told(self.refusal, "fixed")
            call = settled
        if "reply" not in self.at:
            untouched: Reply = yield call
            return untouched
        reply: Reply = yield replace(call, stream=False) if call.stream else call
        return (yield from self._settled(call, reply, "reply"))

    def worst(self, call: Call, inner: Inner) -> Worst:
        """One attempt for each text, and one for each example that is not known any more."""
        return inner(call) + inner(self._asking(call, "")).times(len(self._examples) * 2 + len(self.at))

    @property
    def _examples(self) -> tuple[str, ...]:
        """All examples, in order, each once."""
        each = (*self.deny.values(), *self.allow.values())
        return tuple(dict.fromkeys(one for said in each for one in said))

    def _settled(self, call: Call, content: M, side: Side) -> Wishing[M]:
        if isinstance(content, Reply) and content.live:
            raise GuardFailed("meaning", "a reply that still flows cannot be compared")
        parts = _compared(content)
        found: tuple[Finding, ...] = ()
        if parts and self._examples:
            try:
                found = yield from self._found(call, "\n".join(part.text for part in parts)[:READ])
            except Unavailable as failure:
                yield from record(call.event("unjudged", "meaning", helper=self.helper, why=failure.reason))
                if self.then != "warn":
                    raise
        return (yield from self._screen(parts, found).settled(call, content, side))

    def _found(self, call: Call, text: str) -> Wishing[tuple[Finding, ...]]:
        known = yield from self._known(call)
        (vector,) = yield from self._embedded(call, (text,))
        if any(len(one) != len(vector) for one in known.values()):
            raise Unavailable.now(self.helper, "its embeddings have different lengths")
        near = {
            topic: max(cosine(vector, known[one]) for one in said)
            for topic, said in (*self.deny.items(), *self.allow.items())
        }
        return tuple(self._reasons(near))

    def _reasons(self, near: Mapping[str, float]) -> Iterator[Finding]:
        for number, topic in enumerate(self.deny, 1):
            if near[topic] >= self.similar:
                message = f"near in meaning to the denied topic number {number}"
                yield Finding(code="meaning.denied", message=message, score=round(near[topic], 4))
        if self.allow and not any(near[topic] >= self.similar for topic in self.allow):
            yield Finding(code="meaning.off", message="near to none of the allowed topics")

    def _known(self, call: Call) -> Wishing[Mapping[str, Vector]]:
        """The embeddings of the examples: those kept, or new ones."""
        whole = repr((self.helper, self._helpers.get(self.helper, USUAL), self._examples)).encode()
        place = f"meaning:{blake2b(whole, digest_size=20).hexdigest()}"
        now = yield from clock()
        state = yield from update(place, _as_it_is)
        if not state or now >= state["until"]:
            state = yield from self._learnt(call, place, now)
        return {one: unpacked(text) for one, text in zip(self._examples, state["vectors"], strict=True)}

    def _learnt(self, call: Call, place: str, now: float) -> Wishing[dict[str, Any]]:
        vectors = yield from self._embedded(call, self._examples)
        fresh = {"vectors": [packed(one) for one in vectors], "until": now + self.ttl}
        yield from update(place, lambda _: (fresh, None), keep=self.ttl)
        return fresh

    def _embedded(self, call: Call, texts: tuple[str, ...]) -> Wishing[list[Vector]]:
        """The embedding of each text; raises `Unavailable` where the helper gives none."""
        replies = yield from together(*(self._asking(call, text) for text in texts))
        pointer = self._helpers.get(self.helper, USUAL).pointer
        return [self._read(reply, pointer) for reply in replies]

    def _asking(self, call: Call, text: str) -> Call:
        return asking(call, self.helper, (Part(text=text),), self.seconds)

    def _read(self, reply: Reply | GuardError, pointer: str) -> Vector:
        if isinstance(reply, GuardError):
            failure = Unavailable.now(self.helper, f"it made no embedding: {reply.code}")
            failure.earlier = (reply,)
            raise failure
        try:
            return unit(_at(json.loads(reply.text), pointer))
        except (ValueError, TypeError, OverflowError, RecursionError):
            reason = "its answer is no list of numbers; check the helper's `pointer`"
            raise Unavailable.now(self.helper, reason) from None

    def _screen(self, parts: tuple[Part, ...], found: tuple[Finding, ...]) -> Screen:
        return Screen(check=Given("meaning", parts, found), at=self.at, then=self.then, refusal=self.refusal)


def _compared(content: Content) -> tuple[Part, ...]:
    """What is compared: the last text of the user in a call, or all of a reply."""
    parts = tuple(part for part in content.parts if part.text.strip())
    if not isinstance(content, Call):
        return parts
    return tuple(part for part in parts if part.role == "user" and part.origin != "trusted")[-1:]


def _at(value: Any, pointer: str) -> Any:
    return pointed(value, pointer) if pointer else value


def unit(value: Any) -> Vector:
    """The numbers as a vector of length 1.  Raises ValueError or TypeError for what is no vector."""
    if not isinstance(value, list) or not all(type(one) in (int, float) for one in value):
        raise TypeError("no list of numbers")
    length = sqrt(sum(one * one for one in value))
    if not 0 < length < inf:
        raise ValueError("no direction")
    return tuple(one / length for one in value)


def cosine(one: Vector, other: Vector) -> float:
    """How near two vectors of length 1 are, from 0 to 1."""
    return min(1.0, max(0.0, sum(a * b for a, b in zip(one, other, strict=True))))


def packed(vector: Vector) -> str:
    """A vector in one byte for each number, which keeps angles to about a hundredth."""
    most = max(map(abs, vector))
    return bytes(round(127 * one / most) + 128 for one in vector).hex()


def unpacked(text: str) -> Vector:
    return unit([byte - 128 for byte in bytes.fromhex(text)])


def _as_it_is(state: Any) -> tuple[Any, Any]:
    return state, state


guard = Meaning
