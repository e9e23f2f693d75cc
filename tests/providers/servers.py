"""Servers that speak raw bytes, so that a test decides what the upstream does with its socket."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

ServerScript = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Server:
    """What came in, and how connections went."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        """The head of each request."""
        self.connections = 0
        self.closed = asyncio.Event()
        """A client has closed its connection."""
        self.address = ""
        self.stop_listening: Callable[[], None] = lambda: None


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Say nothing until the client leaves."""
    await reader.read()


def sending_parts(*parts: bytes, pause: float = 0.0, then_silence: bool = False) -> ServerScript:
    """Say these parts, `pause` seconds apart, then close or be silent."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if then_silence:
            await reader.read()

    return script


def chunk(data: bytes) -> bytes:
    """One chunk of HTTP's chunked encoding."""
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextlib.asynccontextmanager
async def serve(script: ServerScript, *, keep_alive: bool = False) -> AsyncIterator[Server]:
    """Run `script` after each request's head and body have come in."""
    server = Server()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                server.requests.append(await _request(reader))
                await script(reader, writer)
                if not keep_alive:
                    break
        server.closed.set()
        writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.stop_listening = listener.close
    server.address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()


async def _request(reader: asyncio.StreamReader) -> str:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
    if lengths:
        await reader.readexactly(int(lengths[0].partition(":")[2]))
    return head


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """An address whose queue of connections is full, so that one more is never accepted."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
