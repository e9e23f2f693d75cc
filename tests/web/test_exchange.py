"""One request is read and answered at once or in parts, and its handler hears at each step that the client is gone."""

import asyncio

import pytest

from tests.web.fake_connection import FakeConnection, exchange_on
from tidegate.core.errors import ClientDisconnected
from tidegate.web.exchange import ClientExchange

LINES = b"content-length: 2\r\n"


def arrive(exchange: ClientExchange, data: bytes, *, ends: bool) -> None:
    exchange.body += data
    exchange.has_arrived = ends
    exchange.wake()


async def test_a_body_that_is_there_is_read_without_waiting() -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection)
    arrive(exchange, b"all", ends=True)
    assert await exchange.read() == (b"all", True)
    assert connection.read_bytes == 3


async def test_a_body_is_read_as_it_arrives() -> None:
    exchange = exchange_on(FakeConnection())
    reading = asyncio.create_task(exchange.read())
    await asyncio.sleep(0)
    assert not reading.done()
    arrive(exchange, b"a", ends=False)
    assert await reading == (b"a", False)
    arrive(exchange, b"b", ends=True)
    assert await exchange.read() == (b"b", True)


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_client_is_asked_for_its_body_only_where_it_waits_for_that(arrived: bool) -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection)
    exchange.awaits_continue = True
    if arrived:
        arrive(exchange, b"{}", ends=True)
    reading = asyncio.create_task(exchange.read())
    await asyncio.sleep(0)
    assert connection.recording.written == (b"" if arrived else b"HTTP/1.1 100 Continue\r\n\r\n")
    arrive(exchange, b"", ends=True)
    await reading


async def test_a_whole_response_is_one_write() -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection)
    exchange.common_lines = b"vary: origin\r\n"
    exchange.respond(200, LINES, b"hi")
    assert connection.recording.written == (
        b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\nvary: origin\r\n\r\nhi"
    )
    assert connection.recording.writes == 1
    assert connection.complete == [exchange]


@pytest.mark.parametrize(
    ("version", "body"),
    [("1.1", b"transfer-encoding: chunked\r\n\r\n1\r\na\r\nb\r\nbcdefghijkl\r\n0\r\n\r\n"), ("1.0", b"abcdefghijkl")],
)
async def test_a_response_in_parts_is_framed_as_the_version_allows(version: str, body: bytes) -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection, version=version, keep_alive=version == "1.1")
    exchange.start(200, b"")
    for part in (b"a", b"", b"bcdefghijkl"):
        exchange.write(part)
    exchange.end()
    assert connection.recording.written.endswith(body)
    assert (b"connection: close" in connection.recording.written) is (version == "1.0")


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 204), ("POST", 304)])
async def test_a_response_that_has_no_body_is_written_without(method: str, status: int) -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection, method=method)
    exchange.start(status, b"")
    exchange.write(b"none")
    exchange.end()
    assert connection.recording.written.endswith(b"\r\n\r\n")
    assert b"chunked" not in connection.recording.written


@pytest.mark.parametrize(("ends", "keep_alive"), [(True, True), (True, False), (False, False)])
async def test_a_response_says_once_that_the_connection_closes(ends: bool, keep_alive: bool) -> None:
    connection = FakeConnection(ends=ends)
    exchange = exchange_on(connection, keep_alive=keep_alive)
    exchange.respond(200, LINES, b"hi")
    assert connection.recording.written.count(b"connection: close\r\n") == 1
    assert not exchange.keep_alive


async def test_who_writes_much_waits_for_a_slow_client() -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection)
    await exchange.drain()
    connection.is_full = True
    draining = asyncio.create_task(exchange.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    connection.is_full = False
    exchange.wake()
    await draining


@pytest.mark.parametrize("step", ["reading", "writing", "elsewhere"])
async def test_a_handler_that_waits_hears_that_its_client_is_gone(step: str) -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection)
    connection.is_full = True

    async def handle() -> None:
        with exchange:
            if step == "reading":
                await exchange.read()
            elif step == "writing":
                await exchange.drain()
                await asyncio.Event().wait()
            else:
                await asyncio.Event().wait()

    exchange.task = asyncio.create_task(handle())
    await asyncio.sleep(0)
    exchange.leave(ClientDisconnected())
    with pytest.raises(ClientDisconnected):
        await exchange.task
    assert exchange.task.cancelling() == 0, "the task may wait again, to settle"


async def test_who_comes_late_hears_at_once_that_its_client_is_gone() -> None:
    exchange = exchange_on(FakeConnection())
    exchange.leave(ClientDisconnected())
    with pytest.raises(ClientDisconnected), exchange:
        raise AssertionError
    with pytest.raises(ClientDisconnected):
        await exchange.read()


async def test_to_a_client_that_is_gone_nothing_is_written() -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection)
    exchange.start(200, b"")
    before = connection.recording.written
    exchange.leave(ClientDisconnected())
    exchange.write(b"late")
    exchange.end()
    assert connection.recording.written == before
    assert connection.complete == []
    assert exchange.is_complete


async def test_outside_of_the_context_a_client_that_leaves_cancels_nothing() -> None:
    exchange = exchange_on(FakeConnection())
    exchange.task = asyncio.create_task(asyncio.sleep(0))
    exchange.leave(ClientDisconnected())
    await exchange.task


async def test_headers_are_read_as_text_and_kept_no_longer() -> None:
    exchange = exchange_on(FakeConnection(), headers=[(b"x-a", b"\xfc"), (b"x-a", b"b")])
    assert exchange.read_headers() == {"x-a": "b"}
    assert exchange.headers == []
