"""What failed has one of the few codes that clients' types know, and keeps its own words, but for secrets."""

import pytest
from openai.types.responses import ResponseError

from tests.strict import valid
from tidegate.core import errors
from tidegate.core.errors import TidegateError, UpstreamWords
from tidegate.core.errors.response_error import code_of, told


def said(code: str | None, kind: str | None = None) -> UpstreamWords:
    return UpstreamWords(status=400, type=kind, code=code, message="x")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ServerFailure(), "server_error"),
        (errors.GatewayRestarted(), "server_error"),
        (errors.BackgroundTimeout(), "server_error"),
        (errors.TruncatedStream(), "server_error"),
        (errors.RateLimited(), "rate_limit_exceeded"),
        (errors.BudgetExceeded(), "rate_limit_exceeded"),
        (errors.OutOfQuota(words=said("insufficient_quota", "insufficient_quota")), "rate_limit_exceeded"),
        (errors.UpstreamRejected(words=said("invalid_prompt")), "invalid_prompt"),
        (errors.ContextLengthExceeded(), "invalid_prompt"),
        (errors.RevokedApiKey(), "invalid_prompt"),
    ],
)
def test_its_code_is_one_of_openais(error: TidegateError, code: str) -> None:
    assert code_of(error) == code


def test_the_message_is_the_errors_own_without_secrets() -> None:
    document = told(errors.TruncatedStream("It broke off after sk-abcdef0123456789abcdef."))
    assert valid(ResponseError, document).code == "server_error"
    assert document["message"].startswith("It broke off after")
    assert "abcdef0123" not in document["message"]
