"""Moving baselines of one series each: amounts, rates, and how fast an error budget burns.

Amounts are judged by their normal scores (van der Waerden): a value's rank among those before it, as the
standard deviation at which a normal distribution has that rank.  So no shape of distribution is assumed, and
one value, however far out in a heavy tail, weighs no more than the highest rank.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from math import exp, lgamma, sqrt
from statistics import NormalDist, fmean, median
from typing import NamedTuple

NORMAL = NormalDist()
SCORE = NORMAL.inv_cdf
SMALLEST = 1e-300


class Sign(NamedTuple):
    """What is unusual: as it usually is, as it is now, and by how many standard deviations."""

    usual: float
    seen: float
    deviations: float


class Levels:
    """Amounts: how far the last `confirm` windows of `window` values lie above the `memory` values before.

    It is told as their average, in standard deviations of a window's mean score, which is taken from the
    windows themselves: values that go up and down together tell less than as many that do not.
    """

    __slots__ = (
        "_deviation",
        "_left",
        "_memory",
        "_order",
        "_recent",
        "_scores",
        "_span",
        "_squares",
        "_values",
        "_window",
    )

    def __init__(self, window: int, confirm: int, memory: int) -> None:
        self._window, self._span, self._memory = window, window * confirm, memory
        self._values, self._order = deque[float](), list[float]()
        self._recent, self._scores, self._left = deque[float](), deque[float](), list[float]()
        self._squares = deque[float](maxlen=memory // window)
        self._deviation = 1 / sqrt(window)

    def see(self, value: float, sample: int) -> float:
        """One more value: by how many deviations the last ones are high, or 0 with too few to say."""
        if len(self._order) < sample:
            self._learn(value)
            return 0.0
        self._recent.append(value)
        self._scores.append(self._score(value))
        if len(self._recent) > self._span:
            self._learn(self._recent.popleft())
            self._leave(self._scores.popleft())
        if len(self._scores) < self._span:
            return 0.0
        # A baseline that is short varies itself.
        return sum(self._scores) / self._span / self._deviation / sqrt(1 + self._span / len(self._order))

    def sign(self, deviations: float) -> Sign:
        return Sign(median(self._order), median(self._recent), deviations)

    def _score(self, value: float) -> float:
        """The mean of the normal scores of the ranks that a value may have; several, where it has equals."""
        order = self._order
        low, high, ranks = bisect_left(order, value), bisect_right(order, value) + 1, len(order) + 1
        if high - low == 1:
            return SCORE((low + high) / 2 / ranks)
        return (_density(low / ranks) - _density(high / ranks)) * ranks / (high - low)

    def _learn(self, value: float) -> None:
        self._values.append(value)
        insort(self._order, value)
        if len(self._values) > self._memory:
            del self._order[bisect_left(self._order, self._values.popleft())]

    def _leave(self, score: float) -> None:
        self._left.append(score)
        if len(self._left) == self._window:
            self._squares.append((sum(self._left) / self._window) ** 2)
            self._left.clear()
            if len(self._squares) > self._window:
                self._deviation = max(1 / sqrt(self._window), sqrt(fmean(self._squares)))


def _density(rank: float) -> float:
    """Of the normal distribution, where a share of it lies below."""
    return NORMAL.pdf(SCORE(rank)) if 0 < rank < 1 else 0.0


class Rates:
    """How often something happens: whether it did more often in the last `span` calls than in those before.

    The likelihood is that of the beta-binomial distribution, which knows that the rate before is a guess from
    so many calls (Jeffreys' prior); it is told as the standard deviations of a normal one.
    """

    __slots__ = ("_before", "_hits", "_recent", "_recent_hits")

    def __init__(self, span: int, memory: int) -> None:
        self._recent, self._before = deque[bool](maxlen=span), deque[bool](maxlen=memory)
        self._hits = self._recent_hits = 0

    def see(self, hit: bool, sample: int) -> float:
        """One more call: by how many deviations the rate is high, or 0 where it did not just rise."""
        if len(self._recent) == self._recent.maxlen:
            self._learn(self._recent[0])
        self._recent.append(hit)
        self._recent_hits += hit
        if not hit or len(self._before) < sample:
            return 0.0
        return -SCORE(max(SMALLEST, self._chance()))

    def sign(self, deviations: float) -> Sign:
        return Sign(self._hits / len(self._before), self._recent_hits / len(self._recent), deviations)

    def _learn(self, hit: bool) -> None:
        if len(self._before) == self._before.maxlen:
            self._hits -= self._before[0]
        self._before.append(hit)
        self._hits += hit
        self._recent_hits -= hit

    def _chance(self) -> float:
        """Of as many hits as these or more, if the rate had stayed as it was."""
        calls, seen = len(self._recent), self._recent_hits
        a, b = self._hits + 0.5, len(self._before) - self._hits + 0.5
        ways = lgamma(calls + 1) - lgamma(seen + 1) - lgamma(calls - seen + 1)
        beta = lgamma(seen + a) + lgamma(calls - seen + b) - lgamma(calls + a + b)
        chance = exp(ways + beta - lgamma(a) - lgamma(b) + lgamma(a + b))
        total = chance
        for hits in range(seen, calls):
            chance *= (calls - hits) / (hits + 1) * (hits + a) / (calls - hits - 1 + b)
            total += chance
        return min(1.0, total)


class Burn:
    """How many times faster than its error budget allows a service fails, over times of any length.

    Calls are counted in buckets of `step` seconds, for `keep` seconds.
    """

    __slots__ = ("_bad", "_keep", "_starts", "_step", "_total", "bad", "total")

    def __init__(self, step: float, keep: float) -> None:
        self._step, self._keep = step, keep
        self._starts, self._total, self._bad = list[float](), list[int](), list[int]()
        self.total = self.bad = 0

    def see(self, now: float, bad: bool) -> None:
        """One more call; each bucket knows how many there were before it."""
        start = now - now % self._step
        if not self._starts or start > self._starts[-1]:
            self._starts.append(start)
            self._total.append(self.total)
            self._bad.append(self.bad)
            self._forget(now - self._keep - self._step)
        self.total += 1
        self.bad += bad

    def over(self, now: float, seconds: float) -> tuple[int, int]:
        """The calls of the last seconds, and how many of them were bad."""
        first = bisect_right(self._starts, now - seconds - self._step)
        if first == len(self._starts):
            return 0, 0
        return self.total - self._total[first], self.bad - self._bad[first]

    def _forget(self, before: float) -> None:
        old = bisect_left(self._starts, before)
        for kept in (self._starts, self._total, self._bad):
            del kept[:old]
