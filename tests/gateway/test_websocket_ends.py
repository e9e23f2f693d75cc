"""However a WebSocket ends, it leaves neither upstream calls nor missing ledger entries behind."""

import asyncio
import socket
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from tests.eventually import wait_until, wait_until_async
from tests.gateway.sockets import ASK, LAST, close_code, raw, response_events
from tests.harness import Gateway, World

Json = dict[str, Any]


async def test_who_hangs_up_ends_the_call_upstream(gateway: Gateway, world: World) -> None:
    async with raw(gateway, **{"x-simulate-ttft": "60"}) as connection:
        await connection.send(msgspec.json.encode(ASK).decode())
        await world.wait_for_stats(in_flight=1)
    await world.wait_for_stats(in_flight=0, cancelled=1)
    (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "client_disconnected"


async def test_a_connection_gets_only_so_old(world: World) -> None:
    async with world.gateway(websocket={"max_age_seconds": 0.2}) as gateway, raw(gateway) as connection:
        event = msgspec.json.decode(await connection.recv())
        assert event["error"]["code"] == "websocket_connection_limit_reached"
        assert await close_code(connection) == 1001


async def test_a_silent_connection_is_closed(world: World) -> None:
    async with world.gateway(websocket={"idle_seconds": 0.2}) as gateway, raw(gateway) as connection:
        assert await close_code(connection) == 1001


async def test_a_message_may_only_be_so_large(world: World) -> None:
    async with world.gateway(server={"max_body_bytes": 2048}) as gateway, raw(gateway) as connection:
        await connection.send(msgspec.json.encode({**ASK, "input": "x" * 4096}).decode())
        assert await close_code(connection) == 1009


async def test_one_that_is_too_large_ends_what_is_being_answered(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world.gateway(server={"max_body_bytes": 2048}) as gateway:
        async with raw(gateway, **{"x-simulate-tps": "200", "x-simulate-tokens": "400"}) as connection:
            await connection.send(msgspec.json.encode(ASK).decode())
            await connection.recv()
            await connection.send("x" * 4096)
            assert await close_code(connection) == 1009
        (line,) = await world.ledger_entries(1)
    assert line["outcome"] == "client_disconnected"
    assert "unexpected" not in capsys.readouterr().err


async def test_the_process_ends_when_its_answers_have(world: World) -> None:
    slow = {"x-simulate-tps": "50", "x-simulate-tokens": "10"}
    running = world.gateway()
    async with raw(await running.__aenter__(), **slow) as connection:
        await connection.send(msgspec.json.encode(ASK).decode())
        await connection.recv()
        ending = asyncio.create_task(running.__aexit__(None, None, None))
        assert (await response_events(connection))[-1]["type"] == "response.completed"
        assert await close_code(connection) == 1012
        await ending


async def send_all(connection: ClientConnection, *words: str) -> None:
    """Send a request for each text, all on one stream."""
    for text in words:
        await connection.send(msgspec.json.encode({**ASK, "input": text}).decode())


async def ends_of(connection: ClientConnection, count: int) -> list[str]:
    """Return the last event of each of the next `count` responses; an error's code instead of its type."""
    last = [(await response_events(connection))[-1] for _ in range(count)]
    return [event["error"]["code"] if event["type"] == "error" else event["type"] for event in last]


async def test_requests_that_wait_are_answered_when_the_process_ends_and_later_ones_may_be_retried(
    world: World,
) -> None:
    slow = {"x-simulate-tps": "50", "x-simulate-tokens": "10"}
    async with world.process() as gateway, raw(gateway, **slow) as connection:
        await send_all(connection, "first", "second", "third")
        await connection.recv()
        ending = asyncio.create_task(gateway.stop())
        await wait_until_async(lambda: refuses_connections(gateway))
        await send_all(connection, "too late")
        codes = await ends_of(connection, 4)
        assert sorted(codes) == [*["response.completed"] * 3, "shutting_down"]
        assert await close_code(connection) == 1012
        assert await ending == 0
    assert [line["outcome"] for line in await world.ledger_entries(3)] == ["ok"] * 3


async def refuses_connections(gateway: Gateway) -> bool:
    """Return whether the port is closed."""
    try:
        async with aiohttp.ClientSession() as http, http.get(f"{gateway.root}/livez"):
            return False
    except aiohttp.ClientError:
        return True


async def test_when_the_grace_ends_each_request_that_was_received_gets_an_error_that_allows_a_retry(
    world: World,
) -> None:
    server = {"grace_seconds": 1}
    async with world.process(server=server) as gateway, raw(gateway, **{"x-simulate-ttft": "60"}) as connection:
        await send_all(connection, "first", "second", "third")
        await world.wait_for_stats(in_flight=1)
        ending = asyncio.create_task(gateway.stop())
        last = [(await response_events(connection))[-1] for _ in range(3)]
        assert {event["error"]["code"] for event in last} == {"shutting_down"}
        assert {event["error"]["headers"]["x-should-retry"] for event in last} == {"true"}
        assert await close_code(connection) == 1012
        assert await ending == 0


async def test_requests_that_wait_are_answered_when_the_connection_is_too_old(world: World) -> None:
    slow = {"x-simulate-tps": "50", "x-simulate-tokens": "20"}
    async with world.gateway(websocket={"max_age_seconds": 0.2}) as gateway, raw(gateway, **slow) as connection:
        await send_all(connection, "first", "second")
        codes = await ends_of(connection, 3)
        assert codes == ["websocket_connection_limit_reached", "response.completed", "response.completed"]
        assert await close_code(connection) == 1001


async def test_a_client_that_reads_nothing_is_cut_off(world: World) -> None:
    async with world.gateway(server={"send_seconds": 0.3}) as gateway:
        where = urlsplit(gateway.root)
        unread = socket.socket()
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect((where.hostname, where.port))
        unread.settimeout(0)
        headers = {"authorization": f"Bearer {gateway.key}", "x-simulate-tokens": "40000"}
        url = gateway.base_url.replace("http", "ws", 1) + "/responses"
        async with connect(url, sock=unread, additional_headers=headers, max_queue=1, compression=None) as connection:
            await connection.send(msgspec.json.encode(ASK).decode())
            (line,) = await world.ledger_entries(1)
            assert line["outcome"] == "client_disconnected"
            assert line["output_tokens"] > 0
            assert await close_code(connection) == 1006


async def test_who_answers_no_ping_counts_as_gone(world: World) -> None:
    async with world.gateway(websocket={"ping_seconds": 0.1}, server={"send_seconds": 0.3}) as gateway:
        where = urlsplit(gateway.root)
        mute = ClientProtocol(parse_uri(f"ws://{where.netloc}/v1/responses"))
        ask_in = mute.connect()
        ask_in.headers["Authorization"] = f"Bearer {gateway.key}"
        mute.send_request(ask_in)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            writer.write(b"".join(mute.data_to_send()))
            while data := await reader.read(4096):
                mute.receive_data(data)  # its pongs are made, and never sent
        finally:
            writer.close()
        assert mute.close_rcvd is not None
        assert mute.close_rcvd.code == 1011


async def test_many_connections_streams_and_hang_ups_leave_nothing_behind(world: World) -> None:
    async with world.gateway(monitoring={"public_metrics": True}) as gateway:

        async def visit(number: int) -> int:
            slow = {"x-simulate-tps": "200", "x-simulate-tokens": "10", "cache-control": "no-store"}
            async with raw(gateway, **slow) as connection:
                for turn in range(9):
                    ask = {**ASK, "stream_id": f"s{turn % 3}", "input": f"{number} {turn}"}
                    await connection.send(msgspec.json.encode(ask).decode())
                ends, leaves_after = 0, (0, 3, 9)[number % 3]
                while ends < leaves_after:
                    ends += msgspec.json.decode(await connection.recv())["type"] in LAST
            return ends

        async def empty() -> bool:
            async with world.http.get(f"{gateway.root}/metrics") as response:
                return "tidegate_websocket_connections 0" in await response.text()

        seen = sum(await asyncio.gather(*(visit(number) for number in range(11))))
        await wait_until_async(empty)  # each has noticed that its client left, and begins no further turn
        ours = ("socket-answer", "socket-stream", "fallback-search", "flight-abandon")
        await wait_until(lambda: not any(task.get_name() in ours for task in asyncio.all_tasks()))
        lines = await world.all_entries()
        stats = await world.wait_for_stats(in_flight=0)
    outcomes = Counter(line["outcome"] for line in lines)
    assert set(outcomes) <= {"ok", "client_disconnected"}
    assert outcomes["ok"] >= seen
    asked = {request["id"] for request in stats["requests"]}
    known = [line["upstream_request_id"] for line in lines if line["upstream_request_id"] is not None]
    assert len(known) == len(set(known)), "each call has one line"
    assert set(known) <= asked
    assert len(asked) <= len(lines), "and each that was asked has one"
    assert len(lines) - len(asked) <= outcomes["client_disconnected"], (
        "who left at once was perhaps never heard upstream"
    )
