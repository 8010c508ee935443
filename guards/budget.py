"""budget: a call, a run, a session, a user or a tag takes so many tokens, dollars and calls, and no more."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple, Self

from guards._account import account, checked_tag
from guards._errors import Denied, Exhausted, UpstreamError
from guards._flow import Flow
from guards._helpers import Helpers, facts
from guards._models import Models, model_of
from guards._tokens import asked, most_output, tokens, tokens_of
from guards._types import Call, Ended, Event, Reply, Usage
from guards._units import Seconds
from guards._value import maker, replace
from guards._wishes import Record, Wish, clock, draw, new_update, record, update
from guards._worst import Inner, Worst

HOUR, DAY = 3_600.0, 86_400.0
PICO = 1_000_000_000_000
"""Accounts are kept in whole millionths of a millionth of a dollar, so that sums are exact."""


class Amount(NamedTuple):
    """What one or more calls take: picodollars, tokens in and out, and how many calls they are."""

    pico: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    calls: int = 0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `usd` US dollars, `tokens` (`tokens_in`, `tokens_out`) and `calls` for each call, run or user.

    `per` says who shares the account: one call with all its attempts, a run, a session, a user, or all whose
    run has the same `tag`; with `window`, it begins anew after so many seconds. Every attempt, wherever it
    is made further in, reserves its worst case before it leaves and settles what it took when it is back,
    so calls side by side cannot overshoot together. The worst case is what the call sends and the limit on
    the reply that it names, or else `reply_tokens`; an attempt that timed out or was cut off is charged as
    reserved, since providers bill it. A stream is cut off when its share is spent.

    Prices are those of the policy's models. A call of a model without a price is denied under a budget in
    dollars, unless `unpriced` allows it. When the budget is spent the call is `Exhausted`; `then` says
    whether that is the end, or a signal to degrade.
    """

    usd: float | None = None
    tokens: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    calls: int | None = None
    per: Literal["call", "run", "session", "user", "tag"] = "run"
    tag: str = ""
    window: Seconds | None = None
    reply_tokens: int = 4_096
    unpriced: Literal["deny", "allow"] = "deny"
    then: Literal["stop", "degrade"] = "stop"
    models: Models = field(default_factory=dict, init=False, repr=False, compare=False)
    # Worked out once: what is bounded, by the fields of `Amount`, and what tells accounts apart.
    limits: tuple[tuple[str, int], ...] = field(default=(), init=False, repr=False, compare=False)
    apart: str = field(default="", init=False, repr=False, compare=False)
    keep: float | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("usd", "tokens", "tokens_in", "tokens_out", "calls"):
            most = getattr(self, name)
            if most is not None and not 0 <= most < float("inf"):
                raise ValueError(f"{name} must be a number from 0, not {most}")
        checked_tag(self.per, self.tag)
        if self.window is not None and not self.window > 0:
            raise ValueError(f"window must be more than 0, not {self.window}")
        if self.window is not None and self.per == "call":
            raise ValueError("window is for accounts that several calls share; leave it out with `per: call`")
        if self.reply_tokens < 1:
            raise ValueError(f"reply_tokens must be at least 1, not {self.reply_tokens}")
        object.__setattr__(self, "limits", self._limits())
        bounds = (self.usd, self.tokens, self.tokens_in, self.tokens_out, self.calls, self.window, self.tag)
        object.__setattr__(self, "apart", f"{bounds}:")
        object.__setattr__(self, "keep", self._keep())

    def with_models(self, models: Models) -> Self:
        """The same guard, knowing the prices.  Raises ValueError for a model that has none."""
        unpriced = [name for name, model in models.items() if not model.priced]
        if self.usd is not None and self.unpriced == "deny" and unpriced:
            raise ValueError(
                f"usd cannot be kept, as the model {unpriced[0]} has no price; give it `price: auto`, "
                "a table such as {input: 0.25, output: 2.0}, or `price: none`"
            )
        made = replace(self)
        object.__setattr__(made, "models", models)
        return made

    def with_helpers(self, helpers: Helpers) -> Self:
        """The same guard, knowing what helpers cost, too."""
        return self.with_models({**self.models, **facts(helpers)})

    def __call__(self, call: Call) -> Flow:
        if self.per != "call":
            reply: Reply = yield self._metered(call, self._account(call))
            return reply
        account = f"budget:call:{yield from draw():.16f}"
        live = False
        try:
            reply = yield self._metered(call, account)
            live = reply.live
            return replace(reply, after=(*reply.after, partial(_dropped, account))) if live else reply
        finally:
            if not live:
                yield from update(account, _drop)

    def worst(self, call: Call, inner: Inner) -> Worst:
        one = inner(call)
        usd = one.usd if self.usd is None or call.kind == "tool" else self.usd
        return one.within(usd=usd, attempts=one.attempts if self.calls is None else self.calls)

    def _limits(self) -> tuple[tuple[str, int], ...]:
        usd = None if self.usd is None else int(self.usd * PICO)
        bounds = {"pico": usd, "tokens": self.tokens, "tokens_in": self.tokens_in}
        bounds |= {"tokens_out": self.tokens_out, "calls": self.calls}
        return tuple((name, most) for name, most in bounds.items() if most is not None)

    def _keep(self) -> float | None:
        """For how many seconds after its last call an account is kept, None for ever.

        A store's clock may run otherwise than the one that windows are told by, so it is given room.
        """
        least = DAY if self.per in ("call", "run") else HOUR
        if self.window is None:
            return None if least is HOUR else DAY
        return max(least, 2 * self.window)

    def _metered(self, call: Call, account: str) -> Call:
        return replace(call, meters=(*call.meters, new_meter(self, account)))

    def _account(self, call: Call) -> str:
        """The key of the account, which names nobody; different bounds keep different accounts."""
        return f"budget:{account(call.run, self.per, self.tag, self.apart)}"


