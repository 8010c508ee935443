"""The values that move through a chain. All are frozen; guards make new ones with `replace`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import field
from itertools import count
from typing import Any, Literal, Protocol, Self, TypeAlias

from guards._value import maker, replace, value

Side: TypeAlias = Literal["call", "reply"]
Action: TypeAlias = Literal["block", "redact", "replace", "reask", "escalate", "warn"]
Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
Kind: TypeAlias = Literal["text", "tool_call", "tool_result"]
Origin: TypeAlias = Literal["trusted", "user", "untrusted"]
Path: TypeAlias = tuple[str | int, ...]


class Filter(Protocol):
    """Text in passing: may hold some back, and gives the rest at the end."""

    def feed(self, text: str, /) -> str: ...
    def end(self) -> str: ...


@value
class Finding:
    """One reason, in machine-readable form; never the matched text.

    `start` and `end` are character offsets into the part's text; `fix` is what may stand there instead.
    One that is `advisory` is recorded, and nothing else comes of it.  `view` is how the text was read, where
    that is not as it is written: a decoding, or letters that are folded.
    """

    code: str
    message: str
    start: int = 0
    end: int = 0
    fix: str | None = None
    score: float = 1.0
    advisory: bool = False
    view: str = ""


@value
class Part:
    """One piece of content, who said it, and its place in the body it came from."""

    text: str
    role: Role = "user"
    kind: Kind = "text"
    name: str = ""
    at: Path = ()
    origin: Origin = "user"


class Lone:
    """What a run that stands alone leaves in the store, by key, and whether its outermost call is over.

    It is the drivers' own: they note the keys and drop the states, and no guard looks at it.
    """

    __slots__ = ("keys", "over")

    def __init__(self) -> None:
        self.keys, self.over = set[str](), False


class Steps:
    """Numbers the boundary crossings of one request, from 1; safe under threads."""

    __slots__ = ("take",)

    def __init__(self) -> None:
        self.take: Callable[[], int] = count(1).__next__

    def __deepcopy__(self, memo: object) -> Self:
        return self


@value
class SpanContext:
    """Where in the trace of a request something happens: inside which span, and in which step.

    `trace` has 32 and `span` 16 hex digits, as in W3C Trace Context; a span that is empty is the root.
    `step` is the number of the boundary crossing, and `steps` gives the next.
    """

    trace: str
    span: str = ""
    step: int = 0
    steps: Steps = field(repr=False, compare=False)


@value
class Run:
    """Whose request this is.  `deadline` is absolute, in seconds on the driver's clock.

    `depth` counts the calls that this one is made inside of.  `lone` is what the calls of a run share that
    is nobody's session, but one call with those made inside it.  `within` is kept by the drivers where
    somebody takes notes.
    """

    request_id: str = ""
    session: str = ""
    user: str = ""
    roles: frozenset[str] = frozenset()
    region: str = ""
    deadline: float | None = None
    depth: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    lone: Lone | None = field(default=None, repr=False, compare=False)
    within: SpanContext | None = field(default=None, repr=False, compare=False)


@value
class Usage:
    """Tokens of one or more calls: read, written, and read from the provider's cache."""

    input: int = 0
    output: int = 0
    cached: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
        )


UNUSED = Usage()


@value
class Content:
    """What a call and a reply have in common: parts."""

    parts: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.parts)

    def rewrite(self, edit: Callable[[Part], str]) -> Self:
        """The same content with each part's text edited; itself if nothing changed."""
        parts = tuple(
            part if (text := edit(part)) is part.text or text == part.text else replace(part, text=text)
            for part in self.parts
        )
        return self if all(map(_same, parts, self.parts)) else replace(self, parts=parts)

    def add(self, *parts: Part) -> Self:
        """Append content.  It has no place in the old body; the boundary finds one."""
        return replace(self, parts=(*self.parts, *(replace(part, at=()) for part in parts)))


def _same(one: object, other: object) -> bool:
    return one is other


@value
class Event:
    """Something worth recording: what happened, where, in whose run, by which guard; never content.

    `id` is that of the span which it is the end of, if it is; the span around it is in `run.within`.
    """

    what: str
    boundary: str
    target: str
    run: Run
    guard: str = ""
    findings: tuple[Finding, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(default="", repr=False, compare=False)


new_event, NOBODY = maker(Event), Run()


@value
class Call(Content):
    """A wish to cross a boundary: ask a model, or run a tool.

    `via` names a helper (a judge, say) to ask instead of the guarded thing itself.  `timeout` is how many
    seconds this one attempt may take, None for no bound beyond the run's deadline; of a stream, it bounds
    the time to the first text, and `idle` each gap after that.  `meters` are guards that stand around each
    attempt itself, whatever made it; `dropped` are the places in the body that are left out.  `raw`
    is what the boundary was called with, before any guard changed a text in it.
    """

    kind: Literal["model", "tool"]
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    via: str = ""
    timeout: float | None = None
    idle: float | None = None
    meters: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    dropped: tuple[Path, ...] = ()
    run: Run = NOBODY
    raw: Any = field(default=None, repr=False, compare=False)

    def event(self, what: str, guard: str = "", findings: tuple[Finding, ...] = (), **data: Any) -> Event:
        """Something that happened to this call, without its content."""
        return new_event(
            what=what,
            boundary=self.kind,
            target=self.target,
            run=self.run,
            guard=guard,
            findings=findings,
            data=data,
        )


@value
class Reply(Content):
    """What came back.

    A `live` reply has no parts yet: its text is still flowing, and `filters` see it pass, each made by a
    factory that is given a way to record events.  When it has stopped flowing, for whatever reason, `after`
    say what is settled then, innermost first.  `call` is the call that a live reply answers, as it left.

    `value` is the validated object, where a guard made one.
    `raw` is what the boundary was given; when the reply is `plain`, it is the answer itself and its strings
    are the parts, not an envelope around a text.  `source` is empty for what the model or tool itself said
    now; else it says where the reply is from: cache, stale, fixed, function or queue.  `accepted` are updates
    that are made only when every guard has accepted the reply.
    """

    usage: Usage = UNUSED
    model: str = ""
    finish: str = ""
    filters: tuple[Tap, ...] = ()
    after: tuple[After, ...] = ()
    call: Call | None = field(default=None, repr=False, compare=False)
    live: bool = False
    plain: bool = False
    value: Any = None
    source: str = ""
    accepted: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    raw: Any = field(default=None, repr=False, compare=False)


@value
class Ended:
    """How a live reply stopped: the bytes of text that had come and the tokens it told by then.

    `error` is what stopped it, in mid-stream or by a reader who left, or None where it came to its end.
    """

    size: int = 0
    usage: Usage = UNUSED
    error: BaseException | None = None


Tap: TypeAlias = Callable[[Callable[[Event], None]], Filter]
After: TypeAlias = Callable[[Ended], Generator[Any, Any, None]]
"""What a guard does once a live reply has stopped: a generator of wishes, as `Update` and `Record`."""
