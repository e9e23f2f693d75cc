"""Realtime sessions with the official client: what is carried, what is charged, and what ends them."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.gateway.realtime_sessions import (
    SAID,
    SILENCE,
    append_audio,
    raw_session,
    raw_until,
    send,
    until,
    write_message,
)
from tests.harness import UPSTREAM_KEY, Gateway, World

Json = dict[str, Any]


@pytest.fixture
async def session(gateway: Gateway) -> AsyncIterator[AsyncRealtimeConnection]:
    async with gateway.sdk() as client, client.realtime.connect(model="gpt-realtime") as session:
        yield session


async def responses_of(world: World, count: int) -> list[Json]:
    """Return the ledger's lines of responses, once there are so many beside the session's own."""
    lines = await world.ledger_entries(count + 1)
    return [line for line in lines if line["upstream_request_id"]]


async def test_a_written_turn_is_answered_and_charged_as_its_usage_says(
    session: AsyncRealtimeConnection, world: World
) -> None:
    await session.session.update(session={"type": "realtime", "output_modalities": ["text"]})
    await write_message(session, "When is high tide?")
    await session.response.create()
    done = (await until(session, "response.done"))[-1]
    await session.close()
    (line,) = await responses_of(world, 1)
    usage = done.response.usage
    assert (line["input_tokens"], line["output_tokens"]) == (usage.input_tokens, usage.output_tokens)
    assert line["cost_nanos"] == usage.input_tokens * 4000 + usage.output_tokens * 16000
    assert (line["route"], line["model"], line["outcome"]) == ("realtime", "gpt-realtime", "ok")
    assert line["upstream_request_id"] == done.response.id


async def test_a_spoken_turn_begins_a_response_by_itself_and_is_charged_by_kind(
    session: AsyncRealtimeConnection, world: World
) -> None:
    for _ in range(2):
        await append_audio(session, SAID, SILENCE)
        await until(session, "response.done")
    await session.close()
    lines = await responses_of(world, 2)
    assert lines[1]["cached_tokens"] > 0
    assert sum(line["cost_nanos"] for line in lines) == (await world.stats())["cost_nanos"]


async def test_the_ledger_is_the_sum_of_the_bill_with_transcriptions_cancellations_and_tools(
    session: AsyncRealtimeConnection, world: World
) -> None:
    transcription: Any = {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}
    tool: Any = {"type": "function", "name": "tide", "parameters": {"type": "object"}}
    await session.session.update(session={"type": "realtime", "audio": transcription, "tools": [tool]})
    await append_audio(session, SAID, SILENCE)
    await until(session, "response.done")
    await session.response.create(response={"tool_choice": "required"})
    called = (await until(session, "response.done"))[-1]
    assert called.response.output[0].name == "tide"
    await session.response.create(response={"max_output_tokens": 10})
    cut = (await until(session, "response.done"))[-1]
    assert cut.response.status == "incomplete"
    await session.close()
    lines = await world.ledger_entries(5)
    assert [line["route"] for line in lines].count("realtime.transcription") == 1
    assert sum(line["cost_nanos"] for line in lines) == (await world.stats())["cost_nanos"] > 0
    assert not any(line["unpriced"] for line in lines)


async def test_who_leaves_in_the_middle_of_a_response_is_charged_what_was_made(world: World, gateway: Gateway) -> None:
    slow = {"x-simulate-tps": "50", "x-simulate-tokens": "400"}
    async with gateway.sdk() as client, client.realtime.connect(model="gpt-realtime", extra_headers=slow) as session:
        await write_message(session, "When is high tide?")
        await session.response.create()
        await until(session, "response.output_audio.delta")
    (line,) = await responses_of(world, 1)
    stats = await world.wait_for_stats(in_flight=0)
    assert not line["estimated"]
    assert 0 < line["output_tokens"] < 400
    assert line["cost_nanos"] == stats["cost_nanos"]


async def test_the_upstreams_key_is_never_shown(gateway: Gateway, world: World) -> None:
    await world.set_faults(invalid_key=1.0)
    with pytest.raises(InvalidStatus) as refused:
        async with raw_session(gateway):
            pass
    assert refused.value.response.status_code == 401
    body = (refused.value.response.body or b"").decode()
    assert UPSTREAM_KEY not in body
    assert UPSTREAM_KEY[-4:] not in body
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "invalid_upstream_key"


async def test_another_credential_opens_the_session_where_the_first_is_refused(world: World) -> None:
    keys = [
        {"name": "first", "api_key": "sk-first-key-of-the-account-0001"},
        {"name": "second", "api_key": UPSTREAM_KEY},
    ]
    openai = {"kind": "openai", "base_url": world.upstream_url, "credentials": keys}
    await world.set_faults(key="0001", out_of_quota=1.0)
    async with world.gateway(providers={"openai": openai}) as gateway, raw_session(gateway) as session:
        await raw_until(session, "session.created")
    (line,) = await world.ledger_entries(1)
    assert (line["credential"], line["outcome"]) == ("second", "ok")


async def test_a_browser_sends_its_key_as_a_subprotocol(gateway: Gateway) -> None:
    offered = [Subprotocol("realtime"), Subprotocol(f"openai-insecure-api-key.{gateway.key}")]
    async with raw_session(gateway, headers={}, subprotocols=offered) as session:
        assert session.subprotocol == "realtime"
        await raw_until(session, "session.created")


async def test_a_session_that_transcribes_names_its_model_later(gateway: Gateway, world: World) -> None:
    async with raw_session(gateway, intent="transcription") as session:
        heard = {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}
        await send(session, "session.update", session={"type": "transcription", "audio": heard})
        await send(session, "input_audio_buffer.append", audio=base64.b64encode(SAID).decode())
        await send(session, "input_audio_buffer.commit")
        done = (await raw_until(session, "conversation.item.input_audio_transcription.completed"))[-1]
    lines = await world.ledger_entries(2)
    (line,) = [line for line in lines if line["route"] == "realtime.transcription"]
    assert line["input_tokens"] == done["usage"]["input_tokens"] == 10
    assert line["cost_nanos"] == (await world.stats())["cost_nanos"] > 0


async def test_seconds_that_were_written_down_have_no_price_by_token(gateway: Gateway, world: World) -> None:
    async with raw_session(gateway, intent="transcription") as session:
        heard = {"input": {"transcription": {"model": "whisper-1"}}}
        await send(session, "session.update", session={"type": "transcription", "audio": heard})
        await send(session, "input_audio_buffer.append", audio=base64.b64encode(SAID).decode())
        await send(session, "input_audio_buffer.commit")
        await raw_until(session, "conversation.item.input_audio_transcription.completed")
    lines = await world.ledger_entries(2)
    assert [line["unpriced"] for line in lines if line["route"] == "realtime.transcription"] == [True]


async def test_usage_that_is_not_stated_is_estimated_from_what_was_sent(gateway: Gateway, world: World) -> None:
    headers = {"authorization": f"Bearer {gateway.key}", "x-simulate-fault": "missing_usage", "x-simulate-tokens": "50"}
    async with raw_session(gateway, headers=headers) as session:
        await send(session, "response.create")
        await raw_until(session, "response.done")
    (line,) = await responses_of(world, 1)
    assert line["estimated"]
    assert line["cost_nanos"] >= (await world.stats())["cost_nanos"] > 0


async def test_end_users_and_tags_are_in_the_ledger(gateway: Gateway, world: World) -> None:
    headers = {
        "authorization": f"Bearer {gateway.key}",
        "openai-safety-identifier": "anna",
        "x-tidegate-tags": "feature=voice",
    }
    async with raw_session(gateway, headers=headers) as session:
        await send(session, "response.create")
        await raw_until(session, "response.done")
    lines = await world.ledger_entries(2)
    assert [line["end_user"] for line in lines] == ["anna"] * 2
    assert all("voice" in str(line["tags"]) for line in lines)
