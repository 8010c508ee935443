"""mask: personal data out, placeholders in, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from guards._body import leaves, put
from guards._errors import Blocked, Exhausted
from guards._flow import Flow
from guards._patterns import apart, may_backtrack
from guards._pii._again import Known
from guards._pii._entities import FOUND, NAMES, Pattern, linear
from guards._pii._find import Finder, Span, finder, installed
from guards._pii._operators import AES_KEYS, KEYED, Operator, Operators
from guards._pii._vault import Unmask, Vault, disjoint
from guards._stream import mend
from guards._types import Call, Event, Finding, Part, Reply, Role
from guards._units import Seconds
from guards._value import replace
from guards._wishes import Wishing, clock, record, update

UNKNOWN = Finding(code="pii.unknown_placeholder", message="a placeholder that was never issued, left alone")


class _Held:
    """Room for a finder: looking it up again takes the hash of all there is to deny."""

    __slots__ = ("held",)
    held: Finder


@dataclass(frozen=True, slots=True)
class Mask(_Held):
    """Replaces personal data by placeholders on the way out, and puts it back on the way back.

    `entities` are Presidio's names for what its pattern recognizers find, at `score` (0 to 1) or more;
    `deny` terms are always masked, whatever their case, `allow` values never.  `scope` says who shares
    placeholders: the attempts of one call, all calls of a session, or all of a tenant (the run's tag
    `tenant`); what they share is forgotten when it was not used for `ttl` seconds, and holds `most` values.
    `roles` limits whose parts are
    masked.  `nlp` names what finds people, places, organisations and addresses where they are among
    the entities: `builtin`, a spaCy pipeline by name or path, or `none`.  `names` is how the built-in one
    reads: `balanced`, or `strict`, which masks more of them and more besides.

    `patterns` are entities of your own: a regular expression in RE2's syntax, a score, and context words;
    one marked `backtracking` has Python's syntax, and is searched for in a process apart. `scores` gives
    an entity a least score of its own. `operators` says by entity what stands in a value's place: a
    `placeholder`, `encrypt` (AES, by Presidio) and a `surrogate` of the same form are taken back in the
    reply; `redact`, `partial` (the last four letters or digits stay) and `hash` (HMAC with SHA256) are
    not. `key` is the secret that hashing and encrypting need. `new` says what becomes of personal data in
    a reply that no call of ours held: `allow` it, `report` it, `redact` it or `block` the reply.
    """

    entities: tuple[str, ...] = (
        "CREDIT_CARD",
        "CRYPTO",
        "EMAIL_ADDRESS",
        "IBAN_CODE",
        "IP_ADDRESS",
        "MAC_ADDRESS",
        "MEDICAL_LICENSE",
        "PHONE_NUMBER",
        "UK_NHS",
        "US_BANK_NUMBER",
        "US_DRIVER_LICENSE",
        "US_ITIN",
        "US_PASSPORT",
        "US_SSN",
    )
    score: float = 0.4
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ("system", "user", "assistant", "tool")
    scope: Literal["call", "session", "tenant"] = "call"
    ttl: Seconds = 86_400.0
    most: int = 10_000
    nlp: str = "builtin"
    names: Literal["balanced", "strict"] = "balanced"
    patterns: tuple[Pattern, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    operators: Mapping[str, Operator] = field(default_factory=dict)
    key: str = field(default="", repr=False)
    new: Literal["allow", "report", "redact", "block"] = "allow"

    heavy: ClassVar[int] = 2_000
    """From so many characters on, finding takes milliseconds: the async driver does it in a worker thread."""

    def __post_init__(self) -> None:
        if self.nlp not in ("builtin", "none") and not installed(self.nlp):
            cure = f"install it with: python -m spacy download {self.nlp}"
            raise ValueError(f"nlp: there is no spaCy pipeline {self.nlp!r} here; {cure}")
        for entity in self.entities:
            if entity in NAMES and self.nlp == "none":
                raise ValueError(
                    f"{entity} takes a finder of names; say `nlp: builtin` or name a spaCy pipeline, "
                    "or remove it so that nobody relies on it"
                )
            if entity not in FOUND and entity not in NAMES:
                raise ValueError(
                    f"unknown entity {entity!r}; there are {', '.join((*FOUND, *sorted(NAMES)))}"
                )
        if not 0 <= self.score <= 1:
            raise ValueError(f"score goes from 0 to 1, not {self.score}")
        if not (self.ttl > 0 and self.most > 0):
            raise ValueError("ttl and most must be more than 0")
        if not all(self.deny):
            raise ValueError("an empty term under `deny` would mask everything")
        own = {pattern.entity for pattern in self.patterns}
        for pattern in self.patterns:
            (may_backtrack if pattern.backtracking else linear)(pattern.regex)
        for entity, score in self.scores.items():
            if entity not in own.union(self.entities) or not 0 <= score <= 1:
                raise ValueError(f"scores: {entity} is not among the entities, or {score} not from 0 to 1")
        for entity, operator in self.operators.items():
            if entity not in own.union(self.entities, ["TERM"]):
                raise ValueError(f"operators: {entity} is not among the entities; add it there first")
            if operator in KEYED and not self.key:
                raise ValueError(f"{operator} needs a secret; give it as `key: ${{NAME_OF_A_VARIABLE}}`")
            if operator == "encrypt" and len(self.key.encode()) not in AES_KEYS:
                raise ValueError(f"encrypt needs a key of 16, 24 or 32 bytes, not {len(self.key.encode())}")

    @property
    def find(self) -> Finder:
        """What finds the personal data of a text."""
        if not hasattr(self, "held"):
            scores = tuple(sorted(self.scores.items()))
            linear_ones = tuple(pattern for pattern in self.patterns if not pattern.backtracking)
            held = finder(
                self.entities, self.score, self.deny, self.allow, self.nlp, linear_ones, scores, self.names
            )
            object.__setattr__(self, "held", held)
        return self.held

    def _apart(self, call: Call, parts: tuple[Part, ...]) -> Wishing[list[list[Span]]]:
        """What the patterns that may backtrack find in each part."""
        found: list[list[Span]] = [[] for _ in parts]
        texts = tuple(part.text for part in parts)
        for one in self.patterns:
            if not one.backtracking or one.score < dict(self.scores).get(one.entity, self.score):
                continue
            for spans, text, each in zip(
                (yield from apart(call, one.regex, texts)), texts, found, strict=True
            ):
                each += [
                    Span(start, end, one.entity, one.score)
                    for start, end in spans
                    if start < end and text[start:end] not in self.allow
                ]
        return found

    def __call__(self, call: Call) -> Flow:
        find = self.find
        further = yield from self._apart(call, call.parts)
        spans = [
            [*find(part.text), *more] if part.role in self.roles else []
            for part, more in zip(call.parts, further, strict=True)
        ]
        operators = Operators(self.operators, self.key)
        now = yield from clock()

        def change(state: Vault | None) -> tuple[Vault, tuple[Vault, list[str], list[list[Span]]]]:
            fresh = state is None or now - state.used > self.ttl
            vault = Vault() if state is None or fresh else state.copy()
            vault.used = now
            known = Known(vault.known | _values(call, spans))
            everywhere = [
                [*found, *known(part.text)] if part.role in self.roles else []
                for part, found in zip(call.parts, spans, strict=True)
            ]
            texts = [
                vault.mask(part.text, found, operators, call.text)
                for part, found in zip(call.parts, everywhere, strict=True)
            ]
            if len(vault.values) + len(vault.standins) > self.most:
                raise Exhausted(f"room for {self.most} masked values")
            return vault, (vault, texts, everywhere)

        if shared := self._shared(call):
            vault, texts, everywhere = yield from update(shared, change, self.ttl)
        else:
            vault, texts, everywhere = change(None)[1]
        told = iter(texts)
        masked = call.rewrite(lambda part: next(told))
        found = tuple(_finding(span) for each in everywhere for span in disjoint(each))
        if found:
            yield from record(call.event("found", "mask", found))
        if self.new != "allow" and masked.stream:
            masked = replace(masked, stream=False)  # what is personal shows only in the whole
        reply: Reply = yield masked
        if self.new != "allow":
            further = yield from self._apart(call, reply.parts)
            reply, leaked = self._judged(reply, find, vault, further)
            if leaked:
                yield from record(call.event("found", "mask", leaked, side="reply", then=self.new))
        if not vault:
            return reply
        reply, unknown = _restored(reply, vault, call)
        if unknown:
            yield from record(_unknown(call, unknown))
        return reply

    def _shared(self, call: Call) -> str:
        """The key under which placeholders are shared; empty if they are this call's own."""
        whose = {"call": "", "session": call.run.session, "tenant": call.run.tags.get("tenant", "")}[
            self.scope
        ]
        return vault_key(self.scope, whose) if whose else ""

    def _judged(
        self, reply: Reply, find: Finder, vault: Vault, further: list[list[Span]]
    ) -> tuple[Reply, tuple[Finding, ...]]:
        """The reply without the personal data that is the model's own, and what that was."""
        fresh = [
            tuple(
                _new(span)
                for span in disjoint([*find(part.text), *more])
                if not vault.covers(part.text, span)
            )
            for part, more in zip(reply.parts, further, strict=True)
        ]
        leaked = tuple(finding for each in fresh for finding in each)
        if leaked and self.new == "block":
            raise Blocked(leaked, "reply")
        if leaked and self.new == "redact":
            fixes = iter(fresh)
            reply = reply.rewrite(lambda part: mend(part.text, next(fixes)))
        return reply, leaked


