"""Spans have the ids that the upstream was told of, and the collector's limits on texts."""

import msgspec
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from tests.monitoring.call_reports import REPORT
from tidegate.monitoring.otlp.conventions import Providers
from tidegate.monitoring.otlp.spans import SpanBuilder


def builder() -> SpanBuilder:
    return SpanBuilder(Resource.get_empty(), Providers({}))


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def test_the_upstreams_span_has_the_id_of_its_traceparent() -> None:
    assert REPORT.trace is not None
    _, upstream = builder().spans([REPORT])
    assert f"{context_of(upstream).span_id:016x}" in REPORT.trace.upstream_headers["traceparent"]


def test_a_trace_that_begins_here_has_no_parent() -> None:
    assert REPORT.trace is not None
    first = msgspec.structs.replace(REPORT.trace, parent_span_id=None)
    server, upstream = builder().spans([msgspec.structs.replace(REPORT, trace=first)])
    assert server.parent is None
    assert f"{context_of(server).trace_id:032x}" == first.trace_id
    assert upstream.parent is not None
    assert upstream.parent.span_id == context_of(server).span_id


def test_the_callers_state_goes_along() -> None:
    assert REPORT.trace is not None
    stateful = msgspec.structs.replace(REPORT.trace, state="vendor=1")
    server, _ = builder().spans([msgspec.structs.replace(REPORT, trace=stateful)])
    assert context_of(server).trace_state.get("vendor") == "1"


def test_long_names_are_cut() -> None:
    long = msgspec.structs.replace(REPORT, entry=msgspec.structs.replace(REPORT.entry, model="x" * 100_000))
    for span in builder().spans([long]):
        assert len(span.name) < 300
        assert all(len(value) <= 1024 for value in (span.attributes or {}).values() if isinstance(value, str))


def test_spans_are_given_once() -> None:
    spans = builder()
    assert len(spans.spans([REPORT, REPORT])) == 4
    assert spans.spans([]) == []
