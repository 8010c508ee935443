"""concurrency: only so many calls to a target at once; the others wait in a fair queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guards._errors import Unavailable
from guards._flow import Flow
from guards._types import Call, Ended, Reply
from guards._units import Seconds
from guards._value import replace
from guards._wishes import NOW, Wishing, new_update, turn, update, wake
from guards._worst import Inner, Worst

PREFIX = "concurrency:"
EMPTY: dict[str, Any] = {"next": 0, "serving": 0, "waiting": 0, "gone": "0", "permits": {}}


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` calls to a target at once; the next ones wait, first come first served.

    A call that finds `max_queue` others waiting, or whose turn does not come within `max_wait` seconds or
    before its run's deadline, is refused. A place is given back when the reply is there, when its stream has
    stopped, and when the call is cancelled; one that is held for `lease` seconds was taken by a process that
    died, and is given to another call.
    """

    limit: int = 32
    max_queue: int = 10_000
    max_wait: Seconds = 30.0
    lease: Seconds = 600.0

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"limit is at least 1, not {self.limit}; to let no call through, use permit")
        if self.max_queue < 0:
            raise ValueError(f"max_queue must not be negative, as {self.max_queue} is; 0 is no queue")
        if not self.max_wait >= 0:
            raise ValueError(f"max_wait must not be negative, as {self.max_wait} s is")
        if not self.lease > 0:
            raise ValueError(f"lease must be more than 0 s, not {self.lease} s")

    def __call__(self, call: Call) -> Flow:
        key = f"{PREFIX}{call.kind}:{call.via or call.target}"
        now = yield NOW
        left = self.max_wait if call.run.deadline is None else min(self.max_wait, call.run.deadline - now)
        expires = now + max(0.0, left) + self.lease
        number, admitted, woken = yield new_update(
            key, lambda state: self.enter(state, now, expires, queue=left > 0)
        )
        if number is None:
            if woken:
                yield from _wake(key, woken)
            raise Unavailable.now(call.target, f"{self.limit} calls are under way, and the queue is full")
        try:
            if woken:
                yield from _wake(key, woken)
            if not admitted:
                yield from self._queued(call, key, number, left, expires)
            reply: Reply = yield call
            if reply.live:
                return replace(reply, after=(*reply.after, self._after(key, number)))
        except GeneratorExit:
            raise
        except BaseException:
            yield from self._leave(key, number)
            raise
        if woken := (yield new_update(key, lambda state: self.leave(state, number))):
            yield from _wake(key, woken)
        return reply

    def worst(self, call: Call, inner: Inner) -> Worst:
        """The longest wait in the queue, and then the call."""
        return inner(call).later(self.max_wait)

    def _queued(self, call: Call, key: str, number: int, left: float, expires: float) -> Wishing[None]:
        def mine(state: Any) -> tuple[Any, bool | None]:
            if str(number) not in state["permits"]:
                return state, None
            return {**state, "permits": {**state["permits"], str(number): expires}}, True

        if (yield from turn(key, mine, f"{key}:{number}", left)) is None:
            raise Unavailable.now(call.target, f"no place among {self.limit} calls within {left:.1f} s")

    def _leave(self, key: str, number: int) -> Wishing[None]:
        woken = yield from update(key, lambda state: self.leave(state, number))
        if woken:
            yield from _wake(key, woken)

    def _after(self, key: str, number: int) -> Callable[[Ended], Wishing[None]]:
        return lambda ended: self._leave(key, number)

    def enter(self, state: Any, now: float, expires: float, *, queue: bool) -> tuple[Any, Entered]:
        """A number, whether it has a place already, and whose turn has come instead; no number if refused."""
        state, woken = state or EMPTY, list[int]()
        if len(state["permits"]) >= self.limit:
            held = {number: until for number, until in state["permits"].items() if until > now}
            if len(held) < len(state["permits"]):
                state, woken = self._served({**state, "permits": held}, expires)
        free = len(state["permits"]) < self.limit and not state["waiting"]
        if not free and (not queue or state["waiting"] >= self.max_queue):
            return state, (None, False, woken)
        number = state["next"]
        if free:
            permits = {**state["permits"], str(number): expires}
            new = {"next": number + 1, "serving": number + 1, "waiting": 0, "gone": "0", "permits": permits}
            return new, (number, True, woken)
        return {**state, "next": number + 1, "waiting": state["waiting"] + 1}, (number, False, woken)

    def leave(self, state: Any, number: int) -> tuple[Any, list[int]]:
        """Give a place back, or leave the queue; answers whose turn has come."""
        name = str(number)
        if state is None:
            return None, []
        if name in state["permits"]:
            permits = state["permits"].copy()
            expires = permits.pop(name)
            state = {**state, "permits": permits}
            return self._served(state, expires) if state["waiting"] else (state, [])
        place = number - state["serving"]
        if place < 0:  # its lease was over
            return state, []
        gone = int(state["gone"], 16) | 1 << place
        return {**state, "waiting": state["waiting"] - 1, "gone": f"{gone:x}"}, []

    def _served(self, state: Any, expires: float) -> tuple[Any, list[int]]:
        """Give free places to those who have waited longest; `gone` has a bit for each who left the queue."""
        serving, waiting, permits = state["serving"], state["waiting"], dict(state["permits"])
        gone, woken = int(state["gone"], 16), []
        while waiting and len(permits) < self.limit:
            left = (~gone & (gone + 1)).bit_length() - 1
            serving, gone = serving + left + 1, gone >> left + 1
            waiting -= 1
            woken.append(serving - 1)
            permits[str(serving - 1)] = expires
        new = {"serving": serving, "waiting": waiting, "gone": f"{gone:x}", "permits": permits}
        return {**state, **new}, woken


Entered = tuple[int | None, bool, list[int]]


def _wake(key: str, numbers: list[int]) -> Wishing[None]:
    yield from wake(*(f"{key}:{number}" for number in numbers))


guard = Concurrency
