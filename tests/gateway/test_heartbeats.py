"""A streaming client gets comment lines while the answer is silent, and then the answer or an error."""

import asyncio

import pytest

from tests.harness import CHAT, RESPONSES, STREAM, Gateway, World, chat_text

RESTLESS = {"server": {"ping_seconds": 0.05}}
PATHS = {"/chat/completions": STREAM, "/responses": {**RESPONSES, "stream": True}}
PING = ": ping\n"


@pytest.mark.parametrize("path", PATHS)
async def test_before_the_first_byte(world: World, path: str) -> None:
    async with world.gateway(**RESTLESS) as gateway:
        started_at = asyncio.get_running_loop().time()
        answer = await gateway.call(path, PATHS[path], x_simulate_latency="0.5")
        taken = asyncio.get_running_loop().time() - started_at
    async with world.gateway() as patient:
        calm = await patient.call(path, PATHS[path])
    assert calm.text.count(PING) == 0
    assert answer.text.startswith(PING)
    assert 2 <= answer.text.count(PING) <= taken / RESTLESS["server"]["ping_seconds"]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert len(answer.events) == len(calm.events)


async def test_between_two_events(world: World) -> None:
    async with world.gateway(**RESTLESS) as gateway:
        answer = await gateway.chat(STREAM, x_simulate_tps="5", x_simulate_tokens="3")
        again = await gateway.chat({**STREAM, "stream": False}, x_simulate_tps="5", x_simulate_tokens="3")
    assert answer.text.partition("data: ")[2].count(PING) >= 2
    assert chat_text(answer.events) == again.json["choices"][0]["message"]["content"]
    assert again.headers["x-tidegate-cache"] == "hit"
    assert PING not in again.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("fault", "code"), [("server_error", "server_error"), ("out_of_quota", "insufficient_quota")])
async def test_an_error_after_the_first_heartbeat_comes_as_an_event(
    world: World, path: str, fault: str, code: str
) -> None:
    async with world.gateway(**RESTLESS) as gateway:
        answer = await gateway.call(path, PATHS[path], x_simulate_latency="0.5", x_simulate_fault=fault)
    assert (answer.status, answer.text[: len(PING)]) == (200, PING)
    (event,) = answer.events
    assert event["error"]["code"] == code
    if path == "/responses":
        assert (event["type"], event["code"], event["sequence_number"]) == ("error", code, 0)
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] != "ok"


async def test_who_joins_a_silent_answer_hears_them_too(world: World) -> None:
    slow = {"x_simulate_latency": "0.5"}
    async with (
        world.gateway(**RESTLESS) as one,
        world.gateway(**RESTLESS) as other,
        one.open("/chat/completions", STREAM, **slow) as leading,
    ):
        following = await other.chat(STREAM, **slow)
        assert (await leading.text()).startswith(PING)
    assert following.text.startswith(PING)
    assert following.text.endswith("data: [DONE]\n\n")
    assert await world.calls() == 1


async def test_an_answer_in_one_piece_has_no_room_for_any(world: World) -> None:
    async with world.gateway(**RESTLESS) as gateway:
        answer = await gateway.chat(CHAT, x_simulate_latency="0.2")
    assert answer.json["object"] == "chat.completion"


async def test_a_hang_up_during_a_heartbeat_still_ends_the_call(world: World) -> None:
    async with world.gateway(**RESTLESS) as gateway:
        async with gateway.open("/chat/completions", STREAM, x_simulate_latency="60") as response:
            assert await response.content.readuntil(b"\n") == PING.encode()
        await world.wait_for_stats(cancelled=1, in_flight=0)
        (line,) = await world.ledger_entries(1)
        assert line["outcome"] == "client_disconnected"


async def test_a_patient_gateway_is_silent(gateway: Gateway) -> None:
    assert PING not in (await gateway.chat(STREAM, x_simulate_latency="0.2")).text
