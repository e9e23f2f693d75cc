"""`/v1/responses` over a WebSocket, with the official SDK's own client: each request is a call like any other."""

import asyncio
from typing import Any

import msgspec
import openai
import pytest
from openai.lib.responses_websocket import (
    AsyncResponsesWebSocketSession,
    ResponsesWebSocketError,
    ResponsesWebSocketLimits,
)
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.eventually import PATIENCE_SECONDS
from tests.gateway.sockets import ANY_EVENT, ASK, LAST, raw, response_events, send_request, text_of
from tests.harness import Gateway, World

Json = dict[str, Any]


async def test_the_official_client(gateway: Gateway, world: World) -> None:
    async with gateway.sdk() as client, client.responses.connect() as connection:
        await connection.response.create(model="gpt-4o-mini", input="When is high tide?", store=False)
        words, last = "", None
        async for event in connection:
            if event.type == "response.output_text.delta":
                words += event.delta
            if event.type == "response.completed":
                last = event.response
                break
        assert last is not None
        assert last.output_text == words
    (line,) = await world.ledger_entries(1)
    assert (line["route"], line["outcome"], line["stream"]) == ("responses", "ok", True)
    assert line["output_tokens"] == last.usage.output_tokens if last.usage else False


async def test_an_unknown_path_is_404_with_the_envelope(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(gateway.base_url.replace("http", "ws", 1) + "/elsewhere"):
            pass
    answer = refused.value.response
    assert answer.status_code == 404
    assert msgspec.json.decode(answer.body)["error"]["message"] == "Invalid URL (WebSocket /v1/elsewhere)"


async def test_every_event_is_one_that_the_sdk_accepts_strictly(gateway: Gateway) -> None:
    async with raw(gateway) as connection:
        events = [*await send_request(connection), *await send_request(connection, model=7)]
    for event in events:
        ANY_EVENT.validate_json(msgspec.json.encode(event), strict=True)
    assert [event["sequence_number"] for event in events[:-1]] == list(range(len(events) - 1))
    assert not any("stream_id" in event for event in events)


async def test_a_turn_goes_on_from_the_one_before_it_though_nobody_stored_it(gateway: Gateway, world: World) -> None:
    async with raw(gateway) as connection:
        first = (await send_request(connection, input="I am Ada."))[-1]["response"]
        second = (await send_request(connection, input="Who am I?", previous_response_id=first["id"]))[-1]["response"]
        third = await send_request(
            connection, input=[{"role": "user", "content": "?"}], previous_response_id=second["id"]
        )
    assert {event["response"]["previous_response_id"] for event in third if "response" in event} == {second["id"]}
    tokens = [line["input_tokens"] for line in await world.ledger_entries(3)]
    assert tokens == sorted(set(tokens))


async def test_a_turn_may_be_prepared(gateway: Gateway, world: World) -> None:
    async with raw(gateway) as connection:
        events = await send_request(connection, input="I am Ada.", generate=False)
        ready = events[-1]["response"]
        assert (events[-1]["type"], ready["output"]) == ("response.completed", [])
        last = (await send_request(connection, input="Who am I?", previous_response_id=ready["id"]))[-1]["response"]
    assert last["usage"]["input_tokens"] > 12
    assert last["previous_response_id"] == ready["id"]
    assert len(await world.ledger_entries(1)) == 1


async def test_streams_run_side_by_side_and_each_in_order(gateway: Gateway) -> None:
    slow = {"x-simulate-tps": "100", "x-simulate-tokens": "20"}
    async with raw(gateway, **slow) as connection:
        for stream_id in ("a", "b", "a"):
            await connection.send(msgspec.json.encode({**ASK, "stream_id": stream_id, "input": stream_id}).decode())
        events: list[Json] = []
        while sum(event["type"] in LAST for event in events) < 3:
            events.append(msgspec.json.decode(await connection.recv()))
    names = [event["stream_id"] for event in events if event["type"] == "response.created"]
    assert sorted(names) == ["a", "a", "b"]
    assert names[:2] in (["a", "b"], ["b", "a"])  # the second of "a" waits for the first
    own = [event["sequence_number"] for event in events if event["stream_id"] == "b"]
    assert own == list(range(len(own)))


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("{", 400, "body_not_json"),
        ("[]", 400, "body_not_an_object"),
        ('{"type":"response.cancel"}', 400, "invalid_value"),
        ('{"type":"response.create"}', 400, "missing_required_parameter"),
        ('{"type":"response.create","model":"m","stream_id":""}', 400, "invalid_stream_id"),
        ('{"type":"response.create","model":"m","stream_id":"a b"}', 400, "invalid_stream_id"),
        ('{"type":"response.create","model":"m","input":{},"generate":false}', 400, "invalid_type"),
    ],
)
async def test_a_mistake_is_told_and_the_connection_goes_on(
    gateway: Gateway, message: str, status: int, code: str | None
) -> None:
    async with raw(gateway) as connection:
        await connection.send(message)
        (event,) = await response_events(connection)
        assert (event["type"], event["status"], event["error"]["code"]) == ("error", status, code)
        assert (await send_request(connection))[-1]["type"] == "response.completed"


