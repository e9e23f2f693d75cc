"""A call's half of its connection is closed; what the upstream still sends is read, and so is its own hang-up.

The pool has a new connection in its place before the next call asks for one.
"""

import asyncio
import contextlib

import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.providers.clients import transport
from tests.providers.servers import OK, STREAM_HEAD, chunk, sending_parts, serve, silence
from tests.providers.targets import config_of
from tidegate.core.errors import ConnectionFailed, TruncatedAnswer
from tidegate.providers.http.options import ConnectionOptions, connection_options
from tidegate.providers.transport import Exchange, Transport


def way(url: str) -> ConnectionOptions:
    """The way there."""
    return connection_options(config_of(url))


async def notices(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write until the client hangs up, and one word more."""
    writer.write(STREAM_HEAD + chunk(b"data: one\n\n"))
    await reader.read()
    writer.write(chunk(b"data: two\n\n"))
    await writer.drain()


@pytest.mark.usefixtures("either_client")
async def test_what_is_written_until_the_hang_up_is_noticed_is_read() -> None:
    async with serve(notices) as server, transport(max_connections=1) as sender:
        exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
        assert await exchange.read_some() == b"data: one\n\n"
        assert exchange.end_sending()
        assert await exchange.read_some() == b"data: two\n\n"
        with pytest.raises(TruncatedAnswer):
            await exchange.read_some()


@pytest.mark.usefixtures("either_client")
async def test_a_call_that_waits_for_its_answer_can_hang_up_too() -> None:
    async with serve(silence) as server, transport(max_connections=1) as sender:
        exchange = sender.exchange("POST", server.address, {}, b"{}", way(server.address))
        sending = asyncio.create_task(exchange.wait_for_head())
        await wait_until(lambda: bool(server.requests))
        assert exchange.end_sending()
        with pytest.raises(ConnectionFailed):
            await asyncio.wait_for(sending, PATIENCE_SECONDS)


@pytest.mark.usefixtures("either_client")
async def test_a_connection_that_went_back_to_the_pool_is_left_alone() -> None:
    async with serve(sending_parts(OK), keep_alive=True) as server, transport(max_connections=1) as sender:
        for _ in range(2):
            exchange = sender.exchange("POST", server.address, {}, b"{}", way(server.address))
            assert not exchange.end_sending(), "nothing was sent"
            await exchange.wait_for_head()
            assert await exchange.read_all() == b"{}"
            assert not exchange.end_sending()
        assert server.connections == 1


async def test_a_call_that_hangs_up_leaves_the_next_one_an_open_connection() -> None:
    async with serve(notices) as server, Transport(max_connections=5) as sender:
        exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
        assert exchange.end_sending()
        await wait_until(lambda: server.connections == 2)
        await _read_to_its_break(exchange)
        later = await sender.send("POST", server.address, {}, b"{}", way(server.address))
        assert later.status == 200
        assert server.connections == 2, "the connection that was opened in place of the lost one was not used"


async def test_calls_that_hang_up_leave_no_more_connections_than_are_in_use() -> None:
    async with serve(notices) as server, Transport(max_connections=50) as sender:
        calls = [await sender.send("POST", server.address, {}, b"{}", way(server.address)) for _ in range(4)]
        for call in calls:
            assert call.end_sending()
        await wait_until(lambda: server.connections == 8)
        for _ in range(4):
            await sender.send("POST", server.address, {}, b"{}", way(server.address))
        assert server.connections == 8


@pytest.mark.usefixtures("either_client")
async def test_an_answer_that_ends_well_after_the_hang_up_gives_its_connection_to_no_other_call() -> None:
    may_close = asyncio.Event()

    async def is_slow_to_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if server.connections > 1:
            writer.write(OK)
            return
        writer.write(OK[:-1])
        await reader.read()
        writer.write(OK[-1:])
        await may_close.wait()

    async with serve(is_slow_to_close) as server, transport(max_connections=5) as sender:
        exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
        assert exchange.end_sending()
        assert await exchange.read_all() == b"{}"
        later = await sender.send("POST", server.address, {}, b"{}", way(server.address))
        assert await later.read_all() == b"{}"
        may_close.set()


@pytest.mark.usefixtures("either_client")
async def test_an_upstream_that_is_gone_gets_no_new_connection_and_does_no_harm() -> None:
    async with serve(notices) as server, transport(max_connections=5) as sender:
        address = server.address
        exchange = await sender.send("POST", address, {}, b"{}", way(address))
        server.stop_listening()
        assert exchange.end_sending()
        await _read_to_its_break(exchange)
        with pytest.raises(ConnectionFailed):
            await sender.send("POST", address, {}, b"{}", way(address))


async def _read_to_its_break(exchange: Exchange) -> None:
    with contextlib.suppress(TruncatedAnswer):
        while await exchange.read_some():
            pass
