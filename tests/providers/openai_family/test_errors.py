"""Each way in which OpenAI, Azure and what stands in between say no becomes one typed error with their own words."""

from typing import Any

import msgspec
import pytest

from tidegate.core import errors
from tidegate.core.errors import UpstreamError
from tidegate.providers.openai_family.errors import classify, classify_in_stream

NOW = 1_790_000_000.0
TPM = (
    "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29937, "
    "Requested 385. Please try again in 644ms. Visit the page to learn more."
)
TOO_LARGE = "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 31538."
Json = dict[str, Any]


def refused(status: int, body: object, **headers: str) -> UpstreamError:
    """The error of an answer; headers by name with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(status, named, body if isinstance(body, bytes) else msgspec.json.encode(body), now=NOW)


def said(message: str = "no", kind: str | None = None, code: str | int | None = None, param: str | None = None) -> Json:
    """OpenAI's envelope."""
    return {"error": {"message": message, "type": kind, "code": code, "param": param}}


INVALID = "invalid_request_error"
ROWS: list[tuple[int, Any, type[UpstreamError], str, bool]] = [
    # status, body, error, name, retryable
    (401, said(kind=INVALID, code="invalid_api_key"), errors.InvalidUpstreamKey, "invalid_upstream_key", False),
    (401, said(), errors.InvalidUpstreamKey, "invalid_upstream_key", False),
    (401, said(code="mismatched_organization"), errors.OrganizationMismatch, "mismatched_organization", False),
    (401, said("OpenAI-Organization header must match"), errors.OrganizationMismatch, "mismatched_organization", False),
    (401, said("Your IP is not authorized."), errors.UpstreamForbidden, "upstream_forbidden", False),
    (403, said("Country not supported", code="unsupported_country_region_territory"), errors.UpstreamForbidden,
     "upstream_forbidden", False),
    (403, said(), errors.UpstreamForbidden, "upstream_forbidden", False),
    (404, said(kind=INVALID, code="model_not_found"), errors.ModelNotFound, "model_not_found", False),
    (404, said(code="DeploymentNotFound"), errors.ModelNotFound, "model_not_found", False),
    (401, said("Principal does not have access.", code="PermissionDenied"), errors.UpstreamForbidden, "upstream_forbidden",
     False),
    (401, {"statusCode": 401, "message": "Unauthorized."}, errors.InvalidUpstreamKey, "invalid_upstream_key", False),
    (400, said(code="OperationNotSupported"), errors.ModelNotFound, "model_not_found", False),
    (403, said("Out of call volume quota. Quota will be replenished in 06:12:45.", code="403"), errors.InsufficientQuota,
     "insufficient_quota", False),
    (402, said("Insufficient Balance", code=402), errors.InsufficientQuota, "insufficient_quota", False),
    (400, said("the request exceeds the available context size, try increasing it"), errors.ContextLengthExceeded,
     "context_length_exceeded", False),
    (401, {"detail": "Not authenticated"}, errors.InvalidUpstreamKey, "invalid_upstream_key", False),
    (404, {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
     errors.UpstreamNotFound, "upstream_not_found", False),
    (404, said("No response found", kind=INVALID), errors.UpstreamNotFound, "upstream_not_found", False),
    (400, said(code="context_length_exceeded", param="messages"), errors.ContextLengthExceeded, "context_length_exceeded",
     False),
    (400, said("This model's maximum context length is 8192 tokens."), errors.ContextLengthExceeded, "context_length_exceeded",
     False),
    (400, said("Your input exceeds the context window", param="input"), errors.ContextLengthExceeded,
     "context_length_exceeded", False),
    (400, said(code="content_policy_violation"), errors.ContentPolicyViolation, "content_policy_violation", False),
    (400, said(code="moderation_blocked"), errors.ContentPolicyViolation, "content_policy_violation", False),
    (400, said(code="previous_response_not_found", param="previous_response_id"), errors.UpstreamRejected, "upstream_rejected",
     False),
    (400, said("Unknown parameter"), errors.UpstreamRejected, "upstream_rejected", False),
    (422, said(), errors.UpstreamRejected, "upstream_rejected", False),
    (413, said("Too large."), errors.RequestTooLargeForTarget, "request_too_large_for_target", False),
    (429, said(TPM, "tokens", "rate_limit_exceeded"), errors.UpstreamRateLimited, "upstream_rate_limited", True),
    (429, said("on requests per min (RPM)", "requests", "rate_limit_exceeded"), errors.UpstreamRateLimited, "upstream_rate_limited",
     True),
    (429, said(), errors.UpstreamRateLimited, "upstream_rate_limited", True),
    (429, said(TOO_LARGE, "tokens", "rate_limit_exceeded"), errors.RequestExceedsUpstreamLimit, "request_exceeds_upstream_limit",
     False),
    (429, said(kind="rate_limit_error", code="slow_down"), errors.SlowDown, "slow_down", True),
    (503, said(code="slow_down"), errors.SlowDown, "slow_down", True),
    *[(429, said(kind="insufficient_quota", code=code), errors.InsufficientQuota, "insufficient_quota", False)
      for code in ("insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
                   "project_spend_limit_exceeded", "organization_usage_limit_exceeded")],
    (429, said(kind="insufficient_quota", code="a_code_of_tomorrow"), errors.InsufficientQuota, "insufficient_quota", False),
    (400, said(code="billing_hard_limit_reached"), errors.InsufficientQuota, "insufficient_quota", False),
    (429, said(code="billing_not_active"), errors.InsufficientQuota, "insufficient_quota", False),
    (408, said(), errors.UpstreamServerError, "server_error", True),
    (409, said(), errors.UpstreamServerError, "server_error", True),
    (500, said(kind="server_error"), errors.UpstreamServerError, "server_error", True),
    (503, said(kind="service_unavailable_error", code="server_is_overloaded"), errors.UpstreamOverloaded, "server_is_overloaded", True),
    (503, said(), errors.UpstreamOverloaded, "server_is_overloaded", True),
    (529, said(kind="overloaded_error"), errors.UpstreamServerError, "server_error", True),
    (502, said("Bad gateway", "cf_bad_gateway", 502), errors.UpstreamServerError, "server_error", True),
    (502, b"<html><body>502</body></html>", errors.HtmlFromProxy, "html_from_proxy", True),
    (403, b"  <!DOCTYPE html><html>blocked</html>", errors.HtmlFromProxy, "html_from_proxy", True),
    (522, b"error code: 522", errors.UpstreamServerError, "server_error", True),
    (500, b"", errors.UpstreamServerError, "server_error", True),
    (401, b"", errors.InvalidUpstreamKey, "invalid_upstream_key", False),
    (500, b"\xff\xfe\x00", errors.UpstreamServerError, "server_error", True),
    (500, b"[" * 5000, errors.UpstreamServerError, "server_error", True),
    (302, b"", errors.MalformedAnswer, "malformed_answer", True),
    # Azure
    (400, {"error": {"code": "content_filter", "type": None, "message": "filtered", "param": "prompt",
                     "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
     errors.ContentPolicyViolation, "content_policy_violation", False),
    (400, {"error": {"code": None, "message": "filtered", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
     errors.ContentPolicyViolation, "content_policy_violation", False),
    (429, {"error": {"code": "429", "message": "Please retry after 9 seconds."}}, errors.UpstreamRateLimited, "upstream_rate_limited",
     True),
    (401, {"statusCode": 401, "message": "Access denied due to invalid subscription key"}, errors.InvalidUpstreamKey,
     "invalid_upstream_key", False),
    # other shapes
    (400, {"error": "a bare string"}, errors.UpstreamRejected, "upstream_rejected", False),
    (400, [said("a list of one")], errors.UpstreamRejected, "upstream_rejected", False),
    (500, [], errors.UpstreamServerError, "server_error", True),
    (500, "just text", errors.UpstreamServerError, "server_error", True),
    (500, 7, errors.UpstreamServerError, "server_error", True),
    (500, None, errors.UpstreamServerError, "server_error", True),
    (400, {"error": {"message": {"deep": 1}, "code": ["x"], "type": 5}}, errors.UpstreamRejected, "upstream_rejected", False),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "name", "retryable"), ROWS)
def test_the_table(status: int, body: Any, kind: type[UpstreamError], name: str, retryable: bool) -> None:
    error = refused(status, body, x_request_id="req_upstream")
    assert type(error) is kind
    assert (error.name, error.retryable) == (name, retryable)
    assert error.message
    assert error.upstream_detail is not None
    assert (error.upstream_detail.status, error.upstream_detail.request_id) == (status, "req_upstream")


def test_the_upstreams_own_words_are_kept() -> None:
    error = refused(400, said("Your input exceeds the context window", INVALID, "context_length_exceeded", "input"))
    words = error.upstream_detail
    assert words is not None
    assert (words.type, words.code, words.param) == (INVALID, "context_length_exceeded", "input")
    assert words.message == error.message == "Your input exceeds the context window"
    assert error.param == "input"


def test_a_code_that_is_a_number_becomes_text() -> None:
    words = refused(502, said("Bad gateway", code=502)).upstream_detail
    assert words is not None
    assert words.code == "502"


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait"),
    [
        (429, said(TPM, "tokens", "rate_limit_exceeded"), {}, 0.644),
        (429, said(TPM, "tokens", "rate_limit_exceeded"), {"retry_after": "1", "retry_after_ms": "700"}, 0.7),
        (429, {"error": {"code": "429", "message": "Please retry after 9 seconds."}}, {}, 9.0),
        (429, said(code="slow_down"), {"retry_after": "2"}, 2.0),
        (503, said(code="server_is_overloaded"), {"retry_after": "3"}, 3.0),
        (502, b"<html>", {"retry_after": "4"}, 4.0),
        (500, said(), {}, None),
        # what waiting does not help has no wait, whatever the headers say
        (429, said(TOO_LARGE, "tokens", "rate_limit_exceeded"), {"retry_after": "5"}, None),
        (429, said(code="insufficient_quota"), {"retry_after": "5"}, None),
        (401, said(), {"retry_after": "5"}, None),
    ],
)
def test_the_wait(status: int, body: Any, headers: dict[str, str], wait: float | None) -> None:
    assert refused(status, body, **headers).retry_after == pytest.approx(wait)


@pytest.mark.parametrize(
    ("message", "kind", "limit"),
    [
        (TPM, "tokens", "tokens"),
        ("on tokens per min (TPM)", None, "tokens"),
        ("on requests per min (RPM): Limit 500", "requests", "requests"),
        ("on requests per day (RPD): Limit 10000", "requests", "day"),
        ("on tokens per day (TPD): Limit 1", "tokens", "day"),
        ("", None, "requests"),
    ],
)
def test_which_limit(message: str, kind: str | None, limit: str) -> None:
    error = refused(429, said(message, kind, "rate_limit_exceeded"))
    assert isinstance(error, errors.UpstreamRateLimited)
    assert error.kind == limit


def test_an_echoed_key_is_scrubbed_and_not_blamed_on_the_caller() -> None:
    echo = "Incorrect API key provided: sk-5f6ce***************acdb. You can find your key at the page."
    error = refused(401, said(echo, INVALID, "invalid_api_key"))
    assert "5f6ce" not in error.message + str(error.upstream_detail)
    assert "acdb" not in error.message + str(error.upstream_detail)
    assert "this gateway's own credential, not yours" in error.message


def test_a_page_is_not_repeated() -> None:
    error = refused(502, b"<html><title>secret backend</title></html>", content_type="text/html")
    assert "secret backend" not in error.message + str(error.upstream_detail)


def test_a_long_message_is_cut() -> None:
    assert len(refused(500, said("x" * 100_000)).message) == 2000
    assert len(refused(500, b"x" * 100_000).message) <= 2000


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        ({"message": "no", "type": "server_error", "code": None}, errors.UpstreamServerError, None),
        ({"message": "no", "code": "server_error"}, errors.UpstreamServerError, "server_error"),
        ({"message": TPM, "type": "tokens", "code": "rate_limit_exceeded"}, errors.UpstreamRateLimited, "rate_limit_exceeded"),
        ({"message": TOO_LARGE, "code": "rate_limit_exceeded"}, errors.RequestExceedsUpstreamLimit, "rate_limit_exceeded"),
        ({"code": "context_length_exceeded", "message": "long"}, errors.ContextLengthExceeded,
         "context_length_exceeded"),
        ({"code": "insufficient_quota", "message": "no"}, errors.InsufficientQuota, "insufficient_quota"),
        ({"code": "invalid_prompt", "message": "no"}, errors.UpstreamRejected, "invalid_prompt"),
        ("a bare string", errors.ErrorInStream, None),
        (None, errors.ErrorInStream, None),
        ([1], errors.ErrorInStream, None),
    ],
)  # fmt: skip
def test_an_error_within_an_answer(error: Any, kind: type[UpstreamError], code: str | None) -> None:
    found = classify_in_stream(error, request_id="req_x")
    assert type(found) is kind
    assert found.upstream_detail is not None
    assert (found.upstream_detail.status, found.upstream_detail.code, found.upstream_detail.request_id) == (
        200,
        code,
        "req_x",
    )
