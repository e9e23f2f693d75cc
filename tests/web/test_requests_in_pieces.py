"""However a request is cut, sent ahead or abandoned, its handler sees the same request, and nothing is left of it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.eventually import wait_until
from tests.web.fake_connection import RecordingTransport
from tidegate.core.errors import ClientDisconnected
from tidegate.web.connection_rules import ConnectionRules
from tidegate.web.exchange import ClientExchange
from tidegate.web.http_protocol import HttpProtocol

POST = b"POST /v1/x?y=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nContent-Length: 9\r\n\r\n" + b'{"a":"b"}'
CHUNKED = (
    b"POST /v1/x?y=1 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'4\r\n{"a"\r\n5;ext=1\r\n:"b"}\r\n0\r\nX-A: smuggled\r\n\r\n'
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\n/v1/x y=1 1 " + b'{"a":"b"}.....'
TURNS = 8
"""Turns of the event loop in which a handler that need not wait has ended."""

Handler = Callable[[ClientExchange], Coroutine[Any, Any, None]]


async def echo(exchange: ClientExchange) -> None:
    """Answer with what arrived, in one piece."""
    body, is_last = b"", False
    try:
        while not is_last:
            part, is_last = await exchange.read()
            body += part
    except ClientDisconnected:
        return
    said = b" ".join([exchange.target.raw_path, exchange.target.query, exchange.read_headers()["x-a"].encode(), body])
    exchange.respond(200, b"content-length: 26\r\n", said.ljust(26, b"."))


class Client:
    """A client of a protocol without a socket."""

    def __init__(self, handler: Handler = echo, **rules: Any) -> None:
        config = uvicorn.Config(None, log_config=None, lifespan="off")  # type: ignore[arg-type]  # no request is ASGI's
        config.loaded, config.timeout_keep_alive = True, 60
        self.state = ServerState()
        self.transport = RecordingTransport()
        self.protocol = HttpProtocol(config, self.state, {}, rules=ConnectionRules(answer=handler, **rules))
        self.protocol.connection_made(self.transport)

    async def send(self, data: bytes) -> None:
        """Send, and let handlers go on."""
        self.protocol.data_received(data)
        await turns()

    async def leave(self) -> None:
        """Break the connection off."""
        self.transport.close()
        self.protocol.connection_lost(None)
        await turns()

    def assert_nothing_left(self) -> None:
        assert (self.state.tasks, self.state.connections) == (set(), set())


async def turns() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


@pytest.mark.parametrize("request_bytes", [POST, CHUNKED], ids=["length", "chunks"])
async def test_a_request_that_comes_in_two_pieces_is_the_same_wherever_it_is_cut(request_bytes: bytes) -> None:
    for cut in range(1, len(request_bytes)):
        client = Client()
        await client.send(request_bytes[:cut])
        await client.send(request_bytes[cut:])
        assert client.transport.written == ANSWER, cut
        assert client.transport.writes == 1, "a whole answer is one write"
        await client.leave()
        client.assert_nothing_left()


@pytest.mark.parametrize("request_bytes", [POST, CHUNKED], ids=["length", "chunks"])
async def test_a_client_that_leaves_anywhere_in_its_request_leaves_nothing(request_bytes: bytes) -> None:
    for cut in range(len(request_bytes)):
        client = Client()
        await client.send(request_bytes[:cut])
        await client.leave()
        assert client.transport.written == b"", cut
        client.assert_nothing_left()


@pytest.mark.parametrize("request_bytes", [POST, CHUNKED], ids=["length", "chunks"])
async def test_a_request_may_come_byte_by_byte(request_bytes: bytes) -> None:
    client = Client()
    for number in range(len(request_bytes)):
        await client.send(request_bytes[number : number + 1])
    assert client.transport.written == ANSWER
    await client.leave()


async def test_two_requests_in_one_read_are_answered_one_after_the_other_wherever_they_are_cut() -> None:
    both = POST + CHUNKED
    for cut in range(0, len(both), 3):
        client = Client()
        await client.send(both[:cut])
        await client.send(both[cut:])
        assert client.transport.written == 2 * ANSWER, cut
        assert client.state.total_requests == 2
        await client.leave()


async def test_ten_thousand_tiny_writes_arrive_as_they_were_written() -> None:
    async def stream(exchange: ClientExchange) -> None:
        exchange.start(200, b"")
        for _ in range(10_000):
            exchange.write(b"a")
        exchange.end()

    client = Client(stream)
    await client.send(POST)
    _, _, body = client.transport.written.partition(b"\r\n\r\n")
    assert body == 10_000 * b"1\r\na\r\n" + b"0\r\n\r\n"


async def test_a_client_that_reads_no_answer_gets_no_further_one_until_it_does() -> None:
    client = Client()
    client.protocol.pause_writing()
    await client.send(POST)
    assert client.transport.written == b""
    client.protocol.resume_writing()
    await turns()
    assert client.transport.written == ANSWER
    await client.leave()


async def test_a_client_that_reads_no_answer_may_not_send_requests_without_end() -> None:
    client = Client(max_pipelined=3)
    client.protocol.pause_writing()
    await client.send(POST * 5)
    assert client.transport.is_aborted
    await client.leave()
    client.assert_nothing_left()


async def test_a_client_that_reads_nothing_of_a_stream_is_given_up() -> None:
    heard: list[ClientDisconnected] = []

    async def stream(exchange: ClientExchange) -> None:
        exchange.start(200, b"")
        try:
            with exchange:
                await exchange.drain()
                await asyncio.Event().wait()
        except ClientDisconnected as gone:
            heard.append(gone)

    client = Client(stream, send_seconds=0.01)
    await client.send(POST)
    client.transport.waiting_bytes = 100_000
    client.protocol.pause_writing()
    await wait_until(lambda: heard != [])
    assert "did not read" in str(heard[0])
    assert client.transport.is_aborted


async def test_a_body_that_is_not_read_is_not_received_either() -> None:
    go = asyncio.Event()

    async def wait_then_read(exchange: ClientExchange) -> None:
        await go.wait()
        await echo(exchange)

    client = Client(wait_then_read)
    await client.send(POST.replace(b"Length: 9", b"Length: 200000")[:-9])
    await client.send(b"x" * 65_536)
    assert client.transport.reads
    await client.send(b"x")
    assert not client.transport.reads
    go.set()
    await turns()
    assert client.transport.reads
    await client.leave()
    client.assert_nothing_left()


async def test_what_follows_a_request_that_closes_costs_it_no_answer() -> None:
    client = Client()
    await client.send(POST.replace(b"X-A", b"Connection: close\r\nX-A") + b"\r\nnonsense")
    assert client.transport.written.startswith(b"HTTP/1.1 200 OK") or client.transport.is_aborted
    assert client.transport.written.count(b"HTTP/1.1 ") <= 1
    await client.leave()
    client.assert_nothing_left()


async def test_a_handler_that_ends_without_an_answer_ends_the_connection() -> None:
    async def forget(exchange: ClientExchange) -> None:
        exchange.abandon()

    client = Client(forget)
    await client.send(POST)
    assert client.transport.is_closing()
    await client.leave()
    client.assert_nothing_left()
