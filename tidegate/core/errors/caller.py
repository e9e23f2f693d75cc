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
    """Address and headers have more than 64 kB, or more than 200 headers, so nothing was read. Send fewer headers."""

    name = "headers_too_large"


class AddressTooLong(CallerError):
    """The request's address is longer than 16 kB, so the request was not read. Send a shorter address."""

    name = "address_too_long"


class UpgradeRequired(CallerError):
    """GET on this address opens a WebSocket, and the request was no handshake. Send one, or use POST."""

    name = "upgrade_required"


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


class UnsupportedCompression(CallerError):
    """The body's `content-encoding` is unknown here, so nothing was read. Use gzip, deflate, zstd or none."""

    name = "unsupported_compression"


class InvalidCompression(CallerError):
    """The body is not what its `content-encoding` says, so it was not read. Compress it again, or send it plain."""

    name = "invalid_compression"


class BodyTimeout(CallerError):
    """The request's body did not arrive within `server.body_seconds`, so the request was dropped. Send it again."""

    name = "body_timeout"


class TooManyValues(CallerError):
    """The request's JSON has more values than one call may have, so it was not decoded. Send fewer."""

    name = "too_many_values"


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
    allowed: tuple[str, ...] = ()
    """The methods that the route accepts."""


class OriginNotAllowed(CallerError):
    """Pages of this origin may not call this gateway, so the request was refused. Add it to `server.cors_origins`."""

    name = "origin_not_allowed"


class MissingApiKey(CallerError):
    """You didn't provide an API key. Send it as `Authorization: Bearer sk-tg-…`; `tidegate keys create` makes one."""

    name = "missing_api_key"


class InvalidApiKey(CallerError):
    """This gateway does not know the API key you sent. Check it, or make one with `tidegate keys create`."""

    name = "invalid_api_key"


class SeveralApiKeys(InvalidApiKey):
    """The request has several different API keys, so none was used. Send one: as `authorization` or as `api-key`."""

    name = "several_api_keys"


class ExpiredApiKey(InvalidApiKey):
    """The API key you sent has expired. Make a new one with `tidegate keys create`."""

    name = "expired_api_key"


class RevokedApiKey(InvalidApiKey):
    """The API key you sent has been revoked. Make a new one with `tidegate keys create`."""

    name = "revoked_api_key"


class ReplacedApiKey(InvalidApiKey):
    """The API key you sent was replaced by a rotation and is no longer valid. Use its new secret."""

    name = "replaced_api_key"


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


class MemoryShareExceeded(CallerRateLimited):
    """The calls in progress hold the memory that this key may use, so this one was not read. Retry after `retry-after`.

    The memory is `server.body_memory_bytes`; a key alone may use half of it, several keys share it.
    """

    name = "memory_share_exceeded"
    code = "rate_limit_exceeded"


class AnswerMemoryExceeded(MemoryShareExceeded):
    """The answers in progress hold the memory that this key may use, so this one was dropped. Retry with fewer at once.

    The memory is `server.answer_memory_bytes`; a key alone may use half of it, several keys share it.
    """

    name = "answer_memory_exceeded"
    code = "rate_limit_exceeded"
    may_be_charged = True


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


class PriceUnknown(CallerError):
    """A budget applies and a model or tool has no known price, so the request was not sent. Configure the price."""

    name = "price_unknown"


class BudgetReserved(CallerError):
    """The remaining budget is reserved by requests in progress, so this one was not sent. Retry when they finish."""

    name = "budget_reserved"
    type = "insufficient_quota"
    retryable = True


class MalformedMultipart(CallerError):
    """The request's multipart form breaks the rules of its format, so it was not sent. Use an HTTP library."""

    name = "malformed_multipart"


class WrongContentType(CallerError):
    """The request's `content-type` is not one that this operation takes, so nothing was read. Correct the header."""

    name = "wrong_content_type"


class UploadTooLarge(BodyTooLarge):
    """The request's body is larger than `passthrough.max_upload_bytes`, so it was not sent on. Send a smaller one."""

    name = "upload_too_large"


class OperationNotCarried(UnknownRoute):
    """OpenAI has this operation, and this gateway does not carry it, so nothing was sent. Ask its operator."""

    name = "operation_not_carried"
    code = "unknown_url"


class OperationNotAllowed(CallerError):
    """This gateway's configuration does not let callers use this operation, so nothing was sent. Ask its operator."""

    name = "operation_not_allowed"
