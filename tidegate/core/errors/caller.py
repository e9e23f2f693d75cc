"""What the caller did wrong, or did: nothing here was sent upstream."""

from typing import ClassVar

from tidegate.core.errors.base import TidegateError, UpstreamErrorDetail


class CallerError(TidegateError):
    """The request cannot be served as it was sent."""

    name = "bad_request"
    type = "invalid_request_error"
    code: ClassVar[str | None] = "invalid_request"


class MalformedHttp(CallerError):
    """What came over this connection is not HTTP as this gateway reads it."""

    name = "not_http"
    code = None


class HeadersTooLarge(CallerError):
    """The request's headers and address are larger than this gateway reads (64 kB)."""

    name = "head_too_large"
    code = "request_header_fields_too_large"


class EmptyBody(CallerError):
    """The request has no body. Send a JSON object with at least a `model`."""

    name = "empty_body"
    code = None


class BodyNotJson(CallerError):
    """We could not parse the JSON body of your request. The OpenAI API expects a JSON payload."""

    name = "body_not_json"
    code = None


class BodyNotAnObject(CallerError):
    """The request's body is JSON, but not an object. Send `{"model": …}`."""

    name = "body_not_an_object"
    code = None


class BodyTooLarge(CallerError):
    """The request's body is larger than this gateway accepts (`server.max_body_bytes`)."""

    name = "body_too_large"
    code = "request_too_large"


class BodyTimeout(CallerError):
    """The request's body did not arrive in time (`server.body_seconds`)."""

    name = "slow_body"
    code = "request_timeout"


class InvalidParameter(CallerError):
    """A parameter of the request has a value that cannot be used."""

    name = "invalid_parameter"
    code = "invalid_value"


class ModelNotAllowed(CallerError):
    """The model does not exist or you do not have access to it."""

    name = "unknown_model"
    code = "model_not_found"


class UnknownRoute(CallerError):
    """This gateway has no such route."""

    name = "unknown_route"
    code = "unknown_url"


class MethodNotAllowed(CallerError):
    """This route does not take that HTTP method."""

    name = "wrong_method"
    code = "method_not_allowed"


class MissingApiKey(CallerError):
    """You didn't provide an API key. Send it as `Authorization: Bearer sk-tg-…`; `tidegate keys create` makes one."""

    name = "missing_key"
    code = "missing_api_key"


class InvalidApiKey(CallerError):
    """This gateway does not know the API key you sent. Check it, or make one with `tidegate keys create`."""

    name = "invalid_key"
    code = "invalid_api_key"


class ExpiredApiKey(InvalidApiKey):
    """The API key you sent has expired. Make a new one with `tidegate keys create`."""

    name = "expired_key"
    code = "expired_api_key"


class RevokedApiKey(InvalidApiKey):
    """The API key you sent has been revoked. Make a new one with `tidegate keys create`."""

    name = "revoked_key"
    code = "revoked_api_key"


class NotCached(CallerError):
    """You asked for a stored answer only (`Cache-Control: only-if-cached`) and there is none."""

    name = "not_cached"
    code = "not_cached"


class ClientDisconnected(CallerError):
    """The client hung up before its answer was complete."""

    name = "client_gone"
    may_be_charged = True
    code = "client_closed_request"


class CallerRateLimited(CallerError):
    """A limit of this key, its project or its end user is reached; the call may succeed after the stated wait."""

    name = "limit_reached"
    code = "rate_limit_exceeded"
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
        """`kind` is what is limited, `requests` or `tokens`; `retry_after` is in seconds; `limit` 0 is not told."""
        super().__init__(message, retry_after=retry_after, upstream_detail=upstream_detail)
        self.kind = kind
        self.limit = limit


class RequestExceedsLimit(CallerError):
    """The call alone is larger than its whole limit of tokens a minute; it can never succeed as it is."""

    name = "call_too_large"
    type = "tokens"
    code = "rate_limit_exceeded"

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
    """The budget leaves no room for this call until it is renewed."""

    name = "budget_exceeded"
    type = "insufficient_quota"
    code = "budget_exceeded"


class BudgetReserved(CallerError):
    """What calls under way may still cost leaves no room for this one; most of it comes back when they end."""

    name = "budget_held"
    type = "insufficient_quota"
    code = "budget_held"
    retryable = True
