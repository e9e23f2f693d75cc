"""A repeated request is answered from the cache, in any form, unless the caller or the configuration forbids it."""

import asyncio
from typing import Any

import pytest

from tests.eventually import PATIENCE_SECONDS
from tests.gateway.test_limits import limited
from tests.harness import CHAT, EMBEDDINGS, MODERATIONS, RESPONSES, STREAM, Answer, Gateway, Json, World, ask, chat_text

BODIES: dict[str, Json] = {
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/embeddings": EMBEDDINGS,
    "/moderations": MODERATIONS,
}


def cache_of(answer: Answer) -> str:
    assert answer.status == 200, answer.text
    return answer.headers["x-tidegate-cache"]


@pytest.mark.parametrize("path", BODIES)
async def test_a_repeated_question_is_not_asked_twice(gateway: Gateway, world: World, path: str) -> None:
    first, second = [await gateway.call(path, BODIES[path]) for _ in range(2)]
    assert (cache_of(first), cache_of(second)) == ("miss", "hit")
    assert second.text == first.text
    assert second.headers["x-tidegate-served-by"] == first.headers["x-tidegate-served-by"]
    assert 0 <= int(second.headers["age"]) <= PATIENCE_SECONDS
    assert "age" not in first.headers
    assert second.headers["x-tidegate-cost-usd"] == "0.000000000"
    assert sum((await world.stats())["calls"].values()) == 1


@pytest.mark.parametrize(
    "same",
    [
        b'{"messages":[{"content":"When is high tide?","role":"user"}],"model":"gpt-4o-mini"}',
        b'{ "model" : "gpt-4o-mini",\n "messages" : [ {"role":"user", "content":"When is high tide\\u003f"} ] }',
        {**CHAT, "temperature": 1, "n": 1, "top_p": 1.0, "presence_penalty": 0, "stream": False, "tools": None},
        {**CHAT, "user": "somebody", "metadata": {"a": "b"}},
    ],
)
async def test_what_does_not_shape_the_answer_does_not_matter(gateway: Gateway, same: Any) -> None:
    await gateway.chat()
    assert cache_of(await gateway.chat(same)) == "hit"


@pytest.mark.parametrize(
    "other",
    [
        {**CHAT, "model": "gpt-4o"},
        {**CHAT, "temperature": 0.5},
        {**CHAT, "seed": 1},
        {**CHAT, "max_tokens": 5},
        {
            **CHAT,
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        },
        ask("When is low tide?"),
        {**CHAT, "tomorrow": True},
    ],
)
async def test_what_shapes_it_does(gateway: Gateway, other: Json) -> None:
    await gateway.chat(x_simulate_strict="false")
    assert cache_of(await gateway.chat(other, x_simulate_strict="false")) == "miss"


async def test_another_project_gets_nothing_of_it(gateway: Gateway, world: World) -> None:
    await gateway.chat()
    stranger = (await world.make_key(project="other")).token
    colleague = (await world.make_key()).token
    assert cache_of(await gateway.chat(authorization=f"Bearer {stranger}")) == "miss"
    assert cache_of(await gateway.chat(authorization=f"Bearer {colleague}")) == "hit"


@pytest.mark.parametrize(
    ("directives", "cache", "stored_after"),
    [
        ("no-store", "off", False),
        ("no-cache", "miss", True),
        ("max-age=0", "miss", True),
        ("max-age=60", "hit", True),
        ("No-Cache, max-age=60", "miss", True),
        ("only-if-cached", "hit", True),
        ("a-word-of-tomorrow", "hit", True),
    ],
)
async def test_cache_control_is_obeyed(
    gateway: Gateway,
    world: World,
    directives: str,
    cache: str,
    stored_after: bool,
) -> None:
    await gateway.chat()
    assert cache_of(await gateway.chat(cache_control=directives)) == cache
    fresh = ask("Something else?")
    if directives != "only-if-cached":
        await gateway.chat(fresh, cache_control=directives)
        assert cache_of(await gateway.chat(fresh)) == ("hit" if stored_after else "miss")
    assert await world.calls() >= 1


async def test_only_if_cached_never_asks(gateway: Gateway, world: World) -> None:
    answer = await gateway.chat(cache_control="only-if-cached")
    assert (answer.status, answer.error["code"]) == (504, "not_cached")
    assert answer.headers["x-should-retry"] == "false"
    assert await world.calls() == 0


