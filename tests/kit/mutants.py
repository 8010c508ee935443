"""Our own guards, broken in small ways: each mutant must be caught by the guarantees that users run.

A mutant is one text in one module that is replaced by another.  `survives` plays plans against a policy that
the mutant shows in, and judges them by nothing but what the kit ships.
"""

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from orchestrator.testing import Plan, Rehearsal, judge, plans
from orchestrator.testing._chaos import scope_of
from policies import loads


@dataclass(frozen=True)
class Mutant:
    """One small fault: in `module`, `old` becomes `new`; `policy` is where it shows."""

    name: str
    module: str
    old: str
    new: str
    policy: str


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The rooms with the fault in them: every function of the module runs the mutant's code.

    Classes and functions stay the objects they are, so whoever holds one meets the fault.
    """
    module = importlib.import_module(mutant.module)
    source = inspect.getsource(module)
    count = source.count(mutant.old)
    assert count == 1, f"{mutant.name}: {mutant.old!r} is {count} times in {mutant.module}, not once"
    made = ModuleType(mutant.module)
    sys.modules[mutant.module] = made  # a dataclass looks its module up while it is made
    try:
        exec(compile(source.replace(mutant.old, mutant.new), str(module.__file__), "exec"), made.__dict__)
    finally:
        sys.modules[mutant.module] = module
    undo: list[tuple[FunctionType, CodeType]] = []
    for real, other in _pairs(vars(module), vars(made), mutant.module):
        if real.__code__ != other.__code__ and len(real.__code__.co_freevars) == len(
            other.__code__.co_freevars
        ):
            undo.append((real, real.__code__))
            real.__code__ = other.__code__
    assert undo, f"{mutant.name} changes nothing that runs"
    try:
        yield
    finally:
        for real, code in undo:
            real.__code__ = code


def _pairs(real: Mapping[str, Any], made: Mapping[str, Any], module: str) -> Iterator[tuple[Any, Any]]:
    """Functions and methods of a module, each with the mutant's."""
    for name, value in real.items():
        other = made.get(name)
        value, other = (getattr(one, "__func__", getattr(one, "fget", one)) for one in (value, other))
        if isinstance(value, FunctionType) and isinstance(other, FunctionType):
            if value.__module__ == module:
                yield value, other
        elif isinstance(value, type) and isinstance(other, type) and value.__module__ == module:
            yield from _pairs(vars(value), vars(other), module)


MODELS = """
models:
  small: {id: small, price: {input: 0.25, output: 2.0}, region: eu, tier: 1, window: 8000}
  large: {id: large, price: {input: 2.5, output: 20.0}, region: us, tier: 2, window: 80000}
"""


def policy(*model: str, tool: tuple[str, ...] = ()) -> str:
    """A policy's text, from the items of its chains."""
    lines = [f"  - {{{item}}}" for item in model or ("use: retry, attempts: 1",)]
    more = [f"  - {{{item}}}" for item in tool]
    return "\n".join(
        ["wardline: 1", "name: mutants", MODELS, "model:", *lines, *(["tool:", *more] if more else [])]
    )


OBJECT = "use: schema, schema: {type: object, properties: {id: {type: integer}}, required: [id]}"
PERSONAL = "use: mask, entities: [US_SSN, EMAIL_ADDRESS, CREDIT_CARD]"
MASK = policy(PERSONAL, "use: retry, base: 0s")
SHARED = policy(f"{PERSONAL}, scope: session")
SCHEMA = policy(f"{OBJECT}, reask: whole", PERSONAL)
ONCE = policy(f"{OBJECT}, attempts: 0")
BLOCKING = policy("use: invisible, then: block")
REDACTING = policy("use: invisible, then: redact")
PIPED = policy(PERSONAL, "use: invisible, then: redact")
RETRY = policy("use: retry, attempts: 2, jitter: none", "use: timeout", tool=("use: retry",))
PERMIT = policy(tool=("use: permit, tools: [tool, 'a.*'], deny: ['a.x'], roles: [agent]",))
TIMEOUT = policy("use: timeout, seconds: 1s")
DEADLINE = policy("use: deadline, seconds: 5s", "use: retry")
BUDGET = policy("use: budget, calls: 2, per: session", "use: retry, base: 0s")
TOKENS = policy("use: budget, tokens: 5000, per: session, reply_tokens: 10")
STEPS = policy("use: iterations, steps: 1, identical: 3")
LOOPS = policy("use: iterations, steps: 9, identical: 1")
CONTEXT = policy("use: context, tokens: 12, reply_tokens: 1")
RESIDENCY = policy(
    "use: fallback, models: [small, large], errors: [unavailable, failed]",
    "use: residency, allow: {eu: [eu]}",
)
CACHE = policy("use: cache")
FALLBACK = policy("use: fallback, models: [small, large]", "use: timeout, seconds: 2s")
ROUTE = policy("use: route, among: [small, large]", "use: timeout, seconds: 2s")
BREAKER = policy(
    "use: breaker, failure_threshold: 2, recovery_timeout: 60s, half_open_max_requests: 1", "use: timeout"
)
PROBED = policy(
    "use: breaker, failure_threshold: 1, recovery_timeout: 1s, half_open_max_requests: 1", "use: timeout"
)
RATE = policy("use: rate_limit, requests: 30, burst: 2s, max_wait: 5s")
CONCURRENCY = policy("use: concurrency, limit: 1", "use: timeout")
HEDGE = policy("use: hedge, after: 100ms, share: 1.0", "use: timeout, seconds: 2s")


