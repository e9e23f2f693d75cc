"""The official Node client and Vercel's AI SDK, unmodified, find OpenAI behind the gateway."""

import json

import pytest

from tests.clients.conftest import Node
from tests.harness import Gateway, World

pytestmark = pytest.mark.node

UNSTORED = {"cache-control": "no-store"}


async def test_the_official_client(gateway: Gateway, node: Node, world: World) -> None:
    uses = ("chat", "streamed", "helper", "cache", "response", "events", "embedding", "moderation", "models")
    said = await node("openai.mjs", gateway, *uses)
    assert said["chat"] == said["streamed"] == said["helper"]
    assert said["cache"] == "hit"
    assert said["response"] == said["events"]["text"]
    assert said["events"]["types"][0] == "response.created"
    assert said["events"]["types"][-1] == "response.completed"
    assert said["embedding"] > 100
    assert said["moderation"] is False
    assert "gpt-4o-mini" in said["models"]
    assert (await world.stats())["calls"] == {
        "chat": 1, "responses": 1, "embeddings": 1, "moderations": 1, "models": 1,
    }  # fmt: skip


async def test_the_official_clients_tools_and_structured_outputs(gateway: Gateway, node: Node) -> None:
    said = await node("openai.mjs", gateway, "tool", "parsed", "parsedResponse", HEADERS=json.dumps(UNSTORED))
    assert said["tool"]["name"] == "tide_at"
    assert "place" in json.loads(said["tool"]["arguments"])
    for parsed in (said["parsed"], said["parsedResponse"]):
        assert sorted(parsed) == ["height", "place"]


async def test_the_official_clients_background_responses(gateway: Gateway, node: Node) -> None:
    said = (await node("openai.mjs", gateway, "background"))["background"]
    assert (said["promised"], said["status"]) == ("queued", "completed")
    assert said["types"][0] == "response.in_progress"
    assert said["types"][-1] == "response.completed"
    assert said["text"] == said["answer"] != ""


async def test_the_official_client_finds_again_what_is_kept(gateway: Gateway, node: Node) -> None:
    said = await node("memory.mjs", gateway, "chain", "conversation", "completions")
    counted = said["chain"].pop("counted")
    assert said["chain"] == {"same": True, "previous": True, "items": 3, "gone": 404}
    assert counted > 20
    assert said["conversation"] == {
        "roles": ["user", "user", "user", "user", "assistant"], "one": "line 1", "of": "bob", "deleted": True,
    }  # fmt: skip
    assert said["completions"] == {"all": True, "said": ["One"], "of": "bob", "deleted": True}


@pytest.mark.parametrize(
    ("fault", "whole", "streamed", "calls"),
    [
        ("out_of_quota", ("RateLimitError", 429, "insufficient_quota"), ("RateLimitError", "insufficient_quota"), 3),
        ("server_error", ("InternalServerError", 500, "server_error"), ("InternalServerError", "server_error"), 9),
        ("truncated", ("InternalServerError", 502, "truncated_answer"), ("APIError", "truncated_answer"), 5),
    ],
)
async def test_the_official_client_raises_errors_and_retries_as_it_is_told(
    impatient: Gateway, node: Node, world: World, fault: str, whole: tuple[str, int, str], streamed: tuple[str, str],
    calls: int,
) -> None:  # fmt: skip
    headers = json.dumps({**UNSTORED, "x-simulate-fault": fault})
    uses = ("chatFailure", "streamFailure", "eventsFailure")
    said = await node("openai.mjs", impatient, *uses, HEADERS=headers, RETRIES="2")
    assert tuple(said["chatFailure"].values()) == whole
    for failure in (said["streamFailure"], said["eventsFailure"]):
        assert (failure["kind"], failure["code"]) == streamed
    await world.ledger_entries(lines=calls)


async def test_the_official_client_for_azure(gateway: Gateway, node: Node) -> None:
    said = await node("azure.mjs", gateway)
    assert said["chat"] == said["streamed"] != ""
    assert said["response"]
    assert said["embedding"] > 100
    assert "gpt-4o-mini" in said["models"]
    assert said["refused"] == [401, "invalid_api_key"]


async def test_the_ai_sdk(gateway: Gateway, node: Node) -> None:
    uses = ("chat", "streamedChat", "response", "streamedResponse", "object", "tool", "embedding")
    said = await node("ai.mjs", gateway, *uses)
    for whole, stream in (("chat", "streamedChat"), ("response", "streamedResponse")):
        assert said[stream]["text"] == said[whole]
        assert said[stream]["finish"] == "stop"
        assert said[stream]["usage"] > 0
    assert sorted(said["object"]) == ["height", "place"]
    assert said["tool"] == "tide_at"
    assert said["embedding"] > 100


async def test_the_ai_sdk_sees_errors(gateway: Gateway, node: Node, world: World) -> None:
    headers = json.dumps({**UNSTORED, "x-simulate-fault": "context_length"})
    said = await node("ai.mjs", gateway, "chatFailure", HEADERS=headers, RETRIES="2")
    assert said["chatFailure"]["status"] == 400
    assert "maximum context length" in said["chatFailure"]["message"]
    assert await world.calls() == 1
    headers = json.dumps({**UNSTORED, "x-simulate-fault": "truncated"})
    said = await node("ai.mjs", gateway, "streamFailure", HEADERS=headers)
    assert (
        "before it was complete" in said["streamFailure"]["message"] or "broke off" in said["streamFailure"]["message"]
    )


async def test_the_official_clients_websocket(gateway: Gateway, node: Node, world: World) -> None:
    said = await node("socket.mjs", gateway)
    assert (len(said["texts"]), said["errors"], said["code"]) == (2, ["invalid_type"], 1000)
    assert said["types"].count("response.completed") == 2
    first, second = await world.ledger_entries(2)
    assert second["input_tokens"] > first["input_tokens"]


async def test_both_where_the_provider_only_speaks_chat(world: World, node: Node) -> None:
    async with world.gateway(providers={"openai": {"kind": "openai", "endpoints": ["chat"]}}) as gateway:
        official = await node("openai.mjs", gateway, "response", "events", "parsedResponse")
        others = await node("ai.mjs", gateway, "response", "streamedResponse")
        failure = await node(
            "openai.mjs", gateway, "eventsFailure",
            HEADERS=json.dumps({**UNSTORED, "x-simulate-fault": "truncated"}),
        )  # fmt: skip
    assert official["response"] == official["events"]["text"]
    assert official["events"]["types"][-1] == "response.completed"
    assert sorted(official["parsedResponse"]) == ["height", "place"]
    assert others["streamedResponse"]["text"] == others["response"]
    assert (others["streamedResponse"]["finish"], others["streamedResponse"]["usage"] > 0) == ("stop", True)
    assert failure["eventsFailure"]["code"] == "truncated_answer"
    assert set((await world.stats())["calls"]) == {"chat"}