@dataclass(frozen=True, slots=True)
class Meter:
    """Stands around each attempt itself: reserves its worst case, and settles what it took."""

    budget: Budget
    account: str

    name = "budget"

    def __call__(self, call: Call) -> Flow:
        now = 0.0 if self.budget.window is None else (yield from clock())
        worst = self._worst(call)
        least = (
            worst._replace(tokens_out=1, pico=self._pico(call, worst.tokens_in, 1)) if call.stream else worst
        )
        held, bound, era, left = yield self._update(
            lambda state: self._reserved(state, worst, least, now, call)
        )
        if held is None:
            yield from record(call.event("exhausted", "budget", bound=bound))
            raise self.exhausted(bound)
        taken, live = Amount(), False
        try:
            yield Record(call.event("reserved", "budget", left=left))
            taken = held
            reply: Reply = yield call
            taken, live = self._taken(call, held, reply), reply.live
            if live:
                after = partial(self._ended, call, held, era)
                cut = self._cut(held)
                return replace(reply, filters=(*reply.filters, cut), after=(*reply.after, after))
            return reply
        except UpstreamError as failure:
            if failure.kind == "status":  # nothing was made, so nothing is billed
                taken = Amount(calls=1)
            raise
        finally:
            if not live:
                yield self._update(partial(_settled, held, taken, era))

    def _update(self, change: Callable[[Any], tuple[Any, Any]]) -> Wish:
        budget = self.budget
        return new_update(self.account, change, of_run=budget.per == "run", keep=budget.keep)

    def exhausted(self, bound: str) -> Exhausted:
        error = Exhausted(f"budget ({bound})")
        error.degrade = self.budget.then == "degrade"
        return error

    def _worst(self, call: Call) -> Amount:
        if call.kind == "tool":
            return Amount(calls=1)
        sent, said = asked(call), most_output(call, self.budget.reply_tokens)
        return Amount(self._pico(call, sent, said), sent, said, 1)

    def _pico(self, call: Call, tokens_in: int, tokens_out: int, cached: int = 0) -> int:
        """What tokens cost; a dearer model than the policy knows of is not let through."""
        budget = self.budget
        if budget.usd is None or call.kind == "tool":
            return 0
        model = model_of(budget.models, call)
        if model is None or not model.priced:
            if budget.unpriced == "deny":
                raise Denied(
                    f"{call.via or call.target} has no price, and there is a budget in US dollars; "
                    "give it one under `models`, or say `unpriced: allow`"
                )
            return 0
        return round((model.cost(Usage(input=tokens_in, output=tokens_out, cached=cached)) or 0.0) * PICO)

    def _reserved(
        self, state: Any, worst: Amount, least: Amount, now: float, call: Call
    ) -> tuple[Any, tuple[Amount | None, str, int, float]]:
        """Hold the worst case, or of a stream what is left; else which bound forbids it; the share left."""
        era, began, spent = _read(state, self.budget.window, now)
        held = worst if not (bound := self._bound(spent, worst)) else self._share(spent, worst, least, call)
        if held is None:
            return [era, began, *spent], (None, bound, era, 0.0)
        return [era, began, *_plus(spent, held)], (held, "", era, self._left(spent))

    def _left(self, spent: Amount) -> float:
        """The share of the tightest bound that nothing has taken yet."""
        shares = [1.0 - getattr(spent, name) / most for name, most in self.budget.limits if most]
        return max(0.0, min(shares, default=1.0))

    def _bound(self, spent: Amount, more: Amount) -> str:
        """The bound that `more` would pass."""
        total = _plus(spent, more)
        for name, most in self.budget.limits:
            if getattr(total, name) > most:
                return "usd" if name == "pico" else name
        return ""

    def _share(self, spent: Amount, worst: Amount, least: Amount, call: Call) -> Amount | None:
        """What a stream may take of a budget that its worst case would pass: the longest reply that fits."""
        if not call.stream or self._bound(spent, least):
            return None
        low, high = 1, worst.tokens_out
        held = least
        while high - low > 1:
            middle = (low + high) // 2
            tried = worst._replace(tokens_out=middle, pico=self._pico(call, worst.tokens_in, middle))
            if self._bound(spent, tried):
                high = middle
            else:
                low, held = middle, tried
        return held

    def _taken(self, call: Call, held: Amount, reply: Reply) -> Amount:
        """What a call took: as the provider says, or else by estimate, within what was held."""
        if call.kind == "tool":
            return held
        usage = reply.usage
        if usage.input or usage.output:
            return self._told(call, usage)
        return self._estimated(call, held, tokens(reply.text))

    def _told(self, call: Call, usage: Usage) -> Amount:
        pico = self._pico(call, usage.input, usage.output, usage.cached)
        return Amount(pico, usage.input, usage.output, 1)

    def _estimated(self, call: Call, held: Amount, said: int) -> Amount:
        said = min(said, held.tokens_out)
        return Amount(self._pico(call, held.tokens_in, said), held.tokens_in, said, held.calls)

    def _cut(self, held: Amount) -> Callable[[Callable[[Event], None]], Cut]:
        spent = [0]
        return lambda note: Cut(self, spent, held.tokens_out)

    def _ended(self, call: Call, held: Amount, era: int, ended: Ended) -> Generator[Wish, Any, None]:
        told = ended.usage.output and ended.usage.input
        taken = self._estimated(call, held, tokens_of(ended.size))
        if told:
            taken = held if call.kind == "tool" else self._told(call, ended.usage)
        elif ended.error is not None and not isinstance(ended.error, Exhausted):
            taken = held
        yield self._update(partial(_settled, held, taken, era))


