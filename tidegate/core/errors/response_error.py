"""A typed error as the `error` of a failed Response, which has fewer codes than the envelope."""

from tidegate.core.errors import CallerError, TidegateError
from tidegate.core.scrub import scrub

_CODES = frozenset({"server_error", "rate_limit_exceeded", "invalid_prompt"})
"""The codes that can apply here; the others are about images and files. Clients' types accept no more."""
_LIMIT_TYPES = frozenset({"requests", "tokens", "rate_limit_error", "insufficient_quota"})


def response_error(error: TidegateError) -> dict[str, str]:
    """Return the `error` object: one of OpenAI's few codes, and the message, which says more."""
    return {"code": response_error_code(error), "message": scrub(error.message)}


def response_error_code(error: TidegateError) -> str:
    """Return the code for a failed Response."""
    detail = error.upstream_detail
    code = (detail.code if detail else None) or error.code
    if code in _CODES:
        return code
    kind = (detail.type if detail else None) or error.type
    if kind in _LIMIT_TYPES:
        return "rate_limit_exceeded"
    rejected = isinstance(error, CallerError) or kind == "invalid_request_error"
    return "invalid_prompt" if rejected else "server_error"
