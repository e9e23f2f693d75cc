"""W3C trace context: the headers by which a call's trace goes from the caller through the gateway to the upstream.

Source: https://www.w3.org/TR/trace-context-2/
"""

import re
from collections.abc import Callable, Mapping

import msgspec

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_INVALID_TRACE, _INVALID_SPAN = "0" * 32, "0" * 16
_INVALID_VERSION, _FIRST_VERSION = "ff", "00"
_SAMPLED = 1
_MAX_STATE_CHARACTERS = 512


class TraceContext(msgspec.Struct, frozen=True, kw_only=True):
    """A call's place in its trace."""

    trace_id: str
    """32 hexadecimal digits, lower case."""
    parent_span_id: str | None
    """The caller's span; None if the trace begins here."""
    span_id: str
    """The span of the call at the gateway; 16 hexadecimal digits."""
    upstream_span_id: str
    """The span of the upstream call, which the upstream is told of."""
    is_sampled: bool
    """Whether the spans are recorded."""
    state: str = ""
    """The caller's `tracestate`, passed on unchanged."""

    @property
    def upstream_headers(self) -> dict[str, str]:
        """The headers of the upstream call."""
        flags = "01" if self.is_sampled else "00"
        headers = {TRACEPARENT: f"{_FIRST_VERSION}-{self.trace_id}-{self.upstream_span_id}-{flags}"}
        return headers | {TRACESTATE: self.state} if self.state else headers


class TraceParent(msgspec.Struct, frozen=True):
    """What a `traceparent` header says."""

    trace_id: str
    span_id: str
    is_sampled: bool


class TraceContexts:
    """Give each call its trace context: a part of its caller's trace, or the beginning of a new one."""

    def __init__(self, random_bits: Callable[[int], int], *, sample_ratio: float) -> None:
        """`random_bits` returns so many random bits; `sample_ratio` is the share of new traces that is recorded."""
        self._random_bits = random_bits
        self._sampled_below = int(sample_ratio * (1 << 56))

    def begin(self, headers: Mapping[str, str]) -> TraceContext:
        """Return the trace context of a call with these headers, whose names are in lower case."""
        parent = parse_traceparent(headers.get(TRACEPARENT, ""))
        state = headers.get(TRACESTATE, "") if parent is not None else ""
        trace_id = parent.trace_id if parent is not None else self._digits(128)
        return TraceContext(
            trace_id=trace_id,
            parent_span_id=parent.span_id if parent is not None else None,
            span_id=self._digits(64),
            upstream_span_id=self._digits(64),
            # the last 56 bits are random in each trace, so that all of its services sample alike
            is_sampled=parent.is_sampled if parent is not None else int(trace_id[-14:], 16) < self._sampled_below,
            state=state if len(state) <= _MAX_STATE_CHARACTERS and state.isprintable() and state.isascii() else "",
        )

    def _digits(self, bits: int) -> str:
        number = self._random_bits(bits) or 1  # zero is no valid id
        return format(number, f"0{bits // 4}x")


def parse_traceparent(header: str) -> TraceParent | None:
    """Return what the header says; None if it is missing or malformed, so that a new trace begins."""
    found = _PARENT.fullmatch(header.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == _INVALID_VERSION or (version == _FIRST_VERSION and rest):
        return None
    if trace_id == _INVALID_TRACE or span_id == _INVALID_SPAN:
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))