async def test_a_stored_stream_is_given_whole(gateway: Gateway) -> None:
    for path, body in (("/chat/completions", CHAT), ("/responses", RESPONSES)):
        streamed = await gateway.call(path, {**body, "stream": True})
        whole = await gateway.call(path, body)
        again = await gateway.call(path, {**body, "stream": True})
        assert (cache_of(streamed), cache_of(whole), cache_of(again)) == ("miss", "hit", "hit")
        assert whole.headers["content-type"] == "application/json"
        assert again.text == streamed.text
        if path == "/responses":
            assert whole.json == streamed.events[-1]["response"]
        else:
            assert whole.json["choices"][0]["message"]["content"] == chat_text(streamed.events)
            assert whole.json["usage"]["total_tokens"] > 0


async def test_a_stored_whole_answer_is_streamed(gateway: Gateway) -> None:
    for path, body in (("/chat/completions", CHAT), ("/responses", RESPONSES)):
        whole = await gateway.call(path, body)
        streamed = await gateway.call(path, {**body, "stream": True})
        assert (cache_of(whole), cache_of(streamed)) == ("miss", "hit")
        assert streamed.headers["content-type"].startswith("text/event-stream")
        if path == "/responses":
            assert streamed.events[-1]["response"] == whole.json
        else:
            assert chat_text(streamed.events) == whole.json["choices"][0]["message"]["content"]
            assert streamed.text.endswith("data: [DONE]\n\n")
            assert not any(event.get("usage") for event in streamed.events)


async def test_a_hit_carries_its_own_callers_words(gateway: Gateway) -> None:
    await gateway.call("/responses", {**RESPONSES, "metadata": {"order": "1"}, "user": "one"})
    hit = await gateway.call("/responses", {**RESPONSES, "metadata": {"order": "2"}, "user": "two"})
    bare = await gateway.call("/responses", RESPONSES)
    streamed = await gateway.call("/responses", {**RESPONSES, "metadata": {"order": "3"}, "stream": True})
    assert [cache_of(answer) for answer in (hit, bare, streamed)] == ["hit"] * 3
    assert (hit.json["metadata"], hit.json.get("user")) == ({"order": "2"}, "two")
    assert bare.json["metadata"] == {}
    assert {str(event["response"]["metadata"]) for event in streamed.events if "response" in event} == {
        "{'order': '3'}"
    }


async def test_a_call_with_an_effect_is_made_each_time(gateway: Gateway) -> None:
    body = {**RESPONSES, "tools": [{"type": "mcp", "server_label": "x", "server_url": "http://x"}]}
    assert [cache_of(await gateway.call("/responses", body)) for _ in range(2)] == ["off", "off"]


async def test_what_is_kept_for_its_caller_is_shared_all_the_same(gateway: Gateway) -> None:
    bodies = [{**CHAT, "store": True}, CHAT, {**CHAT, "store": True, "metadata": {"of": "ann"}}]
    answers = [await gateway.chat(body) for body in bodies]
    assert [cache_of(answer) for answer in answers] == ["miss", "hit", "hit"]
    assert len({answer.json["id"] for answer in answers}) == 3


async def test_a_cache_that_is_switched_off_is_off(world: World) -> None:
    async with world.gateway(cache={"enabled": False}) as gateway:
        assert [cache_of(await gateway.chat()) for _ in range(2)] == ["off", "off"]
    assert await world.calls() == 2


async def test_an_answer_larger_than_the_limit_is_delivered_and_not_kept(world: World) -> None:
    async with world.gateway(cache={"max_answer_bytes": 1024}) as gateway:
        long = [await gateway.chat(ask("tide", stream=True)) for _ in range(2)]
        short = [await gateway.chat(ask("tide", max_tokens=2)) for _ in range(2)]
    assert [cache_of(answer) for answer in (*long, *short)] == ["miss", "miss", "miss", "hit"]


async def test_an_answer_grows_old(world: World) -> None:
    async with world.gateway(cache={"ttl_seconds": 1}) as gateway:
        seen = [cache_of(await gateway.chat())]
        while "hit" not in seen or seen[-1] == "hit":
            seen.append(cache_of(await gateway.chat()))
            assert len(seen) < 20_000
    assert await world.calls() == seen.count("miss")


