"""degrade: when what is left does not pay for a full answer, a lesser one, or one later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from guards._cached import stale
from guards._errors import Exhausted, GuardError
from guards._flow import Flow
from guards._models import Models
from guards._types import Call, Reply, Usage
from guards._units import Seconds
from guards._value import replace
from guards._ways_on import Trigger, final, knowing, named, told, tried, why
from guards._wishes import Wishing, clock, record, update
from guards._worst import Inner, Worst, in_turn

Way = Literal["stale", "cheaper", "queue"]
TYPICAL = Usage(input=1_000, output=300)
QUEUE = "degrade:queue"


@dataclass(frozen=True, slots=True)
class Degrade:
    """Answers in a lesser way when a budget is spent or a model does not answer, instead of failing.

    `errors` says when, in the words of fallback; `exhausted` is a budget that says `then: degrade`. `ways`
    are tried in their order: `stale`, the reply that the cache further out still holds; `cheaper`, the
    policy's models that cost less than the one called, or those listed under `models`, dearest first;
    `queue`, which keeps the call for later and answers with `notice`. At most `most` calls are kept, each
    for `keep`; the program takes them with `guards.degrade.queued`.
    """

    ways: tuple[Way, ...] = ("stale", "cheaper")
    errors: tuple[Trigger, ...] = ("exhausted", "unavailable")
    models: tuple[str, ...] = ()
    notice: str = "This will be answered later."
    most: int = 1_000
    keep: Seconds = 86_400.0
    _models: Models = field(default_factory=dict, init=False, repr=False, compare=False)

    at_helpers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (self.most > 0 and self.keep > 0):
            raise ValueError("most and keep must be more than 0; leave `queue` out of ways to keep nothing")

    def with_models(self, models: Models) -> Self:
        named(self.models, models, "models")
        return knowing(self, models)

    def __call__(self, call: Call) -> Flow:
        outcome = yield from tried(call)
        if isinstance(outcome, Reply):
            return outcome
        reason = why(outcome)
        signalled = not isinstance(outcome, Exhausted) or outcome.degrade
        if reason not in self.errors or not signalled:
            raise outcome
        failures: list[tuple[str, GuardError]] = [(call.target, outcome)]
        for way in self.ways:
            reply = yield from self._answered(way, call, failures)
            if reply is not None:
                yield from record(call.event("degraded", "degrade", way=way, reason=reason))
                return reply
        raise final(call.target, failures)

    def worst(self, call: Call, inner: Inner) -> Worst:
        """The call itself, and every cheaper one after it."""
        names = [call.target, *(self._cheaper(call) if "cheaper" in self.ways else ())]
        return in_turn(inner(replace(call, target=name)) for name in names)

    def _answered(
        self, way: Way, call: Call, failures: list[tuple[str, GuardError]]
    ) -> Wishing[Reply | None]:
        if way == "stale":
            return (yield from stale(call))
        if way == "queue":
            now = yield from clock()
            kept = yield from update(QUEUE, lambda state: self._queued(state, call, now))
            return told(self.notice, "queue") if kept else None
        for name in self._cheaper(call):
            outcome = yield from tried(replace(call, target=name))
            if isinstance(outcome, Reply):
                return outcome
            failures.append((name, outcome))
        return None

    def _cheaper(self, call: Call) -> list[str]:
        """The models that cost less than the one called, dearest first."""
        if self.models:
            return [name for name in self.models if name != call.target]
        prices = {name: model.cost(TYPICAL) for name, model in self._models.items()}
        own = prices.get(call.target)
        less = {name: price for name, price in prices.items() if own is not None is not price and price < own}
        return sorted(less, key=lambda name: -less[name])

    def _queued(self, state: Any, call: Call, now: float) -> tuple[Any, bool]:
        waiting = [one for one in state or [] if one["until"] > now]
        if len(waiting) >= self.most:
            return waiting, False
        texts = [[part.role, part.text] for part in call.parts]
        run = {"request_id": call.run.request_id, "session": call.run.session, "user": call.run.user}
        kept = {"target": call.target, "parts": texts, "run": run, "until": now + self.keep}
        return [*waiting, kept], True


def queued(most: int = 100) -> Wishing[list[dict[str, Any]]]:
    """Take the oldest calls that wait to be answered, as this guard saw them, out of the queue.

    Each is `{"target", "parts": [[role, text]], "run": {"request_id", "session", "user"}, "until"}`.
    """
    now = yield from clock()

    def taken(state: Any) -> tuple[Any, list[dict[str, Any]]]:
        waiting = [one for one in state or [] if one["until"] > now]
        return waiting[most:] or None, waiting[:most]

    return (yield from update(QUEUE, taken))


guard = Degrade
