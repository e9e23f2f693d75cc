"""A client that hangs up ends its upstream call within 100 ms, unless another caller waits for the same answer."""

import asyncio
import socket
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.harness import CHAT, RESPONSES, STREAM, Answer, Gateway, World, ask, chat_text

NEVER = {"x_simulate_ttft": "60"}
SLOW = {"x_simulate_tps": "40", "x_simulate_tokens": "400"}
SOON = {"x_simulate_tps": "40", "x_simulate_tokens": "16"}
SOON_LOOKS = 10
"""100 ms."""


async def open_stream(gateway: Gateway, body: Any, **headers: str) -> Any:
    """Open a stream, and wait for its first event."""
    response = await gateway.open("/chat/completions", body, **headers)
    await response.content.readuntil(b"\n\n")
    return response


async def looks_until_cancelled(world: World) -> int:
    """Return the number of checks until the upstream has noticed; each takes 10 ms, and more on a busy machine."""
    for look in range(1000):
        stats = await world.stats()
        if (stats["in_flight"], stats["cancelled"]) == (0, 1):
            return look
        await asyncio.sleep(0.01)
    raise AssertionError(stats)


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_while_it_waits(gateway: Gateway, world: World, path: str, streamed: bool) -> None:
    body = {**(CHAT if path == "/chat/completions" else RESPONSES), "stream": streamed}
    call = asyncio.create_task(gateway.call(path, body, **NEVER))
    await world.wait_for_stats(in_flight=1)
    call.cancel()
    assert await looks_until_cancelled(world) <= SOON_LOOKS
    (line,) = await world.ledger_entries(1)
    assert (line["outcome"], line["estimated"]) == ("client_disconnected", True)
    assert line["input_tokens"] > 0


async def test_in_the_middle_of_a_stream(gateway: Gateway, world: World) -> None:
    response = await open_stream(gateway, STREAM, **SLOW)
    await response.content.readuntil(b"\n\n")
    response.close()
    assert await looks_until_cancelled(world) <= SOON_LOOKS
    (line,) = await world.ledger_entries(1)
    assert (line["outcome"], line["estimated"]) == ("client_disconnected", True)
    assert line["output_tokens"] > 0
    assert line["cost_nanos"] > 0


async def test_an_abandoned_answer_is_not_stored(gateway: Gateway, world: World) -> None:
    response = await open_stream(gateway, STREAM, **SLOW)
    response.close()
    await world.wait_for_stats(in_flight=0, cancelled=1)
    again = await open_stream(gateway, STREAM, **SLOW)
    assert again.headers["x-tidegate-cache"] == "miss"
    again.close()
    await world.wait_for_stats(in_flight=0, cancelled=2)
    await world.ledger_entries(2)


async def test_not_while_another_waits_for_the_same_answer(gateway: Gateway, world: World) -> None:
    first = await open_stream(gateway, STREAM, **SOON)
    second = await open_stream(gateway, STREAM, **SOON)
    assert second.headers["x-tidegate-cache"] == "joined"
    first.close()
    rest = Answer(200, {}, (await second.text()))
    assert rest.text.endswith("data: [DONE]\n\n")
    stats = await world.stats()
    assert (stats["calls"]["chat"], stats["cancelled"], stats["served"]) == (1, 0, 1)
    asked, joined = await world.ledger_entries(2)
    assert (asked["outcome"], asked["cache"], asked["estimated"]) == ("ok", "miss", False)
    assert (joined["outcome"], joined["cache"]) == ("ok", "joined")


async def test_the_one_who_joined_may_leave_too(gateway: Gateway, world: World) -> None:
    first = await open_stream(gateway, STREAM, **SOON)
    second = await open_stream(gateway, STREAM, **SOON)
    second.close()
    assert (await first.text()).endswith("data: [DONE]\n\n")
    asked, joined = await world.ledger_entries(2)
    assert (asked["outcome"], joined["outcome"]) == ("ok", "client_disconnected")
    assert joined["cost_nanos"] == 0


async def test_the_last_of_several_ends_the_call(gateway: Gateway, world: World) -> None:
    both = [await open_stream(gateway, STREAM, **SLOW) for _ in range(2)]
    for response in both:
        response.close()
    assert await looks_until_cancelled(world) <= SOON_LOOKS
    assert len(await world.ledger_entries(2)) == 2


async def test_over_two_replicas_the_last_of_several_ends_the_call(world: World) -> None:
    async with world.gateway() as one, world.gateway() as other:
        first = await open_stream(one, STREAM, **SLOW)
        second = await open_stream(other, STREAM, **SLOW)
        first.close()
        await second.content.readuntil(b"\n\n")
        second.close()
        assert await looks_until_cancelled(world) <= 5 * SOON_LOOKS  # through Redis
        assert await world.calls() == 1
        await world.ledger_entries(2)


async def test_a_client_that_reads_nothing_counts_as_gone(world: World) -> None:
    async with world.gateway(server={"send_seconds": 0.3}) as gateway:
        client = refusing_to_read(gateway, ask("Tell me everything.", stream=True), tokens=40_000)
        try:
            (line,) = await world.ledger_entries(1)
        finally:
            client.close()
        assert line["outcome"] == "client_disconnected"
        assert line["output_tokens"] > 0
        assert line["cost_nanos"] > 0


async def test_a_slow_reader_holds_up_no_other(world: World) -> None:
    async with world.gateway(server={"send_seconds": 5}) as gateway:
        body = ask("Tell me everything.", stream=True)
        client = refusing_to_read(gateway, body, tokens=40_000)
        try:
            await world.wait_for_stats(in_flight=1)
            answer = await gateway.chat(body, x_simulate_tokens="40000")
        finally:
            client.close()
        assert answer.headers["x-tidegate-cache"] == "joined"
        assert answer.text.endswith("data: [DONE]\n\n")
        assert len(chat_text(answer.events)) > 40_000
    assert await world.calls() == 1


def refusing_to_read(gateway: Gateway, body: Any, *, tokens: int) -> socket.socket:
    """Open a connection that sends a call and reads no byte of its answer."""
    where = urlsplit(gateway.root)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((where.hostname, where.port))
    data = msgspec.json.encode(body)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        f"x-simulate-tokens: {tokens}\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    client.sendall(head.encode() + data)
    return client
