"""A model's name leads to any configured answer: Azure, another server, a stale answer, a canned reply."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.harness import CHAT, EMBEDDINGS, RESPONSES, STREAM, Gateway, Json, World, ask, chat_text
from tests.providers.servers import sending_parts, serve
from tidegate.core.clock import ManualClock
from tidegate.simulator import Options, running

AZURE_KEY = "azure-key-nobody-may-see"
OWN = "llama-3.3"
HOUR, DAY = 3600.0, 86_400.0
NO_RETRIES = {"max_retries": 0}
"""No retry of the same target, to save time."""


class OtherUpstream:
    """A second simulator, as Azure and as another server."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        root = base_url.removesuffix("/v1")
        key = {"name": "east", "api_key": AZURE_KEY}
        self.azure: Json = {
            "kind": "azure", "base_url": root, "api_version": "2024-10-21", "credentials": [key],
            "deployments": {"gpt-4o-mini": "four-o-mini", "o3": "o-three"},
        }  # fmt: skip
        self.own: Json = {
            "kind": "openai_compatible",
            "base_url": base_url,
            "credentials": [{"name": "house", "api_key": "any"}],
        }


@pytest.fixture
async def other() -> AsyncIterator[OtherUpstream]:
    deployments = {"four-o-mini": "gpt-4o-mini", "o-three": "o3"}
    async with running(Options(deployments=deployments)) as base_url:
        yield OtherUpstream(base_url)


@contextlib.asynccontextmanager
async def routed(world: World, other: OtherUpstream, route: Any = None, **sections: Any) -> AsyncIterator[Gateway]:
    """Run a gateway whose model `gpt-4o-mini` has this route."""
    providers = {"azure": other.azure, "own": other.own}
    routes = {"gpt-4o-mini": route or {"targets": [{"provider": "openai"}, {"provider": "azure"}]}}
    value = {"providers": providers, "routes": routes, "retries": NO_RETRIES, **sections}
    async with world.gateway(**value) as gateway:
        yield gateway


@pytest.mark.parametrize(("path", "body"), [("/chat/completions", CHAT), ("/responses", RESPONSES)])
@pytest.mark.parametrize("stream", [False, True])
async def test_azure_answers_what_openai_cannot(
    world: World, other: OtherUpstream, path: str, body: Json, stream: bool
) -> None:
    async with routed(world, other) as gateway:
        there = await gateway.call(path, {**body, "stream": stream}, cache_control="no-store")
        await world.set_faults(server_error=1.0)
        answer = await gateway.call(path, {**body, "stream": stream}, cache_control="no-store")
        assert (there.headers["x-tidegate-served-by"], there.status) == ("openai/gpt-4o-mini", 200)
        assert (answer.headers["x-tidegate-served-by"], answer.status) == ("azure/gpt-4o-mini", 200)
        assert AZURE_KEY not in answer.text
        if path == "/chat/completions" and stream:
            assert chat_text(answer.events) == chat_text(there.events) != ""
    lines = await world.ledger_entries(2)
    assert [(line["provider"], line["outcome"]) for line in lines] == [("openai", "ok"), ("azure", "ok")]
    assert lines[1]["cost_nanos"] > 0


async def test_a_stream_of_azures_is_stored_and_given_whole(world: World, other: OtherUpstream) -> None:
    """Azure's first chunk has no choice and no model name.

    It is left out for clients of OpenAI; the answer has both.
    """
    async with routed(world, other, {"targets": [{"provider": "azure"}]}) as gateway, gateway.sdk() as client:
        stream: Any = await client.chat.completions.create(**STREAM)
        said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        answer = await gateway.chat()
    assert answer.headers["x-tidegate-cache"] == "hit"
    whole = ChatCompletion.model_validate(answer.json)
    assert (whole.choices[0].message.content, whole.model) == (said, "gpt-4o-mini")
    assert whole.id.startswith("chatcmpl-")


async def test_a_name_of_ones_own_leads_to_a_server_of_ones_own(world: World, other: OtherUpstream) -> None:
    routes = {"house": {"targets": [{"provider": "own", "model": OWN}]}}
    async with routed(world, other, routes=routes) as gateway, gateway.sdk() as client:
        body = {**ask("Hi"), "model": "house", "max_completion_tokens": 20, "safety_identifier": "u"}
        answer = await gateway.chat(body)
        again = await gateway.chat(body)
        names = [model.id async for model in client.models.list()]
    assert answer.json["model"] == OWN, "what the upstream said"
    assert answer.headers["x-tidegate-served-by"] == f"own/{OWN}"
    results = "max_completion_tokens: max_tokens, safety_identifier: dropped"
    assert (answer.headers["x-tidegate-adapted"], again.headers["x-tidegate-adapted"]) == (results, results)
    assert again.headers["x-tidegate-cache"] == "hit"
    assert {"house", "gpt-4o"} <= set(names)


