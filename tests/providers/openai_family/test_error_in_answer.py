"""An error inside a 200 concerns the caller, the server, or nobody, by its code, its type and its message."""

from typing import Any

import pytest

from tidegate.core import errors
from tidegate.core.errors import TidegateError
from tidegate.core.errors.response_error import CODES_OF_THE_CALLER
from tidegate.providers.openai_family.error_in_answer import caller_error_class
from tidegate.providers.openai_family.errors import classify_in_stream
from tidegate.routing.error_scope import ErrorScope, error_scope

CALLER, TARGET, RATE, NOBODY = ErrorScope.CALLER, ErrorScope.TARGET, ErrorScope.RATE, ErrorScope.UNKNOWN


@pytest.mark.parametrize("code", sorted(CODES_OF_THE_CALLER | {"cyber_policy", "previous_response_not_found"}))
def test_openais_codes_for_what_the_caller_sent_are_the_callers(code: str) -> None:
    error = classify_in_stream({"code": code, "message": "No."}, request_id=None)
    assert error_scope(error) is CALLER
    assert not error.retryable
    assert isinstance(error, errors.UpstreamRejected | errors.ContentPolicyViolation)


@pytest.mark.parametrize(
    ("error", "scope"),
    [
        pytest.param({"code": "server_error"}, TARGET, id="OpenAI's own failure"),
        pytest.param({"code": "rate_limit_exceeded"}, RATE, id="OpenAI's rate limit"),
        pytest.param({"type": "server_error", "code": None}, TARGET, id="the type says it"),
        pytest.param({"type": "overloaded_error"}, TARGET, id="Anthropic, overloaded"),
        pytest.param({"type": "api_error"}, TARGET, id="Anthropic, failed"),
        pytest.param({"code": "InternalServerError"}, TARGET, id="Azure, failed"),
        pytest.param({"code": 502, "message": "Provider returned error"}, TARGET, id="OpenRouter, a provider failed"),
        pytest.param({"code": 503}, TARGET, id="OpenRouter, no provider"),
        pytest.param({"code": "408"}, TARGET, id="a timeout as the code"),
        pytest.param({"code": 429}, RATE, id="a rate limit as the code"),
        pytest.param({"type": "rate_limit_error"}, RATE, id="a rate limit as the type"),
        pytest.param({"code": 403, "message": "flagged"}, CALLER, id="OpenRouter, moderated"),
        pytest.param({"code": 400}, CALLER, id="a refusal as the code"),
        pytest.param({"type": "invalid_request_error", "code": "new"}, CALLER, id="the type says whose it is"),
        pytest.param({"innererror": {"code": "ResponsibleAIPolicyViolation"}}, CALLER, id="Azure, filtered"),
        pytest.param({"message": "Internal server error"}, TARGET, id="only a message, of a failed server"),
        pytest.param({"code": "new", "message": "Internal server error"}, NOBODY, id="a code that nobody knows"),
        pytest.param({"message": "No."}, NOBODY, id="only a message"),
        pytest.param({"code": "1000"}, NOBODY, id="a number that is no status"),
        pytest.param("No.", NOBODY, id="a bare text"),
        pytest.param(None, NOBODY, id="nothing"),
    ],
)  # fmt: skip
def test_other_errors_blame_only_whom_they_name(error: Any, scope: ErrorScope) -> None:
    found: TidegateError = classify_in_stream(error, request_id=None)
    assert error_scope(found) is scope
    assert found.retryable is (scope in (TARGET, RATE))


def test_any_other_code_is_not_the_callers() -> None:
    assert caller_error_class("server_error") is None
    assert caller_error_class(None) is None
