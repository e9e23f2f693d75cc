"""The faults, each with what it must come to; declared by hand, so that the gateway is held against them."""

from collections.abc import Callable
from enum import Enum

import msgspec

from tests.faults import scripts, speech
from tests.faults.scripts import chunk, then
from tests.faults.upstream import Asked, Do, Script
from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint


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
    UNSEEN = "the question, estimated, and all that the answer may have"
    HEARD = "the question and the first word, estimated"
    SAID = "question and answer, estimated"
    FULL = "the upstream's own figures"


class Blame(Enum):
    """Whose fault it is, and so what may be tried after it."""

    CALLER = "the caller's: nothing else is tried"
    CREDENTIAL = "our account's: another credential, another target, what is left"
    MATCH = "nobody's: another credential, another target"
    RATE = "too many calls: another credential, another target, what is left"
    TARGET = "the target's: once more, another target, what is left"
    SILENCE = "the target's, and time was lost: another target, what is left"
    TIME = "the call's time is over: what is left"


class Error(msgspec.Struct, frozen=True):
    """A typed error as the caller, the ledger and the log know it."""

    name: str
    status: int
    """Where it comes before the answer has begun."""
    code: str
    blame: Blame = Blame.CALLER
    taken: bool = False
    """The upstream had the call and did not refuse it, so it may charge for question and answer."""


