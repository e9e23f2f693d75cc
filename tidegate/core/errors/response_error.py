"""A typed error as the `error` of a failed Response, which has fewer words than the envelope."""

from tidegate.core.errors import CallerError, TidegateError
from tidegate.core.scrub import scrub

_CODES = frozenset({"server_error", "rate_limit_exceeded", "invalid_prompt"})
"""Those that say what can happen here; the others speak of images and files. Clients' types know no more."""
_LIMITS = frozenset({"requests", "tokens", "rate_limit_error", "insufficient_quota"})


def response_error(error: TidegateError) -> dict[str, str]:
    """The code, one of OpenAI's few, and the message, which says it better."""
    return {"code": response_error_code(error), "message": scrub(error.message)}


def response_error_code(error: TidegateError) -> str:
    """The code of a failed Response."""
    said = (error.upstream_detail.code if error.upstream_detail else None) or error.code
    if said in _CODES:
        return said
    kind = (error.upstream_detail.type if error.upstream_detail else None) or error.type
    if kind in _LIMITS:
        return "rate_limit_exceeded"
    refused = isinstance(error, CallerError) or kind == "invalid_request_error"
    return "invalid_prompt" if refused else "server_error"
