"""What the line of one call says, as a value. Pure."""

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from tidegate.core.call_report import CallClass, CallReport
from tidegate.core.scrub import scrub

MAX_TEXT_LENGTH = 200
"""Characters of a text that a caller or an upstream chose."""
_SEVERITIES = {
    CallClass.ANSWERED: "INFO",
    CallClass.CLIENT_GONE: "INFO",
    CallClass.DEGRADED: "WARNING",
    CallClass.REFUSED: "WARNING",
    CallClass.FAILED: "ERROR",
}


_WORDS = {each: (each.value, severity, f"call {each.value}") for each, severity in _SEVERITIES.items()}
_TIME, _SECOND_LENGTH, _LAST_MICROSECOND = "%s.%03d+00:00", len("2026-11-29T12:00:00"), 999_999


class CallLine(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The line of one call. What is unknown or does not apply is left out. It has no word of prompt or answer."""

    time: str
    severity: str
    message: str
    request_id: str
    call_class: str = msgspec.field(name="class")
    outcome: str
    """`ok`, or the name of the error."""
    status: int
    project: str = ""
    key_id: str = ""
    key_last_four: str = ""
    route: str
    model: str = ""
    """As the caller named it."""
    served_model: str | None = None
    provider: str | None = None
    credential: str | None = None
    cache: str
    answer_from: str | None = None
    """The call whose stored answer this one received, or that it joined."""
    fallback_step: str | None = None
    attempts: int = 0
    stream: bool = False
    error: str | None = None
    """The error in the upstream's own words."""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float
    first_content_ms: int | None = None
    total_ms: int
    queue_ms: int
    upstream_ms: int
    gateway_ms: int
    upstream_request_id: str | None = None
    trace_id: str | None = None
    tags: dict[str, str] | None = None
    repeats: int = 0
    """Further refusals of the same key for the same reason that have no line of their own."""


def line_of(report: CallReport, *, repeats: int = 0) -> CallLine:
    """Return the line of a call; `repeats` is for how many more refusals it stands."""
    entry = report.entry
    model, served_model, upstream_request_id = _chosen_texts(report)
    call_class, severity, message = _WORDS[report.call_class]
    return CallLine(
        time=_time_of(entry.at),
        severity=severity,
        message=message,
        request_id=entry.id,
        call_class=call_class,
        outcome=entry.outcome,
        status=report.status,
        project=entry.project,
        key_id=entry.key_id,
        key_last_four=report.key_last_four,
        route=entry.route,
        model=model,
        served_model=served_model,
        provider=entry.provider,
        credential=report.credential,
        cache=entry.cache,
        answer_from=entry.answer_from,
        fallback_step=entry.fallback_step,
        attempts=entry.attempts,
        stream=entry.stream,
        error=report.error_text,
        input_tokens=entry.input_tokens,
        cached_tokens=entry.cached_tokens,
        output_tokens=entry.output_tokens,
        reasoning_tokens=entry.reasoning_tokens,
        cost_usd=entry.cost_nanos / 1e9,
        first_content_ms=report.first_content_ms,
        total_ms=report.total_ms,
        queue_ms=report.queue_ms,
        upstream_ms=report.upstream_ms,
        gateway_ms=report.gateway_ms,
        upstream_request_id=upstream_request_id,
        trace_id=report.trace_id,
        tags=entry.tags,
        repeats=repeats,
    )


def _chosen_texts(report: CallReport) -> tuple[str, str | None, str | None]:
    """Return the texts that a caller or an upstream chose: the model, the one that answered, and the upstream's id."""
    entry = report.entry
    model, served_model, upstream_id = entry.model, entry.served_model, entry.upstream_request_id
    every = (model, served_model or "", upstream_id or "")
    if max(map(len, every)) > MAX_TEXT_LENGTH or not all(map(str.isascii, every)):
        model = _cut(model)
        served_model = None if served_model is None else _cut(served_model)
        upstream_id = None if upstream_id is None else _cut(upstream_id)
    return model if report.call_class is CallClass.ANSWERED else scrub(model), served_model, upstream_id


def _time_of(at: float) -> str:
    """Return a moment as text, to the millisecond; its second is written once for all calls that began in it."""
    second = int(at)
    microseconds = round((at - second) * 1e6)
    if microseconds > _LAST_MICROSECOND:  # the last bits of a float may round up into the next second
        second, microseconds = second + 1, 0
    return _TIME % (_second(second), microseconds // 1000)


@lru_cache(maxsize=8)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()[:_SECOND_LENGTH]


def _cut(text: str) -> str:
    return (
        text
        if len(text) <= MAX_TEXT_LENGTH and text.isascii()
        else text[:MAX_TEXT_LENGTH].encode(errors="replace").decode()
    )
