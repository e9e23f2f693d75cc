"""An answer of OpenAI's API says its errors and limits in one place, and what to send where only a part was refused."""

from typing import Any

import msgspec
import pytest

from tests.routing.fake_provider import JSON, FakeExchange
from tidegate.core import endpoints
from tidegate.core.clock import ManualClock
from tidegate.core.errors import UpstreamRateLimited, UpstreamServerError
from tidegate.providers.base import ProviderRequest
from tidegate.providers.openai_family.exchange import OpenAIExchange
from tidegate.providers.target import Target

REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
LIMITS = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499"}


def exchange(status: int, body: Any = None, **headers: str) -> OpenAIExchange:
    request = ProviderRequest(
        target=Target("openai", "m"),
        endpoint=endpoints.RESPONSES,
        url="",
        body=msgspec.json.encode({"model": "m", "input": [REASONING, {"role": "user", "content": "Hi"}]}),
        stream=False,
    )
    answer: Any = FakeExchange(msgspec.json.encode(body), status=status, headers={**JSON, **LIMITS, **headers})
    return OpenAIExchange(answer, request, ManualClock(), max_answer_bytes=1000)


def test_the_limits_are_those_of_the_headers() -> None:
    limits = exchange(200).reported_limits()
    assert (limits.requests.limit, limits.requests.remaining) == (500, 499)


async def test_a_refusal_has_its_error_and_its_limits() -> None:
    refusal = await exchange(429, {"error": {"message": "No.", "code": "rate_limit_exceeded"}}).read_refusal()
    assert isinstance(refusal.error, UpstreamRateLimited)
    assert (refusal.limits.requests.limit, refusal.retry) == (500, None)


async def test_a_call_refused_for_its_encrypted_reasoning_is_sent_without() -> None:
    refusal = await exchange(400, {"error": {"message": "No.", "code": "invalid_encrypted_content"}}).read_refusal()
    assert refusal.retry is not None
    assert b"encrypted_content" not in refusal.retry.body


@pytest.mark.parametrize("error", [{"code": "server_error", "message": "Broken."}, {"type": "server_error"}, "Broken."])
async def test_an_error_inside_an_answer_names_the_request(error: Any) -> None:
    answered = exchange(200, **{"x-request-id": "req_1"})
    await answered.wait_for_head()
    typed = answered.error_in_answer(error)
    assert typed.upstream_detail is not None
    assert typed.upstream_detail.request_id == "req_1"
    if isinstance(error, dict) and error.get("code"):
        assert isinstance(typed, UpstreamServerError)
