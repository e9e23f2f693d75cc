"""A prompt that the upstream refuses inside a 200 is called once, whatever the surface, and harms no other caller."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.eventually import wait_until_async
from tests.gateway.sockets import raw, send_request
from tests.harness import Gateway, World

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
RESPONSES = {"model": "gpt-4o-mini", "input": "Hello"}
BODIES: dict[str, Any] = {"/chat/completions": CHAT, "/responses": RESPONSES}


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with world.gateway() as gateway:
        yield gateway


@pytest.mark.parametrize("fault", ["refused_in_answer", "refused_mid_answer"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("path", BODIES)
async def test_it_is_called_once_and_the_next_caller_is_answered(
    gateway: Gateway, world: World, path: str, streamed: bool, fault: str
) -> None:
    code = "bio_policy"
    for _ in range(6):
        answer = await gateway.call(
            path, {**BODIES[path], "stream": streamed}, x_simulate_fault=fault, x_simulate_error_code=code
        )
        assert code in answer.text
        assert answer.status == (400 if path == "/chat/completions" and not _begins(streamed, fault) else 200)
    assert await world.calls("chat" if path == "/chat/completions" else "responses") == 6
    assert (await gateway.call(path, BODIES[path])).status == 200
    lines = await world.ledger_entries(7)
    assert [line["outcome"] for line in lines].count("content_policy_violation") == 6


def _begins(streamed: bool, fault: str) -> bool:
    return streamed and fault == "refused_mid_answer"


FAULT = {"x-simulate-fault": "refused_in_answer", "x-simulate-error-code": "invalid_prompt"}


async def test_a_background_response_fails_with_the_upstreams_code(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client:
        promised = await client.responses.create(
            model="gpt-4o-mini", input="Hello", background=True, extra_headers=FAULT
        )

        async def ended() -> bool:
            return (await client.responses.retrieve(promised.id)).status == "failed"

        await wait_until_async(ended)
        failed = await client.responses.retrieve(promised.id)
    assert failed.error is not None
    assert failed.error.code == "invalid_prompt"
    assert await world.calls("responses") == 1


async def test_a_websocket_gets_the_failed_response(gateway: Gateway, world: World) -> None:
    async with raw(gateway, **FAULT) as connection:
        last = (await send_request(connection))[-1]
    assert last["type"] in ("response.failed", "error")
    assert "invalid_prompt" in str(last)
    assert await world.calls("responses") == 1


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_translated_response_is_refused_once(world: World, streamed: bool) -> None:
    own = {"name": "own", "api_key": "sk-local-made-up-key"}
    local = {"kind": "openai_compatible", "base_url": world.upstream_url, "credentials": [own]}
    targets = [{"provider": name, "model": "gpt-4o-mini"} for name in ("local", "openai")]
    async with world.gateway(providers={"local": local}, routes={"tide": {"targets": targets}}) as gateway:
        body = {"model": "tide", "input": "Hello", "stream": streamed}
        names = {name.replace("-", "_"): value for name, value in FAULT.items()}
        answer = await gateway.call("/responses", body, **names)
    assert (answer.status, answer.error["code"]) == (400, "invalid_prompt")
    assert (await world.calls("chat"), await world.calls("responses")) == (1, 0)
