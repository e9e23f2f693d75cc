"""Reports of 2026 chosen before they were tried, each named after its thread: budgets, limits, the cache, leaving."""

import asyncio
import base64
import struct
from typing import Any

import msgspec
import pytest

from tests.eventually import wait_until
from tests.faults.scripts import EVENTS, chunk, head
from tests.faults.scripts import whole as body_of
from tests.faults.upstream import ScriptAction
from tests.gateway import response_shapes
from tests.gateway.reports.setting import before
from tests.gateway.sockets import raw, send_request
from tests.gateway.stream_shapes import ROLE, TEXT, USED, Shape, said
from tests.gateway.test_limits import limited
from tests.harness import EMBEDDINGS, World, ask
from tidegate.wire import sse

Json = dict[str, Any]

GOOD = Shape(means="", pieces=(*TEXT, said("stop"), USED, sse.DONE))
GOOD_RESPONSE = Shape(means="", pieces=response_shapes.GOOD)
PRICES: Json = {"metering": {"prices": {"m": {"input": 1, "output": 1}, "free": {"input": 0, "output": 0}}}}
TOOL: Json = {"type": "function", "function": {"name": "weather", "parameters": {}}}

DIFFERENCES: list[Json] = [
    {"max_tokens": 4000}, {"top_p": 0.5}, {"stop": ["x"]}, {"tool_choice": "none"}, {"presence_penalty": 1},
    {"frequency_penalty": 1}, {"n": 2}, {"seed": 7}, {"temperature": 0.1},
]  # fmt: skip


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda fields: next(iter(fields)))
async def test_orcarouter_84_what_changes_the_answer_is_another_question(world: World, difference: Json) -> None:
    base: Json = {**ask("Hello", max_tokens=16), "model": "m", "tools": [TOOL], "tool_choice": "auto"}
    async with before(world, GOOD.play) as (gateway, upstream):
        for body in (base, {**base, **difference}, base):
            last = await gateway.chat(body)
    assert last.headers["x-tidegate-cache"] == "hit"
    assert upstream.calls["m"] == 2


async def test_sub2api_2923_5735_each_turn_of_a_socket_is_charged_and_checked(world: World) -> None:
    """Three turns have room in the budget; the fourth is refused on the same connection, and the next on a new one."""
    key = (await limited(world, budget_day=150_000)).removeprefix("Bearer ")
    turn = {"model": "m", "max_output_tokens": 16}
    async with before(world, GOOD_RESPONSE.play, cache={"enabled": False}, **PRICES) as (gateway, _):
        async with raw(gateway, key) as connection:
            ends = [(await send_request(connection, **turn))[-1]["type"] for _ in range(4)]
        async with raw(gateway, key) as connection:
            ends.append((await send_request(connection, **turn))[-1]["type"])
    paid = sum(line["cost_nanos"] > 0 for line in await world.all_entries())
    assert ends == ["response.completed"] * paid + ["error"] * (5 - paid)
    assert paid == 3
    assert sum(line["cost_nanos"] for line in await world.all_entries()) == 3 * 30_000


@pytest.mark.parametrize("stream", [True, False])
async def test_new_api_7231_sub2api_4408_who_leaves_before_a_word_pays_little(world: World, stream: bool) -> None:
    """The upstream call ends soon after its caller, and no long answer is charged."""

    def play(_: Any) -> Any:
        return [head(200, EVENTS), chunk(ROLE), ScriptAction.SILENCE] if stream else [ScriptAction.SILENCE]

    async with before(world, play, **PRICES) as (gateway, upstream):
        body = {**ask("Write an essay about rivers.", max_tokens=300), "model": "m", "stream": stream}
        call = asyncio.create_task(gateway.chat(body))
        await wait_until(lambda: upstream.calls["m"] == 1)
        call.cancel()
        await wait_until(lambda: upstream.disconnects["m"] == 1)
        (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "client_disconnected"
    assert 0 < line["output_tokens"] <= 300 + 16
    if stream:  # a provider writes a whole answer to its end, unless its configuration says otherwise
        assert line["output_tokens"] < 100


async def test_wso2_3253_lists_take_nothing_of_a_token_limit(world: World) -> None:
    key = await limited(world, tpm=200)
    async with before(world, GOOD.play) as (gateway, _):
        for _ in range(75):
            assert (await gateway.call("/models", authorization=key)).status in (200, 502)
        answer = await gateway.chat({**ask("Hi", max_tokens=100), "model": "m"}, authorization=key)
    assert answer.status == 200, answer.text


async def test_tensorzero_3648_a_limit_of_requests_needs_no_limit_of_output(world: World) -> None:
    key = await limited(world, rpm=1)
    async with before(world, GOOD.play, cache={"enabled": False}) as (gateway, _):
        statuses = [(await gateway.chat({**ask("Hi"), "model": "m"}, authorization=key)).status for _ in range(2)]
    assert statuses == [200, 429]


async def test_litellm_29912_a_spent_budget_does_not_stop_what_is_free(world: World) -> None:
    key = await limited(world, budget_day=100_000)
    async with before(world, GOOD.play, cache={"enabled": False}, **PRICES) as (gateway, _):
        asked = [
            (await gateway.chat({**ask("Hi", max_tokens=16), "model": model}, authorization=key)).status
            for model in ("m", "m", "free", "free", "m")
        ]
    assert asked == [200, 429, 200, 200, 429]


async def test_litellm_38774_nothing_is_added_to_embeddings(world: World) -> None:
    def play(request: Any) -> Any:
        vector = {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}
        usage = {"prompt_tokens": 2, "total_tokens": 2}
        return body_of(
            request, 200, msgspec.json.encode({"object": "list", "model": "m", "data": [vector], "usage": usage})
        )

    async with before(world, play, targets=("one",)) as (gateway, upstream):
        answer = await gateway.call("/embeddings", {**EMBEDDINGS, "model": "m"})
    assert answer.json["data"][0]["embedding"] == [0.5, -0.25]
    assert msgspec.json.decode(upstream.requests["m"][0].body) == {**EMBEDDINGS, "model": "m"}


VECTOR = [0.5, -0.25, 0.125, 1.0]


@pytest.mark.parametrize("wanted", ["base64", "float", None])
@pytest.mark.parametrize("knows", [["float"], ["base64", "float"]])
async def test_gbrain_220_a_vector_comes_in_the_form_that_was_asked(
    world: World, wanted: str | None, knows: list[str]
) -> None:
    """Clients that asked for base64 take numbers for bytes: a list of numbers is a vector of a quarter's length."""
    packed = base64.b64encode(struct.pack("<4f", *VECTOR)).decode()

    def play(request: Any) -> Any:
        form = msgspec.json.decode(request.body).get("encoding_format", "float")
        told = packed if form == "base64" and form in knows else VECTOR
        data = [{"object": "embedding", "index": 0, "embedding": told}]
        usage = {"prompt_tokens": 2, "total_tokens": 2}
        return body_of(
            request, 200, msgspec.json.encode({"object": "list", "model": "m", "data": data, "usage": usage})
        )

    body = {**EMBEDDINGS, "model": "m", **({"encoding_format": wanted} if wanted else {})}
    async with before(world, play, targets=("one",)) as (gateway, _):
        answers = [await gateway.call("/embeddings", body) for _ in range(2)]  # the second one from the cache
    for answer in answers:
        assert answer.json["data"][0]["embedding"] == (packed if wanted == "base64" else VECTOR)
