"""Errors of the upstream, or of the network between it and the gateway.

One class for each row of "Errors" in OpenAI's API reference, and for what proxies in between add.
Two modules raise them: `tidegate.providers.openai_family.errors` and `tidegate.providers.transport`.
"""

from typing import Any, ClassVar

from tidegate.core.errors.base import TidegateError, UpstreamErrorDetail


class UpstreamError(TidegateError):
    """The upstream did not answer the request."""

    name = "upstream_error"
    code: ClassVar[str | None] = "upstream_error"


class UpstreamRejected(UpstreamError):
    """The upstream rejected the request as it was sent. Its message says why."""

    name = "upstream_rejected"
    type = "invalid_request_error"
    code: ClassVar[str | None] = None
    """None of our own: clients branch on the upstream's code, and on its absence."""


class RequestTooLargeForTarget(UpstreamRejected):
    """The request is larger than this provider accepts. Send a smaller one, or route it to a provider that takes it."""

    name = "request_too_large_for_target"


class UnsupportedByTarget(UpstreamRejected):
    """The target does not support a parameter of the request, so it was not sent. Remove it, or use another model."""

    name = "unsupported_by_target"
    code = "unsupported_parameter"


class NotTranslatable(UnsupportedByTarget):
    """The target supports only chat completions, which cannot express this request; it was not sent."""

    name = "not_translatable"
    code = "unsupported_parameter"


class InvalidUpstreamKey(UpstreamError):
    """The upstream refused this gateway's own credential (not the caller's key). Its operator must replace it."""

    name = "invalid_upstream_key"
    type = "invalid_request_error"
    code = "invalid_api_key"


class NoUpstreamKey(UpstreamError):
    """This gateway has no upstream API key. Its operator must set OPENAI_API_KEY or `upstream.api_key`."""

    name = "no_upstream_key"


class OrganizationMismatch(UpstreamError):
    """The OpenAI-Organization header does not match this gateway's upstream key. Leave the header out."""

    name = "mismatched_organization"
    type = "invalid_request_error"


class UpstreamForbidden(UpstreamError):
    """The upstream forbids the request: its key's permissions, the gateway's address, or an unsupported country."""

    name = "upstream_forbidden"
    type = "invalid_request_error"


class ModelNotFound(UpstreamError):
    """The upstream does not know the model, or this gateway's key may not use it. Use another model."""

    name = "model_not_found"
    type = "invalid_request_error"


class UpstreamNotFound(UpstreamError):
    """The upstream does not know an object that the request refers to. Check the ids in the request."""

    name = "upstream_not_found"
    type = "invalid_request_error"


class ContextLengthExceeded(UpstreamError):
    """The request is longer than the model's context window. Send less, or use a larger model."""

    name = "context_length_exceeded"
    type = "invalid_request_error"


class ContentPolicyViolation(UpstreamError):
    """The upstream's content policy refused the request. Change its content."""

    name = "content_policy_violation"
    type = "invalid_request_error"


class UpstreamRateLimited(UpstreamError):
    """The upstream's rate limit is reached. Retry after the time in `retry-after`."""

    name = "upstream_rate_limited"
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
    """The request alone exceeds the upstream's limit of tokens per minute. Send a smaller request."""

    name = "request_exceeds_upstream_limit"
    type = "tokens"
    code = "rate_limit_exceeded"


class InsufficientQuota(UpstreamError):
    """The upstream account has no credit or has reached its spending limit. Retrying does not help; add credit."""

    name = "insufficient_quota"
    type = "insufficient_quota"


class SlowDown(UpstreamError):
    """The upstream rejected the request because traffic grew too fast. Retry more slowly."""

    name = "slow_down"
    type = "rate_limit_error"
    retryable = True


class UpstreamOverloaded(UpstreamError):
    """The upstream is overloaded and did not answer the request. Retry."""

    name = "server_is_overloaded"
    type = "service_unavailable_error"
    retryable = True


class UpstreamServerError(UpstreamError):
    """The upstream failed while it processed the request. Retry."""

    name = "server_error"
    retryable = True


