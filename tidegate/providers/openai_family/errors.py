"""What a failed answer means: the upstream's status, headers and body in, one typed error out.

The codes and messages are those of OpenAI's "Error codes" guide and of what has been seen on the wire;
the order of the questions matters and is stated in `_kind`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.core.errors import (
    ContentPolicyViolation,
    ContextLengthExceeded,
    EmptyAnswer,
    HtmlFromProxy,
    InsufficientQuota,
    InvalidUpstreamKey,
    MalformedAnswer,
    ModelNotFound,
    OrganizationMismatch,
    RequestExceedsUpstreamLimit,
    RequestTooLargeForTarget,
    SlowDown,
    UpstreamError,
    UpstreamErrorDetail,
    UpstreamForbidden,
    UpstreamNotFound,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
)
from tidegate.core.scrub import scrub_start
from tidegate.providers.openai_family.error_in_answer import caller_error_class, class_in_answer
from tidegate.providers.openai_family.extra_fields import extra_fields
from tidegate.providers.retry_after import retry_after

_LONGEST_MESSAGE = 2000

_BY_CODE: dict[str, type[UpstreamError]] = {
    "insufficient_quota": InsufficientQuota,
    "credit_balance_exhausted": InsufficientQuota,
    "organization_spend_limit_exceeded": InsufficientQuota,
    "project_spend_limit_exceeded": InsufficientQuota,
    "organization_usage_limit_exceeded": InsufficientQuota,
    "billing_hard_limit_reached": InsufficientQuota,
    "billing_not_active": InsufficientQuota,
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
    "content_policy_violation": ContentPolicyViolation,
    "moderation_blocked": ContentPolicyViolation,
    "content_filter": ContentPolicyViolation,
    "empty_answer": EmptyAnswer,
    "slow_down": SlowDown,
    "server_is_overloaded": UpstreamOverloaded,
    "rate_limit_exceeded": UpstreamRateLimited,
    "server_error": UpstreamServerError,
}
_BY_MESSAGE: tuple[tuple[str, frozenset[int], type[UpstreamError]], ...] = (
    ("Request too large", frozenset({200, 429}), RequestExceedsUpstreamLimit),
    ("Out of call volume quota", frozenset({403, 429}), InsufficientQuota),
    ("maximum context length", frozenset({200, 400}), ContextLengthExceeded),
    ("exceeds the context window", frozenset({200, 400}), ContextLengthExceeded),
    ("exceeds the available context size", frozenset({200, 400}), ContextLengthExceeded),
    ("not authorized", frozenset({401}), UpstreamForbidden),
    ("rganization", frozenset({401}), OrganizationMismatch),
)
_BY_STATUS: dict[int, type[UpstreamError]] = {
    401: InvalidUpstreamKey,
    402: InsufficientQuota,
    403: UpstreamForbidden,
    404: UpstreamNotFound,
    408: UpstreamServerError,
    409: UpstreamServerError,
    413: RequestTooLargeForTarget,
    429: UpstreamRateLimited,
    503: UpstreamOverloaded,
}


def classify(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamError:
    """The typed error of an answer that is no success. `headers` have lower-case names; `now` is Unix seconds."""
    request_id = headers.get("x-request-id")
    if _is_html(headers, body):
        words = UpstreamErrorDetail(status=status, message="an HTML page", request_id=request_id)
        return HtmlFromProxy(upstream_detail=words, retry_after=retry_after(headers, "", now))
    words = _words(status, _error_object(body), request_id)
    return _typed_error(words, wait=retry_after(headers, words.message, now))


def classify_in_stream(error: Any, *, request_id: str | None) -> UpstreamError:
    """The typed error of an error object that came inside an answer that had begun."""
    words = _words(200, error if isinstance(error, dict) else {"message": str(error)}, request_id)
    return _typed_error(words, wait=retry_after({}, words.message, 0.0))


def _typed_error(words: UpstreamErrorDetail, wait: float | None) -> UpstreamError:
    kind = _error_class(words)
    message = words.message or None
    if kind is InvalidUpstreamKey:
        words = msgspec.structs.replace(words, extra={})  # they concern the gateway's account
        message = f"The upstream refused this gateway's own credential, not yours: {words.message or 'no message'}"
    if kind is UpstreamRateLimited:
        return UpstreamRateLimited(message, kind=_which_limit(words), retry_after=wait, upstream_detail=words)
    return kind(message, param=words.param, retry_after=wait if kind.retryable else None, upstream_detail=words)


def _error_class(words: UpstreamErrorDetail) -> type[UpstreamError]:
    """In this order: a quota by its type, the message where it says more than the code, the code, the status."""
    if words.type == "insufficient_quota":
        return InsufficientQuota
    for phrase, statuses, kind in _BY_MESSAGE:
        if phrase in words.message and words.status in statuses:
            return kind
    named = _BY_CODE.get(words.code or "") or (caller_error_class(words.code) if words.status < 500 else None)
    return named or (class_in_answer(words) if words.status == 200 else _class_of_status(words))


def _class_of_status(words: UpstreamErrorDetail) -> type[UpstreamError]:
    if words.status in _BY_STATUS:
        return _BY_STATUS[words.status]
    if words.status >= 400:
        return UpstreamServerError if words.status >= 500 else UpstreamRejected
    return MalformedAnswer  # redirects and the like: nothing that the caller did


def _which_limit(words: UpstreamErrorDetail) -> str:
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


def _words(status: int, error: Mapping[str, Any], request_id: str | None) -> UpstreamErrorDetail:
    message = error.get("message") or error.get("detail")  # the second as servers made with FastAPI say it
    return UpstreamErrorDetail(
        status=status,
        type=_text(error.get("type")),
        code=_text(error.get("code")) or _inner_code(error),
        param=_text(error.get("param")),
        message=scrub_start(str(message), _LONGEST_MESSAGE) if message else "",
        request_id=request_id,
        extra=extra_fields(error),
    )


def _inner_code(error: Mapping[str, Any]) -> str | None:
    # Azure's content filter leaves `code` to an inner error
    inner = error.get("innererror")
    blocked = isinstance(inner, dict) and inner.get("code") == "ResponsibleAIPolicyViolation"
    return "content_filter" if blocked else None


def _text(value: Any) -> str | None:
    # proxies send integer codes
    return scrub_start(str(value), 200) if isinstance(value, str | int) and value != "" else None
