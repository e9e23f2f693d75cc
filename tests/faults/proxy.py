"""A TCP proxy that fails on request, between one gateway and a store that others go on using."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from enum import Enum
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

_PIECE = 64 * 1024
_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)
_POSTGRES_PORT = 5432


class Mode(Enum):
    """What happens to connections, both open and new ones."""

    PASS = "pass"
    REFUSE = "refuse"
    """New connections are refused, open ones are reset."""
    FREEZE = "freeze"
    """Connections are accepted, and no data passes."""
    SLOW = "slow"
    """Each piece of an answer is delayed."""
    CUT = "cut"
    """A connection ends after some bytes of its answer."""
    RESET = "reset"
    """Connections are accepted and reset."""


class Destination:
    """A server behind a TCP port or a Unix socket."""

    def __init__(self, *, host: str = "", port: int = 0, path: str = "") -> None:
        """Give either `path` or `host` and `port`."""
        self._host = host
        self._port = port
        self._path = path

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection to it."""
        if self._path:
            return await asyncio.open_unix_connection(self._path)
        return await asyncio.open_connection(self._host, self._port)


class FaultProxy:
    """Listens on a loopback port of its own while the context lasts, and keeps the port while it refuses."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._mode = Mode.PASS
        self._seconds = 0.0
        self._after = 0
        self._moving = asyncio.Event()
        self._moving.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._port = 0
        self.accepted = 0
        """Connections so far."""
        self.answers = 0
        """Pieces of answers passed on so far."""

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._moving.set()
        self._drop()
        if self._server is not None:
            self._server.close()
        if self._held is not None:
            self._held.close()

    @property
    def address(self) -> str:
        """Return `host:port`."""
        return f"127.0.0.1:{self._port}"

    async def set(self, mode: Mode, *, seconds: float = 0.0, after: int = 0) -> None:
        """Switch to `mode`; `seconds` is the delay of SLOW, `after` the bytes of CUT."""
        self._mode, self._seconds, self._after = mode, seconds, after
        if mode is Mode.FREEZE:
            self._moving.clear()
        else:
            self._moving.set()
        if mode is Mode.REFUSE:
            self._refuse()
        elif self._server is None:
            await self._listen()
        if mode in (Mode.REFUSE, Mode.RESET):
            self._drop()

    async def _listen(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, backlog=1024)
        self._port = self._server.sockets[0].getsockname()[1]

    def _refuse(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        # bound without listening: connections are refused, and no other process gets the port
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", self._port))

    def _drop(self) -> None:
        for writer in list(self._writers):
            _reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._mode in (Mode.RESET, Mode.REFUSE):
            _reset(writer)
            return
        self._writers.add(writer)
        try:
            await self._moving.wait()
            with contextlib.suppress(OSError):
                await self._carry(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await self._destination.connect()
        self._writers.add(there_writer)
        both = {
            asyncio.create_task(self._pump(reader, there_writer, answers=False)),
            asyncio.create_task(self._pump(there_reader, writer, answers=True)),
        }
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            self._writers.discard(there_writer)
            there_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        sent = 0
        while data := await reader.read(_PIECE):
            if answers and self._mode is Mode.SLOW:
                await asyncio.sleep(self._seconds)
            await self._moving.wait()
            if answers and self._mode is Mode.CUT:
                data = data[: max(0, self._after - sent)]
            writer.write(data)
            await writer.drain()
            sent += len(data)
            self.answers += answers
            if answers and self._mode is Mode.CUT and sent >= self._after:
                return


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
    writer.transport.abort()


def destination_of(url: str) -> Destination:
    """Return the destination of a PostgreSQL or Redis URL."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Destination(path=unquote(parts.path))
    asked = parse_qs(parts.query).get("host", [""])[0]
    if asked.startswith("/"):
        return Destination(path=f"{asked}/.s.PGSQL.{parts.port or _POSTGRES_PORT}")
    default = 6379 if parts.scheme.startswith("redis") else _POSTGRES_PORT
    return Destination(host=parts.hostname or "127.0.0.1", port=parts.port or default)


def url_through(url: str, address: str) -> str:
    """Return the URL with `address` (`host:port`) in place of its own."""
    parts = urlsplit(url)
    who = "@".join(parts.netloc.split("@")[:-1])
    netloc = f"{who}@{address}" if who else address
    if parts.scheme == "unix":
        number = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis://{netloc}/{quote(number)}"
    kept = "&".join(part for part in parts.query.split("&") if part and not part.startswith("host="))
    return parts._replace(netloc=netloc, query=kept).geturl()


@contextlib.asynccontextmanager
async def proxy_before(url: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    """Run a proxy in front of a store; yield it and the store's URL through it."""
    async with FaultProxy(destination_of(url)) as proxy:
        yield proxy, url_through(url, proxy.address)
