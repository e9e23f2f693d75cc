"""Both clients keep within their connections, answer early refusals, and lose no place to a call that is cancelled."""

import asyncio
import contextlib

import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.providers.clients import transport
from tests.providers.servers import OK, STREAM_HEAD, chunk, sending_parts, serve, silence
from tests.providers.test_transport import asked, read, way
from tidegate.core.errors import ConnectionFailed, FirstByteTimeout, TruncatedAnswer

pytestmark = pytest.mark.usefixtures("either_client")


async def test_a_call_beyond_the_limit_waits_for_a_connection_and_gets_it() -> None:
    async with (
        serve(sending_parts(b"", OK, pause=0.02), keep_alive=True) as server,
        transport(max_connections=2) as sender,
    ):

        async def call() -> bytes:
            exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
            return await exchange.read_all()

        assert await asyncio.gather(*(call() for _ in range(20))) == [b"{}"] * 20
        assert server.connections == 2


async def test_a_call_that_waits_for_a_connection_has_its_deadline() -> None:
    async with serve(silence) as server, transport(max_connections=1) as sender:
        first = asyncio.create_task(sender.send("POST", server.address, {}, b"{}", way(server.address)))
        await wait_until(lambda: server.connections == 1)
        with pytest.raises(FirstByteTimeout):
            await sender.send("POST", server.address, {}, b"{}", way(server.address, first_byte_seconds=0.1))
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first


@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_cancelled_calls_leave_their_places_to_others(cancelled_first: bool) -> None:
    async with serve(silence) as server, transport(max_connections=1) as sender:
        calls = [
            asyncio.create_task(sender.send("POST", server.address, {}, b"{}", way(server.address))) for _ in range(5)
        ]
        await wait_until(lambda: server.connections == 1)
        for call in calls if cancelled_first else reversed(calls):
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        last = asyncio.create_task(sender.send("POST", server.address, {}, b"{}", way(server.address)))
        await wait_until(lambda: server.connections == 2)
        last.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await last


async def test_an_answer_that_comes_before_the_body_was_sent_is_given() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}"

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await writer.drain()
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**16)
    address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with transport() as sender:
        exchange = await sender.send("POST", address, {}, b"x" * 30_000_000, way(address))
        assert exchange.status == 413
        assert await exchange.read_all() == b"{}"
    listener.close()


async def test_a_body_that_is_not_taken_ends_with_its_deadline() -> None:
    held = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await held.wait()
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, limit=2**16)
    address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with transport() as sender:
        with pytest.raises(FirstByteTimeout):
            await sender.send("POST", address, {}, b"x" * 30_000_000, way(address, first_byte_seconds=0.2))
    held.set()
    listener.close()


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async with serve(sending_parts(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo", pause=0.01)) as server:
        assert await read(server.address) == b"hello"


async def test_what_a_slow_reader_does_not_take_is_not_received() -> None:
    sent = 0

    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(STREAM_HEAD)
        while sent < 200_000_000 and not writer.is_closing():
            writer.write(chunk(b"x" * 100_000))
            await writer.drain()
            sent += 100_000

    async with serve(script) as server, asked(server.address) as exchange:
        assert await exchange.read_some()
        seen = -1
        while seen != sent:
            seen = sent
            await asyncio.sleep(0.1)
        assert sent < 30_000_000  # what the two kernels and the client hold
        exchange.close()


@pytest.mark.parametrize("coding", ["br", "gzip"])
async def test_a_body_that_cannot_be_unpacked_is_no_answer(coding: str) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %s\r\ncontent-length: 8\r\n\r\nnonsense" % coding.encode()
    async with serve(sending_parts(head)) as server:
        with pytest.raises((TruncatedAnswer, ConnectionFailed)):
            await read(server.address)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nx: y", "a\0"])
async def test_a_header_with_a_line_break_is_not_sent(value: str) -> None:
    async with serve(silence) as server, transport() as sender:
        with pytest.raises(ConnectionFailed):
            await sender.send("POST", server.address, {"x-one": value}, b"{}", way(server.address))
        assert not server.requests


async def test_a_name_is_looked_up_and_an_address_of_version_six_is_taken() -> None:
    async with serve(sending_parts(OK)) as server:
        by_name = server.address.replace("127.0.0.1", "localhost")
        assert await read(by_name) == b"{}"
        assert server.requests[0].lower().splitlines()[1] == "host: " + by_name.removeprefix("http://")
    with pytest.raises(ConnectionFailed):
        await read("http://[::1]:9")


async def test_a_connection_that_the_server_closes_while_idle_is_not_used_again() -> None:
    async with serve(sending_parts(OK)) as server, transport(max_connections=1) as sender:
        for _ in range(3):
            exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
            assert await exchange.read_all() == b"{}"
            await asyncio.wait_for(server.closed.wait(), PATIENCE_SECONDS)
            server.closed.clear()
        assert server.connections == 3
