"""Replies come in the order of the commands, however the network splits them, and the end is reported once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import BusyLoadingError, NoScriptError, RedisError, ResponseError

from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.storage.redis_wire import RedisWire


class Server:
    """Sends given bytes, and records received ones."""

    def __init__(self) -> None:
        self.heard = b""
        self.writer: asyncio.StreamWriter

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        while data := await reader.read(65_536):
            self.heard += data
            if b"SETINFO" in data:  # the handshake of redis-py
                writer.write(b"+OK\r\n" * data.count(b"SETINFO"))
        writer.close()


class Line:
    """A wire to such a server."""

    def __init__(self, server: Server, connection: Connection) -> None:
        self.server = server
        self.replies: list[Any] = []
        self.wire = RedisWire(connection, self.replies.append)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    server = Server()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        connection = Connection(port=listening.sockets[0].getsockname()[1], protocol=2)
        await connection.connect()  # type: ignore[no-untyped-call]  # untyped there
        line = Line(server, connection)
        yield line
        line.wire.close()
        await connection.disconnect(nowait=True)


async def test_commands_of_one_turn_leave_together_and_in_order(line: Line) -> None:
    before = len(line.server.heard)
    for number in range(3):
        line.wire.send(b"%d" % number)
    assert len(line.server.heard) == before
    await wait_until(lambda: line.server.heard[before:] == b"012")


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_replies_are_heard_however_they_are_cut(line: Line, size: int) -> None:
    said = b"+OK\r\n:7\r\n$-1\r\n*2\r\n$1\r\na\r\n:1\r\n-ERR no\r\n-NOSCRIPT none\r\n-LOADING it\r\n$2\r\n\x00\xff\r\n"
    for begin in range(0, len(said), size):
        line.server.writer.write(said[begin : begin + size])
        await line.server.writer.drain()
    await wait_until(lambda: len(line.replies) == 8)
    assert line.replies[:4] == [b"OK", 7, None, [b"a", 1]]
    assert [type(reply) for reply in line.replies[4:7]] == [ResponseError, NoScriptError, BusyLoadingError]
    assert line.replies[7] == b"\x00\xff"


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n"])
async def test_the_end_is_told(line: Line, said: bytes) -> None:
    line.server.writer.write(said)
    line.server.writer.close()
    with pytest.raises(RedisError):
        await asyncio.wait_for(line.wire.closed, PATIENCE_SECONDS)
    line.wire.send(b"nobody hears it")
    await asyncio.sleep(0)