new_meter = maker(Meter)


class Cut:
    """Ends a stream whose share of the budget is spent; the channels of one stream share it."""

    def __init__(self, meter: Meter, spent: list[int], most: int) -> None:
        self.meter, self.spent, self.most = meter, spent, most

    def feed(self, text: str) -> str:
        self.spent[0] += len(text.encode("utf-8", "replace"))
        if tokens_of(self.spent[0]) > self.most:
            raise self.meter.exhausted("stream")
        return text

    def end(self) -> str:
        return ""


def _read(state: Any, window: float | None, now: float) -> tuple[int, float, Amount]:
    """The account: which window it is in, since when, and what is spent or held in it."""
    if state is None:
        return 0, now, Amount()
    era, began, *spent = state
    if window is not None and now >= began + window:
        return era + 1, now, Amount()
    # A clock that was set anew, as by a restart, makes a window longer, never the budget larger.
    return era, min(began, now), Amount(*spent)


def _settled(held: Amount, taken: Amount, era: int, state: Any) -> tuple[Any, None]:
    """What was taken instead of what was held, unless that was in a window that is over."""
    if state is None or state[0] != era:
        return state, None
    _, began, *spent = state
    left = [one - gone + new for one, gone, new in zip(spent, held, taken, strict=True)]
    return [era, began, *left], None


def _plus(one: Amount, other: Amount) -> Amount:
    return Amount(one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3])


def _drop(state: Any) -> tuple[None, None]:
    return None, None


def _dropped(account: str, ended: Ended) -> Generator[Wish, Any, None]:
    yield from update(account, _drop)


guard = Budget
