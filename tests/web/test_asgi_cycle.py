"""An ASGI application answers on an exchange, and cannot write what is no response."""

import asyncio
from typing import Any

import pytest
import structlog

from tests.web.fake_connection import FakeConnection, exchange_on
from tidegate.core.errors import ClientDisconnected
from tidegate.web.asgi_cycle import App, AsgiCycle, Message
from tidegate.web.exchange import ClientExchange, exchange_of

LENGTH = [(b"content-length", b"2")]


def start(headers: Any = (), status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def part(data: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


def sending(*messages: Message) -> App:
    """Return an application that sends these messages."""

    async def app(_: Any, __: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return app


async def answer(app: App, exchange: ClientExchange) -> None:
    await AsgiCycle(exchange).run(app, {"path": "/"})


@pytest.mark.parametrize(
    ("method", "messages", "written", "writes"),
    [
        ("GET", [start(LENGTH), part(b"hi")], b"\r\n\r\nhi", 2),
        ("GET", [start(LENGTH), part(b"h", more=True), part(b"i")], b"\r\n\r\nhi", 3),
        ("GET", [start(), part(b"hi")], b"chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 3),
        ("HEAD", [start(LENGTH), part(b"hi")], b"content-length: 2\r\n\r\n", 1),
    ],
)
async def test_a_response_is_written(method: str, messages: list[Message], written: bytes, writes: int) -> None:
    connection = FakeConnection()
    await answer(sending(*messages), exchange_on(connection, method=method))
    assert connection.recording.written.endswith(written)
    assert connection.recording.writes == writes
    assert not connection.recording.is_closing()


async def test_the_head_of_a_stream_does_not_wait_for_its_body() -> None:
    connection = FakeConnection()

    async def app(_: Any, __: Any, send: Any) -> None:
        await send(start())
        assert connection.recording.written.endswith(b"\r\n\r\n")
        await send(part(b""))

    await answer(app, exchange_on(connection))


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [part(b"hi")],
        [start(LENGTH)],
        [start(LENGTH), start(LENGTH)],
        [start(LENGTH), part(b"h")],
        [start(LENGTH), part(b"h", more=True), part(b"ij")],
        [start(LENGTH), part(b"more than was said")],
        [start(), part(b"hi", more=True)],
        [start([(b"x", b"a\r\nevil: 1")]), part(b"")],
    ],
)
async def test_what_is_no_response_ends_the_connection_or_is_answered_for(messages: list[Message]) -> None:
    connection = FakeConnection()
    exchange = exchange_on(connection)
    with structlog.testing.capture_logs():
        await answer(sending(*messages), exchange)
    written = connection.recording.written
    assert connection.recording.is_closing() or written.startswith(b"HTTP/1.1 500 ")
    assert b"more than" not in written
    assert b"evil" not in written


async def test_an_application_that_fails_is_answered_for_with_the_envelope() -> None:
    async def app(*_: Any) -> None:
        raise ZeroDivisionError

    connection = FakeConnection()
    with structlog.testing.capture_logs() as logs:
        await answer(app, exchange_on(connection))
    assert connection.recording.written.startswith(b"HTTP/1.1 500 ")
    assert b'{"error":' in connection.recording.written
    assert logs[0]["event"] == "unexpected failure"


async def test_the_body_comes_in_parts_and_then_the_news_that_the_client_is_gone() -> None:
    exchange = exchange_on(FakeConnection())
    exchange.body, exchange.has_arrived = b"all", True
    heard: list[Message] = []

    async def app(_: Any, receive: Any, __: Any) -> None:
        heard.extend([await receive(), await receive()])

    running = asyncio.create_task(answer(app, exchange))
    await asyncio.sleep(0)
    exchange.leave(ClientDisconnected())
    await running
    assert heard == [{"type": "http.request", "body": b"all", "more_body": False}, {"type": "http.disconnect"}]


async def test_an_application_finds_its_exchange() -> None:
    exchange = exchange_on(FakeConnection())

    async def app(scope: Any, _: Any, __: Any) -> None:
        assert exchange_of(scope) is exchange
        exchange_of(scope).respond(200, b"content-length: 0\r\n", b"")

    await answer(app, exchange)
    assert exchange.is_complete
