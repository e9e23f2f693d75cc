"""Client secrets pass through, marked as unmetered; a key with a budget gets none."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI, NotFoundError, PermissionDeniedError

from tests.harness import Gateway, World
from tidegate.auth.grants import KeyChange, LimitsChange


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with gateway.sdk() as client:
        yield client


async def test_a_secret_passes_through_and_is_marked(client: AsyncOpenAI, world: World) -> None:
    made = await client.realtime.client_secrets.create(session={"type": "realtime", "model": "gpt-realtime"})
    assert made.value.startswith("ek_")
    assert made.session.type == "realtime"
    (line,) = await world.ledger_entries(1)
    assert (line["route"], line["unpriced"], line["cost_nanos"]) == ("realtime.unmetered.client_secrets", True, 0)


@pytest.mark.parametrize("path", ["sessions", "transcription_sessions", "translations/client_secrets"])
async def test_so_do_the_other_addresses(gateway: Gateway, world: World, path: str) -> None:
    answer = await gateway.call(f"/realtime/{path}", {"session": {"model": "gpt-realtime"}})
    assert "ek_" in answer.text
    (line,) = await world.ledger_entries(1)
    assert line["unpriced"]


async def test_a_budget_gets_none(gateway: Gateway, world: World) -> None:
    key = await world.make_key()
    await world.keys.update(key.record.id, KeyChange(limits=LimitsChange(budget_month=10**12)))
    async with gateway.sdk(api_key=key.token) as client:
        with pytest.raises(PermissionDeniedError, match="budget applies") as refused:
            await client.realtime.client_secrets.create(session={"type": "realtime", "model": "gpt-realtime"})
    assert refused.value.code == "unmetered_refused"
    assert (await world.stats())["calls"] == {}


@pytest.mark.parametrize("model", ["gpt-realtime-2", None])
async def test_a_key_with_models_of_its_own_names_one_of_them(
    gateway: Gateway, world: World, model: str | None
) -> None:
    key = await world.make_key()
    await world.keys.update(key.record.id, KeyChange(models=("gpt-realtime",)))
    session = {"type": "realtime"} if model is None else {"type": "realtime", "model": model}
    async with gateway.sdk(api_key=key.token) as client:
        with pytest.raises(NotFoundError):
            await client.post("/realtime/client_secrets", body={"session": session}, cast_to=object)


async def test_calls_are_refused_in_the_gateways_words(gateway: Gateway) -> None:
    answer = await gateway.call("/realtime/calls", b"v=0", content_type="application/sdp")
    assert answer.status == 404
    assert "WebSocket" in answer.error["message"]
