"""The faults, each with what it must come to; declared by hand, so that the gateway is held against them."""

from collections.abc import Callable
from enum import Enum

import msgspec

from tests.faults import scripts, speech
from tests.faults.scripts import Asked, chunk, then
from tests.faults.upstream import Do, Script
from tidegate.core.values import Route


class Moment(Enum):
    """When in a call the fault strikes."""

    CONNECT = "connect"
    HEADERS = "before headers"
    FIRST_BYTE = "before first byte"
    MIDDLE = "mid-stream"
    END = "at the end"


class Where(Enum):
    """What stands at the upstream's address."""

    SERVER = "server"
    NOBODY = "nobody"
    """Connections are refused."""
    FULL = "full"
    """Connections are never accepted."""
    NOWHERE = "nowhere"
    """The name cannot be resolved."""


class Bill(Enum):
    """What the call costs."""

    NOTHING = "nothing"
    HEARD = "the question and the first word, estimated"
    SAID = "question and answer, estimated"
    FULL = "the upstream's own figures"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way to fail (or to be odd and yet answer), and what must come of it."""

    name: str
    moment: Moment
    shows: str
    """What happens, for a reader."""
    play: Callable[[Asked], Script] = scripts.good
    where: Where = Where.SERVER
    error: str = "ok"
    """The typed error's name, as the ledger and the log have it; `ok` where the call is answered."""
    status: int = 200
    """Where it comes before the answer has begun."""
    code: str | None = None
    bill: Bill = Bill.NOTHING
    """Of a stream where it strikes after the beginning, else of every call."""
    whole: str = ""
    """The error's name where the answer is not streamed, if that is another."""
    whole_bill: Bill = Bill.NOTHING
    forms: tuple[bool, ...] = (False, True)
    """Whether it is tried with whole answers, with streams, or both."""
    routes: tuple[Route, ...] = tuple(speech.PATHS)
    retryable: bool = True


def _refused(name: str, status: int, kind: str | None, code: str | None, message: str, *lines: str) -> Fault:
    def play(asked: Asked) -> Script:
        return scripts.whole(asked, status, speech.refusal(kind, code, message), *lines)

    return Fault(
        name=name,
        moment=Moment.HEADERS,
        shows=f"HTTP {status}, `{code or kind}`",
        play=play,
        error=name,
        status=status,
        code=code or kind,
    )


def _final(fault: Fault) -> Fault:
    """No retry will help."""
    return msgspec.structs.replace(fault, retryable=False)


