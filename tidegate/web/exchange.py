"""One request on a connection and its response: what handlers read from and write to. Made by http_protocol.py.

Handlers of the hot routes use it directly, and ASGI applications by `asgi_cycle.py`. Both have the same body, the same
flow control and the same news of a client that leaves.
"""

import asyncio
from types import TracebackType
from typing import Any, Protocol, Self

from tidegate.core.errors import ClientDisconnected
from tidegate.web.envelope import Headers
from tidegate.web.request_head import RequestTarget
from tidegate.web.response_head import CHUNKED_LINE, CLOSE_LINE, status_line

EXTENSION = "tidegate.exchange"
"""The name in the ASGI scope's `extensions` under which a handler finds the exchange."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_WITHOUT_BODY = (204, 304)


class ServerConnection(Protocol):
    """What an exchange needs of its connection."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    is_full: bool
    """Whether the client reads so slowly that nothing more should be written."""

    def default_lines(self) -> tuple[bytes, bool]:
        """Return the lines that every head has, and whether they end the connection."""
        ...

    def note_read(self, size: int) -> None:
        """Note that so many bytes of a body have been read by its handler."""
        ...

    def note_complete(self, exchange: "ClientExchange") -> None:
        """Note that the response has been written."""
        ...


class ClientExchange:
    """One request and its response.

    As a context it ends the waiting inside with ClientDisconnected as soon as the client is gone.
    """

    __slots__ = (
        "_has_content",
        "_is_chunked",
        "_is_watched",
        "_was_cancelled",
        "_writer",
        "awaits_continue",
        "body",
        "common_lines",
        "connection",
        "gone",
        "has_arrived",
        "headers",
        "is_complete",
        "is_started",
        "keep_alive",
        "method",
        "reader",
        "target",
        "task",
        "version",
    )

    def __init__(  # a parameter for each part of a request's head; made for each request
        self,
        connection: ServerConnection,
        method: str,
        target: RequestTarget,
        headers: Headers,
        version: str,
        keep_alive: bool,  # noqa: FBT001  # positional, because it is made for each request
    ) -> None:
        """`headers` have names in lower case. `keep_alive` tells whether another request may follow."""
        self.connection = connection
        self.method = method
        self.target = target
        self.headers = headers
        self.version = version
        self.keep_alive = keep_alive
        self.common_lines = b""
        """Header lines of the response besides those of its handler."""
        self.awaits_continue = False
        """Whether the client waits to be asked for the body."""
        self.body: bytes | bytearray = b""
        """What has arrived of the body and was not read."""
        self.has_arrived = False
        """Whether the whole body has arrived."""
        self.gone: ClientDisconnected | None = None
        """Why no client is left, if so."""
        self.is_started = False
        """Whether the head of the response has been written."""
        self.is_complete = False
        """Whether the whole response has been written."""
        self.task: asyncio.Task[None] | None = None
        """The task that answers."""
        self._is_chunked = False
        self._has_content = method != "HEAD"
        self._is_watched = False
        self._was_cancelled = False
        self.reader: asyncio.Future[None] | None = None
        """What a handler waits for that waits for the body or the end."""
        self._writer: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        if self.gone is not None:
            raise self.gone
        self._is_watched = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_watched = False
        if self._was_cancelled and self.task is not None and self.gone is not None:
            self.task.uncancel()
            if isinstance(error, asyncio.CancelledError):
                raise self.gone from error

    def read_headers(self) -> dict[str, str]:
        """Return the headers as text, and keep them no longer; of equal names the last counts."""
        headers, self.headers = self.headers, []
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}

    async def read(self) -> tuple[bytes, bool]:
        """Return what has arrived of the body since the last call, and whether that is its end.

        Wait where nothing has. Raises ClientDisconnected.
        """
        if self.awaits_continue:
            self.awaits_continue = False
            if not self.has_arrived and not self.is_started and self.gone is None:
                self.connection.transport.write(_CONTINUE)
        while not self.body and not self.has_arrived and self.gone is None:
            await self._wait()
        if self.gone is not None:
            raise self.gone
        part, self.body = bytes(self.body), b""
        self.connection.note_read(len(part))
        return part, self.has_arrived

    async def wait_for_end(self) -> None:
        """Wait until the client is gone or the response complete."""
        while self.gone is None and not self.is_complete:
            await self._wait()

    def respond(self, status: int, lines: bytes, body: bytes) -> None:
        """Write a whole response at once; `lines` are its header lines, `content-length` among them."""
        if self.gone is None:
            head = self._head(status, lines)
            self.connection.transport.write(head + body if self._has_content else head)
        self._complete()

    def start(self, status: int, lines: bytes, *, has_length: bool = False) -> None:
        """Write the head of a response whose body follows in parts, in chunks unless `lines` say its length."""
        self._has_content = self._has_content and status not in _WITHOUT_BODY
        self._is_chunked = self._has_content and not has_length and self.version != "1.0"
        if self.gone is None:
            self.connection.transport.write(self._head(status, lines + CHUNKED_LINE if self._is_chunked else lines))

    def write(self, data: bytes) -> None:
        """Write a part of the body. Where the connection `is_full`, await `drain` before the next one."""
        if self.gone is None and self._has_content and data:
            self.connection.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)

    def end(self) -> None:
        """End a response that was written in parts."""
        if self.gone is None and self._is_chunked:
            self.connection.transport.write(_LAST_CHUNK)
        self._complete()

    async def drain(self) -> None:
        """Wait while the client reads too slowly; return at once where it is gone."""
        while self.connection.is_full and self.gone is None:
            self._writer = self.connection.loop.create_future()
            await self._writer

    def abandon(self) -> None:
        """Close the connection: its handler has ended, and the response is not complete."""
        if self.gone is None:
            self.connection.transport.close()

    def wake(self) -> None:
        """Wake the handler that waits: something has arrived, may be written, or has ended."""
        for waiter in (self.reader, self._writer):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def leave(self, gone: ClientDisconnected) -> None:
        """Note that no client is left."""
        if self.is_complete or self.gone is not None:
            return
        self.gone = gone
        self.wake()
        if self._is_watched and self.task is not None:
            self._was_cancelled = True
            self.task.cancel()

    def _head(self, status: int, lines: bytes) -> bytes:
        self.is_started = True
        defaults, closes = self.connection.default_lines()
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            lines += CLOSE_LINE
        return b"%b%b%b%b\r\n" % (status_line(status), defaults, lines, self.common_lines)

    def _complete(self) -> None:
        self.is_started = self.is_complete = True
        if self.gone is None:
            self.connection.note_complete(self)
        if self.reader is not None:
            self.wake()

    async def _wait(self) -> None:
        self.reader = self.connection.loop.create_future()
        await self.reader
        self.reader = None


def exchange_of(scope: Any) -> ClientExchange:
    """Return the exchange of an ASGI request that this gateway's own server serves."""
    exchange: ClientExchange = scope["extensions"][EXTENSION]
    return exchange
