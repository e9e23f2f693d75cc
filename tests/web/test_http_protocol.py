"""Whoever sends half a head, a giant one, no HTTP or endless requests is cut off in time; others notice nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.harness import listening
from tests.web.fake_connection import RecordingTransport
from tidegate.web.connection_rules import ConnectionRules
from tidegate.web.http_protocol import HttpProtocol

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


IMPATIENT = partial(HttpProtocol, rules=ConnectionRules(head_seconds=0.3, remaining_body_seconds=0.3, max_pipelined=3))
"""Waits only a moment."""


async def app(left: asyncio.Event, scope: Any, receive: Any, send: Any) -> None:
    """Answers `hi` without reading the body; `/wait` is never answered, `/echo` with body and headers."""
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/wait":
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()
    if scope["path"] == "/echo":
        await _echo(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    said = b""
    while (part := await receive()).get("more_body"):
        said += part["body"]
    said += part["body"] + b"".join(b"|%s: %s" % pair for pair in scope["headers"]) + b"|hi"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(said))]})
    await send({"type": "http.response.body", "body": said})


class Connection:
    """One to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: asyncio.Event) -> None:
        self._reader = reader
        self._writer = writer
        self.left = left
        """Whoever worked for it has been told that it is gone."""

    async def send(self, data: bytes) -> None:
        """Send."""
        self._writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    def hang_up(self) -> None:
        """Leave."""
        self._writer.transport.abort()

    async def read(self) -> bytes:
        """Everything until the server ends the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                return await self._reader.read()
        return b""

    async def read_response(self) -> bytes:
        """One `hi`."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readuntil(b"hi")


@pytest.fixture
async def connection() -> AsyncIterator[Connection]:
    short: dict[str, Any] = {"timeout_keep_alive": 1, "timeout_graceful_shutdown": 1}
    left = asyncio.Event()
    config = uvicorn.Config(
        partial(app, left), interface="asgi3", http=cast("Any", IMPATIENT), log_config=None, lifespan="off", **short
    )
    async with listening(config) as root:
        host, port = root.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        yield Connection(reader, writer, left)
        writer.close()


async def test_a_request_is_answered_and_another_on_the_same_connection(connection: Connection) -> None:
    for _ in range(2):
        await connection.send(GET)
        assert (await connection.read_response()).startswith(b"HTTP/1.1 200")


async def test_a_head_may_come_byte_by_byte_if_it_comes_in_time(connection: Connection) -> None:
    for number in range(len(GET)):
        await connection.send(GET[number : number + 1])
    assert b"200 OK" in await connection.read_response()


@pytest.mark.parametrize("said", [b"", b"G", b"GET / HTTP/1.1\r\nhost: x\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n\r"])
async def test_who_does_not_finish_a_head_is_cut_off(connection: Connection, said: bytes) -> None:
    await connection.send(said)
    assert await connection.read() == b""


async def test_a_head_that_trickles_is_cut_off_in_time(connection: Connection) -> None:
    await connection.send(GET[:-2] + b"x-slow: ")
    reading = asyncio.create_task(connection.read())
    while not reading.done():
        await connection.send(b"a")
        await asyncio.sleep(0.01)
    assert await reading == b""


async def test_who_stops_in_the_second_head_is_cut_off_too(connection: Connection) -> None:
    await connection.send(GET)
    await connection.read_response()
    await connection.send(b"GET")
    assert await connection.read() == b""


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
    await connection.send(head)
    heard = await connection.read()
    assert heard == b"" or heard.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 414 "))


async def reply_to_one_read(data: bytes) -> bytes:
    """Return what the protocol writes if all of `data` is read at once, as a fast network makes it."""
    transport = RecordingTransport()
    config = uvicorn.Config(partial(app, asyncio.Event()), interface="asgi3", log_config=None, lifespan="off")
    config.load()
    protocol = IMPATIENT(config, ServerState(), {})
    protocol.connection_made(transport)
    protocol.data_received(data)
    await wait_until(lambda: transport.written != b"")
    protocol.connection_lost(None)
    return transport.written


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (GET[:-2] + b"x-large: " + b"a" * 65_000 + b"\r\n\r\n", b"200"),
        (GET[:-2] + b"x-large: " + b"a" * 66_000 + b"\r\n\r\n", b"431"),
        (GET[:-2] + b"".join(b"x-%d: %s\r\n" % (n, b"a" * 1000) for n in range(70)) + b"\r\n", b"431"),
        (GET[:-2] + b"".join(b"x-%d: a\r\n" % n for n in range(199)) + b"\r\n", b"200"),
        (GET[:-2] + b"".join(b"x-%d: a\r\n" % n for n in range(200)) + b"\r\n", b"431"),
        (GET.replace(b"/ ", b"/" + b"a" * 16_000 + b" "), b"200"),
        (GET.replace(b"/ ", b"/?" + b"a" * 17_000 + b" "), b"414"),
        (GET.replace(b"/ ", b"/?" + b"a" * 100_000 + b" "), b"414"),
    ],
    ids=["large", "one header", "headers", "many", "too many", "address", "long address", "giant address"],
)
async def test_a_head_that_arrives_in_one_read_has_the_same_bounds(head: bytes, status: bytes) -> None:
    reply = await reply_to_one_read(head)
    assert reply.startswith(b"HTTP/1.1 " + status), reply[:200]
    assert status == b"200" or b'"type":"invalid_request_error"' in reply


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"", b"400"),
        (b"host: x\r\nhost: x\r\n", b"400"),
        (b"host: x\r\nHost: y\r\n", b"400"),
        (b"host: a b\r\n", b"400"),
        (b"host: a/b\r\n", b"400"),
        (b"host: user@a\r\n", b"400"),
        (b"host: a, b\r\n", b"400"),
        (b"host: a:b\r\n", b"400"),
        (b"host: [::1\r\n", b"400"),
        (b"host: \xfc\r\n", b"400"),
        (b"host: x:80\r\n", b"200"),
        (b"host: [::1]:8080\r\n", b"200"),
        (b"host: my_service.name-space.svc:80\r\n", b"200"),
        (b"host:\r\n", b"200"),
    ],
)
async def test_a_request_has_one_host(connection: Connection, lines: bytes, status: bytes) -> None:
    await connection.send(b"GET / HTTP/1.1\r\n" + lines + b"connection: close\r\n\r\n")
    heard = await connection.read()
    assert heard.startswith(b"HTTP/1.1 " + status), heard
    assert (b"x-tidegate-error: malformed_http" in heard) is (status == b"400")


