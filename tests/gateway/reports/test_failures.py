"""Reports about how other gateways took a failure, each named after its thread: whose it is, and how long to wait."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.faults.scripts import whole as body_of
from tests.faults.upstream import ReceivedRequest, Script
from tests.gateway import response_shapes
from tests.gateway.reports.setting import before
from tests.gateway.sdk_reading import Read, read_chat
from tests.gateway.stream_shapes import ROLE, TEXT, USED, Shape, call, said
from tests.harness import World
from tidegate.wire import sse

Json = dict[str, Any]

BODY: Json = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
GOOD = Shape(means="", pieces=(*TEXT, said("stop"), USED, sse.DONE))
GOOD_RESPONSE = Shape(means="", pieces=response_shapes.GOOD)


def failing_at(place: str, failure: Callable[[ReceivedRequest], Script], good: Shape = GOOD) -> Any:
    """Return what one provider answers so, and every other one well."""
    return lambda request: failure(request) if request.provider == place else good.play(request)


def refused(status: int, body: Json, *lines: str) -> Callable[[ReceivedRequest], Script]:
    return lambda request: body_of(request, status, msgspec.json.encode(body), *lines)


def streamed(*pieces: bytes) -> Callable[[ReceivedRequest], Script]:
    return Shape(means="", pieces=pieces).play


FAILURES_WITHOUT_CONTENT = {
    "mastra_20302_the_reason_error_and_no_error": (ROLE, said("error"), USED, sse.DONE),
    "houston_1211_the_network_of_the_provider": (ROLE, said("network_error"), USED, sse.DONE),
    "litellm_38535_a_full_context_that_is_an_empty_account": (
        ROLE, said("model_context_window_exceeded"), USED, sse.DONE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", FAILURES_WITHOUT_CONTENT)
async def test_a_reason_that_says_failure_without_content_is_no_answer(world: World, name: str, stream: bool) -> None:
    play = failing_at("one", streamed(*FAILURES_WITHOUT_CONTENT[name]))
    async with before(world, play, targets=("one", "two")) as (gateway, _):
        answer = await gateway.chat({**BODY, "stream": stream})
    assert answer.status == 200
    assert "is at noon." in answer.text


@pytest.mark.parametrize("reason", ["error", "network_error"])
async def test_houston_1211_half_an_answer_that_ends_with_a_failure_is_an_error(world: World, reason: str) -> None:
    play = streamed(*TEXT, said(reason), USED, sse.DONE)
    async with before(world, play) as (gateway, upstream), gateway.sdk() as client:
        for stream in (True, False):
            read = await read_chat(client, "m", stream=stream)
            assert read.error is not None
    assert upstream.calls["m"] == 2


async def test_qwen_agent_943_pieces_of_two_calls_that_alternate(world: World) -> None:
    pieces = (
        call("", id="call_a", name="weather"), call("", index=1, id="call_b", name="tide"),
        call('{"city":'), call('{"city":', index=1), call('"Paris"}'), call('"Rome"}', index=1),
    )  # fmt: skip
    play = streamed(ROLE, *pieces, said("tool_calls"), USED, sse.DONE)
    calls = (("call_a", "weather", '{"city":"Paris"}'), ("call_b", "tide", '{"city":"Rome"}'))
    async with before(world, play) as (gateway, _), gateway.sdk() as client:
        for stream in (True, False):
            assert await read_chat(client, "m", stream=stream) == Read("", calls, "tool_calls")


CAPACITY = "Selected model is at capacity. Please try a different model."
BEGUN = (
    response_shapes.CREATED,
    response_shapes.event("response.in_progress", 1, response=response_shapes.document("in_progress", [])),
)


@pytest.mark.parametrize("failure", [
    response_shapes.event("error", 2, message=CAPACITY, code="server_is_overloaded", param=None),
    response_shapes.end("failed", [], error={"code": "server_is_overloaded", "message": CAPACITY}),
])  # fmt: skip
async def test_teamclaude_391_a_stream_that_reports_its_own_failure(world: World, failure: bytes) -> None:
    play = failing_at("one", streamed(*BEGUN, failure), GOOD_RESPONSE)
    async with before(world, play, targets=("one", "two"), kind="openai") as (gateway, _):
        answer = await gateway.call("/responses", {"model": "m", "input": "Hello", "stream": True})
    assert answer.events[-1]["type"] == "response.completed"


async def test_vtcode_731_a_failed_response_of_few_fields(world: World) -> None:
    told = {"id": "resp_1", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}}
    failed = sse.encode(msgspec.json.encode({"type": "response.failed", "response": told}), "response.failed")
    async with before(world, streamed(failed), retries={"max_retries": 0}) as (gateway, _):
        streamed_answer = await gateway.call("/responses", {"model": "m", "input": "Hello", "stream": True})
        answer = await gateway.call("/responses", {"model": "m", "input": "Hello"})
    assert streamed_answer.events[-1]["response"]["error"] == answer.json["error"] == told["error"]


FLAT: Json = {
    "object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "param": None, "code": "1300",
    "raw_status_code": 429,
}  # fmt: skip


async def test_pi_9815_mistrals_refusal_is_told_and_waited_for(world: World) -> None:
    play = failing_at("one", refused(429, FLAT, "retry-after: 30"))
    async with before(world, play, targets=("one",)) as (gateway, upstream):
        answers = [await gateway.chat(BODY, x_tidegate_deadline="1") for _ in range(2)]
    assert [answer.status for answer in answers] == [429, 429]
    assert answers[0].error["message"] == "Rate limit exceeded"
    assert 25 <= float(answers[0].headers["retry-after"]) <= 31
    assert upstream.calls["m"] == 1


WAITS = {
    "pi_4991_resets_in_days": (
        "Monthly usage limit reached. Resets in 16 days. To continue using this model now, enable usage.",
        {},
    ),
    "omniroute_858_will_reset_after": (
        "You have exhausted your capacity on this model. Your quota will reset after 27h41m36s.", {},
    ),
    "9router_3612_will_reset_at": (
        "Usage limit reached for 5 hour. Your limit will reset at 2099-08-17 02:56:15", {},
    ),
    "hermes_100725_litellms_cooldown": (
        "No deployments available for selected model, Try again in 60 seconds. Passed model=m. pre-call-checks=False",
        {"type": "None", "code": "429"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WAITS)
async def test_a_long_wait_in_words_sends_the_calls_elsewhere_at_once(world: World, name: str) -> None:
    """The first call meets the refusal; it and nine others are answered by the other target, without a wait."""
    message, fields = WAITS[name]
    play = failing_at("one", refused(429, {"error": {"message": message, **fields}}))
    async with before(world, play, targets=("one", "two"), cache={"enabled": False}) as (gateway, upstream):
        answers = [await gateway.chat({**BODY, "user": str(number)}) for number in range(10)]
    assert {answer.status for answer in answers} == {200}
    asked = [request.provider for request in upstream.requests["m"]]
    assert asked.count("one") == 1