def vault_key(scope: str, whose: str) -> str:
    """Where a store keeps the vault of a session or a tenant."""
    return f"mask:{scope}:{whose}"


def _values(call: Call, spans: list[list[Span]]) -> dict[str, str]:
    """What was found, each value with its entity."""
    return {
        part.text[span.start : span.end]: span.entity
        for part, found in zip(call.parts, spans, strict=True)
        for span in found
    }


def _finding(span: Span) -> Finding:
    code, kind = f"pii.{span.entity.lower()}", span.entity.lower().replace("_", " ")
    return Finding(code=code, message=f"{kind}, masked", start=span.start, end=span.end, score=span.score)


def _new(span: Span) -> Finding:
    """Personal data that the model brought up itself."""
    found = _finding(span)
    return replace(found, message=found.message.replace("masked", "the model's own"), fix=f"<{span.entity}>")


def _unknown(call: Call, names: set[str]) -> Event:
    """A reply held placeholders that were never issued: the model made them up, or changed a number."""
    return call.event("found", "mask", (UNKNOWN,), side="reply", then="report", count=len(names))


def _restored(reply: Reply, vault: Vault, call: Call) -> tuple[Reply, set[str]]:
    """The reply with its values, and the placeholders in it that were never issued."""
    if reply.live:
        return replace(reply, filters=(*reply.filters, lambda note: _Tap(vault, call, note))), set()
    unknown: set[str] = set()

    def restore(text: str) -> str:
        passing = Unmask(vault)
        restored = passing.feed(text) + passing.end()
        unknown.update(passing.unknown)
        return restored

    restored = reply.rewrite(lambda part: restore(part.text))
    # A validated value: a schema further in has made it already.
    value = put(reply.value, [(at, restore(text)) for at, text in leaves(reply.value)])
    return (restored if value is reply.value else replace(restored, value=value)), unknown


class _Tap(Unmask):
    """Puts values back in a live reply, and says at its end what placeholders were never issued."""

    def __init__(self, vault: Vault, call: Call, note: Callable[[Event], None]) -> None:
        super().__init__(vault)
        self.call, self.note = call, note

    def end(self) -> str:
        rest = super().end()
        if self.unknown:
            self.note(_unknown(self.call, self.unknown))
        return rest


guard = Mask
