"""What is unusual is told soon, what is usual never; judged on series made for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.telemetry._baseline import Burn, Levels, Rates
from orchestrator.telemetry.anomalies import Alert, Anomalies, Limits, Objective
from orchestrator.telemetry.events import Trace

WINDOWS = 10_000


class Series:
    """Calls of one target, a second apart, and the alerts that they raise."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.alerts: list[Alert] = []
        self.watcher, self.now = Anomalies(self.alerts.append, limits), 0.0

    def call(self, **fields: Any) -> None:
        self.now += fields.pop("after", 1.0)
        usual: dict[str, Any] = {"boundary": "model", "target": "large", "time": self.now, "cost": 0.01}
        self.watcher(Trace(**{"what": "crossed", **usual, **fields}))

    @property
    def metrics(self) -> set[str]:
        return {alert.metric for alert in self.alerts}


def autocorrelated(random: Random) -> Callable[[], float]:
    state = 0.0

    def draw() -> float:
        nonlocal state
        state = 0.3 * state + random.gauss(0, 1)
        return math.exp(state)

    return draw


QUIET: dict[str, Callable[[Random], Callable[[], float]]] = {
    "log-normal": lambda random: lambda: random.lognormvariate(0, 1),
    "Pareto, without a mean": lambda random: lambda: random.paretovariate(0.9),
    "seldom fifty times as slow": lambda random: (
        lambda: random.lognormvariate(0, 0.3) * (50 if random.random() < 0.02 else 1)
    ),
    "half from a cache": lambda random: lambda: 0.0 if random.random() < 0.5 else random.lognormvariate(0, 1),
    "autocorrelated": autocorrelated,
}


def test_ten_thousand_quiet_windows_raise_at_most_one_alert_on_average() -> None:
    """Over five shapes of series with three amounts and three rates each; more than one is no more chance."""
    alerts = {shape: quiet(shape) for shape in QUIET}
    assert sum(map(len, alerts.values())) <= len(QUIET)
    assert max(map(len, alerts.values())) <= 2


def quiet(shape: str) -> list[Alert]:
    random, limits = Random(shape), Limits(objective=Objective(share=0.9))
    draw, series = QUIET[shape](random), Series(limits)
    for _ in range(WINDOWS * limits.window):
        trouble = random.random()
        series.call(
            seconds=draw(),
            cost=draw() / 1_000,
            input=int(200 * draw()),
            outcome="blocked" if trouble < 0.02 else "invalid" if trouble < 0.03 else "ok",
        )
    return series.alerts


@settings(max_examples=60, deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.floats(0, 0.3),
    st.integers(80, 900),
    st.sampled_from(["cost", "seconds"]),
)
def test_a_doubled_cost_or_latency_is_found_within_twenty_calls(
    random: Random, spread: float, before: int, metric: str
) -> None:
    random = Random(random.getrandbits(32))
    series = Series()
    for _ in range(before):
        series.call(**{metric: random.lognormvariate(0, spread)})
    series.alerts.clear()
    for _ in range(20):
        series.call(**{metric: 2 * random.lognormvariate(0, spread)})
    named = {"cost": "cost", "seconds": "latency"}[metric]
    assert named in series.metrics
    alert = next(one for one in series.alerts if one.metric == named)
    assert alert.seen > 1.2 * alert.usual > 0
    assert alert.deviations >= 2
    assert (alert.boundary, alert.target) == ("model", "large")


@pytest.mark.parametrize(
    ("metric", "fields"),
    [
        ("errors", {"outcome": "upstream_error"}),
        ("blocks", {"outcome": "blocked"}),
        ("blocks", {"outcome": "denied"}),
        ("tokens", {"input": 500}),
    ],
)
def test_each_kind_of_trouble_has_its_own_alert(metric: str, fields: dict[str, Any]) -> None:
    series = Series()
    for number in range(300):
        series.call(input=100 + number % 7)
    assert not series.alerts
    for _ in range(20):
        series.call(**{"input": 100, **fields})
    assert series.metrics == {metric}


