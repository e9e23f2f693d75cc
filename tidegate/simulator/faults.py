"""The faults: one for each known failure of the upstream, or of the path to it.

Their messages and figures are those that OpenAI, and proxies in front of it, have used.
"""

from collections.abc import Mapping
from enum import StrEnum, unique
from random import Random

from tidegate.simulator.limits import go_duration
from tidegate.simulator.refusal import HtmlPageRefusal, Refusal


@unique
class Fault(StrEnum):
    """A fault's name, as `--fault` and `x-simulate-fault` take it."""

    INVALID_KEY = "invalid_key"
    ORGANIZATION_MISMATCH = "organization_mismatch"
    FORBIDDEN = "forbidden"
    MODEL_NOT_FOUND = "model_not_found"
    CONTEXT_LENGTH = "context_length"
    CONTENT_POLICY = "content_policy"
    RATE_LIMITED = "rate_limited"
    RATE_LIMITED_TOKENS = "rate_limited_tokens"
    RATE_LIMITED_DAY = "rate_limited_day"
    RATE_LIMITED_BARE = "rate_limited_bare"
    REQUEST_TOO_LARGE = "request_too_large"
    OUT_OF_QUOTA = "out_of_quota"
    SLOW_DOWN = "slow_down"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    HTML_FROM_PROXY = "html_from_proxy"
    INTEGER_CODE = "integer_code"
    TIMEOUT = "timeout"
    """The request is accepted and never answered."""
    CONNECTION = "connection"
    """The socket is reset before any header."""
    TRUNCATED = "truncated"
    """The socket is reset in the middle of the answer."""
    TRUNCATED_CLEAN = "truncated_clean"
    """The answer ends in the middle as if it were complete."""
    STALL = "stall"
    """The answer stops in the middle, and the connection stays open."""
    ERROR_IN_STREAM = "error_in_stream"
    """A stream reports an error in the middle; an unstreamed answer is a server error."""
    MALFORMED = "malformed"
    """One chunk, or the body, is not JSON."""
    MISSING_USAGE = "missing_usage"
    MISSING_FINISH_REASON = "missing_finish_reason"
    """The answer ends without saying why, as some servers always do; a Response is incomplete without a reason."""
    SAME_TOOL_INDEX = "same_tool_index"
    """All tool calls of a chat stream have the index 0."""
    PLAIN_TEXT_STREAM = "plain_text_stream"
    """A stream has the content type `text/plain`."""
    PREFLIGHT_FAILURE_IN_STREAM = "preflight_failure_in_stream"
    """HTTP 200 and a first event, then what should have been an HTTP 400."""
    REFUSED_IN_ANSWER = "refused_in_answer"
    """HTTP 200, and inside it the refusal that `x-simulate-error-code` names, before any content."""
    REFUSED_MID_ANSWER = "refused_mid_answer"
    """The same in the middle of a stream."""


MID_STREAM = frozenset({Fault.TRUNCATED, Fault.TRUNCATED_CLEAN, Fault.STALL, Fault.ERROR_IN_STREAM})
"""The faults that send half of the answer."""
REFUSED_WITH_200 = frozenset({Fault.REFUSED_IN_ANSWER, Fault.REFUSED_MID_ANSWER})
"""The faults that refuse the prompt inside an HTTP 200."""


def draw(probabilities: Mapping[Fault, float], random: Random) -> Fault | None:
    """Return the fault that strikes this request, if any. Each has its own chance; the first to strike counts."""
    for fault, probability in probabilities.items():
        if probability > 0 and random.random() < probability:
            return fault
    return None


def refusal_for(fault: Fault, *, model: str, path: str) -> Refusal | None:
    """Return the refusal that `fault` stands for; None if the fault changes the delivery of the answer."""
    if fault in _LIMITS:
        return _limited(fault, model)
    if fault is Fault.CONTEXT_LENGTH:
        return context_length(path)
    if fault is Fault.HTML_FROM_PROXY:
        return HtmlPageRefusal(502, _PAGE)
    if fault not in _ENVELOPES:
        return None
    status, kind, code, message = _ENVELOPES[fault]
    headers = {"retry-after": "1"} if fault in (Fault.OVERLOADED, Fault.SLOW_DOWN) else None
    param = "model" if fault is Fault.MODEL_NOT_FOUND else None
    return Refusal(status, message.format(model=model), kind=kind, code=code, param=param, headers=headers)


def context_length(path: str) -> Refusal:
    """Return the refusal of a prompt that is too long; chat and responses have different messages."""
    code = "context_length_exceeded"
    if path.endswith("/responses"):
        message = "Your input exceeds the context window of this model. Please adjust your input and try again."
        return Refusal(400, message, code=code, param="input")
    message = (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 tokens. "
        "Please reduce the length of the messages."
    )
    return Refusal(400, message, code=code, param="messages")


