"""An error is one line in the upstream's words, without keys, and no longer than the ledger keeps it."""

import pytest

from tidegate.core.errors import TidegateError
from tidegate.core.errors.base import UpstreamErrorDetail
from tidegate.core.errors.words import MAX_ERROR_LENGTH, error_text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Rate limit\nreached", "Rate limit reached"),
        ("", "The gateway's sentence."),
        ("Incorrect API key provided: sk-proj-abcdef123456.", "Incorrect API key provided: [redacted]."),
        ("x" * 2000, "x" * MAX_ERROR_LENGTH),
    ],
)
def test_an_error_is_told_in_the_upstreams_words(words: str, expected: str) -> None:
    detail = UpstreamErrorDetail(status=429, message=words)
    assert error_text(TidegateError("The gateway's sentence.", upstream_detail=detail)) == expected