@pytest.mark.parametrize("what", ["escalated", "reviewed"])
def test_calls_that_need_a_bigger_model_or_a_person_more_often_are_told(what: str) -> None:
    series = Series()
    for number in range(300):
        series.call(id=f"quiet-{number}")
    for number in range(20):
        series.watcher(Trace(what=what, parent=f"call-{number}"))
        series.call(id=f"call-{number}")
    assert series.metrics == {"escalations"}


def test_crossings_that_never_end_are_not_remembered_for_ever() -> None:
    series = Series(Limits(memory=60, most_targets=1))
    for number in range(200):
        series.watcher(Trace(what="escalated", parent=str(number)))
    assert len(series.watcher._escalated) == 60


def test_who_leaves_is_no_error() -> None:
    series = Series()
    for number in range(400):
        series.call(outcome="ok" if number < 300 else "cancelled")
    assert not series.alerts


@pytest.mark.parametrize("sample", [2, 60, 200])
def test_nothing_is_said_before_the_sample_was_seen(sample: int) -> None:
    series = Series(Limits(sample=sample))
    for number in range(sample + 19):
        series.call(seconds=float(number), cost=float(number), input=number)
    assert not series.alerts


def test_a_change_that_is_too_small_to_matter_is_not_told() -> None:
    series = Series()
    for number in range(400):
        series.call(seconds=1.0 if number < 300 else 1.15)
    assert not series.alerts
    for _ in range(20):
        series.call(seconds=1.25)
    assert series.metrics == {"latency"}


@pytest.mark.parametrize(("cool_down", "told"), [(0.0, 100), (50.0, 2), (1_000.0, 1)])
def test_one_trouble_is_told_once_in_a_cool_down(cool_down: float, told: int) -> None:
    series = Series(Limits(cool_down=cool_down, objective=None, span=500, memory=5_000))
    for number in range(1_100):
        series.call(outcome="ok" if number < 1_000 else "invalid")
    counted = Counter(alert.metric for alert in series.alerts)["errors"]
    assert 0.8 * told <= counted <= told


def test_what_lasts_becomes_usual() -> None:
    series = Series(Limits(cool_down=0.0))
    for number in range(1_500):
        series.call(seconds=1.0 if number < 200 else 3.0)
    told = len(series.alerts)
    for _ in range(100):
        series.call(seconds=3.0)
    assert 0 < told == len(series.alerts)


def test_targets_without_end_are_watched_together() -> None:
    series = Series(Limits(most_targets=3))
    for number in range(400):
        series.call(target=f"t{number}", seconds=1.0 if number < 300 else 9.0)
    assert len(series.watcher._targets) == 4
    assert {alert.target for alert in series.alerts} == {"other"}


# Objectives


def failing(series: Series, calls: int, share: float, after: float) -> None:
    every = round(1 / share) if share else calls + 1
    for number in range(calls):
        series.call(outcome="invalid" if number % every == 0 else "ok", after=after)


def test_a_budget_that_burns_too_fast_is_told_for_the_long_and_the_short_window() -> None:
    objective = Objective(share=0.99, rules=((3_600.0, 300.0, 14.4),))
    series = Series(Limits(objective=objective, deviations=100.0))
    failing(series, 720, 0.1, 5.0)
    assert not series.alerts  # ten times too fast is not 14.4 times
    failing(series, 720, 0.2, 5.0)
    assert series.metrics == {"slo"}
    assert series.alerts[0].usual == 14.4 <= series.alerts[0].seen


