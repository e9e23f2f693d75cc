"""Errors as callers see them: OpenAI's envelope, status and headers. Used by every module of web."""

import math
from http import HTTPStatus
from typing import Any

import msgspec

from tidegate.core import errors
from tidegate.core.errors import TidegateError
from tidegate.core.scrub import scrub
from tidegate.limits.decision import RemainingLimits
from tidegate.wire import sse

Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
_WEBSOCKET_OFFER: Headers = [(b"connection", b"upgrade"), (b"upgrade", b"websocket"), (b"sec-websocket-version", b"13")]

_STATUS: dict[type[TidegateError], HTTPStatus] = {
    TidegateError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.CallerError: HTTPStatus.BAD_REQUEST,
    errors.AddressTooLong: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.UpgradeRequired: HTTPStatus.UPGRADE_REQUIRED,
    errors.HeadersTooLarge: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.WrongContentType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.OperationNotAllowed: HTTPStatus.FORBIDDEN,
    errors.UnsupportedCompression: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.BodyTimeout: HTTPStatus.REQUEST_TIMEOUT,
    errors.ModelNotAllowed: HTTPStatus.NOT_FOUND,
    errors.UnknownRoute: HTTPStatus.NOT_FOUND,
    errors.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    errors.MissingApiKey: HTTPStatus.UNAUTHORIZED,
    errors.InvalidApiKey: HTTPStatus.UNAUTHORIZED,
    errors.OriginNotAllowed: HTTPStatus.FORBIDDEN,
    errors.AdminKeyRequired: HTTPStatus.FORBIDDEN,
    errors.AdminKeyNotAllowed: HTTPStatus.FORBIDDEN,
    errors.ReadOnlyKey: HTTPStatus.FORBIDDEN,
    errors.ForgedRequest: HTTPStatus.FORBIDDEN,
    errors.TooManyLogins: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyPages: HTTPStatus.TOO_MANY_REQUESTS,
    errors.CredentialNotFound: HTTPStatus.NOT_FOUND,
    errors.ApiKeyNotFound: HTTPStatus.NOT_FOUND,
    errors.CallNotFound: HTTPStatus.NOT_FOUND,
    errors.RotationRefused: HTTPStatus.CONFLICT,
    errors.ProjectNotFound: HTTPStatus.NOT_FOUND,
    errors.ObjectNotFound: HTTPStatus.NOT_FOUND,
    errors.ConversationLocked: HTTPStatus.CONFLICT,
    errors.ItemTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.CallerRateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RequestExceedsLimit: HTTPStatus.TOO_MANY_REQUESTS,
    errors.BudgetExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    errors.BudgetReserved: HTTPStatus.TOO_MANY_REQUESTS,
    errors.BackgroundQueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.NotCached: HTTPStatus.GATEWAY_TIMEOUT,
    errors.WebSocketQueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyWebSockets: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TooManySessions: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UnmeteredRefused: HTTPStatus.FORBIDDEN,
    errors.UpstreamError: HTTPStatus.BAD_GATEWAY,
    errors.UpstreamRejected: HTTPStatus.BAD_REQUEST,
    errors.RequestTooLargeForTarget: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InvalidUpstreamKey: HTTPStatus.UNAUTHORIZED,
    errors.OrganizationMismatch: HTTPStatus.UNAUTHORIZED,
    errors.UpstreamForbidden: HTTPStatus.FORBIDDEN,
    errors.ModelNotFound: HTTPStatus.NOT_FOUND,
    errors.UpstreamNotFound: HTTPStatus.NOT_FOUND,
    errors.ContextLengthExceeded: HTTPStatus.BAD_REQUEST,
    errors.ContentPolicyViolation: HTTPStatus.BAD_REQUEST,
    errors.UpstreamRateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.RequestExceedsUpstreamLimit: HTTPStatus.TOO_MANY_REQUESTS,
    errors.InsufficientQuota: HTTPStatus.TOO_MANY_REQUESTS,
    errors.SlowDown: HTTPStatus.TOO_MANY_REQUESTS,
    errors.UpstreamBusy: HTTPStatus.TOO_MANY_REQUESTS,
    errors.UpstreamOverloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TargetDown: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.UpstreamTimeout: HTTPStatus.GATEWAY_TIMEOUT,
    errors.NoUpstreamKey: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ShuttingDown: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of each error class; the nearest listed base class decides."""


def status_of(error: TidegateError) -> int:
    """Return the upstream's status if it rejected the call, else the error's own."""
    detail = error.upstream_detail
    if detail is not None and 400 <= detail.status < 600 and not isinstance(error, errors.HtmlFromProxy):
        return detail.status if detail.status < 520 else HTTPStatus.BAD_GATEWAY
    return next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)


def error_object(error: TidegateError) -> dict[str, Any]:
    """Return the envelope's `error` object; the upstream's type, code and param take precedence.

    Its further fields follow: callers of Azure read why the content filter struck there.
    """
    detail = error.upstream_detail
    return {
        "message": scrub(error.message),
        "type": (detail.type if detail else None) or _type_of(error),
        "param": error.param,
        "code": (detail.code if detail else None) or error.code,
        **(detail.extra if detail else {}),
    }


def _type_of(error: TidegateError) -> str:
    """Return the error's type; for limits, OpenAI's `type` names what is limited."""
    return error.kind if isinstance(error, errors.CallerRateLimited | errors.RequestExceedsLimit) else error.type


def body_of(error: TidegateError) -> bytes:
    """Return the envelope as JSON."""
    return msgspec.json.encode({"error": error_object(error)})


def headers_of(error: TidegateError) -> Headers:
    """Return the headers that tell clients whether and when to retry, and the error's name."""
    headers: Headers = [
        (b"x-should-retry", b"true" if error.retryable else b"false"),
        (b"x-tidegate-error", error.name.encode()),
    ]
    if error.retryable and error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(error.retry_after))).encode()))
        headers.append((b"retry-after-ms", str(math.ceil(error.retry_after * 1000)).encode()))
    if isinstance(error, errors.MethodNotAllowed) and error.allowed:
        headers.append((b"allow", ", ".join(error.allowed).encode()))
    if isinstance(error, errors.UpgradeRequired):
        headers += _WEBSOCKET_OFFER
    if isinstance(error, errors.UnsupportedCompression):
        headers.append((b"accept-encoding", b"gzip, deflate, zstd"))
    if isinstance(error, errors.CallerRateLimited) and error.limit:
        headers += _limit_headers(error.kind, error.limit, 0, error.retry_after or 0.0)
    return headers


