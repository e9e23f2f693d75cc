"""Stateful routes count as requests; stateful calls are limited by their whole history, which callers can measure."""

from typing import Any

import pytest
from openai import RateLimitError
from openai.types.responses import CompactedResponse, InputTokenCountResponse

from tests.gateway.recording import recorded
from tests.harness import Gateway, World
from tests.strict import valid
from tidegate.auth.grants import KeyChange, LimitsChange

Json = dict[str, Any]
MODEL = "gpt-4o-mini"
LONG = "the tide comes in and goes out again " * 200


async def limited(world: World, **limits: int) -> str:
    key = await world.keys.create(project="shop", name="limited", grants=KeyChange(limits=LimitsChange(**limits)))
    return f"Bearer {key.token}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/chat/completions"),
        ("GET", "/responses/resp_none"),
        ("POST", "/conversations"),
        ("POST", "/responses/input_tokens"),
    ],
)
async def test_each_visit_is_a_request(gateway: Gateway, world: World, method: str, path: str) -> None:
    key = await limited(world, rpm=2, tpm=0)
    body = {"input": "Hello"} if method == "POST" else None
    statuses = [(await gateway.call(path, body, method=method, authorization=key)).status for _ in range(3)]
    assert statuses[2] == 429
    assert 429 not in statuses[:2]


@pytest.mark.parametrize("path", ["/chat/completions", "/conversations/conv_1", "/responses/resp_1"])
async def test_nobody_without_a_key_is_told_anything(gateway: Gateway, path: str) -> None:
    for authorization in ("", "Bearer sk-tg-unknown"):
        answer = await gateway.call(path, authorization=authorization)
        assert answer.status == 401


async def test_what_was_said_before_counts_in_the_limits(gateway: Gateway, world: World) -> None:
    first = (await gateway.call("/responses", {"model": MODEL, "input": LONG})).json
    key = await limited(world, tpm=1000)
    small = {"model": MODEL, "input": "And now?", "max_output_tokens": 20}
    assert (await gateway.call("/responses", small, authorization=key)).status == 200
    client: Any
    async with gateway.sdk(api_key=key.removeprefix("Bearer ")) as client:
        with pytest.raises(RateLimitError) as refused:
            await client.responses.create(**small, previous_response_id=first["id"])
    assert "1000" in refused.value.message


async def test_a_question_is_measured_with_all_it_goes_on_from(gateway: Gateway, world: World) -> None:
    first = (await gateway.call("/responses", {"model": MODEL, "input": LONG})).json
    tool = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
    bodies: list[Json] = [
        {"model": MODEL, "input": "And now?"},
        {"input": "And now?"},
        {"model": MODEL, "input": "And now?", "instructions": "Be brief and friendly at all times."},
        {"model": MODEL, "input": "And now?", "instructions": "Be brief and friendly at all times.", "tools": [tool]},
        {"model": MODEL, "input": "And now?", "previous_response_id": first["id"]},
    ]
    sizes = []
    for body in bodies:
        answer = await gateway.call("/responses/input_tokens", body)
        assert answer.status == 200, answer.text
        sizes.append(valid(InputTokenCountResponse, answer.json).input_tokens)
    plain, unnamed, instructed, armed, chained = sizes
    assert plain == unnamed < instructed < armed < chained
    asked = (await gateway.call("/responses", bodies[-1])).json
    assert abs(chained - asked["usage"]["input_tokens"]) <= 0.05 * chained
    assert await world.calls("responses") == 2


async def test_a_long_conversation_is_made_short(world: World) -> None:
    async with recorded(world) as (gateway, bodies):
        first = (await gateway.call("/responses", {"model": MODEL, "input": "I am Ann."})).json
        client: Any
        async with gateway.sdk() as client:
            short = await client.responses.compact(model=MODEL, previous_response_id=first["id"], input="Remember 42.")
            after = await client.responses.create(
                model=MODEL, input=[*short.to_dict()["output"], {"role": "user", "content": "Who am I?"}], store=False
            )
            chained = await client.responses.create(
                model=MODEL, input=[*short.to_dict()["output"], {"role": "user", "content": "Who am I?"}]
            )
            again = await client.responses.create(model=MODEL, input="And?", previous_response_id=chained.id)
    assert (short.object, [item.type for item in short.output]) == ("response.compaction", ["compaction"])
    assert short.usage.output_tokens > 0
    assert after.output_text == chained.output_text
    assert again.output_text
    asked, results, later = bodies[1], bodies[2], bodies[-1]
    assert asked["store"] is False
    assert [item["role"] for item in asked["input"]] == ["user", "assistant", "user", "user"]
    assert "compaction" not in repr([results["input"], later["input"]])
    assert results["input"][2]["role"] == "developer"
    lines = await world.ledger_entries(5)
    assert all(line["outcome"] == "ok" for line in lines)


async def test_a_compaction_is_strictly_what_the_api_says(gateway: Gateway) -> None:
    value = [{"role": "assistant", "content": "I am a tide."}]
    answer = await gateway.call("/responses/compact", {"model": MODEL, "input": value})
    assert answer.status == 200, answer.text
    assert valid(CompactedResponse, answer.json).output[0].type == "compaction"
    refused = await gateway.call("/responses/compact", {"input": "x"})
    assert (refused.status, refused.error["code"]) == (400, "missing_required_parameter")


async def test_a_compaction_of_nothing_asks_nobody_and_can_be_gone_on_from(gateway: Gateway, world: World) -> None:
    for body in ({"model": MODEL}, {"model": MODEL, "input": []}):
        short = await gateway.call("/responses/compact", body)
        assert short.status == 200, short.text
        valid(CompactedResponse, short.json)
    assert await world.calls("responses") == 0
    later = [*short.json["output"], {"role": "user", "content": "Hello"}]
    assert (await gateway.call("/responses", {"model": MODEL, "input": later})).json["status"] == "completed"
