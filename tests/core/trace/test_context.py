"""A call stays in its caller's trace, as the official propagator reads it, and malformed headers begin a new one."""

import random

import pytest
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tidegate.core.trace.context import TraceContexts, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
HEADERS = [
    GOOD,
    f"00-{TRACE}-{SPAN}-00",
    f"00-{TRACE}-{SPAN}-ff",
    f"01-{TRACE}-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE}-{SPAN}-01-more",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE[:-1]}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-1",
    f"00-{TRACE}-{SPAN}",
    f" {GOOD} ",
    "",
    "-" * 10_000,
]


def contexts(ratio: float = 1.0) -> TraceContexts:
    return TraceContexts(random.Random(7).getrandbits, sample_ratio=ratio)  # noqa: S311  # the same each time


@pytest.mark.parametrize("header", HEADERS)
def test_the_official_propagator_reads_each_header_alike(header: str) -> None:
    extracted = TraceContextTextMapPropagator().extract({"traceparent": header})
    official = trace.get_current_span(extracted).get_span_context()
    own = parse_traceparent(header)
    assert (own is not None) == official.is_valid
    if own is not None:
        assert own.trace_id == f"{official.trace_id:032x}"
        assert own.span_id == f"{official.span_id:016x}"
        assert own.is_sampled == official.trace_flags.sampled


def test_the_upstream_is_told_of_a_span_in_the_same_trace() -> None:
    context = contexts().begin({"traceparent": GOOD, "tracestate": "vendor=1,other=2"})
    extracted = TraceContextTextMapPropagator().extract(context.upstream_headers)
    official = trace.get_current_span(extracted).get_span_context()
    assert (f"{official.trace_id:032x}", f"{official.span_id:016x}") == (TRACE, context.upstream_span_id)
    assert official.trace_flags.sampled
    assert official.trace_state.get("vendor") == "1"
    assert context.parent_span_id == SPAN
    assert len({SPAN, context.span_id, context.upstream_span_id}) == 3


def test_the_caller_decides_whether_its_trace_is_recorded() -> None:
    assert contexts(ratio=0.0).begin({"traceparent": GOOD}).is_sampled
    refused = contexts(ratio=1.0).begin({"traceparent": GOOD[:-1] + "0"})
    assert not refused.is_sampled
    assert refused.upstream_headers["traceparent"].endswith("-00")


def test_of_new_traces_the_configured_share_is_recorded() -> None:
    for ratio, least, most in ((0.0, 0, 0), (0.25, 200, 300), (1.0, 1000, 1000)):
        drawn = contexts(ratio)
        assert least <= sum(drawn.begin({}).is_sampled for _ in range(1000)) <= most


def test_a_state_without_a_parent_and_an_odd_one_are_dropped() -> None:
    assert contexts().begin({"tracestate": "vendor=1"}).state == ""
    for odd in ("x" * 513, "a=1\r\nx-injected: 1", "a=é"):
        assert contexts().begin({"traceparent": GOOD, "tracestate": odd}).upstream_headers.keys() == {"traceparent"}


def test_ids_are_never_zero() -> None:
    context = TraceContexts(lambda _: 0, sample_ratio=1.0).begin({})
    assert parse_traceparent(context.upstream_headers["traceparent"]) is not None