_SAY = "Please try again in 20s."
_REFUSALS = [
    _final(
        _refused("invalid_upstream_key", 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
    ),
    _final(_refused("organization_mismatch", 401, "invalid_request_error", "mismatched_organization", "Organization.")),
    _final(_refused("forbidden", 403, "request_forbidden", "unsupported_country_region_territory", "Not supported.")),
    _final(_refused("model_not_found", 404, "invalid_request_error", "model_not_found", "No such model.")),
    _final(_refused("context_length", 400, "invalid_request_error", "context_length_exceeded", "Too long.")),
    _final(_refused("content_policy", 400, "invalid_request_error", "content_policy_violation", "Rejected.")),
    _final(_refused("rejected", 422, "invalid_request_error", "unprocessable", "Cannot be processed.")),
    _refused("rate_limited", 429, "requests", "rate_limit_exceeded", f"Rate limit (RPM). {_SAY}", "retry-after: 20"),
    _final(_refused("request_too_large", 429, "tokens", "rate_limit_exceeded", "Request too large for the model.")),
    _final(_refused("out_of_quota", 429, "insufficient_quota", "insufficient_quota", "You exceeded your quota.")),
    _refused("slow_down", 429, "rate_limit_error", "slow_down", "Slow down.", "retry-after: 20"),
    _refused("overloaded", 503, "service_unavailable_error", "server_is_overloaded", "Overloaded.", "retry-after: 20"),
    _refused("server_error", 500, "server_error", "server_error", "The server had an error."),
]


def _html(status: int) -> Callable[[Asked], Script]:
    page = b"<html><body><h1>Bad Gateway</h1></body></html>"
    return lambda asked: scripts.whole(asked, status, page, kind="text/html")


_CONNECT = [
    Fault(name="refused", moment=Moment.CONNECT, shows="nobody listens", where=Where.NOBODY, error="connection",
          status=502, code="upstream_unreachable"),
    Fault(name="not_accepted", moment=Moment.CONNECT, shows="the connection is never accepted", where=Where.FULL,
          error="connect_timeout", status=504, code="upstream_timeout"),
    Fault(name="no_such_name", moment=Moment.CONNECT, shows="the host's name cannot be resolved", where=Where.NOWHERE,
          error="connection", status=502, code="upstream_unreachable"),
]  # fmt: skip

_UNREACHED = {"error": "connection", "status": 502, "code": "upstream_unreachable", "moment": Moment.HEADERS}
_LATE = {"error": "first_byte_timeout", "status": 504, "code": "upstream_timeout"}
_BROKEN = {"error": "malformed", "status": 502, "code": "upstream_malformed"}
_CUT = {"error": "truncated", "status": 502, "code": "upstream_truncated"}
_IDLE = {"error": "stream_idle", "status": 504, "code": "upstream_timeout"}

_BEFORE_HEADERS = [
    Fault(name="silent", moment=Moment.HEADERS, shows="the request is taken and never answered",
          play=lambda _: [Do.SILENCE], **_LATE),
    Fault(name="half_a_head", moment=Moment.HEADERS, shows="the status line, then silence",
          play=lambda _: [b"HTTP/1.1 200 OK\r\ncontent-", Do.SILENCE], **_LATE),
    Fault(name="interim_only", moment=Moment.HEADERS, shows="an interim answer (103), then silence",
          play=lambda _: [b"HTTP/1.1 103 Early Hints\r\n\r\n", Do.SILENCE], **_LATE),
    Fault(name="closed", shows="the connection ends before any header", play=lambda _: then([], Do.CLOSE),
          **_UNREACHED),
    Fault(name="reset", shows="the connection is reset before any header", play=lambda _: then([], Do.RESET),
          **_UNREACHED),
    Fault(name="not_http", shows="something that is not HTTP", play=lambda _: [b"SSH-2.0-OpenSSH_9.9\r\n\r\n"],
          **_UNREACHED),
    Fault(name="huge_header", shows="a header of 64 kB",
          play=lambda asked: [scripts.head(200, "application/json", "x-a: " + "a" * 65536)], **_UNREACHED),
    Fault(name="header_flood", shows="10,000 headers",
          play=lambda asked: [scripts.head(200, "application/json", *[f"x-{n}: {n}" for n in range(10_000)])],
          **_UNREACHED),
    Fault(name="redirect", moment=Moment.HEADERS, shows="a redirect, which is not followed",
          play=lambda asked: scripts.whole(asked, 307, b"", "location: http://127.0.0.1:9/v1"), **_BROKEN),
    Fault(name="html_from_proxy", moment=Moment.HEADERS, shows="HTTP 502 with a page", play=_html(502),
          error="html_from_proxy", status=502, code="bad_gateway"),
    *_REFUSALS,
]  # fmt: skip

_BEFORE_FIRST_BYTE = [
    Fault(name="page_with_200", moment=Moment.FIRST_BYTE, shows="HTTP 200 with a page instead of JSON",
          play=_html(200), **_BROKEN),
    Fault(name="empty_body", moment=Moment.FIRST_BYTE, shows="HTTP 200 with nothing",
          play=lambda asked: scripts.whole(asked, 200, b""), **_BROKEN),
    Fault(name="error_with_200", moment=Moment.FIRST_BYTE, shows="HTTP 200 with an error envelope",
          play=lambda asked: scripts.whole(asked, 200, speech.refusal("server_error", "server_error", "An error.")),
          error="server_error", status=502, code="server_error"),
    Fault(name="head_then_silence", moment=Moment.FIRST_BYTE, shows="headers, then silence",
          play=lambda asked: [scripts.good_head(asked), Do.SILENCE], **_LATE),
    Fault(name="head_then_close", moment=Moment.FIRST_BYTE, shows="headers, then the connection ends",
          play=lambda asked: then([scripts.good_head(asked)], Do.CLOSE), **_CUT),
    Fault(name="head_then_reset", moment=Moment.FIRST_BYTE, shows="headers, then a reset",
          play=lambda asked: then([scripts.good_head(asked)], Do.RESET), **_CUT),
    Fault(name="head_then_end", moment=Moment.FIRST_BYTE, shows="headers, then a proper end without a body",
          play=lambda asked: [scripts.good_head(asked), scripts.END], whole="malformed", **_CUT),
]  # fmt: skip

_MIDDLE = [
    Fault(name="ends_halfway", shows="a proper end, half-way", whole="malformed", bill=Bill.HEARD,
          play=lambda asked: [*scripts.first_half(asked), scripts.END], moment=Moment.MIDDLE, **_CUT),
    Fault(name="closed_halfway", moment=Moment.MIDDLE, shows="the connection ends half-way", bill=Bill.HEARD,
          play=lambda asked: then(scripts.first_half(asked), Do.CLOSE), **_CUT),
    Fault(name="reset_halfway", moment=Moment.MIDDLE, shows="a reset half-way", bill=Bill.HEARD,
          play=lambda asked: then(scripts.first_half(asked), Do.RESET), **_CUT),
    Fault(name="stalls", moment=Moment.MIDDLE, shows="silence half-way", bill=Bill.HEARD,
          play=lambda asked: [*scripts.first_half(asked), Do.SILENCE], **_IDLE),
    Fault(name="cut_chunk", moment=Moment.MIDDLE, shows="the connection ends within a chunk", bill=Bill.HEARD,
          play=lambda asked: then(scripts.first_half(asked), b"100\r\ndata: {", Do.CLOSE), **_CUT),
    Fault(name="no_chunk_size", moment=Moment.MIDDLE, shows="a chunk's size is no number", bill=Bill.HEARD,
          play=lambda asked: then(scripts.first_half(asked), scripts.PAUSE, b"zz\r\n{}\r\n", Do.SILENCE), **_CUT),
    Fault(name="bad_utf8", moment=Moment.MIDDLE, shows="bytes that are no UTF-8", bill=Bill.HEARD,
          play=lambda asked: scripts.with_instead(asked, b'data: {"x":"\xff\xfe"}\n\n'), **_BROKEN),
    Fault(name="not_json", moment=Moment.MIDDLE, shows="an event that is not JSON", bill=Bill.HEARD,
          play=lambda asked: scripts.with_instead(asked, b'data: {"choices": [{\n\n'), **_BROKEN),
    Fault(name="error_event", moment=Moment.MIDDLE, shows="an error event", bill=Bill.HEARD, forms=(True,),
          play=lambda asked: [*scripts.first_half(asked), chunk(speech.error_event(asked.route or Route.CHAT)),
                              scripts.END],
          error="server_error", status=502, code="server_error"),
    Fault(name="huge_event", moment=Moment.MIDDLE, shows="more than the gateway holds", bill=Bill.HEARD,
          play=scripts.huge, error="answer_too_large", status=502, code="answer_too_large", retryable=False),
    Fault(name="stated_too_long", moment=Moment.MIDDLE, shows="less than the stated length", bill=Bill.HEARD,
          play=scripts.stated_too_long, **_CUT),
    Fault(name="stated_too_short", moment=Moment.MIDDLE, shows="more than the stated length", bill=Bill.HEARD,
          play=scripts.stated_too_short, whole="malformed", **_CUT),
]  # fmt: skip

_OVER = [
    Fault(name="closed_before_done", moment=Moment.END, shows="all but the terminal event, then the connection ends",
          play=lambda asked: then(scripts.all_but_last(asked), Do.CLOSE), bill=Bill.FULL, **_CUT),
    Fault(name="stalls_before_done", moment=Moment.END, shows="all but the terminal event, then silence",
          play=lambda asked: [*scripts.all_but_last(asked), Do.SILENCE], bill=Bill.FULL, **_IDLE),
    Fault(name="reset_before_done", moment=Moment.END, shows="all but the terminal event, then a reset",
          play=lambda asked: then(scripts.all_but_last(asked), Do.RESET), bill=Bill.FULL, **_CUT),
]  # fmt: skip

_FULL = {"bill": Bill.FULL, "whole_bill": Bill.FULL}
_ODD = [
    Fault(name="none", moment=Moment.END, shows="nothing: the answer as it should be", **_FULL),
    Fault(name="one_packet", moment=Moment.MIDDLE, shows="all events in one packet", play=scripts.one_packet, **_FULL),
    Fault(name="byte_by_byte", moment=Moment.MIDDLE, shows="each byte by itself, characters split",
          play=scripts.byte_by_byte, **_FULL),
    Fault(name="carriage_returns", moment=Moment.MIDDLE, shows="CRLF line ends", play=scripts.carriage_returns,
          forms=(True,), **_FULL),
    Fault(name="comments", moment=Moment.MIDDLE, shows="comments between the events", play=scripts.comments,
          forms=(True,), **_FULL),
    Fault(name="interim", moment=Moment.HEADERS, shows="an interim answer (103) first", play=scripts.interim, **_FULL),
    Fault(name="zipped", moment=Moment.HEADERS, shows="gzip, though identity was asked", play=scripts.zipped, **_FULL),
    Fault(name="until_closed", moment=Moment.END, shows="no length and no chunks", play=scripts.until_closed, **_FULL),
    Fault(name="after_the_end", moment=Moment.END, shows="bytes after the terminal event",
          play=scripts.after_the_end, **_FULL),
    Fault(name="silent_after_the_end", moment=Moment.END, shows="after the terminal event the connection stays open",
          play=scripts.silent_after_the_end, forms=(True,), **_FULL),
    Fault(name="missing_usage", moment=Moment.END, shows="no usage figures", play=scripts.without_usage,
          bill=Bill.SAID, whole_bill=Bill.SAID),
    Fault(name="missing_done", moment=Moment.END, shows="no `[DONE]` after all choices are finished",
          play=scripts.without_done, forms=(True,), routes=(Route.CHAT,), **_FULL),
    Fault(name="missing_terminal", moment=Moment.END, shows="a proper end without the terminal event",
          play=scripts.without_done, forms=(True,), routes=(Route.RESPONSES,), bill=Bill.SAID, **_CUT),
    Fault(name="endless", moment=Moment.MIDDLE, shows="it never ends", play=scripts.endless, forms=(False,),
          error="total_timeout", status=504, code="upstream_timeout"),
]  # fmt: skip

FAULTS: list[Fault] = [*_CONNECT, *_BEFORE_HEADERS, *_BEFORE_FIRST_BYTE, *_MIDDLE, *_OVER, *_ODD]