async def test_what_no_rule_touches_is_not_told(world: World, other: OtherUpstream) -> None:
    async with routed(world, other) as gateway:
        answer = await gateway.chat({**CHAT, "max_tokens": 20})
    assert "x-tidegate-adapted" not in answer.headers


async def test_a_reasoning_model_takes_over(world: World, other: OtherUpstream) -> None:
    route = {"targets": [{"provider": "openai"}, {"provider": "azure", "model": "o3"}]}
    async with routed(world, other, route) as gateway:
        await world.set_faults(server_error=1.0)
        answer = await gateway.chat({**CHAT, "max_tokens": 400, "temperature": 0.2})
    assert answer.status == 200, answer.text
    assert answer.headers["x-tidegate-adapted"] == "max_tokens: max_completion_tokens, temperature: dropped"


async def test_what_a_rule_refuses_goes_to_the_next_target(world: World, other: OtherUpstream) -> None:
    other.own["rules"] = [{"refuse": ["response_format"]}]
    body = {**ask("As JSON"), "response_format": {"type": "json_object"}}
    route = {"targets": [{"provider": "own", "model": OWN}, {"provider": "azure"}]}
    async with routed(world, other, route) as gateway:
        answer = await gateway.chat(body)
        assert answer.headers["x-tidegate-served-by"] == "azure/gpt-4o-mini"
    async with routed(world, other, {"targets": [{"provider": "own", "model": OWN}]}) as gateway:
        refused = await gateway.chat(body, cache_control="no-store")
        assert (refused.status, refused.headers["x-tidegate-error"]) == (400, "unsupported_by_target")
        assert refused.error["param"] == "response_format"


async def test_an_answer_of_yesterday_is_given_while_nobody_can_be_asked(world: World, other: OtherUpstream) -> None:
    clock = ManualClock()
    async with routed(world, other, {"targets": [{"provider": "openai"}]}, clock=clock) as gateway:
        first = await gateway.chat()
        clock.advance(2 * HOUR)
        await world.set_faults(server_error=1.0)
        stale = await gateway.chat()
        streamed = await gateway.chat(STREAM)
        picky = [await gateway.chat(cache_control=wish) for wish in ("no-cache", "no-store", "max-age=60")]
        unheard = await gateway.chat(ask("Something else"))
    assert (stale.status, stale.text) == (200, first.text)
    assert stale.headers["x-tidegate-cache"] == "stale"
    assert stale.headers["age"] == str(int(2 * HOUR))
    assert stale.headers["x-tidegate-served-by"] == "openai/gpt-4o-mini"
    assert chat_text(streamed.events) == first.json["choices"][0]["message"]["content"]
    assert {answer.status for answer in (*picky, unheard)} <= {500, 503}, "the last ones find the target down"
    lines = await world.ledger_entries(7)
    assert [line["cost_nanos"] for line in lines if line["cache"] == "stale"] == [0, 0]


async def test_once_somebody_can_be_asked_again_the_answer_is_fresh(world: World, other: OtherUpstream) -> None:
    clock = ManualClock()
    async with routed(world, other, {"targets": [{"provider": "openai"}]}, clock=clock) as gateway:
        for advanced, cache in ((0.0, "miss"), (HOUR / 2, "hit"), (HOUR, "miss"), (1.0, "hit")):
            clock.advance(advanced)
            assert (await gateway.chat()).headers["x-tidegate-cache"] == cache


async def test_older_than_the_route_allows_is_not_given(world: World, other: OtherUpstream) -> None:
    clock = ManualClock()
    route = {"targets": [{"provider": "openai"}], "stale_for_seconds": HOUR}
    async with routed(world, other, route, clock=clock) as gateway:
        await gateway.chat()
        await world.set_faults(server_error=1.0)
        for age, status in ((1.9 * HOUR, 200), (0.2 * HOUR, 500)):
            clock.advance(age)
            assert (await gateway.chat()).status == status


TEXT = "We cannot answer right now."
CANNED = {"targets": [{"provider": "openai"}], "canned_reply": TEXT}