async def test_the_second_replica_has_it_too(world: World) -> None:
    async with world.gateway() as one, world.gateway() as other:
        assert cache_of(await one.chat(STREAM)) == "miss"
        assert cache_of(await other.chat(STREAM)) == "hit"


async def test_what_is_purged_is_asked_again(gateway: Gateway, world: World) -> None:
    stored = await gateway.chat()
    await gateway.chat(ask("another"))
    assert await purge(gateway, world, request_id=stored.headers["x-request-id"]) == 1
    assert cache_of(await gateway.chat(ask("another"))) == "hit"
    assert cache_of(await gateway.chat()) == "miss"
    assert await purge(gateway, world, model="gpt-4o-mini") == 2, "what was asked again was stored again"


async def test_a_call_in_progress_stores_nothing_after_a_purge(gateway: Gateway, world: World) -> None:
    slow = asyncio.create_task(gateway.chat(x_simulate_latency="1"))
    await world.wait_for_stats(in_flight=1)
    assert await purge(gateway, world, project="shop") == 0
    assert cache_of(await slow) == "miss"
    assert cache_of(await gateway.chat()) == "miss"


async def purge(gateway: Gateway, world: World, **selection: str) -> int:
    """Purge over the admin API; return how many answers were removed."""
    admin = (await world.keys.create(project="operators", admin=True)).token
    url, headers = f"{gateway.root}/admin/v1/cache/purge", {"authorization": f"Bearer {admin}"}
    async with world.http.post(url, json=selection, headers=headers) as answer:
        return int((await answer.json())["removed"])


@pytest.mark.parametrize(
    ("option", "path", "kept_out", "stored"),
    [
        ("store_sampled", "/chat/completions", CHAT, {**CHAT, "temperature": 0}),
        ("store_hosted_tools", "/responses", {**RESPONSES, "tools": [{"type": "web_search"}]}, RESPONSES),
    ],
)
async def test_the_configuration_keeps_answers_out(
    world: World, option: str, path: str, kept_out: Json, stored: Json
) -> None:
    async with world.gateway(cache={option: False}) as gateway:
        assert [cache_of(await gateway.call(path, kept_out)) for _ in range(2)] == ["off", "off"]
        assert [cache_of(await gateway.call(path, stored)) for _ in range(2)] == ["miss", "hit"]


@pytest.mark.parametrize("stream", [False, True])
async def test_hits_from_memory_are_as_those_from_redis(gateway: Gateway, world: World, stream: bool) -> None:
    """Of twenty hits in a row nearly all come from memory: their answers and their lines are the same."""
    call = {**(STREAM if stream else CHAT), "seed": 11}
    answers = [await gateway.chat(call, x_tidegate_tags="feature=search") for _ in range(21)]
    assert [cache_of(answer) for answer in answers] == ["miss", *["hit"] * 20]
    assert {answer.text for answer in answers[1:]} == {answers[1].text}
    assert all("age" in answer.headers for answer in answers[1:])
    lines = await world.ledger_entries(21)
    varying = {"id", "at", "latency_ms"}
    same = [{name: value for name, value in line.items() if name not in varying} for line in lines[1:]]
    assert same == [same[0]] * 20
    assert same[0]["saved_nanos"] == lines[0]["cost_nanos"] > 0
    assert same[0]["answer_from"] == lines[0]["id"]


async def test_a_limit_counts_each_hit(gateway: Gateway, world: World) -> None:
    key = await limited(world, rpm=5)
    await gateway.chat()
    statuses = [(await gateway.chat(authorization=key)).status for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3


async def test_answers_that_were_purged_are_not_given_from_memory(gateway: Gateway, world: World) -> None:
    admin = (await world.keys.create(project="operators", admin=True)).token
    assert [cache_of(await gateway.chat()) for _ in range(3)] == ["miss", "hit", "hit"]
    async with world.http.post(
        f"{gateway.root}/admin/v1/cache/purge", json={"all": True}, headers={"authorization": f"Bearer {admin}"}
    ) as response:
        assert response.status == 200, await response.text()
    assert cache_of(await gateway.chat()) == "miss"
