"""Reports of calls for tests of those that observe them."""

import msgspec

from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.trace.context import TraceContext

ENTRY = LedgerEntry(
    id="req_1",
    at=1_790_000_000.0,
    project="shop",
    key_id="key_1",
    end_user=None,
    route="chat",
    model="gpt-4o-mini",
    served_model="gpt-4o-mini-2024-07-18",
    provider="openai",
    outcome="ok",
    cache="miss",
    stream=True,
    input_tokens=100,
    cached_tokens=40,
    output_tokens=30,
    attempts=1,
    reasoning_tokens=10,
    cost_nanos=33_000,
)
REPORT = CallReport(
    entry=ENTRY,
    call_class=CallClass.ANSWERED,
    status=200,
    key_last_four="abcd",
    credential="default",
    error_text=None,
    first_content_ms=400,
    total_ms=2500,
    queue_ms=100,
    upstream_ms=2390,
    gateway_ms=10,
    trace=TraceContext(
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        parent_span_id="00f067aa0ba902b7",
        span_id="1111111111111111",
        upstream_span_id="2222222222222222",
        is_sampled=True,
    ),
)


def report(
    *,
    model: str = ENTRY.model,
    provider: str | None = "openai",
    outcome: str = "ok",
    cache: str = "miss",
    call_class: CallClass = CallClass.ANSWERED,
    total_ms: int = REPORT.total_ms,
    first_content_ms: int | None = REPORT.first_content_ms,
) -> CallReport:
    """Return the report of a streamed chat that differs from `REPORT` as said."""
    entry = msgspec.structs.replace(ENTRY, model=model, provider=provider, outcome=outcome, cache=cache)
    return msgspec.structs.replace(
        REPORT, entry=entry, call_class=call_class, total_ms=total_ms, first_content_ms=first_content_ms
    )
