"""spans: traces for OpenTelemetry, by its conventions for generative AI.

A session is an `invoke_agent` span, a crossing a span of our own, an attempt a `chat` or an `execute_tool`
span, and what guards, waits and people did are spans inside of those.  Tokens and money stand on attempts
alone, so that they are counted once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestrator.telemetry import _semconv as names
from orchestrator.telemetry.events import Trace

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

Attributes: TypeAlias = Mapping[str, str | int | float | bool | tuple[str, ...]]
NANO = 1_000_000_000


class Spans:
    """A sink that exports spans, in batches and in the background.

    Without `exporter`, they go by OTLP over HTTP to where `OTEL_EXPORTER_OTLP_ENDPOINT` says; or a
    `processor` of your own is given each span as it ends.  `resource` says who the program is; without one,
    `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` do.  Every span has the id and the parent that its
    `Trace` has.
    """

    def __init__(
        self,
        exporter: SpanExporter | None = None,
        *,
        processor: SpanProcessor | None = None,
        resource: Resource | None = None,
    ) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        if exporter is not None and processor is not None:
            raise ValueError("give an exporter, or a processor that has one, not both")
        self._processor = processor or BatchSpanProcessor(exporter or _otlp())
        self._resource = resource or Resource.create()
        self._make = _maker(self._resource)

    def __call__(self, trace: Trace) -> None:
        if trace.trace and trace.what != "reserved":  # which is for metrics
            self._processor.on_end(self._make(trace))

    def flush(self) -> None:
        """Export what has ended."""
        self._processor.force_flush()

    def close(self) -> None:
        """Export what has ended, and nothing more."""
        self._processor.shutdown()


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _maker(resource: Resource) -> Any:
    """What makes a span of an event."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    scope = InstrumentationScope("wardline")
    sampled, kinds = TraceFlags(TraceFlags.SAMPLED), {True: SpanKind.CLIENT, False: SpanKind.INTERNAL}

    def context(trace: Trace, span: str) -> SpanContext:
        return SpanContext(int(trace.trace, 16), int(span, 16), is_remote=False, trace_flags=sampled)

    def made(trace: Trace) -> ReadableSpan:
        ends = int(trace.time * NANO)
        return ReadableSpan(
            name=name(trace),
            context=context(trace, trace.id),
            parent=context(trace, trace.parent) if trace.parent else None,
            resource=resource,
            attributes=dict(attributes(trace)),
            kind=kinds[trace.what == "call" and trace.boundary == "model"],
            status=Status(StatusCode.ERROR, trace.outcome) if trace.failed else Status(StatusCode.UNSET),
            start_time=ends - int(trace.seconds * NANO),
            end_time=ends,
            instrumentation_scope=scope,
        )

    return made


def name(trace: Trace) -> str:
    """A span's name, which says what kind of thing happened and never to whom."""
    match trace.what:
        case "session":
            return names.INVOKE_AGENT
        case "crossed":
            return f"guarded {trace.target}"
        case "call":
            return f"{_operation(trace)} {_asked(trace)}"
        case _:
            return f"{trace.guard} {trace.what}".strip()


def _operation(trace: Trace) -> str:
    return names.CHAT if trace.boundary == "model" else names.EXECUTE_TOOL


def _asked(trace: Trace) -> str:
    return (trace.model or trace.target) if trace.boundary == "model" else trace.target


def attributes(trace: Trace) -> Iterator[tuple[str, Any]]:
    """A span's attributes: those of the conventions first, then our own."""
    if trace.what == "session":
        yield names.OPERATION, names.INVOKE_AGENT
    elif trace.what == "call":
        yield from _attempted(trace)
    told: list[tuple[str, Any]] = [
        (names.ERROR_TYPE, trace.outcome if trace.failed else ""),
        (names.CONVERSATION, trace.session),
        (names.USER, trace.user),
        (names.INPUT_TOKENS, 0 if trace.what == "crossed" else trace.input),
        (names.OUTPUT_TOKENS, 0 if trace.what == "crossed" else trace.output),
        (names.CACHED_TOKENS, 0 if trace.what == "crossed" else trace.cached),
        (names.REQUEST, trace.request),
        (names.STEP, trace.step),
        (names.POLICY, trace.policy),
        (names.BOUNDARY, trace.boundary),
        (names.TARGET, trace.target),
        (names.OUTCOME, trace.outcome),
        (names.ATTEMPTS if trace.what == "crossed" else names.ATTEMPT, trace.attempt),
        (names.GUARD, trace.guard),
        (names.ACTION, trace.what if trace.guard else ""),
        (names.CODES, tuple(sorted(trace.findings))),
    ]
    yield from ((key, value) for key, value in told if value)
    yield from ((f"{names.DATA}{key}", value) for key, value in trace.data.items())
    if trace.cost is not None and trace.what != "crossed":
        yield from ((names.COST, trace.cost), (names.CURRENCY, "USD"))


def _attempted(trace: Trace) -> Iterator[tuple[str, Any]]:
    yield names.OPERATION, _operation(trace)
    if trace.boundary == "tool":
        yield names.TOOL_NAME, trace.target
        return
    yield names.PROVIDER, names.provider(_asked(trace))
    yield names.REQUEST_MODEL, _asked(trace)
    if trace.model:
        yield names.RESPONSE_MODEL, trace.model
