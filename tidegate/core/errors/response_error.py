"""A typed error as the `error` of a failed Response, which has fewer codes than the envelope."""

from tidegate.core.errors import CallerError, TidegateError
from tidegate.core.scrub import scrub

CODES_OF_THE_CALLER = frozenset(
    {
        "bio_policy",
        "data_residency_mismatch",
        "empty_image_file",
        "failed_to_download_image",
        "image_content_policy_violation",
        "image_file_not_found",
        "image_file_too_large",
        "image_parse_error",
        "image_too_large",
        "image_too_small",
        "invalid_base64_image",
        "invalid_image",
        "invalid_image_format",
        "invalid_image_mode",
        "invalid_image_url",
        "invalid_prompt",
        "misalignment_policy_violation",
        "unsupported_image_media_type",
        "vector_store_timeout",
    }
)
"""OpenAI's `ResponseErrorCode`, without the two of a failing server: what the caller sent cannot be answered."""
_CODES = CODES_OF_THE_CALLER | {"server_error", "rate_limit_exceeded"}
"""Clients' types accept no more."""
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
