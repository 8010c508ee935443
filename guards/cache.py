"""cache: the same question gets the reply that it got before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from guards._cached import OPTION, Unkeepable, blake_key, digest, read, written
from guards._flow import Flow
from guards._types import Call, Reply
from guards._units import Bytes, Seconds
from guards._value import replace
from guards._wishes import NOW, Record, Update, Wishing, clock, new_update, record, update, wait
from guards._worst import Inner, Worst

FIRST_LOOK, LAST_LOOK = 0.01, 0.1
"""Seconds between two looks whether the call that others wait for is over: at first, and at most."""
INDEX = "cache:index"
NONE: dict[str, Any] = {"reply": "", "until": 0.0, "gone": 0.0, "flight": 0, "lease": 0.0, "pending": ""}


@dataclass(frozen=True, slots=True)
class Cache:
    """Answers a call from an earlier reply to the same one, and makes the same calls at once only once.

    Two calls are the same when all that the model would read and every argument are the same, as this
    guard sees them, so it stands inside mask. A reply is kept for `ttl`, and for the use of fallback and
    degrade for `stale` longer, by the `scope` it was made in: for the same user of the same tenant (the
    run's tag `tenant`), for the tenant, or for everyone. At most `most` replies of `size` bytes together
    are kept, the oldest are dropped first. Only a whole reply is kept that every guard has accepted, and
    only one that can be given again exactly as it was. A call waits for one like it that is under way at
    most `patience`; when that fails, it goes itself. A stream is fetched whole, and given as a stream. Keys
    are keyed digests: with a secret `key`, nobody who reads the store can tell what was asked.
    """

    ttl: Seconds = 3_600.0
    stale: Seconds = 0.0
    scope: Literal["user", "tenant", "everyone"] = "user"
    most: int = 1_000
    size: Bytes = 50_000_000
    patience: Seconds = 30.0
    key: str = field(default="", repr=False)
    _policy: str = field(default="", init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (self.ttl > 0 and self.most > 0 and self.size > 0):
            raise ValueError("ttl, most and size must be more than 0; leave cache out to keep nothing")
        if not (self.stale >= 0 and self.patience >= 0):
            raise ValueError("stale and patience must not be negative")

    def with_policy(self, digest: str) -> Self:
        """The same guard, whose replies are those of one policy."""
        made = replace(self)
        object.__setattr__(made, "_policy", digest)  # past the frozen class's own guard: it is ours still
        return made

    def __call__(self, call: Call) -> Flow:
        try:
            key = self.place(call)
        except Unkeepable as reason:
            yield from record(call.event("uncached", "cache", why=str(reason)))
            untouched: Reply = yield call
            return untouched
        now: float = yield NOW
        looked, found = yield new_update(key, lambda state: _looked(state, now, self.patience))
        flight = 0 if looked == "hit" else found
        if looked == "follow":
            found = yield from self._followed(call, key, flight, now)
            looked, flight = ("hit", 0) if found else ("alone", 0)
        if looked == "hit" and (kept := read(found)) is not None:
            yield Record(call.event("cached", "cache"))
            return kept
        return (yield from self._fetched(call, key, flight))

    def worst(self, call: Call, inner: Inner) -> Worst:
        """It may wait for another call, in vain."""
        return inner(call).later(self.patience + LAST_LOOK)

    def place(self, call: Call) -> str:
        """The key of a call's state.  Raises `Unkeepable` where it is not known what the reply depends on."""
        if call.kind == "tool" and not call.options.get("idempotent"):
            raise Unkeepable("the tool is not idempotent")
        whose = "" if self.scope == "everyone" else call.run.tags.get("tenant", "")
        user = call.run.user if self.scope == "user" else ""
        secret = repr((self.key, self._policy, self.scope, whose, user)).encode()
        return f"cache:{digest(call, blake_key(secret))}"

    def _followed(self, call: Call, key: str, flight: int, now: float) -> Wishing[str]:
        """What the call under way brought back; empty if it failed, or took longer than this one may wait."""
        ends = (
            now + self.patience if call.run.deadline is None else min(now + self.patience, call.run.deadline)
        )
        pause = FIRST_LOOK
        while True:
            over, text = yield from update(key, _landing(flight, now))
            if over or now >= ends:
                return text
            yield from wait(min(pause, ends - now))
            pause = min(LAST_LOOK, 2 * pause)
            now = yield from clock()

    def _fetched(self, call: Call, key: str, flight: int) -> Flow:
        """The reply itself, kept if it may be; whoever waits for it is let go in any case."""
        text = ""
        try:
            asked = replace(call, stream=False, options={**call.options, OPTION: key})
            reply: Reply = yield asked
            try:
                text = written(reply)
            except Unkeepable:
                return reply
        finally:
            if not text and flight:
                yield from update(key, lambda state: _freed(state, flight))
        now = yield from clock()
        yield from update(key, lambda state: _brought(state, flight, text))
        dropped = yield from update(INDEX, lambda state: self._listed(state, key, len(text)))
        for one in dropped:
            yield from update(one, lambda state: (None, None))
        accepted = Update(key, self._accepted(text, now))
        return replace(reply, accepted=(*reply.accepted, accepted))

    def _accepted(self, text: str, now: float) -> Callable[[Any], tuple[Any, None]]:
        until = now + self.ttl
        fresh = {"reply": text, "until": until, "gone": until + self.stale, "pending": ""}
        return lambda state: ({**(state or NONE), **fresh} if state else None, None)

    def _listed(self, state: Any, key: str, size: int) -> tuple[dict[str, int], list[str]]:
        """All keys with their sizes, the oldest first, and those that have to go."""
        sizes = {one: its for one, its in (state or {}).items() if one != key}
        total, dropped = sum(sizes.values()) + size, list[str]()
        for one, its in sizes.items():
            if total <= self.size and len(sizes) - len(dropped) < self.most:
                break
            dropped.append(one)
            total -= its
        if total > self.size:
            dropped.append(key)
        kept = {one: its for one, its in {**sizes, key: size}.items() if one not in dropped}
        return kept, dropped


def _looked(state: Any, now: float, patience: float) -> tuple[Any, tuple[str, Any]]:
    """A fresh reply, or the flight to wait for, or the one to make."""
    if state is None:
        state = NONE
    elif now < state["until"]:
        return state, ("hit", state["reply"])
    elif now < state["lease"]:
        return state, ("follow", state["flight"])
    flight = state["flight"] + 1
    return {**state, "flight": flight, "lease": now + patience, "pending": ""}, ("lead", flight)


def _landing(flight: int, now: float) -> Callable[[Any], tuple[Any, tuple[bool, str]]]:
    """Whether a flight is over, and what it brought back."""

    def landed(state: Any) -> tuple[Any, tuple[bool, str]]:
        if state is None or state["flight"] != flight:
            return state, (True, "")
        text = state["pending"] or (state["reply"] if now < state["until"] else "")
        return state, (not state["lease"], text)

    return landed


def _brought(state: Any, flight: int, text: str) -> tuple[Any, None]:
    state = state or NONE
    if flight and state["flight"] != flight:
        return state, None  # it took so long that another one was sent
    return {**state, "lease": 0.0, "pending": text}, None


def _freed(state: Any, flight: int) -> tuple[Any, None]:
    if state is None or state["flight"] != flight:
        return state, None
    return ({**state, "lease": 0.0, "pending": ""} if state["reply"] else None), None


guard = Cache
