"""Azure's clients find their own addresses and their own header for the key."""

import asyncio
from typing import Any

import pytest
from openai import AsyncAzureOpenAI, AuthenticationError, AzureOpenAI, NotFoundError, RateLimitError

from tests.harness import CHAT, EMBEDDINGS, MODERATIONS, RESPONSES, UPSTREAM_KEY, Answer, Gateway, World

VERSION = "?api-version=2024-10-21"
UNNAMED: dict[str, Any] = {"messages": CHAT["messages"]}


async def call(gateway: Gateway, path: str, body: Any = None, *, method: str = "", **headers: str) -> Answer:
    """Return the answer to a request outside of `/v1`; headers are keywords with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()} or {"api-key": gateway.key}
    options: dict[str, Any] = {} if body is None else {"json": body}
    verb = method or ("GET" if body is None else "POST")
    async with gateway.http.request(verb, gateway.root + path, headers=named, **options) as response:
        return Answer(response.status, response.headers, await response.text())


ADDRESSES: list[tuple[str, Any, str]] = [
    ("/openai/deployments/gpt-4o-mini/chat/completions", UNNAMED, "gpt-4o-mini"),
    ("/openai/deployments/gpt-4o/chat/completions", CHAT, "gpt-4o"),
    ("/openai/deployments/teams%2Fgpt-4o/chat/completions", UNNAMED, "teams/gpt-4o"),
    ("/openai/deployments/teams/gpt-4o-mini/chat/completions", UNNAMED, "teams/gpt-4o-mini"),
    ("/openai/deployments/text-embedding-3-small/embeddings", {"input": "x"}, "text-embedding-3-small"),
    ("/openai/deployments/gpt-4o-mini/responses", {"input": "x"}, "gpt-4o-mini"),
    ("/openai/v1/deployments/gpt-4.1/chat/completions", CHAT, "gpt-4.1"),
    ("/openai/v1/chat/completions", {**CHAT, "seed": 1}, "gpt-4o-mini"),
    ("/openai/v1/responses", RESPONSES, "gpt-4o-mini"),
    ("/openai/responses", {**RESPONSES, "input": "y"}, "gpt-4o-mini"),
    ("/openai/v1/embeddings", {**EMBEDDINGS, "input": "y"}, "text-embedding-3-small"),
    ("/openai/v1/moderations", MODERATIONS, "omni-moderation-latest"),
]


async def test_the_path_names_the_model(gateway: Gateway, world: World) -> None:
    for path, body, _ in ADDRESSES:
        answer = await call(gateway, path + VERSION, body)
        assert answer.status == 200, (path, answer.text)
    asked = [request["model"] for request in (await world.stats())["requests"]]
    assert asked == [model for _, _, model in ADDRESSES]
    entries = await world.ledger_entries(len(ADDRESSES))
    assert [entry["model"] for entry in entries] == asked


async def test_both_forms_of_an_address_share_one_answer(gateway: Gateway, world: World) -> None:
    assert (await gateway.chat()).headers["x-tidegate-cache"] == "miss"
    answer = await call(gateway, "/openai/deployments/gpt-4o-mini/chat/completions", UNNAMED)
    assert answer.headers["x-tidegate-cache"] == "hit"
    assert await world.calls() == 1


@pytest.mark.parametrize("model", ["", "%0d%0ax-more: 1", "a" * 300])
async def test_a_path_that_names_no_model_is_refused(gateway: Gateway, world: World, model: str) -> None:
    answer = await call(gateway, f"/openai/deployments/{model}/chat/completions", UNNAMED)
    assert (answer.status, answer.error["param"]) == (400, "model")
    assert await world.calls() == 0


async def test_all_routes_of_v1_are_there_and_no_other(gateway: Gateway) -> None:
    for path, status in (
        ("/openai/models", 200),
        ("/openai/v1/models", 200),
        ("/openai/v1/models/gpt-4o", 200),
        ("/openai/deployments/gpt-4o/models", 200),
        ("/openai/v1/chat/completions", 200),
        ("/openai/responses/resp_1", 404),
        ("/openai/v1/conversations/conv_1", 404),
        ("/openai/v1/responses", 426),
        ("/openai/deployments/gpt-4o/embeddings", 405),
        ("/openai/deployments/gpt-4o", 404),
        ("/openai/admin/v1/keys", 404),
        ("/openai/", 404),
    ):
        answer = await call(gateway, path + VERSION)
        assert answer.status == status, (path, answer.text)
        assert status == 200 or answer.error["message"]


KEYS: list[tuple[dict[str, str], int, str | None]] = [
    ({"api_key": "KEY"}, 200, None),
    ({"api_key": "KEY", "authorization": "Bearer KEY"}, 200, None),
    ({"api_key": "KEY", "authorization": "bearer KEY"}, 200, None),
    ({"api_key": "KEY", "authorization": "Bearer dummy"}, 401, "several_api_keys"),
    ({"api_key": "dummy", "authorization": "Bearer KEY"}, 401, "several_api_keys"),
    ({"api_key": "OTHER", "authorization": "Bearer KEY"}, 401, "several_api_keys"),
    ({"api_key": "dummy"}, 401, "invalid_api_key"),
    ({"api_key": "Bearer KEY"}, 401, "invalid_api_key"),
    ({"api_key": ""}, 401, "missing_api_key"),
]


async def test_the_key_may_come_in_azures_header(world: World, gateway: Gateway) -> None:
    other = (await world.make_key("bank")).token
    for path, body in (("/v1/chat/completions", CHAT), ("/v1/models", None)):
        for headers, status, code in KEYS:
            keys = {name: value.replace("KEY", gateway.key).replace("OTHER", other) for name, value in headers.items()}
            answer = await call(gateway, path, body, **keys)
            assert answer.status == status, (headers, answer.text)
            assert code is None or answer.error["code"] == code, headers
            assert gateway.key not in answer.text
            assert other not in answer.text


async def test_azures_header_is_neither_forwarded_nor_logged(world: World) -> None:
    everything = {"forward_headers": ["*"]}
    async with world.process(upstream=everything, log_level="debug") as gateway:
        for key in (gateway.key, "sk-tg-" + "0" * 49):
            await call(gateway, "/v1/chat/completions", CHAT, api_key=key)
        await gateway.stop()
    (request,) = (await world.stats())["requests"]
    assert request["key_ends"] == UPSTREAM_KEY[-4:]
    assert gateway.key not in gateway.log
    assert "api-key" not in gateway.log


def azure(gateway: Gateway, **options: Any) -> AsyncAzureOpenAI:
    """Return the official client for Azure, which is a context manager."""
    settings = {"azure_endpoint": gateway.root, "api_version": "2024-10-21", "api_key": gateway.key, "max_retries": 0}
    return AsyncAzureOpenAI(**{**settings, **options})


@pytest.mark.parametrize("options", [{}, {"azure_deployment": "gpt-4o-mini"}, {"base_url": "/openai/v1"}])
async def test_the_official_client_for_azure(gateway: Gateway, options: dict[str, str]) -> None:
    if "base_url" in options:
        options = {"base_url": gateway.root + options["base_url"], "azure_endpoint": None}  # type: ignore[dict-item]
    async with azure(gateway, **options) as client:
        messages: Any = CHAT["messages"]
        whole = await client.chat.completions.create(model="gpt-4o-mini", messages=messages)
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(pieces) == whole.choices[0].message.content
        response = await client.responses.create(model="gpt-4o-mini", input="When is high tide?")
        assert (await client.responses.retrieve(response.id)).output_text == response.output_text != ""
        model = "gpt-4o-mini" if "azure_deployment" in options else "text-embedding-3-small"
        assert (await client.embeddings.create(model=model, input="x")).data[0].embedding
        assert "gpt-4o" in [model.id async for model in client.models.list()]
        with pytest.raises(NotFoundError) as missing:
            await client.responses.retrieve("resp_unknown")
        assert missing.value.code == "response_not_found"


async def test_the_official_clients_errors(gateway: Gateway) -> None:
    async with azure(gateway, api_key="dummy") as client:
        with pytest.raises(AuthenticationError) as refused:
            await client.chat.completions.create(model="gpt-4o-mini", messages=CHAT["messages"])
        assert refused.value.code == "invalid_api_key"
    async with azure(gateway, default_headers={"x-simulate-fault": "rate_limited"}) as client:
        with pytest.raises(RateLimitError):
            await client.chat.completions.create(model="gpt-4o-mini", messages=CHAT["messages"])


async def test_the_synchronous_client_for_azure(gateway: Gateway) -> None:
    def ask() -> str | None:
        with AzureOpenAI(azure_endpoint=gateway.root, api_version="2025-04-01-preview", api_key=gateway.key) as client:
            completion = client.chat.completions.create(model="gpt-4o-mini", messages=CHAT["messages"])
            return completion.choices[0].message.content

    assert await asyncio.to_thread(ask)


async def test_azures_address_opens_a_websocket_too(gateway: Gateway) -> None:
    headers = {"api-key": gateway.key}
    async with gateway.http.ws_connect(f"{gateway.root}/openai/v1/responses", headers=headers) as socket:
        await socket.send_json({"type": "response.create", "store": False, **RESPONSES})
        async for message in socket:
            if message.json()["type"] == "response.completed":
                return
        pytest.fail("it ended without an answer")