UNREACHED = Error("connection", 502, "upstream_unreachable", Blame.TARGET)
NOT_ACCEPTED = Error("connect_timeout", 504, "upstream_timeout", Blame.TARGET)
LATE = Error("first_byte_timeout", 504, "upstream_timeout", Blame.SILENCE, taken=True)
IDLE = Error("stream_idle", 504, "upstream_timeout", Blame.SILENCE, taken=True)
TOO_LONG = Error("total_timeout", 504, "upstream_timeout", Blame.TIME, taken=True)
CUT = Error("truncated", 502, "upstream_truncated", Blame.TARGET, taken=True)
BROKEN = Error("malformed", 502, "upstream_malformed", Blame.TARGET, taken=True)
TOO_LARGE = Error("answer_too_large", 502, "answer_too_large", taken=True)
PAGE = Error("html_from_proxy", 502, "bad_gateway", Blame.TARGET)
TOLD = Error("server_error", 502, "server_error", Blame.TARGET)


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One way to fail (or to be odd and yet answer), and what must come of it."""

    name: str
    moment: Moment
    shows: str
    """What happens, for a reader."""
    play: Callable[[Asked], Script] = scripts.good
    where: Where = Where.SERVER
    error: Error | None = None
    """None where the call is answered."""
    whole: Error | None = None
    """Where the answer is not streamed, if that is another."""
    bill: Bill | None = None
    """Of a stream, and of every call that is answered; if not said: nothing for a failure, else all."""
    forms: tuple[bool, ...] = (False, True)
    """Whether it is tried with whole answers, with streams, or both."""
    routes: tuple[Endpoint, ...] = tuple(speech.PATHS)


def _refused(error: Error, kind: str, message: str, *lines: str) -> Fault:
    def play(asked: Asked) -> Script:
        return scripts.whole(asked, error.status, speech.refusal(kind, error.code, message), *lines)

    shows = f"HTTP {error.status}, `{error.code}`"
    return Fault(name=error.name, moment=Moment.HEADERS, shows=shows, play=play, error=error)


_BAD = "invalid_request_error"
_WAIT = "retry-after: 100"
_KEY, _MATCH, _RATE, _OURS = Blame.CREDENTIAL, Blame.MATCH, Blame.RATE, Blame.TARGET
_REFUSALS = [
    _refused(Error("invalid_upstream_key", 401, "invalid_api_key", _KEY), _BAD, "Incorrect API key provided."),
    _refused(Error("organization_mismatch", 401, "mismatched_organization", _KEY), _BAD, "Organization."),
    _refused(Error("out_of_quota", 429, "insufficient_quota", _KEY), "insufficient_quota", "You exceeded your quota."),
    _refused(Error("forbidden", 403, "unsupported_country_region_territory", _MATCH), "forbidden", "Not supported."),
    _refused(Error("model_not_found", 404, "model_not_found", _MATCH), _BAD, "No such model."),
    _refused(Error("context_length", 400, "context_length_exceeded"), _BAD, "Too long."),
    _refused(Error("content_policy", 400, "content_policy_violation"), _BAD, "Rejected."),
    _refused(Error("rejected", 422, "unprocessable"), _BAD, "Cannot be processed."),
    _refused(Error("request_too_large", 429, "rate_limit_exceeded"), "tokens", "Request too large for the model."),
    _refused(Error("rate_limited", 429, "rate_limit_exceeded", _RATE), "requests", "Rate limit (RPM).", _WAIT),
    _refused(Error("slow_down", 429, "slow_down", _RATE), "rate_limit_error", "Slow down.", _WAIT),
    _refused(Error("overloaded", 503, "server_is_overloaded", _OURS), "service_unavailable_error", "Busy.", _WAIT),
    _refused(Error("server_error", 500, "server_error", _OURS), "server_error", "The server had an error."),
]


def _html(status: int) -> Callable[[Asked], Script]:
    page = b"<html><body><h1>Bad Gateway</h1></body></html>"
    return lambda asked: scripts.whole(asked, status, page, kind="text/html")


_CONNECT = [
    Fault(name="refused", moment=Moment.CONNECT, shows="nobody listens", where=Where.NOBODY, error=UNREACHED),
    Fault(name="not_accepted", moment=Moment.CONNECT, shows="the connection is never accepted", where=Where.FULL,
          error=NOT_ACCEPTED),
    Fault(name="no_such_name", moment=Moment.CONNECT, shows="the host's name cannot be resolved", where=Where.NOWHERE,
          error=UNREACHED),
]  # fmt: skip


_BEFORE_HEADERS = [
    Fault(name="silent", moment=Moment.HEADERS, shows="the request is taken and never answered",
          play=lambda _: [Do.SILENCE], error=LATE),
    Fault(name="half_a_head", moment=Moment.HEADERS, shows="the status line, then silence",
          play=lambda _: [b"HTTP/1.1 200 OK\r\ncontent-", Do.SILENCE], error=LATE),
    Fault(name="interim_only", moment=Moment.HEADERS, shows="an interim answer (103), then silence",
          play=lambda _: [b"HTTP/1.1 103 Early Hints\r\n\r\n", Do.SILENCE], error=LATE),
    Fault(name="closed", shows="the connection ends before any header", play=lambda _: then([], Do.CLOSE),
          moment=Moment.HEADERS, error=UNREACHED),
    Fault(name="reset", shows="the connection is reset before any header", play=lambda _: then([], Do.RESET),
          moment=Moment.HEADERS, error=UNREACHED),
    Fault(name="not_http", shows="something that is not HTTP", play=lambda _: [b"SSH-2.0-OpenSSH_9.9\r\n\r\n"],
          moment=Moment.HEADERS, error=UNREACHED),
    Fault(name="huge_header", shows="a header of 128 kB",
          play=lambda _: [scripts.head(200, "application/json", "x-a: " + "a" * 131_072)],
          moment=Moment.HEADERS, error=UNREACHED),
    Fault(name="header_flood", shows="10,000 headers",
          play=lambda _: [scripts.head(200, "application/json", *[f"x-{n}: {n}" for n in range(10_000)])],
          moment=Moment.HEADERS, error=UNREACHED),
    Fault(name="too_much_at_once", shows="more than the stated length, in one packet", play=scripts.too_much_at_once,
          moment=Moment.HEADERS, error=UNREACHED),
    Fault(name="redirect", moment=Moment.HEADERS, shows="a redirect, which is not followed",
          play=lambda asked: scripts.whole(asked, 307, b"", "location: http://127.0.0.1:9/v1"), error=BROKEN),
    Fault(name="html_from_proxy", moment=Moment.HEADERS, shows="HTTP 502 with a page", play=_html(502),
          error=PAGE),
    *_REFUSALS,
]  # fmt: skip

_BEFORE_FIRST_BYTE = [
    Fault(name="page_with_200", moment=Moment.FIRST_BYTE, shows="HTTP 200 with a page instead of JSON",
          play=_html(200), error=PAGE),
    Fault(name="empty_body", moment=Moment.FIRST_BYTE, shows="HTTP 200 with nothing",
          play=lambda asked: scripts.whole(asked, 200, b""), error=BROKEN),
    Fault(name="error_with_200", moment=Moment.FIRST_BYTE, shows="HTTP 200 with an error envelope",
          play=lambda asked: scripts.whole(asked, 200, speech.refusal("server_error", "server_error", "An error.")),
          error=TOLD),
    Fault(name="head_then_silence", moment=Moment.FIRST_BYTE, shows="headers, then silence",
          play=lambda asked: [scripts.good_head(asked), Do.SILENCE], error=LATE),
    Fault(name="head_then_close", moment=Moment.FIRST_BYTE, shows="headers, then the connection ends",
          play=lambda asked: then([scripts.good_head(asked)], Do.CLOSE), error=CUT),
    Fault(name="head_then_reset", moment=Moment.FIRST_BYTE, shows="headers, then a reset",
          play=lambda asked: then([scripts.good_head(asked)], Do.RESET), error=CUT),
    Fault(name="head_then_end", moment=Moment.FIRST_BYTE, shows="headers, then a proper end without a body",
          play=lambda asked: [scripts.good_head(asked), scripts.END], whole=BROKEN, error=CUT),
]  # fmt: skip

_MIDDLE = [
    Fault(name="ends_halfway", shows="a proper end, half-way", whole=BROKEN, bill=Bill.HEARD,
          play=lambda asked: [*scripts.first_half(asked), scripts.END], moment=Moment.MIDDLE, error=CUT),
    Fault(name="closed_halfway", moment=Moment.MIDDLE, shows="the connection ends half-way", bill=Bill.HEARD,
          play=lambda asked: then(scripts.first_half(asked), Do.CLOSE), error=CUT),
    Fault(name="reset_halfway", moment=Moment.MIDDLE, shows="a reset half-way", bill=Bill.HEARD,
          play=lambda asked: then(scripts.first_half(asked), Do.RESET), error=CUT),
    Fault(name="stalls", moment=Moment.MIDDLE, shows="silence half-way", bill=Bill.HEARD,
          play=lambda asked: [*scripts.first_half(asked), Do.SILENCE], error=IDLE),
    Fault(name="cut_chunk", moment=Moment.MIDDLE, shows="the connection ends within a chunk", bill=Bill.HEARD,
          play=lambda asked: then(scripts.first_half(asked), b"100\r\ndata: {", Do.CLOSE), error=CUT),
    Fault(name="no_chunk_size", moment=Moment.MIDDLE, shows="a chunk's size is no number", bill=Bill.HEARD,
          play=lambda asked: then(scripts.first_half(asked), scripts.PAUSE, b"zz\r\n{}\r\n", Do.SILENCE), error=CUT),
    Fault(name="bad_utf8", moment=Moment.MIDDLE, shows="bytes that are no UTF-8", bill=Bill.HEARD,
          play=lambda asked: scripts.with_instead(asked, b'data: {"x":"\xff\xfe"}\n\n'), error=BROKEN),
    Fault(name="not_json", moment=Moment.MIDDLE, shows="an event that is not JSON", bill=Bill.HEARD,
          play=lambda asked: scripts.with_instead(asked, b'data: {"choices": [{\n\n'), error=BROKEN),
    Fault(name="error_event", moment=Moment.MIDDLE, shows="an error event", bill=Bill.HEARD, forms=(True,),
          play=lambda asked: [*scripts.first_half(asked), chunk(speech.error_event(asked.route or endpoints.CHAT)),
                              scripts.END],
          error=TOLD),
    Fault(name="huge_event", moment=Moment.MIDDLE, shows="more than the gateway holds", bill=Bill.HEARD,
          play=scripts.huge, error=TOO_LARGE),
    Fault(name="stated_too_long", moment=Moment.MIDDLE, shows="less than the stated length", bill=Bill.HEARD,
          play=scripts.stated_too_long, error=CUT),
    Fault(name="stated_too_short", moment=Moment.MIDDLE, shows="more than the stated length", bill=Bill.HEARD,
          play=scripts.stated_too_short, whole=BROKEN, error=CUT),
]  # fmt: skip

_OVER = [
    Fault(name="closed_before_done", moment=Moment.END, shows="all but the terminal event, then the connection ends",
          play=lambda asked: then(scripts.all_but_last(asked), Do.CLOSE), bill=Bill.FULL, error=CUT),
    Fault(name="stalls_before_done", moment=Moment.END, shows="all but the terminal event, then silence",
          play=lambda asked: [*scripts.all_but_last(asked), Do.SILENCE], bill=Bill.FULL, error=IDLE),
    Fault(name="reset_before_done", moment=Moment.END, shows="all but the terminal event, then a reset",
          play=lambda asked: then(scripts.all_but_last(asked), Do.RESET), bill=Bill.FULL, error=CUT),
]  # fmt: skip

_ODD = [
    Fault(name="none", moment=Moment.END, shows="nothing: the answer as it should be"),
    Fault(name="one_packet", moment=Moment.MIDDLE, shows="all events in one packet", play=scripts.one_packet),
    Fault(name="in_shreds", moment=Moment.MIDDLE, shows="seven bytes at a time: events and characters are cut",
          play=scripts.in_shreds),
    Fault(name="carriage_returns", moment=Moment.MIDDLE, shows="CRLF line ends", play=scripts.carriage_returns,
          forms=(True,)),
    Fault(name="comments", moment=Moment.MIDDLE, shows="comments between the events", play=scripts.comments,
          forms=(True,)),
    Fault(name="interim", moment=Moment.HEADERS, shows="an interim answer (103) first", play=scripts.interim),
    Fault(name="zipped", moment=Moment.HEADERS, shows="gzip, though identity was asked", play=scripts.zipped),
    Fault(name="until_closed", moment=Moment.END, shows="no length and no chunks", play=scripts.until_closed),
    Fault(name="after_the_end", moment=Moment.END, shows="bytes after the terminal event",
          play=scripts.after_the_end),
    Fault(name="silent_after_the_end", moment=Moment.END, shows="after the terminal event the connection stays open",
          play=scripts.silent_after_the_end, forms=(True,)),
    Fault(name="missing_usage", moment=Moment.END, shows="no usage figures", play=scripts.without_usage,
          bill=Bill.SAID),
    Fault(name="missing_done", moment=Moment.END, shows="no `[DONE]` after all choices are finished",
          play=scripts.without_done, forms=(True,), routes=(endpoints.CHAT,)),
    Fault(name="missing_terminal", moment=Moment.END, shows="a proper end without the terminal event",
          play=scripts.without_done, forms=(True,), routes=(endpoints.RESPONSES,), bill=Bill.SAID, error=CUT),
    Fault(name="endless", moment=Moment.MIDDLE, shows="it never ends", play=scripts.endless, forms=(False,),
          error=TOO_LONG),
]  # fmt: skip

FAULTS: list[Fault] = [*_CONNECT, *_BEFORE_HEADERS, *_BEFORE_FIRST_BYTE, *_MIDDLE, *_OVER, *_ODD]