class HtmlFromProxy(UpstreamError):
    """A proxy between this gateway and the upstream answered with a web page instead of JSON. Retry."""

    name = "html_from_proxy"
    retryable = True


class UpstreamTimeout(UpstreamError):
    """The upstream did not answer in time. Retry."""

    name = "upstream_timeout"
    retryable = True
    setting: ClassVar[str] = ""
    """The configuration key that sets this timeout."""


class ConnectTimeout(UpstreamTimeout):
    """No connection to the upstream was made within the timeout, so the request was not sent. Retry."""

    name = "connect_timeout"
    setting = "upstream.connect_seconds"


class FirstByteTimeout(UpstreamTimeout):
    """The upstream accepted the request but sent no content within the timeout. Retry."""

    name = "first_byte_timeout"
    may_be_charged = True
    setting = "upstream.first_byte_seconds"


class IdleTimeout(UpstreamTimeout):
    """The upstream stopped sending before its answer was complete. Retry."""

    name = "idle_timeout"
    may_be_charged = True
    setting = "upstream.idle_seconds"


class TotalTimeout(UpstreamTimeout):
    """The upstream's answer took longer than a whole call may take. Retry, or ask for a shorter answer."""

    name = "total_timeout"
    may_be_charged = True
    setting = "upstream.total_seconds"


class ConnectionFailed(UpstreamError):
    """No connection to the upstream could be made, or it was lost before an answer arrived. Retry."""

    name = "connection_failed"
    retryable = True

    def __init__(self, message: str | None = None, *, was_connected: bool = True, **more: Any) -> None:
        """`was_connected` is False where no connection could be made, so that the request was not sent."""
        super().__init__(message, **more)
        self.was_connected = was_connected


class TruncatedAnswer(UpstreamError):
    """The upstream's answer ended before it was complete. Retry."""

    name = "truncated_answer"
    may_be_charged = True
    retryable = True


class MalformedAnswer(UpstreamError):
    """The upstream's answer violates its protocol: broken JSON, or no answer in it. Retry."""

    name = "malformed_answer"
    may_be_charged = True
    retryable = True


class EmptyAnswer(UpstreamError):
    """The upstream ended without an answer: with no choice, or with a reason that is none. Change the request."""

    name = "empty_answer"
    may_be_charged = True


class UnfinishedAnswer(UpstreamError):
    """The upstream ended its answer without saying why, so it may be a part. The caller received it; it is not stored.

    It marks such a call in the ledger and the log. It is never raised, and held against no target.
    """

    name = "unfinished_answer"


class ErrorInStream(UpstreamError):
    """The upstream reported an error inside its answer, which does not say that repeating the request helps."""

    name = "error_in_stream"


class AnswerTooLarge(UpstreamError):
    """The upstream's answer is larger than `upstream.max_answer_bytes` and was dropped. Ask for a shorter answer."""

    name = "answer_too_large"
    may_be_charged = True


class FlightLost(UpstreamError):
    """The gateway process that was receiving this response died. Retry the request."""

    name = "flight_lost"
    retryable = True


class UpstreamBusy(UpstreamError):
    """The upstream's capacity for this model is used up, so the request was not sent. Retry after `retry-after`."""

    name = "upstream_busy"
    type = "requests"
    code: ClassVar[str | None] = "rate_limit_exceeded"
    retryable = True


class QueueFull(UpstreamBusy):
    """The queue for this model is full (`queue.max_waiting`); the request was not sent. Retry after `retry-after`."""

    name = "queue_full"
    code = "rate_limit_exceeded"


class QueueTimeout(UpstreamBusy):
    """The queue for this model is too long for the request's deadline; it was not sent. Retry after `retry-after`."""

    name = "queue_timeout"
    code = "rate_limit_exceeded"


class TargetDown(UpstreamError):
    """The upstream has been failing, and no other target is left to answer this request. Retry later."""

    name = "target_down"
    may_be_charged = True
    type = "service_unavailable_error"
    retryable = True


class SessionLost(UpstreamError):
    """The upstream closed the session, or the connection to it was lost. Open another one."""

    name = "session_lost"
    may_be_charged = True
    retryable = True