async def test_an_error_has_what_its_headers_would_have_said(gateway: Gateway, world: World) -> None:
    async with raw(gateway, **{"x-simulate-fault": "out_of_quota"}) as connection:
        event = (await send_request(connection, stream_id="a"))[-1]
    assert (event["status"], event["error"]["code"], event["stream_id"]) == (429, "insufficient_quota", "a")
    assert event["error"]["headers"]["x-should-retry"] == "false"
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "insufficient_quota"


async def test_steering_is_declined(gateway: Gateway) -> None:
    async with raw(gateway) as connection:
        await connection.send('{"type":"response.steer","previous_response_id":"resp_1","input":"left"}')
        event = msgspec.json.decode(await connection.recv())
    ANY_EVENT.validate_json(msgspec.json.encode(event), strict=True)
    assert event["error"]["code"] == "steering_not_supported"
    assert event["steer"] == {"input": "left", "previous_response_id": "resp_1"}


@pytest.mark.parametrize("key", ["sk-tg-nobody", ""])
async def test_without_a_key_nobody_comes_in(gateway: Gateway, key: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with raw(gateway, key=key or " "):
            pass
    response = refused.value.response
    assert response.status_code == 401
    assert response.headers["x-tidegate-error"] in ("invalid_api_key", "missing_api_key")
    assert msgspec.json.decode(response.body or b"")["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_key"])
async def test_only_so_many_come_in(world: World, limit: str) -> None:
    other = await world.make_key()
    async with world.gateway(websocket={limit: 1}) as gateway:
        async with raw(gateway):
            with pytest.raises(InvalidStatus) as refused:
                async with raw(gateway):
                    pass
            assert refused.value.response.status_code == 503
            if limit == "max_connections_per_key":
                async with raw(gateway, key=other.token) as connection:
                    assert (await send_request(connection))[-1]["type"] == "response.completed"
        async with raw(gateway):
            pass


async def test_a_repeated_question_is_answered_from_the_cache(gateway: Gateway, world: World) -> None:
    async with raw(gateway) as connection:
        first, second = await send_request(connection), await send_request(connection)
    assert text_of(first[-1]["response"]) == text_of(second[-1]["response"])
    assert [line["cache"] for line in await world.ledger_entries(2)] == ["miss", "hit"]


async def test_revoking_a_key_acts_within_the_connection(world: World) -> None:
    async with world.gateway() as gateway:
        made = await world.make_key()
        async with raw(gateway, key=made.token) as connection:
            assert (await send_request(connection))[-1]["type"] == "response.completed"
            await world.keys.revoke(made.record.id)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (event := (await send_request(connection))[-1])["type"] != "error":
                    pass
    assert event["error"]["code"] == "revoked_api_key"


async def test_the_sdk_raises_what_its_caller_did_not_handle(gateway: Gateway) -> None:
    async with gateway.sdk() as client, client.responses.connect() as connection:
        await connection.send({"type": "response.create", "input": "x"})
        with pytest.raises(openai.OpenAIError, match="model"):
            await connection.dispatch_events()


