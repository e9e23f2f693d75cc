"""WebSockets to providers: bounded, without redirects, and with errors that never show the key."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from tidegate.core.errors import ConnectionFailed, ConnectTimeout, SessionLost, TidegateError, UpstreamRejected
from tidegate.providers.http.options import ConnectionOptions
from tidegate.providers.web_socket import SocketBounds, UpstreamSocket, open_socket

SECRET = "sk-the-key-of-the-provider"
OPTIONS = ConnectionOptions(
    connect_seconds=0.2, first_byte_seconds=0.2, idle_seconds=1.0, total_seconds=1.0, max_answer_bytes=1000
)
BOUNDS = SocketBounds(max_event_bytes=1000, max_waiting_events=2, send_seconds=0.2)


def classify(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamRejected:
    return UpstreamRejected(f"{status} {headers.get('x-request-id')} {body.decode()}")


Handler = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def connected(handler: Handler) -> AsyncIterator[UpstreamSocket]:
    async with serve(handler, "127.0.0.1", 0) as server:
        socket = await opened(server)
        try:
            yield socket
        finally:
            await socket.close()


async def opened(server: Server) -> UpstreamSocket:
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/realtime"
    headers = {"authorization": f"Bearer {SECRET}"}
    return await open_socket(url, headers, OPTIONS, BOUNDS, classify=classify, secret=SECRET)


async def echo(connection: ServerConnection) -> None:
    async for event in connection:
        await connection.send(event)


async def test_events_go_both_ways_and_the_key_is_in_none() -> None:
    async with connected(echo) as socket:
        await socket.send('{"type":"a"}')
        assert await socket.receive() == '{"type":"a"}'
        await socket.send(f"your key is {SECRET}")
        assert await socket.receive() == "your key is [redacted]"


async def test_an_event_that_is_too_large_ends_the_connection() -> None:
    async with connected(echo) as socket:
        await socket.send("x" * 2000)
        with pytest.raises(SessionLost):
            await socket.receive()


async def test_who_does_not_read_is_given_up() -> None:
    async def reads_nothing(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(reads_nothing, "127.0.0.1", 0, max_queue=1) as server:
        socket = await opened(server)
        with pytest.raises(SessionLost, match="took no event"):
            await send_much(socket)
        for connection in list(server.connections):
            connection.transport.abort()


async def send_much(socket: UpstreamSocket) -> None:
    for _ in range(1000):
        await socket.send("x" * 100_000)


async def test_the_code_of_a_close_is_told() -> None:
    async def closes(connection: ServerConnection) -> None:
        await connection.close(4001, SECRET)

    async with connected(closes) as socket:
        with pytest.raises(SessionLost, match="4001") as lost:
            await socket.receive()
        assert SECRET not in lost.value.message


def answering(status: HTTPStatus, body: str = "", **headers: str) -> Callable[[ServerConnection, Request], Response]:
    def answer(_: ServerConnection, __: Request) -> Response:
        named = Headers({name.replace("_", "-"): value for name, value in headers.items()})
        return Response(status.value, status.phrase, named, body.encode())

    return answer


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            answering(HTTPStatus.TOO_MANY_REQUESTS, f"no, {SECRET}", x_request_id="r-1"),
            UpstreamRejected,
            "429 r-1 no, [red",
        ),
        (answering(HTTPStatus.FOUND, location="ws://127.0.0.1:9/elsewhere"), UpstreamRejected, "302"),
    ],
)
async def test_a_refused_handshake_has_its_error_and_no_redirect_is_followed(
    answer: Callable[[ServerConnection, Request], Response], error: type[TidegateError], words: str
) -> None:
    async with serve(echo, "127.0.0.1", 0, process_request=answer) as server:
        with pytest.raises(error) as refused:
            await opened(server)
    assert words in refused.value.message
    assert SECRET not in refused.value.message


async def test_a_server_that_is_away_or_silent_is_told_apart() -> None:
    with pytest.raises(ConnectionFailed):
        await open_socket("ws://127.0.0.1:9/", {}, OPTIONS, BOUNDS, classify=classify)

    writers: list[asyncio.StreamWriter] = []

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConnectTimeout):
        await open_socket(f"ws://127.0.0.1:{port}/", {}, OPTIONS, BOUNDS, classify=classify)
    server.close()
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
