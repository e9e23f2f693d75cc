"""Whoever sends half a head, a giant one, no HTTP or endless requests is cut off in time; others notice nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from tests.eventually import PATIENCE_SECONDS
from tests.harness import listening
from tidegate.web.protocol import CarefulProtocol

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Hasty(CarefulProtocol):
    """Waits only a moment."""

    head_seconds = 0.3
    rest_seconds = 0.3
    most_in_line = 3


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers `hi` without reading the body; `/wait` is never answered."""
    del receive
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/wait":
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


class Connection:
    """One to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def say(self, data: bytes) -> None:
        """Send."""
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def heard(self) -> bytes:
        """Everything until the server ends the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                return await self._reader.read()
        return b""

    async def answer(self) -> bytes:
        """One `hi`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readuntil(b"hi")


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    short: dict[str, Any] = {"timeout_keep_alive": 1, "timeout_graceful_shutdown": 1}
    config = uvicorn.Config(app, http=Hasty, log_config=None, lifespan="off", **short)
    async with listening(config) as root:
        host, port = root.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        yield Connection(reader, writer)
        writer.close()


async def test_a_request_is_answered_and_another_on_the_same_connection(connection: Connection) -> None:
    for _ in range(2):
        await connection.say(GET)
        assert (await connection.answer()).startswith(b"HTTP/1.1 200")


async def test_a_head_may_come_byte_by_byte_if_it_comes_in_time(connection: Connection) -> None:
    for number in range(len(GET)):
        await connection.say(GET[number : number + 1])
    assert b"200 OK" in await connection.answer()


@pytest.mark.parametrize("said", [b"", b"G", b"GET / HTTP/1.1\r\nhost: x\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n\r"])
async def test_who_does_not_finish_a_head_is_cut_off(connection: Connection, said: bytes) -> None:
    await connection.say(said)
    assert await connection.heard() == b""


async def test_who_stops_in_the_second_head_is_cut_off_too(connection: Connection) -> None:
    await connection.say(GET)
    await connection.answer()
    await connection.say(b"GET")
    assert await connection.heard() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nx-large: " + b"a" * 200_000,
        b"GET /" + b"a" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: a\r\n" % number for number in range(20_000)),
    ],
    ids=["one header", "address", "many headers"],
)
async def test_a_giant_head_is_refused_before_it_is_held(connection: Connection, head: bytes) -> None:
    await connection.say(head)
    heard = await connection.heard()
    assert heard == b"" or heard.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_told_so_in_the_envelope_and_closed(connection: Connection, said: bytes) -> None:
    await connection.say(said)
    heard = await connection.heard()
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert b'"type":"invalid_request_error"' in heard
    assert b"x-tidegate-error: not_http" in heard


async def test_the_rest_of_a_body_that_was_answered_may_not_take_forever(connection: Connection) -> None:
    await connection.say(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nsome of it")
    assert b"200 OK" in await connection.heard()


async def test_a_line_of_pipelined_requests_is_short(connection: Connection) -> None:
    await connection.say(GET.replace(b"/ ", b"/wait ") + GET * 100)
    assert await connection.heard() == b""


async def test_pipelined_requests_are_answered_in_turn(connection: Connection) -> None:
    await connection.say(GET * 3)
    for _ in range(3):
        assert b"200 OK" in await connection.answer()
