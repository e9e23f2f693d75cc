"""Builds the spans of calls that have ended, with OpenTelemetry's own SDK.

A call has a span at the gateway and, if it was sent upstream, a span of the upstream call within it.
"""

from collections.abc import Iterable, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.trace import set_span_in_context as in_context

from tidegate.core.call_report import CallReport
from tidegate.core.trace.context import TraceContext
from tidegate.monitoring.otlp import conventions
from tidegate.monitoring.otlp.conventions import Attributes, Providers

SCOPE = "tidegate"
_NANOS_PER_MS = 1_000_000
_MAX_ATTRIBUTE_CHARACTERS = 1024


class SpanBuilder:
    """Build spans. Not safe for several threads."""

    def __init__(self, resource: Resource, providers: Providers) -> None:
        self._providers = providers
        self._ids = _ChosenIds()
        self._ended = _EndedSpans()
        # reports of calls that are not sampled never come here
        provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, id_generator=self._ids)
        provider.add_span_processor(self._ended)
        self._tracer = provider.get_tracer(SCOPE)

    def spans(self, reports: Iterable[CallReport]) -> Sequence[ReadableSpan]:
        """Return the spans of these calls; none of a call that is not sampled."""
        for report in reports:
            if report.trace is not None and report.trace.is_sampled:
                self._add(report, report.trace)
        return self._ended.take()

    def _add(self, report: CallReport, trace: TraceContext) -> None:
        began = int(report.entry.at * 1000) * _NANOS_PER_MS
        ended = began + report.total_ms * _NANOS_PER_MS
        self._add_span(
            conventions.server_name(report),
            (trace.span_id, trace.parent_span_id, trace),
            SpanKind.SERVER,
            (began, ended),
            conventions.server_attributes(report),
            failed=conventions.has_failed(report),
        )
        if conventions.was_sent(report):
            self._add_span(
                conventions.inference_name(report),
                (trace.upstream_span_id, trace.span_id, trace),
                SpanKind.CLIENT,
                (ended - report.upstream_ms * _NANOS_PER_MS, ended),
                conventions.inference_attributes(report, self._providers),
                failed=conventions.has_failed(report),
            )

    def _add_span(
        self,
        name: str,
        place: tuple[str, str | None, TraceContext],
        kind: SpanKind,
        times: tuple[int, int],
        attributes: Attributes,
        *,
        failed: bool,
    ) -> None:
        span_id, parent_id, trace = place
        self._ids.give(trace.trace_id, span_id)
        shortened = {
            key: value[:_MAX_ATTRIBUTE_CHARACTERS] if isinstance(value, str) else value
            for key, value in attributes.items()
        }
        span = self._tracer.start_span(
            name,
            context=in_context(NonRecordingSpan(_span_context(trace, parent_id))) if parent_id is not None else None,
            kind=kind,
            attributes=shortened,
            start_time=times[0],
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_time=times[1])


class _ChosenIds(IdGenerator):
    """Gives the next span the ids that the call had from its beginning: the upstream has been told of them."""

    def __init__(self) -> None:
        self._trace_id = self._span_id = 0

    def give(self, trace_id: str, span_id: str) -> None:
        """Give the next span these ids."""
        self._trace_id, self._span_id = int(trace_id, 16), int(span_id, 16)

    def generate_span_id(self) -> int:
        return self._span_id

    def generate_trace_id(self) -> int:
        return self._trace_id


class _EndedSpans(SpanProcessor):
    """Collects the spans that have ended."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def take(self) -> Sequence[ReadableSpan]:
        """Return the spans, and forget them."""
        spans, self._spans = self._spans, []
        return spans


def _span_context(trace: TraceContext, span_id: str) -> SpanContext:
    return SpanContext(
        int(trace.trace_id, 16),
        int(span_id, 16),
        is_remote=span_id == trace.parent_span_id,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
        trace_state=TraceState.from_header([trace.state]) if trace.state else TraceState(),
    )
