"""The faults, each with its expected result, declared by hand and compared with the gateway."""

from collections.abc import Callable
from enum import Enum

import msgspec

from tests.faults import scripts, speech
from tests.faults.scripts import chunk, continued
from tests.faults.upstream import ReceivedRequest, Script, ScriptAction
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint


class FaultMoment(Enum):
    """When in a call the fault strikes."""

    CONNECT = "connect"
    HEADERS = "before headers"
    FIRST_BYTE = "before first byte"
    MIDDLE = "mid-stream"
    END = "at the end"


class UpstreamEndpoint(Enum):
    """What listens at the upstream's address."""

    SERVER = "server"
    CLOSED_PORT = "closed port"
    """Connections are refused."""
    FULL_BACKLOG = "full backlog"
    """Connections are never accepted."""
    UNKNOWN_HOST = "unknown host"
    """The name cannot be resolved."""


class ExpectedBill(Enum):
    """The expected cost of the call."""

    NOTHING = "nothing"
    UNSEEN = "the input, estimated, and the greatest length of the answer"
    FIRST_WORD = "the input and the first word, estimated"
    ALL_WORDS = "input and answer, estimated"
    FULL = "the upstream's own figures"


class ErrorScope(Enum):
    """The scope of the error, and so the fallback steps that may help."""

    CALLER = "the caller's request: no fallback"
    CREDENTIAL = "the credential: another credential, another target, a stale or canned answer"
    MATCH = "the match of credential and model: another credential, another target"
    RATE = "the rate of calls: another credential, another target, a stale or canned answer"
    TARGET = "the target: a retry, another target, a stale or canned answer"
    SILENCE = "the target, after a timeout: another target, a stale or canned answer"
    TIME = "the deadline of the call: a stale or canned answer"


class ExpectedError(msgspec.Struct, frozen=True):
    """A typed error as the caller, the ledger and the log have it."""

    name: str
    status: int
    """The status where the error comes before the answer has begun."""
    code: str
    scope: ErrorScope = ErrorScope.CALLER
    may_be_billed: bool = False
    """The upstream accepted the call, so it may charge for input and output."""


