"""A policy's own examples, played: what leaves, what comes back, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from guards._body import leaves
from guards._types import Call, Part, Reply, Run
from orchestrator.testing._play import Answer, Outcome, play, say

if TYPE_CHECKING:
    from policies import Example, Policy


def failures(policy: Policy) -> Iterator[tuple[Example, str]]:
    """Each example that does not hold, with what happened instead, told without any content."""
    for example in policy.examples:
        outcome = played(policy, example)
        for problem in _problems(example, outcome):
            yield example, problem


def played(policy: Policy, example: Example) -> Outcome:
    """One example through the policy's own chain; the other side answers as the example says."""
    run = Run(request_id="example", roles=frozenset(example.roles), user=example.user, region=example.region)
    if example.tool is not None:
        parts = tuple(
            Part(text=text, role="assistant", kind="tool_call", at=at, origin="untrusted")
            for at, text in leaves(example.arguments)
        )
        raw = dict(example.arguments)
        call = Call(kind="tool", target=example.tool, parts=parts, run=run, raw=raw)
    else:
        part = Part(text=example.model or "", at=("prompt",))
        call = Call(kind="model", target=example.target, parts=(part,), run=run)
    return play(policy.guards(call.kind, call.target), call, _script(example))


def _script(example: Example) -> Callable[[Call], Answer]:
    replies = iter(example.replies)
    last = "ok"

    def answer(call: Call) -> Answer:
        nonlocal last
        last = next(replies, last)
        if call.kind == "model":
            return say(last)
        part = Part(text=last, role="tool", kind="tool_result", name=call.target, origin="untrusted")
        return Reply(parts=(part,), raw=last)

    return answer


def _problems(example: Example, outcome: Outcome) -> Iterator[str]:
    error = outcome.error
    ended = "passes" if error is None else getattr(error, "code", type(error).__name__)
    if example.expect and ended != example.expect:
        yield f"expected {example.expect}, but it ended: {error or ended}"
    elif not example.expect and error is not None and not outcome.calls:
        yield f"nothing left, as it ended before: {error}"
    left = "\n".join(call.text for call in outcome.calls)
    if any(text not in left for text in example.sends):
        yield "what should leave did not"
    if any(text in left for text in example.sends_without):
        yield "what must not leave did"
    if any(text not in outcome.text for text in example.returns):
        yield "what should come back did not"
    if any(text in outcome.text for text in example.returns_without):
        yield "what must not come back did"
