"""What the upstream, or the way to it, did wrong: the taxonomy.

One class for each row of "Errors" in OpenAI's API reference and of what proxies in between add.
They are made at one edge, `tidegate.providers.errors` and `tidegate.providers.transport`.
"""

from typing import ClassVar

from tidegate.core.errors.base import TidegateError, UpstreamErrorDetail


class UpstreamError(TidegateError):
    """The upstream did not answer the call."""

    name = "upstream"
    code: ClassVar[str | None] = "upstream_error"


class UpstreamRejected(UpstreamError):
    """The upstream refused the request as it was sent."""

    name = "rejected"
    type = "invalid_request_error"
    code: ClassVar[str | None] = None
    """None of our own: clients branch on the upstream's, also where it gives none."""


class UnsupportedByTarget(UpstreamRejected):
    """The target that should answer does not take a parameter of the request, and a rule forbids to leave it out."""

    name = "parameter_not_taken"
    code = "unsupported_parameter"


class NotTranslatable(UnsupportedByTarget):
    """The target that should answer only speaks chat completions, which cannot say what the request says."""

    name = "not_translatable"


class InvalidUpstreamKey(UpstreamError):
    """The upstream refused this gateway's own credential (not the caller's key). Its operator must replace it."""

    name = "invalid_upstream_key"
    type = "invalid_request_error"
    code = "invalid_api_key"


class NoUpstreamKey(UpstreamError):
    """This gateway has no upstream API key. Its operator must set OPENAI_API_KEY or `upstream.api_key`."""

    name = "no_upstream_key"
    code = "no_upstream_key"


class OrganizationMismatch(UpstreamError):
    """The OpenAI-Organization header does not match this gateway's upstream key."""

    name = "organization_mismatch"
    type = "invalid_request_error"
    code = "mismatched_organization"


class UpstreamForbidden(UpstreamError):
    """The upstream forbids the call: its key's permissions, an address not allowed, or an unsupported country."""

    name = "forbidden"
    type = "invalid_request_error"
    code = "forbidden"


class ModelNotFound(UpstreamError):
    """The upstream does not know the model, or this gateway's key may not use it."""

    name = "model_not_found"
    type = "invalid_request_error"
    code = "model_not_found"


class UpstreamNotFound(UpstreamError):
    """The upstream does not know what the request refers to."""

    name = "not_found"
    type = "invalid_request_error"
    code = "not_found"


class ContextLengthExceeded(UpstreamError):
    """The request is longer than the model's context window. Send less, or use a larger model."""

    name = "context_length"
    type = "invalid_request_error"
    code = "context_length_exceeded"


class ContentPolicyViolation(UpstreamError):
    """The upstream's content policy refused the request."""

    name = "content_policy"
    type = "invalid_request_error"
    code = "content_policy_violation"


class UpstreamRateLimited(UpstreamError):
    """The upstream's rate limit is reached; the call may succeed after the stated wait."""

    name = "rate_limited"
    type = "requests"
    code = "rate_limit_exceeded"
    retryable = True

    def __init__(
        self,
        message: str | None = None,
        *,
        kind: str = "requests",
        retry_after: float | None = None,
        upstream_detail: UpstreamErrorDetail | None = None,
    ) -> None:
        """`kind` is which limit: `requests`, `tokens` or `day`; `retry_after` is in seconds."""
        super().__init__(message, retry_after=retry_after, upstream_detail=upstream_detail)
        self.kind = kind


class RequestExceedsUpstreamLimit(UpstreamError):
    """The request alone is larger than the whole token limit; it can never succeed as it is."""

    name = "request_too_large"
    type = "tokens"
    code = "rate_limit_exceeded"


class InsufficientQuota(UpstreamError):
    """The upstream account has no credit left or reached its spending limit; waiting does not help."""

    name = "out_of_quota"
    type = "insufficient_quota"
    code = "insufficient_quota"


class SlowDown(UpstreamError):
    """The upstream asks for a slower ramp-up of traffic."""

    name = "slow_down"
    type = "rate_limit_error"
    code = "slow_down"
    retryable = True


class UpstreamOverloaded(UpstreamError):
    """The upstream is overloaded."""

    name = "overloaded"
    type = "service_unavailable_error"
    code = "server_is_overloaded"
    retryable = True


class UpstreamServerError(UpstreamError):
    """The upstream failed while processing the request."""

    name = "server_error"
    code = "server_error"
    retryable = True


class HtmlFromProxy(UpstreamError):
    """Something between this gateway and the upstream answered in its place, with a page instead of JSON."""

    name = "html_from_proxy"
    code = "bad_gateway"
    retryable = True


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer in time."""

    name = "timeout"
    code = "upstream_timeout"
    retryable = True
    setting: ClassVar[str] = ""
    """The configuration key that sets this clock."""


class ConnectTimeout(UpstreamTimeout):
    """No connection to the upstream could be made in time."""

    name = "connect_timeout"
    setting = "upstream.connect_seconds"


class FirstByteTimeout(UpstreamTimeout):
    """The upstream accepted the call but sent no first byte in time."""

    name = "first_byte_timeout"
    may_be_charged = True
    setting = "upstream.first_byte_seconds"


class IdleTimeout(UpstreamTimeout):
    """The upstream's answer fell silent half-way."""

    name = "stream_idle"
    may_be_charged = True
    setting = "upstream.idle_seconds"


class TotalTimeout(UpstreamTimeout):
    """The upstream's answer took longer than a whole call may."""

    name = "total_timeout"
    may_be_charged = True
    setting = "upstream.total_seconds"


class ConnectionFailed(UpstreamError):
    """No connection to the upstream could be made, or it broke before an answer."""

    name = "connection"
    code = "upstream_unreachable"
    retryable = True


class TruncatedAnswer(UpstreamError):
    """The upstream's answer ended before it was complete."""

    name = "truncated"
    may_be_charged = True
    code = "upstream_truncated"
    retryable = True


class MalformedAnswer(UpstreamError):
    """The upstream's answer is not what its protocol says: broken JSON, or no answer at all."""

    name = "malformed"
    may_be_charged = True
    code = "upstream_malformed"
    retryable = True


class ErrorInStream(UpstreamError):
    """The upstream reported an error after its answer had begun."""

    name = "error_in_stream"
    code = "server_error"
    retryable = True


class AnswerTooLarge(UpstreamError):
    """The upstream's answer is larger than this gateway holds (`upstream.max_answer_bytes`)."""

    name = "answer_too_large"
    may_be_charged = True
    code = "answer_too_large"


class FlightLost(UpstreamError):
    """The process that was asking on behalf of several callers went away half-way."""

    name = "flight_lost"
    code = "flight_lost"
    retryable = True


class UpstreamBusy(UpstreamError):
    """The upstream's capacity for this model is used up: its limit, not yours."""

    name = "upstream_busy"
    type = "requests"
    code = "rate_limit_exceeded"
    retryable = True


class QueueFull(UpstreamBusy):
    """The upstream's capacity for this model is used up, and as many calls wait for it as may (`queue.max_waiting`)."""

    name = "queue_full"


class QueueTimeout(UpstreamBusy):
    """The upstream's capacity for this model is used up, and this call cannot have its turn before its deadline."""

    name = "queue_timeout"


class TargetDown(UpstreamError):
    """The upstream has been failing, so it is not asked until it answers again; nothing else was left to answer."""

    name = "target_down"
    may_be_charged = True
    type = "service_unavailable_error"
    code = "upstream_down"
    retryable = True
