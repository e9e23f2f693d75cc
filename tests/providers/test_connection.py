"""A call's half of its connection is closed; what the upstream still sends is read, and so is its own hang-up."""

import asyncio

import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.providers.servers import OK, STREAM_HEAD, chunk, sending_parts, serve, silence
from tests.providers.targets import config_of
from tidegate.core.errors import ConnectionFailed, TruncatedAnswer
from tidegate.providers.connection import CallConnection
from tidegate.providers.transport import ConnectionOptions, Transport, connection_options


def way(url: str) -> ConnectionOptions:
    """The way there."""
    return connection_options(config_of(url))


async def notices(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write until the client hangs up, and one word more."""
    writer.write(STREAM_HEAD + chunk(b"data: one\n\n"))
    await reader.read()
    writer.write(chunk(b"data: two\n\n"))
    await writer.drain()


async def test_what_is_written_until_the_hang_up_is_noticed_is_read() -> None:
    async with serve(notices) as server, Transport(max_connections=1) as transport:
        connection = CallConnection()
        exchange = await transport.send("POST", server.address, {}, b"{}", way(server.address), connection=connection)
        assert await exchange.read_some() == b"data: one\n\n"
        assert connection.end_sending()
        assert await exchange.read_some() == b"data: two\n\n"
        with pytest.raises(TruncatedAnswer):
            await exchange.read_some()


async def test_a_call_that_waits_for_its_answer_can_hang_up_too() -> None:
    async with serve(silence) as server, Transport(max_connections=1) as transport:
        connection = CallConnection()
        sending = asyncio.create_task(
            transport.send("POST", server.address, {}, b"{}", way(server.address), connection=connection)
        )
        await wait_until(lambda: bool(server.requests))
        assert connection.end_sending()
        with pytest.raises(ConnectionFailed):
            await asyncio.wait_for(sending, PATIENCE_SECONDS)


async def test_a_connection_that_went_back_to_the_pool_is_left_alone() -> None:
    async with serve(sending_parts(OK), keep_alive=True) as server, Transport(max_connections=1) as transport:
        connection = CallConnection()
        assert not connection.end_sending(), "nothing was sent"
        for _ in range(2):
            exchange = await transport.send(
                "POST", server.address, {}, b"{}", way(server.address), connection=connection
            )
            assert await exchange.read_all() == b"{}"
            assert not connection.end_sending()
        assert server.connections == 1
