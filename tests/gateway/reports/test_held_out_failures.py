"""Reports of 2026 chosen before they were tried, each named after its thread: how a failure is told and met."""

import gzip
from typing import Any

import msgspec
import pytest

from tests.faults.scripts import whole as body_of
from tests.gateway.reports.setting import before
from tests.gateway.reports.test_failures import BODY, GOOD, failing_at, refused
from tests.harness import World

Json = dict[str, Any]

SLOW_DOWN: Json = {"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}}
UNCACHED: Json = {"cache": {"enabled": False}}


@pytest.mark.parametrize("targets", [("one",), ("one", "two")])
async def test_aisix_144_auto_ai_router_177_the_last_refusal_says_when_to_come_again(
    world: World, targets: tuple[str, ...]
) -> None:
    waits = {"one": "retry-after: 30", "two": "retry-after: 40"}

    def play(request: Any) -> Any:
        return refused(429, SLOW_DOWN, waits[request.provider])(request)

    async with before(world, play, targets=targets, **UNCACHED) as (gateway, _):
        answers = [await gateway.chat({**BODY, "seed": seed}, x_tidegate_deadline="1") for seed in range(2)]
    assert [answer.status for answer in answers] == [429, 429]
    assert all(25 <= float(answer.headers["retry-after"]) <= 41 for answer in answers)


TOO_LONG = (
    "Requested token count exceeds the model's maximum context length of 16384 tokens. "
    "You requested a total of 17964 tokens: 1580 input + 16384 completion."
)
BODIES_TOO_LONG: dict[str, Json] = {
    "benchflow_830": {"error": {"message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400}},
    "claude_code_router_1799": {"object": "error", "type": "BadRequestError", "message": TOO_LONG},
}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", BODIES_TOO_LONG)
async def test_a_context_that_is_too_long_is_the_callers_matter(world: World, name: str, stream: bool) -> None:
    """Asked once, told in the provider's words, and not held against the target."""
    long: Json = {**BODY, "stream": stream, "messages": [{"role": "user", "content": "long"}]}
    bad = refused(400, BODIES_TOO_LONG[name])

    def play(request: Any) -> Any:
        return bad(request) if b'"long"' in request.body else GOOD.play(request)

    async with before(world, play, targets=("one", "two"), **UNCACHED) as (gateway, upstream):
        answers = [await gateway.chat({**long, "seed": seed}) for seed in range(12)]
        asked = upstream.calls["m"]
        short = await gateway.chat(BODY)
    assert {answer.status for answer in answers} == {400}
    assert all(TOO_LONG in answer.error["message"] for answer in answers)
    assert asked <= 24
    assert short.status == 200
    assert upstream.requests["m"][-1].provider == "one"


@pytest.mark.parametrize(("name", "status", "body"), [
    ("freellmapi_64", 413, {"error": {"message": "Request body too large for gpt-4o model. Max size: 8000 tokens.",
                                      "code": "tokens_limit_reached"}}),
    ("token_proxy_11", 403, {"error": {"message": "Insufficient permissions.", "type": "permission_error"}}),
])  # fmt: skip
async def test_what_one_provider_refuses_another_may_answer(world: World, name: str, status: int, body: Json) -> None:
    del name
    play = failing_at("one", refused(status, body))
    async with before(world, play, targets=("one", "two")) as (gateway, _):
        answer = await gateway.chat(BODY)
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("accepted", ["gzip", "identity"])
async def test_envoy_ai_gateway_2554_a_compressed_error_can_be_read(world: World, stream: bool, accepted: str) -> None:
    packed = gzip.compress(
        msgspec.json.encode({"error": {"message": "No such voice.", "type": "invalid_request_error"}})
    )

    def play(request: Any) -> Any:
        return body_of(request, 400, packed, "content-encoding: gzip")

    async with before(world, play) as (gateway, _):
        answer = await gateway.chat({**BODY, "stream": stream}, accept_encoding=accepted)
    assert answer.status == 400
    assert answer.error["message"] == "No such voice."
