"""A request as a page of HTML that needs nothing else: its steps in time, with what each cost."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from orchestrator.telemetry._told import Money, detail, head, money_of, remarks, when
from orchestrator.telemetry.events import GOOD
from orchestrator.telemetry.why import EXACT, Explanation, Step

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a}
table{border-collapse:collapse;width:100%}
td,th{padding:.2rem .6rem;text-align:left;border-bottom:1px solid #ddd;white-space:nowrap}
td.n{text-align:right;font-variant-numeric:tabular-nums}td.l{width:45%;padding:0}
td small{color:#666}.bad{color:#a40e0e;font-weight:600}tr.top td{background:#fff6dc}
rect.crossed,rect.session{fill:#d8dde3}rect.call,rect.streamed{fill:#2f6fab}rect.waited,rect.reviewed{fill:#c9a227}
rect.failed{fill:#a40e0e}rect.other{fill:#666}
svg{display:block}
@media(max-width:60rem){td{white-space:normal}td.l{width:30%}}
"""


def page(explanation: Explanation) -> str:
    """The waterfall, what was dearest and slowest, and what would have been cheaper."""
    money = money_of(explanation)
    began = min(step.began for _, step in explanation.walk())
    rows = "".join(_row(depth, step, explanation, began, money) for depth, step in explanation.walk())
    told = "".join(f"<li>{escape(line)}" for line in remarks(explanation, money))
    name = escape(explanation.request)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Why {name}</title><style>{STYLE}</style>"
        f"<h1>Why {name}</h1><p>{escape(head(explanation))}; began {when(began)}.</p><ul>{told}</ul>"
        "<table><tr><th>step<th>cost<th>seconds<th>when</tr>"
        f"{rows}</table>{''.join(_cheaper(explanation, money))}</html>"
    )


def _row(depth: int, step: Step, explanation: Explanation, began: float, money: Money) -> str:
    top = explanation.dearest and step is explanation.dearest[-1]
    failed = "bad" if step.event.failed else ""
    cost = money(step.cost) if step.cost > EXACT else ""
    seconds = f"{step.event.seconds:.3f}" if step.event.seconds else ""
    return (
        f"<tr{' class=top' * bool(top)}><td style='padding-left:{0.6 + 1.4 * depth:.1f}rem'>"
        f"<span class='{failed}'>{escape(step.name)}</span><small>{escape(detail(step))}</small>"
        f"<td class=n>{cost}<td class=n>{seconds}<td class=l>{_bar(step, began, explanation.seconds)}</tr>"
    )


def _bar(step: Step, began: float, seconds: float) -> str:
    """Where in the request's time a step lies; what took none is a line."""
    whole = seconds or 1.0
    start = min(99.7, 100 * (step.began - began) / whole)
    width = min(100 - start, max(0.3, 100 * step.event.seconds / whole))
    kinds = ("crossed", "session", "call", "streamed", "waited", "reviewed")
    kind = step.event.what if step.event.what in kinds else "other"
    if kind == "call" and step.event.outcome not in GOOD:
        kind = "failed"
    label = escape(f"{step.name}: {step.event.seconds:.3f} s", quote=True)
    return (
        f"<svg width='100%' height=16 role=img aria-label='{label}'>"
        f"<rect class={kind} x='{start:.2f}%' y=2 width='{width:.2f}%' height=12 rx=2 /></svg>"
    )


def _cheaper(explanation: Explanation, money: Money) -> Iterator[str]:
    if not explanation.cheaper:
        return
    yield "<h2>It would have cost</h2><table>"
    for one in explanation.cheaper:
        saved = (explanation.cost - one.cost) / explanation.cost
        yield f"<tr><td class=n>{money(one.cost)}<td class=n>{-saved:.0%}<td>{escape(one.how)}</tr>"
    yield "</table>"
