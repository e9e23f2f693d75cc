"""An error in the upstream's own words, for the ledger and the call log."""

from tidegate.core.errors.base import TidegateError
from tidegate.core.scrub import scrub

MAX_ERROR_LENGTH = 500
"""Characters of an error's text that are kept."""


def error_text(error: TidegateError) -> str:
    """Return the upstream's own words, or the gateway's sentence: one line, scrubbed, not too long."""
    detail = error.upstream_detail
    text = (detail.message if detail is not None else "") or error.message
    return " ".join(scrub(text[: 4 * MAX_ERROR_LENGTH]).split())[:MAX_ERROR_LENGTH]