async def test_a_model_is_given_its_own_reasoning_and_its_client_is_not(gateway: Gateway) -> None:
    async with raw(gateway) as connection:
        first = await send_request(connection, model="o3-mini", input="I am Ada.")
        previous = first[-1]["response"]["id"]
        second = await send_request(connection, model="o3-mini", input="Who am I?", previous_response_id=previous)
        shown = await send_request(connection, model="o3-mini", include=["reasoning.encrypted_content"])
    assert [event["type"] for event in second][-1] == "response.completed"
    assert "encrypted_content" not in str(first) + str(second)
    assert "encrypted_content" in str(shown)


async def test_an_answer_cut_while_it_reasons_can_be_gone_on_from(gateway: Gateway) -> None:
    async with raw(gateway) as connection:
        cut = (await send_request(connection, model="o3-mini", max_output_tokens=16))[-1]["response"]
        then = await send_request(connection, model="o3-mini", previous_response_id=cut["id"])
    assert [item["type"] for item in cut["output"]] == ["reasoning"]
    assert then[-1]["type"] == "response.completed"


async def test_another_connection_knows_nothing_of_what_was_not_stored(gateway: Gateway) -> None:
    async with raw(gateway) as connection:
        first = (await send_request(connection))[-1]["response"]
    async with raw(gateway) as connection:
        (event,) = await send_request(connection, previous_response_id=first["id"])
    assert (event["type"], event["status"], event["error"]["code"]) == ("error", 400, "previous_response_not_found")
    assert event["error"]["param"] == "previous_response_id"


async def test_stored_turns_are_gone_on_from_anywhere(gateway: Gateway, world: World) -> None:
    async with raw(gateway) as connection:
        stored = (await send_request(connection, input="I am Ada.", store=True))[-1]["response"]
    async with raw(gateway) as connection:
        passing = (await send_request(connection, input="Who am I?", previous_response_id=stored["id"]))[-1]["response"]
        again = (await send_request(connection, input="Sure?", previous_response_id=passing["id"]))[-1]["response"]
        kept = await send_request(connection, input="Really?", previous_response_id=again["id"], store=True)
    assert kept[-1]["response"]["previous_response_id"] == again["id"]
    tokens = [line["input_tokens"] for line in await world.ledger_entries(4)]
    assert tokens == sorted(set(tokens))
    async with gateway.sdk() as client:
        result = await client.responses.retrieve(kept[-1]["response"]["id"])
        items = await client.responses.input_items.list(result.id, order="asc")
    words = [item.content[0].text for item in items.data if item.type == "message"]  # type: ignore[union-attr]
    assert (words[0], words[-1], len(words)) == ("I am Ada.", "Really?", 7)


async def test_the_official_session_with_its_lanes(gateway: Gateway, world: World) -> None:
    limits = ResponsesWebSocketLimits(
        max_lanes=4, max_events_per_lane=1000, max_events=2000, max_bytes_per_lane=2**20, max_bytes=2**22
    )

    def ask(**fields: Any) -> Any:
        return {**ASK, **fields}

    async with (
        gateway.sdk() as client,
        client.responses.connect() as connection,
        AsyncResponsesWebSocketSession(connection, limits=limits) as session,
    ):
        remaining, right = session.lane("left"), session.lane("right")
        await remaining.send(ask(input="I am Ada.", generate=False))
        ready = await remaining.get_final_response()
        for lane in (remaining, right):  # one continues, the other branches off
            await lane.send(ask(input="Who am I?", previous_response_id=ready.id))
        both = [await remaining.get_final_response(), await right.get_final_response()]
        assert [response.previous_response_id for response in both] == [ready.id, ready.id]
        await right.send(ask(model="x" * 300))
        with pytest.raises(ResponsesWebSocketError):
            await right.get_final_response()
    assert len(await world.ledger_entries(2)) == 2


async def test_what_fails_on_a_socket_is_counted_as_any_failure(world: World) -> None:
    async with world.gateway(monitoring={"public_metrics": True}) as gateway, raw(gateway) as connection:
        await send_request(connection, model=7)
        async with world.http.get(f"{gateway.root}/metrics") as response:
            figures = await response.text()
    assert 'tidegate_failures_total{error="invalid_type",route="responses"} 1' in figures
    assert "tidegate_websocket_connections 1" in figures
