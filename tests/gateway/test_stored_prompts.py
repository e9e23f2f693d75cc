"""`responses.create(prompt=…)` works without a model: the prompt's id stands for it until the answer names it."""

from typing import Any

import msgspec
import pytest
import yarl
from openai import NotFoundError

from tests.harness import Gateway, World
from tidegate.auth.grants import KeyChange
from tidegate.simulator.answers.prompts import PROMPT_MODEL

PROMPT: Any = {"id": "pmpt_tides", "version": "2", "variables": {"place": "Brest"}}


async def test_the_official_client_with_a_stored_prompt(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        first = await client.responses.create(prompt=PROMPT)
        stream = await client.responses.create(prompt=PROMPT, input="And now?", stream=True)
        events = [event.type async for event in stream]
        second = await client.responses.create(prompt=PROMPT, input="And now?", previous_response_id=first.id)
        fetched = await client.responses.retrieve(second.id)
    assert first.output_text
    assert events[-1] == "response.completed"
    assert (first.model, fetched.model, second.previous_response_id) == (PROMPT_MODEL, PROMPT_MODEL, first.id)
    assert first.prompt is not None
    assert first.prompt.id == "pmpt_tides"
    assert {request["model"] for request in (await world.stats())["requests"]} == {PROMPT_MODEL}, "none was sent"
    for entry in await world.ledger_entries(3):
        assert (entry["model"], entry["served_model"]) == ("pmpt_tides", PROMPT_MODEL)
        assert entry["cost_nanos"] > 0


async def test_a_prompt_in_the_background_and_on_a_websocket(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        promised = await client.responses.create(prompt=PROMPT, background=True)
        stream = await client.responses.retrieve(promised.id, stream=True)
        assert [event.type async for event in stream][-1] == "response.completed"
    key = {"authorization": f"Bearer {gateway.key}"}
    async with gateway.http.ws_connect(f"{gateway.base_url}/responses", headers=key) as socket:
        await socket.send_json({"type": "response.create", "prompt": PROMPT, "store": False})
        kinds: list[str] = []
        while not kinds or not kinds[-1].startswith(("response.completed", "error")):
            kinds.append((await socket.receive_json())["type"])
    assert kinds[-1] == "response.completed"
    assert {request["model"] for request in (await world.stats())["requests"]} == {PROMPT_MODEL}


async def test_only_a_prompt_of_a_fixed_version_is_answered_from_the_cache(gateway: Gateway) -> None:
    latest = {name: value for name, value in PROMPT.items() if name != "version"}
    for prompt, labels in ((PROMPT, ["miss", "hit"]), (latest, ["off", "off"])):
        body = {"prompt": prompt, "store": False}
        answers = [await gateway.call("/responses", body) for _ in labels]
        assert [answer.headers["x-tidegate-cache"] for answer in answers] == labels


async def test_a_key_of_some_models_cannot_reach_others_by_a_prompt(world: World) -> None:
    grants = KeyChange(models=("gpt-4o", "pmpt_allowed"))
    key = (await world.keys.create(project="shop", grants=grants)).token
    async with world.gateway() as gateway, gateway.sdk(api_key=key) as client:
        with pytest.raises(NotFoundError) as refused:
            await client.responses.create(prompt=PROMPT)
        assert "pmpt_tides" in refused.value.message
        assert (await client.responses.create(prompt=PROMPT, model="gpt-4o")).model == "gpt-4o"
        assert (await client.responses.create(prompt={"id": "pmpt_allowed"})).output_text
    assert len((await world.stats())["requests"]) == 2


async def test_a_route_may_give_a_prompt_another_model(world: World) -> None:
    route = {"pmpt_tides": {"targets": [{"provider": "openai", "model": "gpt-4o"}]}}
    async with world.gateway(routes=route) as gateway, gateway.sdk() as client:
        assert (await client.responses.create(prompt=PROMPT)).model == "gpt-4o"
    (entry,) = await world.ledger_entries(1)
    assert (entry["model"], entry["served_model"]) == ("pmpt_tides", "gpt-4o")


async def test_a_provider_without_prompts_says_so(world: World) -> None:
    async with world.gateway(providers={"openai": {"kind": "openai", "endpoints": ["chat"]}}) as gateway:
        answer = await gateway.call("/responses", {"prompt": PROMPT, "store": False})
    assert (answer.status, answer.error["param"]) == (400, "prompt")
    assert await world.calls() == 0


async def test_fields_in_other_letters_and_fields_twice_do_not_reach_a_server(gateway: Gateway, world: World) -> None:
    refused = await gateway.chat(b'{"model":"gpt-4o-mini","Model":"gpt-4o","messages":[{"role":"user","content":"x"}]}')
    assert (refused.status, refused.error["code"], refused.error["param"]) == (400, "unknown_parameter", "Model")
    twice = await gateway.chat(b'{"model":"gpt-4o","messages":[{"role":"user","content":"x"}],"model":"gpt-4o-mini"}')
    assert msgspec.json.decode(twice.text)["model"] == "gpt-4o-mini"
    (request,) = (await world.stats())["requests"]
    assert request["model"] == "gpt-4o-mini"
    marked = await gateway.chat(b'\xef\xbb\xbf{"model":"gpt-4o-mini","messages":[{"role":"user","content":"x"}]}')
    assert marked.headers["x-tidegate-cache"] == "hit"


@pytest.mark.parametrize("path", ["/models/", "/models/%2e", "/models/%2E%2E"])
async def test_what_is_no_models_name_does_not_reach_the_provider(gateway: Gateway, world: World, path: str) -> None:
    key = {"authorization": f"Bearer {gateway.key}"}
    address = yarl.URL(gateway.base_url + path, encoded=True)  # the client would normalize it
    async with gateway.http.get(address, headers=key) as response:
        assert response.status == 404
    assert (await world.stats())["calls"] == {}