async def test_a_prepared_reply_is_an_answer_to_the_official_client(world: World, other: OtherUpstream) -> None:
    await world.set_faults(server_error=1.0)
    async with routed(world, other, CANNED) as gateway, gateway.sdk(_strict_response_validation=True) as client:
        raw = await client.chat.completions.with_raw_response.create(**CHAT)
        whole = raw.parse()
        stream: Any = await client.chat.completions.create(**STREAM)
        said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        response: Response = await client.responses.create(**RESPONSES)
        events: Any = await client.responses.create(**RESPONSES, stream=True)
        kinds = [event.type async for event in events]
    assert raw.headers["x-tidegate-served-by"] == "canned"
    assert (whole.choices[0].message.content, said, response.output_text) == (TEXT, TEXT, TEXT)
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    lines = await world.ledger_entries(4)
    assert {(line["provider"], line["outcome"], line["cost_nanos"]) for line in lines} == {("canned", "ok", 0)}


async def test_a_prepared_reply_is_never_stored(world: World, other: OtherUpstream) -> None:
    async with routed(world, other, CANNED) as gateway:
        await world.set_faults(server_error=1.0)
        assert (await gateway.chat()).json["choices"][0]["message"]["content"] == TEXT
        await world.set_faults()
        answer = await gateway.chat()
    assert (answer.headers["x-tidegate-cache"], answer.headers["x-tidegate-served-by"]) == (
        "miss",
        "openai/gpt-4o-mini",
    )


@pytest.mark.parametrize(
    ("path", "body"),
    [("/embeddings", {**EMBEDDINGS, "model": "gpt-4o-mini"}),
     ("/chat/completions", {**CHAT, "response_format": {"type": "json_object"}})],
)  # fmt: skip
async def test_where_a_text_is_no_answer_the_error_is_told(
    world: World, other: OtherUpstream, path: str, body: Json
) -> None:
    await world.set_faults(server_error=1.0)
    async with routed(world, other, CANNED) as gateway:
        answer = await gateway.call(path, body)
    assert (answer.status, answer.headers["x-tidegate-error"]) == (500, "server_error")


async def test_a_rung_may_be_switched_off(world: World, other: OtherUpstream) -> None:
    clock = ManualClock()
    route = {**CANNED, "fallback_steps": {"stale": False, "canned": False}}
    async with routed(world, other, route, clock=clock) as gateway:
        await gateway.chat()
        clock.advance(2 * HOUR)
        await world.set_faults(server_error=1.0)
        assert (await gateway.chat()).status == 500


@pytest.mark.parametrize(
    ("path", "body"),
    [("/chat/completions", STREAM), ("/responses", RESPONSES), ("/responses", {**RESPONSES, "stream": True}),
     ("/embeddings", EMBEDDINGS)],
)  # fmt: skip
async def test_every_kind_of_answer_outlives_its_freshness(
    world: World, other: OtherUpstream, path: str, body: Json
) -> None:
    clock = ManualClock()
    async with routed(world, other, clock=clock) as gateway:
        first = await gateway.call(path, body)
        clock.advance(DAY)
        await world.set_faults(overloaded=1.0)
        stale = await gateway.call(path, body, x_tidegate_fallback="stale")
    assert (first.headers["x-tidegate-cache"], stale.headers["x-tidegate-cache"]) == ("miss", "stale")
    assert stale.text == first.text


async def test_a_prepared_reply_is_kept_like_any_other(world: World, other: OtherUpstream) -> None:
    await world.set_faults(server_error=1.0)
    async with routed(world, other, CANNED) as gateway, gateway.sdk() as client:
        said = await client.responses.create(**{**RESPONSES, "store": True})
        kept = await client.responses.retrieve(said.id)
    assert (said.output_text, kept.output_text) == (TEXT, TEXT)


async def test_a_models_name_that_is_no_header_is_told_without_what_cannot_be(world: World) -> None:
    said = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    model = "a\r\nx-evil: 1\0\u2603"
    body = msgspec.json.encode({"id": "c", "object": "chat.completion", "model": model, "choices": [said]})
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with (
        serve(sending_parts(head + body)) as server,
        world.gateway(upstream={"base_url": server.address}) as gateway,
    ):
        answer = await gateway.chat()
    assert answer.status == 200
    assert answer.headers["x-tidegate-served-by"] == "openai/a??x-evil: 1??"
    assert "x-evil" not in answer.headers
    assert (await world.ledger_entries(1))[0]["outcome"] == "ok"