def remaining_limit_headers(remaining: RemainingLimits) -> Headers:
    """Return the caller's remaining limits as OpenAI's `x-ratelimit-` headers, and a budget that is nearly used."""
    headers: Headers = []
    for kind, limit in (("requests", remaining.requests), ("tokens", remaining.tokens)):
        if limit is not None:
            headers += _limit_headers(kind, limit.limit, limit.remaining, limit.reset)
    if (budget := remaining.budget) is not None:
        used = (
            f"{int(100 * budget.used_ratio) / 100:.2f}; scope={budget.scope.partition('/')[0]}; period={budget.period}"
        )
        headers.append((b"x-tidegate-budget-used", used.encode()))
    return headers


def _limit_headers(kind: str, limit: int, remaining: int, reset: float) -> Headers:
    values = {"limit": str(limit), "remaining": str(remaining), "reset": f"{max(0.0, reset):.3f}s"}
    return [(f"x-ratelimit-{name}-{kind}".encode(), value.encode()) for name, value in values.items()]


def event_of(error: TidegateError, *, responses: bool, sequence_number: int = 0) -> bytes:
    """Return the error as a stream's last event: nested and flat at once, so that every SDK raises it with its code."""
    nested = error_object(error)
    if not responses:
        return sse.encode(msgspec.json.encode({"error": nested}))
    flat = {**nested, "type": "error", "error": nested, "sequence_number": sequence_number}
    return sse.encode(msgspec.json.encode(flat), "error")
