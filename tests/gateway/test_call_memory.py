"""What calls in progress hold in memory is bounded for all and for each key, and given back however a call ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec
import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until_async
from tests.gateway.sockets import ASK, close_code, raw, response_events, send_request
from tests.gateway.test_metrics import OPEN, Page
from tests.gateway.test_rude_clients import connect, head
from tests.harness import CHAT, RESPONSES, STREAM, Gateway, Json, World, ask

SIZE = 50_000
MEMORY = {"max_body_bytes": 100_000, "body_memory_bytes": 8 * 100_000, "memory_wait_seconds": 0.3}
"""Room for two such bodies of one key."""
TEXT = "x" * (SIZE - 1000)
BIG = ask(TEXT)
SLOW = {"x_simulate_latency": "60"}


@pytest.fixture
async def gateway(world: World) -> AsyncIterator[Gateway]:
    async with world.gateway(server=MEMORY, **OPEN) as gateway:
        yield gateway


async def held(gateway: Gateway, kind: str = "body") -> float:
    """Return the bytes that calls hold now."""
    async with gateway.http.get(f"{gateway.root}/metrics") as response:
        return Page(await response.text())[f"{kind}_memory_bytes"]


async def released(gateway: Gateway, kind: str = "body") -> None:
    async def is_released() -> bool:
        return await held(gateway, kind) == 0

    await wait_until_async(is_released)


@contextlib.asynccontextmanager
async def in_progress(gateway: Gateway, world: World, count: int) -> AsyncIterator[None]:
    """Keep so many big calls in progress."""
    calls = [asyncio.create_task(gateway.chat({**BIG, "seed": number}, **SLOW)) for number in range(count)]
    await world.wait_for_stats(in_flight=count)
    try:
        yield
    finally:
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_a_body_beyond_the_share_of_its_key_is_not_read_and_a_neighbours_is(
    gateway: Gateway, world: World
) -> None:
    neighbour = Gateway(gateway.root, (await world.make_key("neighbour")).token, gateway.http)
    async with in_progress(gateway, world, 2):
        reader, writer = await connect(gateway)
        writer.write(head(gateway, f"content-length: {SIZE}", "expect: 100-continue"))
        answer = await reader.readuntil(b"}}")
        assert answer.startswith(b"HTTP/1.1 429 "), "it is not asked for its body"
        for expected in (
            b"\r\nretry-after: 2\r\n",
            b"\r\nx-should-retry: true\r\n",
            b"\r\nx-tidegate-error: memory_share_exceeded\r\n",
        ):
            assert expected in answer
        writer.close()
        assert (await neighbour.chat({**BIG, "seed": 3})).status == 200
        assert (await gateway.chat()).status == 200, "a small one has room"
    await released(gateway)
    assert (await gateway.chat(BIG)).status == 200


async def test_it_waits_for_the_end_of_others(world: World) -> None:
    patient = {**MEMORY, "memory_wait_seconds": PATIENCE_SECONDS}
    async with world.gateway(server=patient, **OPEN) as gateway:
        bodies = [{**BIG, "seed": number} for number in range(12)]
        answers = await asyncio.gather(*(gateway.chat(body, x_simulate_latency="0.05") for body in bodies))
        assert {answer.status for answer in answers} == {200}
        await released(gateway)


async def test_the_official_client_gets_through_by_its_own_retries(gateway: Gateway, world: World) -> None:
    async with gateway.sdk(max_retries=2) as client:
        async with in_progress(gateway, world, 2):
            call: Any = asyncio.create_task(client.chat.completions.create(**BIG))

            async def is_refused() -> bool:
                async with gateway.http.get(f"{gateway.root}/metrics") as response:
                    return "memory_share_exceeded" in await response.text()

            await wait_until_async(is_refused)
        assert (await call).choices


ROUTES: list[tuple[str, Json]] = [
    ("/responses", {**RESPONSES, "input": TEXT}),
    ("/responses/input_tokens", {**RESPONSES, "input": TEXT}),
    ("/responses/compact", {**RESPONSES, "input": TEXT}),
    ("/conversations", {"items": [{"role": "user", "content": TEXT}]}),
    ("/chat/completions/chatcmpl-none", {"metadata": {"x": TEXT}}),
]
REFUSED: list[tuple[str, Json | bytes, dict[str, str]]] = [
    ("/chat/completions", b"{" + b" " * SIZE, {}),
    ("/chat/completions", {**BIG, "model": "no\nmodel"}, {}),
    ("/chat/completions", BIG, {"cache_control": "only-if-cached"}),
    ("/responses", {**RESPONSES, "input": TEXT, "previous_response_id": "resp_none"}, {}),
    ("/responses", {**RESPONSES, "input": TEXT, "store": True, "background": True}, {}),
    ("/conversations", {"items": TEXT}, {}),
    ("/conversations/conv_none/items", {"items": [{"role": "user", "content": TEXT}]}, {}),
]


async def test_every_route_asks_for_it_and_gives_it_back(gateway: Gateway, world: World) -> None:
    for path, body, headers in [*((path, body, {}) for path, body in ROUTES), *REFUSED]:
        for _ in range(3):
            assert (await gateway.call(path, body, **headers)).status != 429, path
        await released(gateway)
    async with in_progress(gateway, world, 2):
        refusals = await asyncio.gather(*(gateway.call(path, body) for path, body in ROUTES))
    names = [refused.headers["x-tidegate-error"] for refused in refusals]
    assert names == ["memory_share_exceeded"] * len(ROUTES)


async def test_messages_of_a_websocket_are_bounded_as_bodies_are(world: World) -> None:
    patient = {**MEMORY, "memory_wait_seconds": PATIENCE_SECONDS}
    async with world.gateway(server=patient, **OPEN) as gateway:
        async with raw(gateway) as connection:
            async with in_progress(gateway, world, 2):
                await connection.send(msgspec.json.encode({**ASK, "input": TEXT}).decode())
                await wait_until_async(partial(_is_waiting, gateway))
            assert (await response_events(connection))[-1]["type"] == "response.completed"
        await released(gateway)


async def test_a_message_for_which_there_is_no_memory_closes_its_websocket(gateway: Gateway, world: World) -> None:
    async with raw(gateway) as connection, in_progress(gateway, world, 2):
        await connection.send(msgspec.json.encode({**ASK, "input": TEXT}).decode())
        event = msgspec.json.decode(await connection.recv())
        assert event["error"]["headers"]["x-tidegate-error"] == "memory_share_exceeded"
        assert await close_code(connection) == 1013
    await released(gateway)


async def test_a_websockets_memory_is_given_back_however_it_ends(gateway: Gateway) -> None:
    big = msgspec.json.encode({**ASK, "input": TEXT}).decode()
    async with raw(gateway) as connection:
        for message in ('{"type":"' + TEXT + '"}', '{"type":"response.steer","input":"' + TEXT + '"}'):
            await connection.send(message)
            await connection.recv()
        for _ in range(3):
            await connection.send(big)
            await response_events(connection)
        await released(gateway)
        await connection.send(msgspec.json.encode({**ASK, "input": TEXT, "include": [[]] * 15_000}).decode())
        assert msgspec.json.decode(await connection.recv())["error"]["code"] == "too_many_values"
        await released(gateway)
    async with raw(gateway, **{"x-simulate-ttft": "60"}) as connection:
        await connection.send(big)
        await wait_until_async(partial(_is_held, gateway))
    await released(gateway)


async def _is_held(gateway: Gateway, kind: str = "body") -> bool:
    return await held(gateway, kind) > 0


async def _is_waiting(gateway: Gateway) -> bool:
    async with gateway.http.get(f"{gateway.root}/metrics") as response:
        return Page(await response.text())["body_memory_waiting"] == 1


async def test_a_body_without_length_is_read_as_far_as_it_fits(gateway: Gateway, world: World) -> None:
    async with in_progress(gateway, world, 2):
        reader, writer = await connect(gateway)
        writer.write(head(gateway, "transfer-encoding: chunked"))
        for _ in range(6):
            writer.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
            await writer.drain()
        answer = await reader.readuntil(b"}}")
        assert answer.startswith(b"HTTP/1.1 429 ")
        writer.close()
    await released(gateway)


async def test_a_body_that_comes_slowly_gives_its_room_back_in_time(world: World) -> None:
    async with world.gateway(server={**MEMORY, "body_seconds": 0.3}, **OPEN) as gateway:
        reader, writer = await connect(gateway)
        writer.write(head(gateway, f"content-length: {SIZE}") + b"{")
        assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 408 ")
        assert await held(gateway) == 0
        writer.close()


async def test_a_client_that_leaves_gives_it_back(gateway: Gateway, world: World) -> None:
    async with in_progress(gateway, world, 2):
        assert await held(gateway) > 2 * SIZE
    await released(gateway)
    _, writer = await connect(gateway)
    writer.write(head(gateway, f"content-length: {SIZE}") + b"x" * 1000)
    await writer.drain()
    writer.transport.abort()
    await released(gateway)


async def test_a_body_of_too_many_values_is_refused_before_it_is_decoded(gateway: Gateway, world: World) -> None:
    dense = msgspec.json.encode({**CHAT, "metadata": [[]] * 30_000})
    answer = await gateway.chat(dense)
    assert (answer.status, answer.error["code"]) == (400, "too_many_values")
    assert await world.calls() == 0
    await released(gateway)


LARGE_ANSWER: Json = {"model": "text-embedding-3-small", "input": ["tide"] * 30, "encoding_format": "float"}


async def test_answers_are_bounded_too_and_wait_for_one_another(world: World) -> None:
    settings = {"answer_memory_bytes": 4_000_000, "memory_wait_seconds": PATIENCE_SECONDS}
    most = 0.0

    async def watch(gateway: Gateway) -> None:
        nonlocal most
        while True:
            most = max(most, await held(gateway, "answer"))

    async with world.gateway(server=settings, **OPEN) as gateway:
        watching = asyncio.create_task(watch(gateway))
        calls = [gateway.call("/embeddings", {**LARGE_ANSWER, "user": str(number)}) for number in range(12)]
        answers = await asyncio.gather(*calls)
        watching.cancel()
        assert {answer.status for answer in answers} == {200}
        size = max(len(answer.text) for answer in answers)
        assert size < most <= 4_000_000 + 3 * size
        await released(gateway, "answer")


async def test_stored_answers_that_are_given_count_as_well(world: World) -> None:
    async with world.gateway(**OPEN) as gateway:
        first = await gateway.call("/embeddings", LARGE_ANSWER)
        hit = await gateway.call("/embeddings", LARGE_ANSWER)
        assert (hit.status, hit.headers["x-tidegate-cache"]) == (200, "hit")
        assert hit.text == first.text
        await released(gateway, "answer")
    small = {"answer_memory_bytes": 3 * len(first.text), "memory_wait_seconds": 0.3}
    async with world.gateway(server=small, **OPEN) as gateway:
        refused = await gateway.call("/embeddings", LARGE_ANSWER)
        assert (refused.status, refused.headers["x-tidegate-error"]) == (429, "answer_memory_exceeded")
        await released(gateway, "answer")


async def test_a_recalled_history_counts_as_well(world: World) -> None:
    memory = {**MEMORY, "max_body_bytes": 60_000, "body_memory_bytes": 10 * SIZE}
    async with world.gateway(server=memory, **OPEN) as gateway:
        said: Json = {"model": "gpt-4o-mini", "input": TEXT}
        first = await gateway.call("/responses", said)
        second = await gateway.call("/responses", {**said, "previous_response_id": first.json["id"]})
        assert second.status == 429, "with its history it takes twice what the first one took"
        assert second.headers["x-tidegate-error"] == "memory_share_exceeded"
        await released(gateway)
        short = await gateway.call("/responses", {**said, "input": "Hi", "previous_response_id": first.json["id"]})
        assert short.status == 200, short.text
        await released(gateway)


@pytest.mark.parametrize("store", [True, False], ids=["stored", "kept by the connection"])
async def test_a_history_that_is_recalled_on_a_websocket_counts_as_well(world: World, store: bool) -> None:
    memory = {**MEMORY, "max_body_bytes": 60_000, "body_memory_bytes": 12 * SIZE}
    async with world.gateway(server=memory, **OPEN) as gateway, raw(gateway) as connection:
        said: Json = {"input": TEXT, "store": store}
        first = (await send_request(connection, **said))[-1]["response"]
        refused = (await send_request(connection, **said, previous_response_id=first["id"]))[-1]
        assert refused["error"]["headers"]["x-tidegate-error"] == "memory_share_exceeded", "its message alone fits"
        await released(gateway)
        again = (await send_request(connection, **said))[-1]["response"]
        short = {**said, "input": "Hi", "previous_response_id": again["id"]}
        assert (await send_request(connection, **short))[-1]["type"] == "response.completed"
        await released(gateway)


async def test_the_body_of_a_background_response_counts_and_waits_for_memory(world: World) -> None:
    async with world.gateway(server=MEMORY, **OPEN) as gateway:
        async with in_progress(gateway, world, 1):
            alone = await held(gateway)
            job = {**RESPONSES, "input": TEXT, "store": True, "background": True}
            submitted = await gateway.call("/responses", job, **SLOW)
            assert submitted.status == 200, submitted.text
            await world.wait_for_stats(in_flight=2)
            assert await held(gateway) > 1.9 * alone, "once it is submitted, its job holds it"
            cancelled = await gateway.call(f"/responses/{submitted.json['id']}/cancel", {})
            assert cancelled.status == 200, cancelled.text
        await released(gateway)
        async with in_progress(gateway, world, 1):
            first, second = [(await gateway.call("/responses", {**job, "seed": n}, **SLOW)).json["id"] for n in (1, 2)]
            await wait_until_async(partial(_is_waiting, gateway))
            for name in (first, second):
                await gateway.call(f"/responses/{name}/cancel", {})
        await released(gateway)


async def test_an_answer_for_which_there_is_no_memory_is_dropped_and_charged(world: World) -> None:
    settings = {"answer_memory_bytes": 1_000_000, "memory_wait_seconds": 0.3}
    stalled = {"x_simulate_fault": "stall", "x_simulate_tokens": "4000"}
    async with world.gateway(server=settings, **OPEN) as gateway:
        stream = asyncio.create_task(gateway.chat(STREAM, **stalled))
        await wait_until_async(partial(_is_held, gateway, "answer"))
        answer = await gateway.call("/embeddings", LARGE_ANSWER)
        assert (answer.status, answer.headers["x-tidegate-error"]) == (429, "answer_memory_exceeded")
        stream.cancel()
        await released(gateway, "answer")
        entries = await world.ledger_entries(2)
    (dropped,) = [entry for entry in entries if entry["route"] == "embeddings"]
    assert dropped["outcome"] == "answer_memory_exceeded"
    assert dropped["cost_nanos"] > 0
