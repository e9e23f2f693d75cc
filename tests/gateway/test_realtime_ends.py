"""What ends a session, or refuses a part of it: budgets, keys, limits, time, hostile events, either side's close."""

import asyncio
import base64
import contextlib
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.eventually import PATIENCE_SECONDS
from tests.gateway.realtime_sessions import SAID, SILENCE, raw_session, raw_until, send
from tests.gateway.sockets import close_code
from tests.harness import Gateway, World
from tidegate.auth.grants import KeyChange, LimitsChange

Json = dict[str, Any]

CENT = 10_000_000


async def limited_key(world: World, **limits: int) -> str:
    """Return a key with these limits."""
    key = await world.make_key()
    await world.keys.update(key.record.id, KeyChange(limits=LimitsChange(**limits)))
    return key.token


def with_key(key: str, **more: str) -> Json:
    return {"authorization": f"Bearer {key}", **more}


async def error_of(session: ClientConnection) -> Json:
    error: Json = (await raw_until(session, "error"))[-1]["error"]
    return error


async def spent(world: World) -> int:
    """Return the cost of all responses of the ledger."""
    return sum(line["cost_nanos"] for line in await world.all_entries())


async def test_a_budget_ends_the_session_within_one_response(world: World, gateway: Gateway) -> None:
    key = await limited_key(world, budget_day=CENT)
    headers = with_key(key, **{"x-simulate-tokens": "60"})
    done: list[Json] = []
    async with raw_session(gateway, headers=headers) as session:
        await send(session, "response.create")
        while (last := (await raw_until(session, "response.done", "error"))[-1])["type"] == "response.done":
            done.append(last)
            with contextlib.suppress(ConnectionClosed):
                await send(session, "response.create")
        assert last["error"]["code"] == "budget_exceeded"
        assert await close_code(session) == 1008
    total = await spent(world)
    most = max(line["cost_nanos"] for line in await world.all_entries())
    assert len(done) > 1
    assert CENT - most < total < CENT + most
    assert total == (await world.stats())["cost_nanos"]


async def test_a_budget_that_is_used_up_opens_no_session(world: World, gateway: Gateway) -> None:
    key = await limited_key(world, budget_day=0)
    with pytest.raises(InvalidStatus) as refused:
        async with raw_session(gateway, headers=with_key(key)):
            pass
    assert refused.value.response.status_code == 429


async def test_a_budget_needs_prices(world: World, gateway: Gateway) -> None:
    key = await limited_key(world, budget_day=CENT)
    with pytest.raises(InvalidStatus) as refused:
        async with raw_session(gateway, headers=with_key(key), model="unheard-of"):
            pass
    assert refused.value.response.status_code == 400
    async with raw_session(gateway, headers=with_key(key)) as session:
        heard = {"input": {"transcription": {"model": "whisper-1"}}}
        await send(session, "session.update", event_id="e1", session={"type": "realtime", "audio": heard})
        error = await error_of(session)
        assert error["event_id"] == "e1"
        assert "price" in error["message"]


async def test_a_revoked_key_ends_its_sessions(world: World, gateway: Gateway) -> None:
    key = await world.make_key()
    async with raw_session(gateway, headers=with_key(key.token)) as session:
        await raw_until(session, "session.created")
        await world.keys.revoke(key.record.id)
        assert (await error_of(session))["code"] == "revoked_api_key"
        assert await close_code(session) == 1008
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "revoked_api_key"


async def test_only_the_keys_models_are_spoken_with(world: World, gateway: Gateway) -> None:
    key = await world.make_key()
    await world.keys.update(key.record.id, KeyChange(models=("gpt-realtime",)))
    with pytest.raises(InvalidStatus) as refused:
        async with raw_session(gateway, headers=with_key(key.token), model="gpt-realtime-2"):
            pass
    assert refused.value.response.status_code == 404
    async with raw_session(gateway, headers=with_key(key.token)) as session:
        for hidden in ({"model": "gpt-realtime-2"}, {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}):
            await send(session, "session.update", session={"type": "realtime", **hidden})
            assert (await error_of(session))["code"] == "model_not_found"


