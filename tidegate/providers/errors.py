"""What a failed answer means: the upstream's status, headers and body in, one typed error out.

The codes and messages are those of OpenAI's "Error codes" guide and of what has been seen on the wire;
the order of the questions matters and is stated in `_kind`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core.errors import (
    ContentPolicy,
    ContextLengthExceeded,
    ErrorInStream,
    HtmlFromProxy,
    InvalidUpstreamKey,
    MalformedAnswer,
    ModelNotFound,
    OrganizationMismatch,
    OutOfQuota,
    Overloaded,
    RateLimited,
    RequestTooLargeForLimit,
    ServerFailure,
    SlowDown,
    UpstreamError,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamWords,
)
from tidegate.core.scrub import scrub
from tidegate.providers.retry_after import retry_after

_LONGEST_MESSAGE = 2000

_BY_CODE: dict[str, type[UpstreamError]] = {
    "insufficient_quota": OutOfQuota,
    "credit_balance_exhausted": OutOfQuota,
    "organization_spend_limit_exceeded": OutOfQuota,
    "project_spend_limit_exceeded": OutOfQuota,
    "organization_usage_limit_exceeded": OutOfQuota,
    "billing_hard_limit_reached": OutOfQuota,
    "billing_not_active": OutOfQuota,
    "invalid_api_key": InvalidUpstreamKey,
    "mismatched_organization": OrganizationMismatch,
    "invalid_organization": OrganizationMismatch,
    "ip_not_authorized": UpstreamForbidden,
    "unsupported_country_region_territory": UpstreamForbidden,
    "model_not_found": ModelNotFound,
    "DeploymentNotFound": ModelNotFound,
    "OperationNotSupported": ModelNotFound,
    "PermissionDenied": UpstreamForbidden,
    "context_length_exceeded": ContextLengthExceeded,
    "content_policy_violation": ContentPolicy,
    "moderation_blocked": ContentPolicy,
    "content_filter": ContentPolicy,
    "slow_down": SlowDown,
    "server_is_overloaded": Overloaded,
    "rate_limit_exceeded": RateLimited,
    "server_error": ServerFailure,
}
_BY_MESSAGE: tuple[tuple[str, frozenset[int], type[UpstreamError]], ...] = (
    ("Request too large", frozenset({200, 429}), RequestTooLargeForLimit),
    ("Out of call volume quota", frozenset({403, 429}), OutOfQuota),
    ("maximum context length", frozenset({200, 400}), ContextLengthExceeded),
    ("exceeds the context window", frozenset({200, 400}), ContextLengthExceeded),
    ("exceeds the available context size", frozenset({200, 400}), ContextLengthExceeded),
    ("not authorized", frozenset({401}), UpstreamForbidden),
    ("rganization", frozenset({401}), OrganizationMismatch),
)
_BY_STATUS: dict[int, type[UpstreamError]] = {
    401: InvalidUpstreamKey,
    402: OutOfQuota,
    403: UpstreamForbidden,
    404: UpstreamNotFound,
    408: ServerFailure,
    409: ServerFailure,
    429: RateLimited,
    503: Overloaded,
}


def classify(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamError:
    """The typed error of an answer that is no success. `headers` have lower-case names; `now` is Unix seconds."""
    request_id = headers.get("x-request-id")
    if _is_html(headers, body):
        words = UpstreamWords(status=status, message="an HTML page", request_id=request_id)
        return HtmlFromProxy(words=words, retry_after=retry_after(headers, "", now))
    words = _words(status, _error_object(body), request_id)
    return _make(words, wait=retry_after(headers, words.message, now))


def classify_in_stream(error: Any, *, request_id: str | None) -> UpstreamError:
    """The typed error of an error object that came inside an answer that had begun."""
    words = _words(200, error if isinstance(error, dict) else {"message": str(error)}, request_id)
    return _make(words, wait=retry_after({}, words.message, 0.0))


def _make(words: UpstreamWords, wait: float | None) -> UpstreamError:
    kind = _kind(words)
    message = words.message or None
    if kind is InvalidUpstreamKey:
        message = f"The upstream refused this gateway's own credential, not yours: {words.message or 'no message'}"
    if kind is RateLimited:
        return RateLimited(message, kind=_which_limit(words), retry_after=wait, words=words)
    return kind(message, param=words.param, retry_after=wait if kind.retryable else None, words=words)


def _kind(words: UpstreamWords) -> type[UpstreamError]:
    """In this order: a quota by its type, the message where it says more than the code, the code, the status."""
    if words.type == "insufficient_quota":
        return OutOfQuota
    for phrase, statuses, kind in _BY_MESSAGE:
        if phrase in words.message and words.status in statuses:
            return kind
    if words.code in _BY_CODE:
        return _BY_CODE[words.code]
    if words.status in _BY_STATUS:
        return _BY_STATUS[words.status]
    if words.status >= 400:
        return ServerFailure if words.status >= 500 else UpstreamRejected
    # the rest are redirects and the like: nothing that the caller did
    return ErrorInStream if words.status == 200 else MalformedAnswer


def _which_limit(words: UpstreamWords) -> str:
    if "per day" in words.message or "(RPD)" in words.message or "(TPD)" in words.message:
        return "day"
    return "tokens" if words.type == "tokens" or "(TPM)" in words.message else "requests"


def _is_html(headers: Mapping[str, str], body: bytes) -> bool:
    return "html" in headers.get("content-type", "") or body[:200].lstrip()[:1] == b"<"


def _error_object(body: bytes) -> dict[str, Any]:
    """The envelope's inside, whichever shape it has: nested, flat, a list of one, a bare string, or no JSON at all."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"message": body[:_LONGEST_MESSAGE].decode(errors="replace")}
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return {"message": str(document)}
    inside = document.get("error", document)
    return inside if isinstance(inside, dict) else {"message": str(inside)}


def _words(status: int, error: Mapping[str, Any], request_id: str | None) -> UpstreamWords:
    message = error.get("message") or error.get("detail")  # the second as servers made with FastAPI say it
    return UpstreamWords(
        status=status,
        type=_text(error.get("type")),
        code=_text(error.get("code")) or _inner_code(error),
        param=_text(error.get("param")),
        message=scrub(str(message)[:_LONGEST_MESSAGE]) if message else "",
        request_id=request_id,
    )


def _inner_code(error: Mapping[str, Any]) -> str | None:
    # Azure's content filter leaves `code` to an inner error
    inner = error.get("innererror")
    blocked = isinstance(inner, dict) and inner.get("code") == "ResponsibleAIPolicyViolation"
    return "content_filter" if blocked else None


def _text(value: Any) -> str | None:
    # proxies send integer codes
    return scrub(str(value)[:200]) if isinstance(value, str | int) and value != "" else None