def mutant(name: str, module: str, old: str, new: str, policy: str) -> Mutant:
    return Mutant(name, f"guards.{module}" if "." not in module else module, old, new, policy)


MUTANTS = (
    # Personal data.
    mutant(
        "mask: nothing is masked", "mask", "reply: Reply = yield masked", "reply: Reply = yield call", MASK
    ),
    mutant(
        "mask: what the model said before goes back as it was",
        "mask",
        "call.rewrite(lambda part: next(told))",
        "call.rewrite(lambda part: (next(told), part.text)[part is not call.parts[0]])",
        SCHEMA,
    ),
    mutant("mask: nothing comes back", "mask", "if not vault:", "if vault:", MASK),
    mutant("mask: a live reply is left as it is", "mask", "if reply.live:", "if reply.live and False:", MASK),
    mutant(
        "mask: the text is told in an event",
        "mask",
        'yield from record(call.event("found", "mask", found))',
        'yield from record(call.event("found", "mask", found, text=call.text))',
        MASK,
    ),
    mutant(
        "mask: values are in the key of the store",
        "mask",
        "return vault_key(self.scope, whose) if whose",
        "return vault_key(self.scope, whose + call.text) if whose",
        SHARED,
    ),
    mutant(
        "vault: the first placeholder is forgotten",
        "guards._pii._vault",
        "if self.unmask(masked) == meant:",
        "if self.values.popitem():",
        MASK,
    ),
    # Structured output.
    mutant(
        "schema: what does not fit passes",
        "schema",
        "if not problems and not (cut_short and open_ended(text)):",
        "if True:",
        SCHEMA,
    ),
    mutant("schema: one re-ask too many", "schema", "> self.attempts or", "> self.attempts + 1 or", ONCE),
    mutant(
        "schema: the last reply passes as it is",
        "schema",
        "raise failure or _invalid(tried)",
        "return reply",
        SCHEMA,
    ),
    # Checks, and text in passing.
    mutant(
        "screen: the call is not looked at",
        "guards._flow",
        'if "call" in self.at:',
        'if "call" in self.at and call.stream:',
        BLOCKING,
    ),
    mutant(
        "screen: the reply is not looked at",
        "guards._flow",
        'if "reply" not in self.at:',
        'if "reply" in self.at:',
        BLOCKING,
    ),
    mutant(
        "screen: streams pass unseen",
        "guards._flow",
        "return replace(reply, filters=(*reply.filters, self._tap(call)))",
        "return reply",
        REDACTING,
    ),
    mutant(
        "settle: nothing blocks",
        "guards._flow",
        'if then in ("block", "reask"):',
        'if then == "stop":',
        BLOCKING,
    ),
    mutant("settle: nothing is redacted", "guards._flow", 'if then == "redact":', "if False:", REDACTING),
    mutant(
        "window: the end is swallowed",
        "guards._stream",
        'return self._passed("", final=True)',
        'return ""',
        REDACTING,
    ),
    mutant(
        "window: what is blocked is let go",
        "guards._stream",
        'raise Blocked(acted, "reply", self.refusal)',
        "pass",
        BLOCKING,
    ),
    mutant(
        "window: what is held back comes twice",
        "guards._stream",
        "out, self.held = self.held[:cut], self.held[cut:]",
        "out, self.held = self.held[:cut], self.held[max(0, cut - 1):]",
        REDACTING,
    ),
    mutant(
        "pipe: a filter's end goes past the next one",
        "guards._stream",
        'text = (one.feed(text) if text else "") + one.end()',
        "text = text + one.end()",
        PIPED,
    ),
    mutant(
        "mend: fixes stand beside what they fix",
        "guards._stream",
        "done = max(done, finding.end)",
        "pass",
        REDACTING,
    ),
    # Attempts and time.
    mutant("retry: one attempt too many", "retry", "+ 1 < self.attempts", "< self.attempts", RETRY),
    mutant(
        "retry: tools are run again",
        "retry",
        'if self.attempts == 1 or not (call.kind == "model" or call.options.get("idempotent")):',
        "if self.attempts == 1:",
        RETRY,
    ),
    mutant(
        "retry: what does not pass is tried again",
        "retry",
        "in self.errors and may_retry(failure)",
        "in self.errors",
        RETRY,
    ),
    mutant("retry: the server is not heard", "retry", "seconds = max(seconds, asked)", "pass", RETRY),
    mutant(
        "retry: the deadline is slept past",
        "retry",
        "if call.run.deadline is not None and (yield from clock()) + seconds >= call.run.deadline:",
        "if False:",
        DEADLINE,
    ),
    mutant(
        "retry: a new key for every attempt",
        "retry",
        "                reply: Reply = yield call\n                return reply",
        "                call = _with_key(call, len(failures) / 8)\n"
        "                reply: Reply = yield call\n                return reply",
        RETRY,
    ),
    mutant("timeout: no bound", "timeout", "timeout=_least(seconds, call.timeout), idle", "idle", TIMEOUT),
    mutant(
        "deadline: no deadline",
        "deadline",
        "yield replace(call, run=replace(call.run, deadline=ends))",
        "yield call",
        DEADLINE,
    ),
    mutant("deadline: a run's own is put off", "deadline", "ends = min(ends,", "ends = max(ends,", DEADLINE),
    # Who may, and where.
    mutant(
        "permit: the deny list is not read", "permit", "_matches(call.target, self.deny)", "False", PERMIT
    ),
    mutant(
        "permit: everything is listed", "permit", "not _matches(call.target, self.tools)", "False", PERMIT
    ),
    mutant(
        "permit: roles are not asked for",
        "permit",
        "not _held(self.roles, call.run)",
        "False",
        PERMIT,
    ),
    mutant(
        "residency: any region will do",
        "residency",
        "if not covered(model.region, allowed):",
        "if False:",
        RESIDENCY,
    ),
    # How much.
    mutant("iterations: one step too many", "iterations", "steps >= self.steps", "steps > self.steps", STEPS),
    mutant(
        "iterations: loops are not seen",
        "iterations",
        "times >= self.identical",
        "times > self.identical",
        LOOPS,
    ),
    mutant("context: what does not fit is sent", "context", "if needed > room:", "if False:", CONTEXT),
    mutant(
        "budget: one call too many",
        "budget",
        "if getattr(total, name) > most:",
        "if getattr(spent, name) > most:",
        BUDGET,
    ),
    mutant(
        "budget: nothing is charged",
        "budget",
        "self._taken(call, held, reply), reply.live",
        "Amount(), reply.live",
        TOKENS,
    ),
    # Ways on.
    mutant("cache: for everyone", "cache", 'call.run.user if self.scope == "user" else ""', '""', CACHE),
    mutant(
        "cache: one who failed keeps the others waiting",
        "cache",
        "if not text and flight:",
        "if text and flight:",
        CACHE,
    ),
    mutant(
        "fallback: every model is asked twice",
        "fallback",
        "for name in dict.fromkeys((call.target, *self.models)):\n            outcome",
        "for name in (call.target, *self.models) * 2:\n            outcome",
        FALLBACK,
    ),
    # Standing back.
    mutant(
        "breaker: it never opens",
        "breaker",
        "tripped = failures >= self.failure_threshold",
        "tripped = False",
        BREAKER,
    ),
    mutant(
        "breaker: one failure late",
        "breaker",
        "failures >= self.failure_threshold",
        "failures > self.failure_threshold",
        BREAKER,
    ),
    mutant(
        "breaker: it never closes",
        "breaker",
        "if 0 < left <= LONGEST * self.recovery_timeout:",
        "if True:",
        BREAKER,
    ),
    mutant(
        "breaker: a probe's place is not given back",
        "breaker",
        "if number != str(permit[1])",
        "if number",
        PROBED,
    ),
    mutant("rate_limit: nobody waits", "rate_limit", "if slot.start > now:", "if False:", RATE),
    mutant(
        "concurrency: a failure takes its place with it",
        "concurrency",
        "        except BaseException:\n            yield from self._leave(key, number)\n            raise",
        "        except BaseException:\n            raise",
        CONCURRENCY,
    ),
    mutant(
        "concurrency: a stream takes its place with it",
        "concurrency",
        "return replace(reply, after=(*reply.after, self._after(key, number)))",
        "return reply",
        CONCURRENCY,
    ),
    mutant("concurrency: nobody waits", "concurrency", "if not admitted:", "if False:", CONCURRENCY),
    # The engine.
    mutant(
        "chain: a crash in a guard is passed over",
        "orchestrator._engine.chain",
        "error = GuardFailed.of(guard_name(guards[len(flows) - 1]), accident)",
        "error, value = None, Reply()",
        RETRY,
    ),
    mutant(
        "drive: attempts are not bounded by the deadline",
        "orchestrator._engine.drive",
        "left = None if call.run.deadline is None else _seconds_left(call.run.deadline, world)",
        "left = None",
        DEADLINE,
    ),
)


def survives(mutant: Mutant, plans_to_try: int = 1_000, seeds: int = 3) -> bool:
    """Whether no plan breaks a guarantee under the mutant, from any of some seeds."""
    with mutated(mutant):
        rehearsal = Rehearsal(loads(mutant.policy))
        return not any(_caught(rehearsal, plans_to_try, number) for number in range(seeds))


def _caught(rehearsal: Rehearsal, plans_to_try: int, number: int) -> bool:
    limits = settings(
        max_examples=plans_to_try,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )

    @seed(number)
    @limits
    @given(plans(scope_of(rehearsal.policy)))
    def judged(plan: Plan) -> None:
        assert not judge(rehearsal, rehearsal.play(plan))

    try:
        judged()
    except AssertionError:
        return True
    return False