async def test_requests_a_minute_count_sessions_and_responses(world: World, gateway: Gateway) -> None:
    key = await limited_key(world, rpm=2)
    async with raw_session(gateway, headers=with_key(key)) as session:
        await send(session, "response.create")
        await raw_until(session, "response.done")
        await send(session, "response.create", event_id="third")
        error = await error_of(session)
        assert (error["code"], error["event_id"]) == ("rate_limit_exceeded", "third")
        await send(session, "input_audio_buffer.clear")
        await raw_until(session, "input_audio_buffer.cleared")


async def test_a_session_is_one_call_in_flight_until_it_ends(world: World, gateway: Gateway) -> None:
    key = await limited_key(world, concurrency=1)
    async with raw_session(gateway, headers=with_key(key)) as session:
        await send(session, "response.create")
        await raw_until(session, "response.done")
        with pytest.raises(InvalidStatus):
            async with raw_session(gateway, headers=with_key(key)):
                pass
    await world.ledger_entries(2)
    async with raw_session(gateway, headers=with_key(key)) as session:
        await raw_until(session, "session.created")


@pytest.mark.parametrize(
    ("setting", "code"), [("max_session_seconds", "session_expired"), ("idle_seconds", "session_idle")]
)
async def test_a_session_has_an_end(world: World, setting: str, code: str) -> None:
    async with world.gateway(realtime={setting: 0.2}) as gateway, raw_session(gateway) as session:
        assert (await error_of(session))["code"] == code
        assert await close_code(session) == 1001


async def test_only_so_many_sessions_are_open(world: World) -> None:
    async with world.gateway(realtime={"max_sessions_per_key": 1}) as gateway, raw_session(gateway):
        with pytest.raises(InvalidStatus) as refused:
            async with raw_session(gateway):
                pass
        assert refused.value.response.status_code == 503


HOSTILE = (
    "not json", "[]", "{}", '{"type":7}', '{"type":""}', '{"type":"' + "x" * 200 + '"}', "[" * 5000,
    b"\xff\xfe\x00", '{"type":"session.update","session":' + '{"a":' * 2000 + "1" + "}" * 2001,
    '{"type":"input_audio_buffer.append","audio":' + "[[]," * 40_000 + "1" + "]" * 40_000 + "}",
)  # fmt: skip


async def test_hostile_events_are_refused_and_the_session_goes_on(gateway: Gateway, world: World) -> None:
    async with raw_session(gateway) as session:
        await raw_until(session, "session.created")
        for event in HOSTILE:
            await session.send(event)
            error = await error_of(session)
            assert error["type"] == "invalid_request_error", event[:40]
        await send(session, "response.create")
        await raw_until(session, "response.done")
    assert (await world.stats())["calls"] == {"realtime": 1}


async def test_a_field_that_stands_twice_is_forwarded_once(gateway: Gateway) -> None:
    async with raw_session(gateway) as session:
        await session.send('{"type":"response.create","type":"input_audio_buffer.clear"}')
        events = await raw_until(session, "input_audio_buffer.cleared")
        assert "response.created" not in [event["type"] for event in events]


async def test_an_event_may_only_be_so_large(world: World) -> None:
    async with world.gateway(realtime={"max_event_bytes": 2048}) as gateway, raw_session(gateway) as session:
        await send(session, "input_audio_buffer.append", audio="A" * 4096)
        assert (await error_of(session))["code"] == "event_too_large"
        assert await close_code(session) == 1009