UNREACHED = ExpectedError("connection_failed", 502, "connection_failed", ErrorScope.TARGET)
NOT_ACCEPTED = ExpectedError("connect_timeout", 504, "connect_timeout", ErrorScope.TARGET)
LATE = ExpectedError("first_byte_timeout", 504, "first_byte_timeout", ErrorScope.SILENCE, may_be_billed=True)
IDLE = ExpectedError("idle_timeout", 504, "idle_timeout", ErrorScope.SILENCE, may_be_billed=True)
TOO_LONG = ExpectedError("total_timeout", 504, "total_timeout", ErrorScope.TIME, may_be_billed=True)
TRUNCATED = ExpectedError("truncated_answer", 502, "truncated_answer", ErrorScope.TARGET, may_be_billed=True)
MALFORMED = ExpectedError("malformed_answer", 502, "malformed_answer", ErrorScope.TARGET, may_be_billed=True)
TOO_LARGE = ExpectedError("answer_too_large", 502, "answer_too_large", may_be_billed=True)
PAGE = ExpectedError("html_from_proxy", 502, "html_from_proxy", ErrorScope.TARGET)
REPORTED = ExpectedError("server_error", 502, "server_error", ErrorScope.TARGET)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A fault, or an unusual but valid answer, with its expected result."""

    name: str
    moment: FaultMoment
    description: str
    """What happens, for readers of the page."""
    script: Callable[[ReceivedRequest], Script] = scripts.good
    endpoint: UpstreamEndpoint = UpstreamEndpoint.SERVER
    error: ExpectedError | None = None
    """None where the call is answered."""
    unstreamed_error: ExpectedError | None = None
    """The error of an unstreamed answer, if it differs."""
    bill: ExpectedBill | None = None
    """The cost of a stream, and of every call that is answered. If None: nothing for a failure, else all."""
    forms: tuple[bool, ...] = (False, True)
    """Whether it is played with unstreamed answers, with streams, or both."""
    routes: tuple[Endpoint, ...] = tuple(speech.PATHS)


def _refused(error: ExpectedError, kind: str, message: str, *lines: str) -> Fault:
    def play(request: ReceivedRequest) -> Script:
        return scripts.whole(request, error.status, speech.refusal(kind, error.code, message), *lines)

    shows = f"HTTP {error.status}, `{error.code}`"
    return Fault(name=error.name, moment=FaultMoment.HEADERS, description=shows, script=play, error=error)


_BAD = "invalid_request_error"
_WAIT = "retry-after: 100"
_KEY, _MATCH, _RATE, _OURS = ErrorScope.CREDENTIAL, ErrorScope.MATCH, ErrorScope.RATE, ErrorScope.TARGET
_REFUSALS = [
    _refused(ExpectedError("invalid_upstream_key", 401, "invalid_api_key", _KEY), _BAD, "Incorrect API key provided."),
    _refused(ExpectedError("mismatched_organization", 401, "mismatched_organization", _KEY), _BAD, "Organization."),
    _refused(
        ExpectedError("insufficient_quota", 429, "insufficient_quota", _KEY),
        "insufficient_quota",
        "You exceeded your quota.",
    ),
    _refused(
        ExpectedError("upstream_forbidden", 403, "unsupported_country_region_territory", _MATCH),
        "forbidden",
        "Not supported.",
    ),
    _refused(ExpectedError("model_not_found", 404, "model_not_found", _MATCH), _BAD, "No such model."),
    _refused(ExpectedError("context_length_exceeded", 400, "context_length_exceeded"), _BAD, "Too long."),
    _refused(ExpectedError("content_policy_violation", 400, "content_policy_violation"), _BAD, "Rejected."),
    _refused(ExpectedError("upstream_rejected", 422, "unprocessable"), _BAD, "Cannot be processed."),
    _refused(
        ExpectedError("request_exceeds_upstream_limit", 429, "rate_limit_exceeded"),
        "tokens",
        "Request too large for the model.",
    ),
    _refused(
        ExpectedError("upstream_rate_limited", 429, "rate_limit_exceeded", _RATE),
        "requests",
        "Rate limit (RPM).",
        _WAIT,
    ),
    _refused(ExpectedError("slow_down", 429, "slow_down", _RATE), "rate_limit_error", "Slow down.", _WAIT),
    _refused(
        ExpectedError("server_is_overloaded", 503, "server_is_overloaded", _OURS),
        "service_unavailable_error",
        "Busy.",
        _WAIT,
    ),
    _refused(ExpectedError("server_error", 500, "server_error", _OURS), "server_error", "The server had an error."),
]


def _html(status: int) -> Callable[[ReceivedRequest], Script]:
    page = b"<html><body><h1>Bad Gateway</h1></body></html>"
    return lambda request: scripts.whole(request, status, page, kind="text/html")


_CONNECT = [
    Fault(name="refused", moment=FaultMoment.CONNECT, description="nothing listens on the port", endpoint=UpstreamEndpoint.CLOSED_PORT, error=UNREACHED),
    Fault(name="not_accepted", moment=FaultMoment.CONNECT, description="the connection is never accepted", endpoint=UpstreamEndpoint.FULL_BACKLOG,
          error=NOT_ACCEPTED),
    Fault(name="no_such_name", moment=FaultMoment.CONNECT, description="the host's name cannot be resolved", endpoint=UpstreamEndpoint.UNKNOWN_HOST,
          error=UNREACHED),
]  # fmt: skip


_BEFORE_HEADERS = [
    Fault(name="silent", moment=FaultMoment.HEADERS, description="the request is accepted and never answered",
          script=lambda _: [ScriptAction.SILENCE], error=LATE),
    Fault(name="half_a_head", moment=FaultMoment.HEADERS, description="the status line, then silence",
          script=lambda _: [b"HTTP/1.1 200 OK\r\ncontent-", ScriptAction.SILENCE], error=LATE),
    Fault(name="interim_only", moment=FaultMoment.HEADERS, description="an interim answer (103), then silence",
          script=lambda _: [b"HTTP/1.1 103 Early Hints\r\n\r\n", ScriptAction.SILENCE], error=LATE),
    Fault(name="closed", description="the connection ends before any header", script=lambda _: continued([], ScriptAction.CLOSE),
          moment=FaultMoment.HEADERS, error=UNREACHED),
    Fault(name="reset", description="the connection is reset before any header", script=lambda _: continued([], ScriptAction.RESET),
          moment=FaultMoment.HEADERS, error=UNREACHED),
    Fault(name="not_http", description="something that is not HTTP", script=lambda _: [b"SSH-2.0-OpenSSH_9.9\r\n\r\n"],
          moment=FaultMoment.HEADERS, error=UNREACHED),
    Fault(name="huge_header", description="a header of 128 kB",
          script=lambda _: [scripts.head(200, "application/json", "x-a: " + "a" * 131_072)],
          moment=FaultMoment.HEADERS, error=UNREACHED),
    Fault(name="header_flood", description="10,000 headers",
          script=lambda _: [scripts.head(200, "application/json", *[f"x-{n}: {n}" for n in range(10_000)])],
          moment=FaultMoment.HEADERS, error=UNREACHED),
    Fault(name="redirect", moment=FaultMoment.HEADERS, description="a redirect, which is not followed",
          script=lambda request: scripts.whole(request, 307, b"", "location: http://127.0.0.1:9/v1"), error=MALFORMED),
    Fault(name="html_from_proxy", moment=FaultMoment.HEADERS, description="HTTP 502 with a page", script=_html(502),
          error=PAGE),
    *_REFUSALS,
]  # fmt: skip

_BEFORE_FIRST_BYTE = [
    Fault(name="page_with_200", moment=FaultMoment.FIRST_BYTE, description="HTTP 200 with a page instead of JSON",
          script=_html(200), error=PAGE),
    Fault(name="empty_body", moment=FaultMoment.FIRST_BYTE, description="HTTP 200 with nothing",
          script=lambda request: scripts.whole(request, 200, b""), error=MALFORMED),
    Fault(name="error_with_200", moment=FaultMoment.FIRST_BYTE, description="HTTP 200 with an error envelope",
          script=lambda request: scripts.whole(request, 200, speech.refusal("server_error", "server_error", "An error.")),
          error=REPORTED),
    Fault(name="head_then_silence", moment=FaultMoment.FIRST_BYTE, description="headers, then silence",
          script=lambda request: [scripts.good_head(request), ScriptAction.SILENCE], error=LATE),
    Fault(name="heartbeats", moment=FaultMoment.FIRST_BYTE, description="headers, then heartbeats without content",
          script=scripts.heartbeats, error=LATE),
    Fault(name="head_then_close", moment=FaultMoment.FIRST_BYTE, description="headers, then the connection ends",
          script=lambda request: continued([scripts.good_head(request)], ScriptAction.CLOSE), error=TRUNCATED),
    Fault(name="head_then_reset", moment=FaultMoment.FIRST_BYTE, description="headers, then a reset",
          script=lambda request: continued([scripts.good_head(request)], ScriptAction.RESET), error=TRUNCATED),
    Fault(name="head_then_end", moment=FaultMoment.FIRST_BYTE, description="headers, then a proper end without a body",
          script=lambda request: [scripts.good_head(request), scripts.END], unstreamed_error=MALFORMED, error=TRUNCATED),
]  # fmt: skip


def _refused_inside(code: str, error: ExpectedError) -> list[Fault]:
    """Return the faults that refuse the prompt with this code inside a 200, before any content and after some."""

    def first(request: ReceivedRequest) -> Script:
        if not request.stream:
            return scripts.whole(request, 200, speech.refusal(None, code, "Flagged."))
        event = speech.error_event(request.route or endpoints.CHAT, code, None)
        return [scripts.good_head(request), chunk(scripts.parts(request)[0]), chunk(event), scripts.END]

    def later(request: ReceivedRequest) -> Script:
        event = speech.error_event(request.route or endpoints.CHAT, code, None)
        return [*scripts.first_half(request), chunk(event), scripts.END]

    says = f"HTTP 200 with an error, `{code}`"
    return [
        Fault(name=f"{code}_first", moment=FaultMoment.FIRST_BYTE, description=says, script=first, error=error),
        Fault(name=f"{code}_halfway", moment=FaultMoment.MIDDLE, description=f"an error event, `{code}`", script=later,
              error=error, bill=ExpectedBill.FIRST_WORD, forms=(True,)),
    ]  # fmt: skip


_INSIDE = [
    *_refused_inside("invalid_prompt", ExpectedError("upstream_rejected", 400, "invalid_prompt")),
    *_refused_inside("bio_policy", ExpectedError("content_policy_violation", 400, "bio_policy")),
    *_refused_inside("invalid_image_url", ExpectedError("upstream_rejected", 400, "invalid_image_url")),
    *_refused_inside("a_new_code", ExpectedError("error_in_stream", 502, "a_new_code")),
]

_MIDDLE = [
    Fault(name="ends_halfway", description="a proper end, half-way", unstreamed_error=MALFORMED, bill=ExpectedBill.FIRST_WORD,
          script=lambda request: [*scripts.first_half(request), scripts.END], moment=FaultMoment.MIDDLE, error=TRUNCATED),
    Fault(name="closed_halfway", moment=FaultMoment.MIDDLE, description="the connection ends half-way", bill=ExpectedBill.FIRST_WORD,
          script=lambda request: continued(scripts.first_half(request), ScriptAction.CLOSE), error=TRUNCATED),
    Fault(name="reset_halfway", moment=FaultMoment.MIDDLE, description="a reset half-way", bill=ExpectedBill.FIRST_WORD,
          script=lambda request: continued(scripts.first_half(request), ScriptAction.RESET), error=TRUNCATED),
    Fault(name="stalls", moment=FaultMoment.MIDDLE, description="silence half-way", bill=ExpectedBill.FIRST_WORD,
          script=lambda request: [*scripts.first_half(request), ScriptAction.SILENCE], error=IDLE),
    Fault(name="cut_chunk", moment=FaultMoment.MIDDLE, description="the connection ends within a chunk", bill=ExpectedBill.FIRST_WORD,
          script=lambda request: continued(scripts.first_half(request), b"100\r\ndata: {", ScriptAction.CLOSE), error=TRUNCATED),
    Fault(name="no_chunk_size", moment=FaultMoment.MIDDLE, description="a chunk's size is no number", bill=ExpectedBill.FIRST_WORD,
          script=lambda request: continued(scripts.first_half(request), scripts.PAUSE, b"zz\r\n{}\r\n", ScriptAction.SILENCE), error=TRUNCATED),
    Fault(name="bad_utf8", moment=FaultMoment.MIDDLE, description="bytes that are no UTF-8", bill=ExpectedBill.FIRST_WORD,
          script=lambda request: scripts.with_instead(request, b'data: {"x":"\xff\xfe"}\n\n'), error=MALFORMED),
    Fault(name="not_json", moment=FaultMoment.MIDDLE, description="an event that is not JSON", bill=ExpectedBill.FIRST_WORD,
          script=lambda request: scripts.with_instead(request, b'data: {"choices": [{\n\n'), error=MALFORMED),
    Fault(name="error_event", moment=FaultMoment.MIDDLE, description="an error event", bill=ExpectedBill.FIRST_WORD, forms=(True,),
          script=lambda request: [*scripts.first_half(request), chunk(speech.error_event(request.route or endpoints.CHAT)),
                              scripts.END],
          error=REPORTED),
    Fault(name="huge_event", moment=FaultMoment.MIDDLE, description="more than the gateway accepts", bill=ExpectedBill.FIRST_WORD,
          script=scripts.huge, error=TOO_LARGE),
    Fault(name="stated_too_long", moment=FaultMoment.MIDDLE, description="less than the stated length", bill=ExpectedBill.FIRST_WORD,
          script=scripts.stated_too_long, error=TRUNCATED),
    Fault(name="stated_too_short", moment=FaultMoment.MIDDLE, description="more than the stated length", bill=ExpectedBill.FIRST_WORD,
          script=scripts.stated_too_short, unstreamed_error=MALFORMED, error=TRUNCATED),
    Fault(name="too_much_at_once", moment=FaultMoment.MIDDLE, description="the same in one packet", bill=ExpectedBill.FIRST_WORD,
          script=scripts.too_much_at_once, unstreamed_error=MALFORMED, error=TRUNCATED),
]  # fmt: skip

_OVER = [
    Fault(name="closed_before_done", moment=FaultMoment.END, description="all but the terminal event, then the connection ends",
          script=lambda request: continued(scripts.all_but_last(request), ScriptAction.CLOSE), bill=ExpectedBill.FULL, error=TRUNCATED),
    Fault(name="stalls_before_done", moment=FaultMoment.END, description="all but the terminal event, then silence",
          script=lambda request: [*scripts.all_but_last(request), ScriptAction.SILENCE], bill=ExpectedBill.FULL, error=IDLE),
    Fault(name="reset_before_done", moment=FaultMoment.END, description="all but the terminal event, then a reset",
          script=lambda request: continued(scripts.all_but_last(request), ScriptAction.RESET), bill=ExpectedBill.FULL, error=TRUNCATED),
]  # fmt: skip

_ODD = [
    Fault(name="none", moment=FaultMoment.END, description="nothing: the answer as it should be"),
    Fault(name="one_packet", moment=FaultMoment.MIDDLE, description="all events in one packet", script=scripts.one_packet),
    Fault(name="in_shreds", moment=FaultMoment.MIDDLE, description="seven bytes at a time: events and characters are cut",
          script=scripts.in_shreds),
    Fault(name="carriage_returns", moment=FaultMoment.MIDDLE, description="CRLF line ends", script=scripts.carriage_returns,
          forms=(True,)),
    Fault(name="comments", moment=FaultMoment.MIDDLE, description="comments between the events", script=scripts.comments,
          forms=(True,)),
    Fault(name="interim", moment=FaultMoment.HEADERS, description="an interim answer (103) first", script=scripts.interim),
    Fault(name="zipped", moment=FaultMoment.HEADERS, description="gzip, though identity was requested", script=scripts.zipped),
    Fault(name="until_closed", moment=FaultMoment.END, description="no length and no chunks", script=scripts.until_closed),
    Fault(name="after_the_end", moment=FaultMoment.END, description="bytes after the terminal event",
          script=scripts.after_the_end),
    Fault(name="silent_after_the_end", moment=FaultMoment.END, description="after the terminal event the connection stays open",
          script=scripts.silent_after_the_end, forms=(True,)),
    Fault(name="missing_usage", moment=FaultMoment.END, description="no usage figures", script=scripts.without_usage,
          bill=ExpectedBill.ALL_WORDS),
    Fault(name="missing_done", moment=FaultMoment.END, description="no `[DONE]` after all choices are finished",
          script=scripts.without_done, forms=(True,), routes=(endpoints.CHAT,)),
    Fault(name="missing_terminal", moment=FaultMoment.END, description="a proper end without the terminal event",
          script=scripts.without_done, forms=(True,), routes=(endpoints.RESPONSES,), bill=ExpectedBill.ALL_WORDS, error=TRUNCATED),
    Fault(name="endless", moment=FaultMoment.MIDDLE, description="it never ends", script=scripts.endless, forms=(False,),
          error=TOO_LONG),
]  # fmt: skip

FAULTS: list[Fault] = [*_CONNECT, *_BEFORE_HEADERS, *_BEFORE_FIRST_BYTE, *_INSIDE, *_MIDDLE, *_OVER, *_ODD]