def refused_prompt(code: str) -> Refusal:
    """Return a refusal of the prompt that OpenAI sends inside an HTTP 200."""
    message = "Invalid prompt: your prompt was flagged as potentially violating our usage policy. Please change it."
    return Refusal(200, message, code=code)


def server_error() -> Refusal:
    """Return the refusal for a failure of the upstream itself."""
    return Refusal(500, _SERVER_ERROR, kind="server_error")


def _limited(fault: Fault, model: str) -> Refusal:
    kind, limit, seconds = _LIMITS[fault]
    message = f"Rate limit reached for {model} in organization org-simulator on {limit}. {_READ_MORE}"
    if fault is Fault.REQUEST_TOO_LARGE:
        message = f"Request too large for {model} in organization org-simulator on {limit}. {_TOO_LARGE} {_READ_MORE}"
    headers = {}
    if seconds is not None:
        headers = {
            "retry-after": str(max(1, round(seconds))),
            "retry-after-ms": str(round(seconds * 1000)),
            f"x-ratelimit-remaining-{kind}": "0",
            f"x-ratelimit-reset-{kind}": go_duration(seconds),
        }
    return Refusal(429, message, kind=kind, code="rate_limit_exceeded", headers=headers)


_READ_MORE = "Visit https://platform.openai.com/account/rate-limits to learn more."
_TOO_LARGE = "The input or output tokens must be reduced in order to run successfully."
_SERVER_ERROR = (
    "The server had an error while processing your request. Sorry about that! You can retry your request, "
    "or contact us through our help center if the error persists."
)

_LIMITS: dict[Fault, tuple[str, str, float | None]] = {
    Fault.RATE_LIMITED: (
        "requests",
        "requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms",
        0.12,
    ),
    Fault.RATE_LIMITED_TOKENS: (
        "tokens",
        "tokens per min (TPM): Limit 30000, Used 29937, Requested 385. Please try again in 644ms",
        0.644,
    ),
    Fault.RATE_LIMITED_DAY: (
        "requests",
        "requests per day (RPD): Limit 10000, Used 10000, Requested 1. Please try again in 7m12s",
        432.0,
    ),
    Fault.RATE_LIMITED_BARE: (
        "requests",
        "requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s",
        None,
    ),
    Fault.REQUEST_TOO_LARGE: ("tokens", "tokens per min (TPM): Limit 30000, Requested 31538", None),
}
"""By fault: the kind of limit, OpenAI's words for it, and the wait in seconds that the headers state."""

_ENVELOPES: dict[Fault, tuple[int, str | None, str | int | None, str]] = {
    Fault.INVALID_KEY: (
        401,
        "invalid_request_error",
        "invalid_api_key",
        (
            "Incorrect API key provided: sk-simul***********************************cdef. "
            "You can find your API key at https://platform.openai.com/account/api-keys."
        ),
    ),
    Fault.ORGANIZATION_MISMATCH: (
        401,
        "invalid_request_error",
        "mismatched_organization",
        "OpenAI-Organization header should match organization for API key.",
    ),
    Fault.FORBIDDEN: (
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    Fault.MODEL_NOT_FOUND: (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    Fault.CONTENT_POLICY: (
        400,
        "invalid_request_error",
        "content_policy_violation",
        (
            "Your request was rejected as a result of our safety system. "
            "Your prompt may contain text that is not allowed by our safety system."
        ),
    ),
    Fault.OUT_OF_QUOTA: (
        429,
        "insufficient_quota",
        "insufficient_quota",
        (
            "You exceeded your current quota, please check your plan and billing details. "
            "For more information on this error, read the docs: "
            "https://platform.openai.com/docs/guides/error-codes/api-errors."
        ),
    ),
    Fault.SLOW_DOWN: (
        429,
        "rate_limit_error",
        "slow_down",
        "Your traffic has increased too fast. Please slow down, and increase it step by step.",
    ),
    Fault.OVERLOADED: (
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "The server is currently overloaded with other requests. Please try again later.",
    ),
    Fault.SERVER_ERROR: (500, "server_error", None, _SERVER_ERROR),
    Fault.INTEGER_CODE: (502, "cf_bad_gateway", 502, "Bad gateway"),
}
"""Status, type, code and message."""

_PAGE = """<html>
<head><title>502 Bad Gateway</title></head>
<body>
<center><h1>502 Bad Gateway</h1></center>
<hr><center>cloudflare</center>
</body>
</html>
"""
