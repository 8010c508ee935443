"""Evidence in words, for a terminal: why a request was as it was, requests, and figures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from orchestrator.telemetry._stored import Request
from orchestrator.telemetry.figures import Figures
from orchestrator.telemetry.why import EXACT, Explanation, Step


class Money:
    """Writes US dollars, all in as many decimals as the smallest of them needs."""

    def __init__(self, amounts: Iterable[float | None]) -> None:
        known = [abs(amount) for amount in amounts if amount]
        enough = (n for n in (2, 4, 6, 8) if all(abs(round(one, n) - one) <= 1e-4 * one for one in known))
        self._digits = next(enough, 10)

    def __call__(self, amount: float | None) -> str:
        return "unknown" if amount is None else f"${amount:,.{self._digits}f}"


def money_of(explanation: Explanation) -> Money:
    costs = [step.cost for _, step in explanation.walk()]
    return Money([explanation.cost, *costs, *(one.cost for one in explanation.cheaper)])


def when(seconds: float) -> str:
    """A time in UTC, as ISO 8601 has it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + "Z"


def head(explanation: Explanation) -> str:
    """The request in one line."""
    told, usage = explanation, explanation.usage
    parts = [
        told.outcome,
        f"{told.attempts} attempt{'s' * (told.attempts != 1)}",
        f"{told.seconds:.2f} s",
        f"{usage.input:,} tokens in, {usage.output:,} out"
        + f", {usage.cached:,} cached" * bool(usage.cached),
        money_of(told)(told.cost),
    ]
    return f"{told.request}: " + ", ".join(parts)


def why(explanation: Explanation) -> str:
    return "\n".join(_why(explanation))


def _why(explanation: Explanation) -> Iterator[str]:
    money, first = money_of(explanation), explanation.steps[0]
    yield head(explanation)
    yield f"at {when(min(step.began for step in explanation.steps))}" + _whose(first)
    yield ""
    yield f"{'cost':>12} {'share':>6} {'seconds':>9}"
    for depth, step in explanation.walk():
        yield f"{_costs(step, explanation, money)} {_seconds(step)}  {'   ' * depth}{step.name}{detail(step)}"
    yield ""
    yield from remarks(explanation, money)
    if explanation.cheaper:
        yield ""
        yield "it would have cost"
        for one in explanation.cheaper:
            saved = explanation.cost - one.cost
            yield f"{money(one.cost):>12} {-saved / explanation.cost:>6.0%} {'':>9}  {one.how}"


def _whose(step: Step) -> str:
    event = step.event
    inside = next((inner.event for _, inner in step.walk() if inner.event.policy), event)
    told = (("user", event.user), ("session", event.session), ("policy", inside.policy))
    return "".join(f", {name} {value}" for name, value in told if value)


def _costs(step: Step, explanation: Explanation, money: Money) -> str:
    if step.cost <= EXACT:
        return f"{'':>12} {'':>6}"
    return f"{money(step.cost):>12} {step.cost / explanation.cost:>6.0%}"


def _seconds(step: Step) -> str:
    return f"{step.event.seconds:>9.3f}" if step.event.seconds else f"{'':>9}"


def detail(step: Step) -> str:
    """What a step came to, after its name."""
    event, told = step.event, list[str]()
    if event.what in ("call", "crossed", "streamed", "session", "reviewed") and event.outcome != "ok":
        told.append(event.outcome)
    if event.what == "call" and (event.input or event.output):
        told.append(f"{event.input:,} + {event.output:,} tokens")
    told += [f"{code} x {count}" for code, count in sorted(event.findings.items())]
    told += [f"{name} {_plain(value)}" for name, value in event.data.items() if name != "via"]
    if step.missing:
        told.append("some of its attempts are not in the store")
    return f": {', '.join(told)}" if told else ""


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def remarks(explanation: Explanation, money: Money) -> Iterator[str]:
    """The branches that cost and took most, and what is not known."""
    if explanation.dearest:
        most = explanation.dearest[-1].cost
        told = f"{money(most)}, {most / explanation.cost:.0%}"
        yield f"most expensive: {path(explanation.dearest)} ({told})"
    if explanation.slowest:
        yield f"slowest: {path(explanation.slowest)} ({explanation.slowest[-1].event.seconds:.3f} s)"
    if explanation.unpriced:
        yield f"{explanation.unpriced} attempts have no known price: the policy has none for their model"
    if explanation.unfinished:
        yield f"{explanation.unfinished} steps have not ended, or their end was not told"


def path(branch: Sequence[Step]) -> str:
    return " > ".join(step.name for step in branch)


def requests(rows: Sequence[Request]) -> str:
    money = Money(row.cost for row in rows)
    lines = [
        f"{'ended':<21}{'request':<38}{'outcome':<16}{'steps':>6}{'tries':>6}{'tokens':>9}{'seconds':>9}"
        f"{'cost':>12}  targets"
    ]
    lines += [
        f"{when(row.time):<21}{row.request:<38}{_ended(row):<16}{row.crossings:>6}{row.attempts:>6}{row.tokens:>9,}"
        f"{row.seconds:>9.2f}{money(row.cost):>12}  {row.targets}"
        for row in rows
    ]
    return "\n".join(lines)


def _ended(row: Request) -> str:
    return (
        row.outcome if not row.failed or row.failed == row.crossings else f"{row.outcome} ({row.failed} bad)"
    )


def figures(rows: Sequence[Figures], by: str) -> str:
    money = Money(row.cost for row in rows)
    lines = [
        f"{by:<26}{'calls':>8}{'p50 s':>8}{'p95 s':>8}{'p99 s':>8}{'error':>7}{'block':>7}{'repair':>7}"
        f"{'escal.':>7}{'cache':>7}{'tries':>8}{'in':>11}{'out':>11}{'cost':>13}"
    ]
    lines += [
        f"{row.name or '-':<26}{row.calls:>8,}{row.p50:>8.2f}{row.p95:>8.2f}{row.p99:>8.2f}{row.errors:>7.1%}"
        f"{row.blocks:>7.1%}{row.repairs:>7.1%}{row.escalations:>7.1%}{row.cached:>7.1%}{row.attempts:>8,}"
        f"{row.input:>11,}{row.output:>11,}{money(row.cost):>13}"
        for row in rows
    ]
    return "\n".join(lines)
