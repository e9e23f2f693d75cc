"""Errors that the caller causes: the request was not sent upstream."""

from typing import ClassVar

from tidegate.core.errors.base import TidegateError, UpstreamErrorDetail


class CallerError(TidegateError):
    """The request is not valid and was not sent upstream."""

    name = "invalid_request"
    type = "invalid_request_error"
    code: ClassVar[str | None] = "invalid_request"


class MalformedHttp(CallerError):
    """The connection sent data that is not valid HTTP, so it was closed. Use an HTTP/1.1 client."""

    name = "malformed_http"


class HeadersTooLarge(CallerError):
    """The request's address and headers are larger than 64 kB, so the request was not read. Send fewer headers."""

    name = "headers_too_large"


class EmptyBody(CallerError):
    """The request has no body. Send a JSON object with at least a `model`."""

    name = "empty_body"


class BodyNotJson(CallerError):
    """We could not parse the JSON body of your request. The OpenAI API expects a JSON payload."""

    name = "body_not_json"


class BodyNotAnObject(CallerError):
    """The request's body is JSON, but not an object. Send `{"model": …}`."""

    name = "body_not_an_object"


class BodyTooLarge(CallerError):
    """The request's body is larger than `server.max_body_bytes` and was not read. Send a smaller one."""

    name = "body_too_large"


class BodyTimeout(CallerError):
    """The request's body did not arrive within `server.body_seconds`, so the request was dropped. Send it again."""

    name = "body_timeout"


class InvalidParameter(CallerError):
    """A parameter of the request has a value that is not valid. Correct the parameter that `param` names."""

    name = "invalid_value"


class ModelNotAllowed(CallerError):
    """The model does not exist or you do not have access to it."""

    name = "model_not_allowed"
    code = "model_not_found"


class UnknownRoute(CallerError):
    """This gateway has no such route. Check the address; the API's routes begin with `/v1`."""

    name = "unknown_url"


class MethodNotAllowed(CallerError):
    """This route does not accept the request's HTTP method. The `allow` header lists those that it accepts."""

    name = "method_not_allowed"


class MissingApiKey(CallerError):
    """You didn't provide an API key. Send it as `Authorization: Bearer sk-tg-…`; `tidegate keys create` makes one."""

    name = "missing_api_key"


class InvalidApiKey(CallerError):
    """This gateway does not know the API key you sent. Check it, or make one with `tidegate keys create`."""

    name = "invalid_api_key"


class ExpiredApiKey(InvalidApiKey):
    """The API key you sent has expired. Make a new one with `tidegate keys create`."""

    name = "expired_api_key"


class RevokedApiKey(InvalidApiKey):
    """The API key you sent has been revoked. Make a new one with `tidegate keys create`."""

    name = "revoked_api_key"


class NotCached(CallerError):
    """No stored answer matches, and `Cache-Control: only-if-cached` forbids a call. Remove that header to make one."""

    name = "not_cached"


class ClientDisconnected(CallerError):
    """The client closed the connection before its answer was complete."""

    name = "client_disconnected"
    may_be_charged = True


class CallerRateLimited(CallerError):
    """A limit of this key, its project or its end user is reached. Retry after the time in `retry-after`."""

    name = "rate_limit_exceeded"
    retryable = True

    def __init__(
        self,
        message: str | None = None,
        *,
        kind: str = "requests",
        limit: int = 0,
        retry_after: float | None = None,
        upstream_detail: UpstreamErrorDetail | None = None,
    ) -> None:
        """`kind` is `requests` or `tokens`; `limit` is the limit, 0 to leave it out; `retry_after` is in seconds."""
        super().__init__(message, retry_after=retry_after, upstream_detail=upstream_detail)
        self.kind = kind
        self.limit = limit


class RequestExceedsLimit(CallerError):
    """The request alone exceeds the limit of tokens per minute, so it was not sent. Send a smaller request."""

    name = "request_exceeds_limit"
    code = "rate_limit_exceeded"
    type = "tokens"

    def __init__(
        self,
        message: str | None = None,
        *,
        kind: str = "tokens",
        retry_after: float | None = None,
        upstream_detail: UpstreamErrorDetail | None = None,
    ) -> None:
        """`kind` is what is limited, `requests` or `tokens`; `retry_after` is in seconds."""
        super().__init__(message, retry_after=retry_after, upstream_detail=upstream_detail)
        self.kind = kind


class BudgetExceeded(CallerError):
    """The remaining budget is too small for this request, so it was not sent. Wait for the budget's renewal."""

    name = "budget_exceeded"
    type = "insufficient_quota"


class BudgetReserved(CallerError):
    """The remaining budget is reserved by requests in progress, so this one was not sent. Retry when they finish."""

    name = "budget_reserved"
    type = "insufficient_quota"
    retryable = True