async def test_the_protocol_before_hosts_needs_none(connection: Connection) -> None:
    await connection.send(b"GET / HTTP/1.0\r\n\r\n")
    assert b"200 OK" in await connection.read()


async def test_line_breaks_between_requests_do_not_keep_a_connection_open(connection: Connection) -> None:
    await connection.send(GET)
    await connection.read_response()
    await connection.send(b"\r\n")
    assert await connection.read() == b""


@pytest.mark.parametrize(
    ("lines", "status", "name"),
    [
        (b"", b"400", b"malformed_http"),
        (b"sec-websocket-key: short\r\nsec-websocket-version: 13\r\n", b"400", b"malformed_http"),
        (b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"400", b"malformed_http"),
        (b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 8\r\n", b"426", b"upgrade_required"),
    ],
)
async def test_a_handshake_that_is_none_gets_the_envelope(
    connection: Connection, lines: bytes, status: bytes, name: bytes
) -> None:
    await connection.send(GET[:-2] + b"connection: upgrade\r\nupgrade: websocket\r\n" + lines + b"\r\n")
    heard = await connection.read()
    assert heard.startswith(b"HTTP/1.1 " + status)
    assert b'"type":"invalid_request_error"' in heard
    assert b"x-tidegate-error: " + name in heard
    assert (b"sec-websocket-version: 13" in heard) is (status == b"426")


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
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 1\r\n\r\na",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\nab",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-a: a\x01b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-a: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-a: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-a : a\r\n\r\n",
        b"GET / HTTP/1.1\nhost: x\n\n",
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
async def test_what_is_not_http_is_told_so_in_the_envelope_and_closed(connection: Connection, said: bytes) -> None:
    await connection.send(said)
    heard = await connection.read()
    assert heard.startswith(b"HTTP/1.1 400 ")
    assert b'"type":"invalid_request_error"' in heard
    assert b"x-tidegate-error: malformed_http" in heard


async def test_the_rest_of_a_body_that_was_answered_may_not_take_forever(connection: Connection) -> None:
    await connection.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nsome of it")
    assert b"200 OK" in await connection.read()


async def test_a_line_of_pipelined_requests_is_short(connection: Connection) -> None:
    await connection.send(GET.replace(b"/ ", b"/wait ") + GET * 100)
    assert await connection.read() == b""


async def test_pipelined_requests_are_answered_in_turn(connection: Connection) -> None:
    await connection.send(GET * 3)
    for _ in range(3):
        assert b"200 OK" in await connection.read_response()


async def test_what_is_no_http_is_not_answered_in_the_place_of_another_request(connection: Connection) -> None:
    await connection.send(GET.replace(b"/ ", b"/wait ") + b"nonsense\r\n\r\n")
    assert await connection.read() == b""


async def test_all_who_work_for_a_client_are_told_that_it_is_gone(connection: Connection) -> None:
    await connection.send(GET.replace(b"/ ", b"/wait ") + GET * 2)
    connection.hang_up()
    await asyncio.wait_for(connection.left.wait(), PATIENCE_SECONDS)


CHUNKED = b"POST /echo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer a\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"


async def test_what_stands_behind_a_body_is_no_header(connection: Connection) -> None:
    await connection.send(CHUNKED + b"0\r\nauthorization: Bearer b\r\nx-more: 1\r\n\r\n")
    answer = await connection.read_response()
    assert b"authorization: Bearer a|" in answer
    assert b"Bearer b" not in answer
    assert b"x-more" not in answer


async def test_of_two_authorizations_neither_is_right(connection: Connection) -> None:
    twice = CHUNKED.replace(b"host: x", b"Authorization: Bearer b\r\nhost: x") + b"0\r\n\r\n"
    await connection.send(twice)
    assert b"|authorization: Bearer b, Bearer a|" in await connection.read_response()


H2C = b"connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        H2C + b"host: x\r\n",
        b"host: x\r\n" + H2C,
        b"host: x\r\n" + H2C.replace(b"Upgrade: h2c", b"upgrade:h2c "),
        b"host: x\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\n",
        b"host: x\r\nConnection: upgrade\r\nUPGRADE: websocket, h2c\r\n",
    ],
)
async def test_an_offer_of_another_protocol_is_passed_over_and_the_body_read(
    connection: Connection, lines: bytes
) -> None:
    for said in (b'{"h2c": "\r\nupgrade: h2c\r\n"}', b"{}"):
        await connection.send(b"POST /echo HTTP/1.1\r\n%scontent-length: %d\r\n\r\n%s" % (lines, len(said), said))
        assert said + b"|" in await connection.read_response()
