"""Whose failure an error inside an HTTP 200 is, which no status tells.

OpenAI checks some prompts only after it has answered 200: 18 of its 20 documented codes then concern what the caller
sent. Other servers and gateways send their own codes, or a status as the code. An error that says nothing of its cause
is counted
for neither side: a repeated call is paid for again, and a healthy target could be closed for all callers.
"""

import re

from tidegate.core.errors import (
    ContentPolicyViolation,
    ErrorInStream,
    UpstreamError,
    UpstreamErrorDetail,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
)
from tidegate.core.errors.response_error import CODES_OF_THE_CALLER

_POLICY_CODES = frozenset(
    {"bio_policy", "cyber_policy", "image_content_policy_violation", "misalignment_policy_violation"}
)
_REJECTED = (CODES_OF_THE_CALLER | {"previous_response_not_found"}) - _POLICY_CODES
_SERVER_WORDS = frozenset(
    {
        "apierror", "badgateway", "cfbadgateway", "gatewaytimeout", "internal", "internalerror", "internalservererror",
        "modelerror", "overloaded", "overloadederror", "providererror", "servererror", "serverisoverloaded",
        "serviceunavailable", "serviceunavailableerror", "timeout", "timeouterror", "unavailable", "upstreamerror",
    }
)  # fmt: skip
"""Codes and types that say that the server failed, in lower case and without punctuation."""
_RATE_WORDS = frozenset({"ratelimit", "ratelimiterror", "ratelimitexceeded", "requests", "tokens", "toomanyrequests"})
_CALLER_WORDS = frozenset({"badrequest", "badrequesterror", "invalidrequest", "invalidrequesterror"})
_SERVER_MESSAGE = re.compile(
    r"internal (server )?error|server had an error|overloaded|unavailable|bad gateway|timed out", re.IGNORECASE
)
_PUNCTUATION = re.compile(r"[^a-z0-9]")


def caller_error_class(code: str | None) -> type[UpstreamError] | None:
    """Return the error of a code that concerns what the caller sent; None for any other code."""
    if code in _POLICY_CODES:
        return ContentPolicyViolation
    return UpstreamRejected if code in _REJECTED else None


def class_in_answer(detail: UpstreamErrorDetail) -> type[UpstreamError]:
    """Return the error that an unknown error object inside a 200 stands for: by its code, then its type."""
    status = _status_as_code(detail.code)
    if status is not None:
        return _class_of_status(status)
    for word in (detail.code, detail.type):
        plain = _PUNCTUATION.sub("", (word or "").lower())
        if plain in _SERVER_WORDS:
            return UpstreamServerError
        if plain in _RATE_WORDS:
            return UpstreamRateLimited
        if plain in _CALLER_WORDS:
            return UpstreamRejected
    if detail.code is None and detail.type is None and _SERVER_MESSAGE.search(detail.message):
        return UpstreamServerError
    return ErrorInStream


def _status_as_code(code: str | None) -> int | None:
    """Return an HTTP status that stands as the code, as other gateways write it."""
    return int(code) if code is not None and len(code) == 3 and code.isdecimal() and code >= "400" else None


def _class_of_status(status: int) -> type[UpstreamError]:
    if status == 429:
        return UpstreamRateLimited
    if status == 503:
        return UpstreamOverloaded
    return UpstreamServerError if status >= 500 or status == 408 else UpstreamRejected