def test_trouble_that_is_over_burns_no_short_window() -> None:
    objective = Objective(share=0.99, rules=((3_600.0, 300.0, 5.0),))
    series = Series(Limits(objective=objective, deviations=100.0, cool_down=0.0))
    failing(series, 400, 0.5, 5.0)
    assert series.alerts
    failing(series, 100, 0.0, 5.0)
    series.alerts.clear()
    series.call(outcome="invalid")
    assert not series.alerts


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=60),
    st.sampled_from([60.0, 300.0, 3_600.0]),
)
@example(calls=[(0, True)], seconds=60.0)
def test_a_burn_counts_the_calls_of_its_time(calls: list[tuple[int, bool]], seconds: float) -> None:
    burn, now, told = Burn(5.0, 3_600.0), 0.0, list[tuple[float, bool]]()
    for after, bad in calls:
        now += after
        burn.see(now, bad)
        told.append((now, bad))
    total, failed = burn.over(now, seconds)
    # The oldest bucket counts as a whole.
    least = [bad for at, bad in told if at > now - seconds]
    most = [bad for at, bad in told if at > now - seconds - 10.0]
    assert len(least) <= total <= len(most)
    assert sum(least) <= failed <= sum(most)
    assert len(burn._starts) <= 3_600 / 5 + 2
    assert burn.over(now + 10_000, seconds) == (0, 0)


# Baselines


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5, 9.0]), min_size=40, max_size=120))
def test_a_level_knows_the_last_calls_and_as_many_before_as_it_remembers(values: list[float]) -> None:
    levels = Levels(2, 3, 20)
    for value in values:
        levels.see(value, 10)
    assert list(levels._recent) == values[-6:]
    assert levels._order == sorted(values[:-6][-20:]) == sorted(levels._values)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=10, max_size=60), st.integers(-1, 10))
@example(values=[0] * 30 + [1] * 30, value=0)
def test_a_score_is_the_mean_of_those_of_the_ranks_that_a_value_may_have(
    values: list[int], value: int
) -> None:
    levels = Levels(2, 3, 100)
    for each in values:
        levels.see(each, 100)
    below, equal, ranks = sum(each < value for each in values), values.count(value) + 1, len(values) + 1
    fine = 200
    shares = [(below + equal * (place + 0.5) / fine) / ranks for place in range(fine)]
    mean = sum(map(NormalDist().inv_cdf, shares)) / fine
    assert levels._score(value) == pytest.approx(mean, abs=0.2 if equal == 1 else 0.02)


def binomial(calls: int, hits: int, share: float) -> float:
    return sum(math.comb(calls, k) * share**k * (1 - share) ** (calls - k) for k in range(hits, calls + 1))


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 30), st.integers(1, 50))
def test_a_rate_that_is_well_known_is_judged_by_the_binomial_distribution(hits: int, percent: int) -> None:
    rates = Rates(30, 20_000)
    for hit in ([True] * percent + [False] * (100 - percent)) * 200 + [False] * 30:
        rates.see(hit, 99_999)
    for place in range(30):
        rates.see(place < hits, 99_999)
    known = binomial(30, hits, percent / 100)
    assert math.log(rates._chance()) == pytest.approx(math.log(known), rel=0.02, abs=0.02)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.booleans(), max_size=80))
def test_a_rate_counts_what_it_remembers(hits: list[bool]) -> None:
    rates = Rates(5, 12)
    for hit in hits:
        rates.see(hit, 6)
    assert rates._recent_hits == sum(hits[-5:])
    assert rates._hits == sum(hits[:-5][-12:])


# Settings


def wrong() -> Iterator[tuple[type, dict[str, Any], str]]:
    yield Limits, {"deviations": 0.0}, "deviations"
    yield Limits, {"least": -1.0}, "least"
    yield Limits, {"window": 0}, "window"
    yield Limits, {"sample": 1}, "sample"
    yield Limits, {"sample": 501}, "sample"
    yield Limits, {"window": 501}, "memory"
    yield Objective, {"share": 1.0}, "share"
    yield Objective, {"rules": ()}, "rule"
    yield Objective, {"rules": ((300.0, 3_600.0, 14.4),)}, "rule"


@pytest.mark.parametrize(("kind", "fields", "says"), list(wrong()))
def test_wrong_settings_are_refused(kind: Any, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        kind(**fields)


def test_an_alert_says_where_and_how_much() -> None:
    alert = Alert("cost", "model", "large", 0.01, 0.02, 3.14159, 7.0)
    assert str(alert) == "model large: cost 0.02, usually 0.01, 3.1 standard deviations away"
    assert alert.to_dict()["deviations"] == 3.14159