@pytest.mark.parametrize("fault", ["truncated", "truncated_clean"])
async def test_an_upstream_that_closes_ends_the_session_with_an_error(
    gateway: Gateway, world: World, fault: str
) -> None:
    async with raw_session(gateway, headers=with_key(gateway.key, **{"x-simulate-fault": fault})) as session:
        await send(session, "response.create")
        assert (await error_of(session))["code"] == "session_lost"
        assert await close_code(session) == 1011
    lines = await world.ledger_entries(2)
    assert [line["outcome"] for line in lines] == ["session_lost"] * 2
    assert sum(line["cost_nanos"] for line in lines) >= (await world.stats())["cost_nanos"] > 0


async def test_malformed_events_of_the_upstream_are_the_clients_to_read(gateway: Gateway, world: World) -> None:
    async with raw_session(gateway, headers=with_key(gateway.key, **{"x-simulate-fault": "malformed"})) as session:
        await send(session, "response.create")
        types: list[str] = []
        while not types or "response.done" not in types[-1]:
            async with asyncio.timeout(PATIENCE_SECONDS):
                types.append(str(await session.recv()))
    lines = await world.ledger_entries(2)
    assert sum(line["cost_nanos"] for line in lines) == (await world.stats())["cost_nanos"]


async def test_a_refused_response_gives_back_what_was_held_for_it(gateway: Gateway, world: World) -> None:
    headers = with_key(gateway.key, **{"x-simulate-tps": "100", "x-simulate-tokens": "200"})
    async with raw_session(gateway, headers=headers) as session:
        await send(session, "response.create")
        await raw_until(session, "response.created")
        await send(session, "response.create")
        assert (await error_of(session))["code"] == "conversation_already_has_active_response"
        await raw_until(session, "response.done")
    lines = await world.ledger_entries(2)
    assert sum(line["cost_nanos"] for line in lines) == (await world.stats())["cost_nanos"]


async def test_the_process_ends_when_the_response_has(world: World) -> None:
    running = world.gateway()
    gateway = await running.__aenter__()
    headers = with_key(gateway.key, **{"x-simulate-tps": "50", "x-simulate-tokens": "100"})
    async with raw_session(gateway, headers=headers) as session:
        await send(session, "response.create")
        await raw_until(session, "response.created")
        ending = asyncio.create_task(running.__aexit__(None, None, None))
        await raw_until(session, "response.done")
        assert (await error_of(session))["code"] == "shutting_down"
        assert await close_code(session) == 1012
        await ending
    lines = await world.ledger_entries(2)
    assert [line["cost_nanos"] > 0 for line in lines].count(True) == 1


async def test_audio_for_which_no_money_is_left_ends_the_session(world: World, gateway: Gateway) -> None:
    key = await limited_key(world, budget_day=1_000)
    async with raw_session(gateway, headers=with_key(key)) as session:
        for part in (SAID, SILENCE):
            await send(session, "input_audio_buffer.append", audio=base64.b64encode(part).decode())
        assert (await error_of(session))["code"] == "budget_exceeded"
        assert await close_code(session) == 1008
    assert 0 < await spent(world) == (await world.stats())["cost_nanos"]


async def test_a_kill_loses_no_money(world: World) -> None:
    leases = {"lease_seconds": 1.0, "rebuild_after_seconds": 0.5}
    async with world.process(budgets=leases) as gateway:
        headers = with_key(gateway.key, **{"x-simulate-tps": "50", "x-simulate-tokens": "400"})
        async with raw_session(gateway, headers=headers) as session:
            await send(session, "response.create")
            await raw_until(session, "response.output_audio.delta")
            gateway.kill()
            await gateway.wait()
            with contextlib.suppress(ConnectionClosed):
                await close_code(session)
    async with world.gateway(budgets=leases):
        lines = await world.ledger_entries(2)
    assert [line["outcome"] for line in lines] == ["lost"] * 2
    stats = await world.wait_for_stats(in_flight=0)
    assert sum(line["cost_nanos"] for line in lines) >= stats["cost_nanos"] > 0
