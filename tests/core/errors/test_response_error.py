"""A failed Response's error has one of OpenAI's few codes, and the message without secrets."""

from typing import get_args

import pytest
from openai.types.responses import ResponseError

from tests.strict import valid
from tidegate.core import errors
from tidegate.core.errors import TidegateError, UpstreamErrorDetail
from tidegate.core.errors.response_error import CODES_OF_THE_CALLER, response_error, response_error_code


def upstream_detail(code: str | None, kind: str | None = None) -> UpstreamErrorDetail:
    return UpstreamErrorDetail(status=400, type=kind, code=code, message="x")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.UpstreamServerError(), "server_error"),
        (errors.GatewayRestarted(), "server_error"),
        (errors.BackgroundTimeout(), "server_error"),
        (errors.TruncatedAnswer(), "server_error"),
        (errors.UpstreamRateLimited(), "rate_limit_exceeded"),
        (errors.BudgetExceeded(), "rate_limit_exceeded"),
        (
            errors.InsufficientQuota(upstream_detail=upstream_detail("insufficient_quota", "insufficient_quota")),
            "rate_limit_exceeded",
        ),
        (errors.UpstreamRejected(upstream_detail=upstream_detail("invalid_prompt")), "invalid_prompt"),
        (errors.ContentPolicyViolation(upstream_detail=upstream_detail("bio_policy")), "bio_policy"),
        (errors.UpstreamRejected(upstream_detail=upstream_detail("invalid_image_url")), "invalid_image_url"),
        (errors.ContextLengthExceeded(), "invalid_prompt"),
        (errors.RevokedApiKey(), "invalid_prompt"),
    ],
)
def test_its_code_is_one_of_openais(error: TidegateError, code: str) -> None:
    assert response_error_code(error) == code


def test_the_callers_codes_are_those_that_the_official_client_knows() -> None:
    known = set(get_args(ResponseError.model_fields["code"].annotation))
    assert known - CODES_OF_THE_CALLER - {"cyber_policy"} == {"server_error", "rate_limit_exceeded"}
    assert known >= CODES_OF_THE_CALLER


def test_the_message_is_the_errors_own_without_secrets() -> None:
    document = response_error(errors.TruncatedAnswer("It broke off after sk-abcdef0123456789abcdef."))
    assert valid(ResponseError, document).code == "server_error"
    assert document["message"].startswith("It broke off after")
    assert "abcdef0123" not in document["message"]
