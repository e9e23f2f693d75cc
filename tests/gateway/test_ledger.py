"""Each call has one ledger entry with its tokens, its cost, and the savings of the cache."""

import asyncio
import time

import pytest

from tests.harness import CHAT, EMBEDDINGS, MODERATIONS, RESPONSES, STREAM, Gateway, Json, World, ask


@pytest.mark.parametrize(
    ("path", "body", "route", "used"),
    [
        ("/chat/completions", CHAT, "chat", ("prompt_tokens", "completion_tokens")),
        ("/responses", RESPONSES, "responses", ("input_tokens", "output_tokens")),
        ("/embeddings", EMBEDDINGS, "embeddings", ("prompt_tokens", "nothing")),
    ],
)
async def test_a_call_is_written_down_with_its_own_tokens(
    gateway: Gateway, world: World, path: str, body: Json, route: str, used: tuple[str, str]
) -> None:
    before = time.time()
    answer = await gateway.call(path, body)
    (line,) = await world.ledger_entries(1)
    usage = answer.json["usage"]
    assert line["id"] == answer.headers["x-request-id"]
    assert (line["project"], line["route"], line["provider"]) == ("shop", route, "openai")
    assert (line["outcome"], line["cache"], line["stream"], line["estimated"]) == ("ok", "miss", False, False)
    assert (line["input_tokens"], line["output_tokens"]) == (usage[used[0]], usage.get(used[1], 0))
    assert line["model"] == body["model"]
    assert line["served_model"] == answer.json["model"]
    assert answer.headers["x-tidegate-served-by"] == f"openai/{line['served_model']}"
    assert float(answer.headers["x-tidegate-cost-usd"]) == pytest.approx(line["cost_nanos"] / 1e9)
    assert line["cost_nanos"] > 0
    assert line["upstream_request_id"].startswith("req_")
    assert before - 1 <= line["at"].timestamp() <= time.time()
    assert 0 <= line["first_byte_ms"] <= line["latency_ms"] < 5000


async def test_prices_are_those_of_the_configuration(world: World) -> None:
    price = {"input": "3", "output": "7"}
    async with world.gateway(metering={"prices": {CHAT["model"]: price}}) as gateway:
        answer = await gateway.chat()
    (line,) = await world.ledger_entries(1)
    usage = answer.json["usage"]
    nanos = (usage["prompt_tokens"] * 3 + usage["completion_tokens"] * 7) * 1000
    assert line["cost_nanos"] == nanos
    assert answer.headers["x-tidegate-cost-usd"] == f"0.{nanos:09d}"


async def test_moderations_are_free(gateway: Gateway, world: World) -> None:
    await gateway.call("/moderations", MODERATIONS)
    (line,) = await world.ledger_entries(1)
    assert (line["route"], line["outcome"], line["cost_nanos"]) == ("moderations", "ok", 0)


@pytest.mark.parametrize("asked_for_usage", [True, False])
@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
async def test_a_stream_is_written_down_like_a_whole_answer(
    gateway: Gateway,
    world: World,
    path: str,
    asked_for_usage: bool,
) -> None:
    body = CHAT if path == "/chat/completions" else RESPONSES
    options = {"stream_options": {"include_usage": True}} if asked_for_usage and path != "/responses" else {}
    await gateway.call(path, body, cache_control="no-store")
    await gateway.call(path, {**body, "stream": True, **options}, cache_control="no-store")
    whole, streamed = await world.ledger_entries(2)
    assert (whole["stream"], streamed["stream"], streamed["estimated"]) == (False, True, False)
    for figure in ("input_tokens", "output_tokens", "cost_nanos", "served_model", "outcome"):
        assert streamed[figure] == whole[figure]


async def test_reasoning_and_cached_tokens_are_kept_apart(gateway: Gateway, world: World) -> None:
    long = ask("tide " * 1500, model="o3-mini")
    for _ in range(2):
        answer = await gateway.chat(long, cache_control="no-store")
    usage = answer.json["usage"]
    first, second = await world.ledger_entries(2)
    assert second["cached_tokens"] == usage["prompt_tokens_details"]["cached_tokens"] > 0
    assert second["reasoning_tokens"] == usage["completion_tokens_details"]["reasoning_tokens"] > 0
    assert second["cost_nanos"] < first["cost_nanos"]


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_hit_costs_nothing_and_saves_what_the_answer_cost(
    gateway: Gateway,
    world: World,
    streamed: bool,
) -> None:
    await gateway.chat(STREAM)
    hit = await gateway.chat({**CHAT, "stream": streamed})
    asked, value = await world.ledger_entries(2)
    assert (value["id"], value["cache"], value["outcome"]) == (hit.headers["x-request-id"], "hit", "ok")
    assert (value["cost_nanos"], value["saved_nanos"]) == (0, asked["cost_nanos"])
    assert value["served_model"] == asked["served_model"]
    assert (value["input_tokens"], value["output_tokens"]) == (0, 0)


async def test_who_asks_is_kept_with_the_call(gateway: Gateway, world: World) -> None:
    other = await world.make_key(project="warehouse")
    await gateway.chat({**CHAT, "user": "alice"})
    await gateway.chat({**CHAT, "safety_identifier": "bob"}, authorization=f"Bearer {other.token}")
    first, second = await world.ledger_entries(2)
    assert (first["project"], first["end_user"]) == ("shop", "alice")
    assert (second["project"], second["end_user"], second["key_id"]) == ("warehouse", "bob", other.record.id)


async def test_what_was_refused_here_is_not_in_the_ledger(gateway: Gateway, world: World) -> None:
    await gateway.chat(authorization="Bearer nobody")
    await gateway.chat({"model": 7})
    await gateway.chat(cache_control="only-if-cached")
    assert await world.ledger_entries(0) == []


async def test_a_hundred_calls_at_once_are_a_hundred_lines(gateway: Gateway, world: World) -> None:
    bodies = [ask(f"question {number % 60}", stream=number % 2 == 0) for number in range(100)]
    answers = await asyncio.gather(*(gateway.chat(body) for body in bodies))
    lines = await world.ledger_entries(100)
    assert {line["id"] for line in lines} == {answer.headers["x-request-id"] for answer in answers}
    assert {line["outcome"] for line in lines} == {"ok"}
    assert await world.calls() == sum(line["cache"] == "miss" for line in lines)
