"""Tidegate's own HTTP/1.1 client, for upstreams that are reached without a proxy."""

import asyncio
import contextlib
import errno
import functools
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import msgspec

from tidegate.core.errors import ConnectionFailed, OutOfFileDescriptors, TidegateError
from tidegate.core.process.interrupt import Interruption
from tidegate.providers.http.addresses import Addresses
from tidegate.providers.http.answer import CallConnection, UpstreamRequest
from tidegate.providers.http.connection import UpstreamConnection
from tidegate.providers.http.deadlines import Deadlines
from tidegate.providers.http.options import ConnectionOptions
from tidegate.providers.http.pool import OriginPool
from tidegate.providers.http.received_answer import ReceivedAnswer
from tidegate.providers.request_body import framing_of

_MOST_URLS = 1000
_IN_TARGET = "%/:=&?~#+!$,;'@()*[]"
"""Characters of an address that stay as they are (RFC 3986)."""


class _Address(msgspec.Struct, frozen=True):
    """Where a request goes."""

    pool: OriginPool
    target: str
    host_header: str


class HttpClient:
    """Sends requests, and keeps the connections to each upstream."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, max_connections: int) -> None:
        """`max_connections` to each upstream."""
        self._loop = loop
        self._max_connections = max_connections
        self._addresses = Addresses(loop)
        self._pools: dict[tuple[str, int, ssl.SSLContext | None], OriginPool] = {}
        self._known: dict[tuple[str, ssl.SSLContext | None], _Address] = {}
        self._system_tls: ssl.SSLContext | None = None

    def send_at_once(
        self, request: UpstreamRequest, options: ConnectionOptions, deadlines: Deadlines
    ) -> ReceivedAnswer | None:
        """Send a request on an idle connection, and return its answer before it begins; None where none is idle.

        Raises ConnectionFailed.
        """
        address = self._known.get((request.url, options.tls)) or self._address(request.url, options)
        head = _head_of(request, address)
        connection = address.pool.take_idle()
        return None if connection is None else connection.send(head, request.body, deadlines)

    async def send(
        self, request: UpstreamRequest, options: ConnectionOptions, deadlines: Deadlines, call: CallConnection
    ) -> ReceivedAnswer:
        """Send a request and wait for its answer's headers; `call` learns which connection it has.

        Raises ConnectTimeout, ConnectionFailed, FirstByteTimeout or TotalTimeout; cancelling it cuts the connection.
        """
        address = self._known.get((request.url, options.tls)) or self._address(request.url, options)
        head = _head_of(request, address)
        connection = address.pool.take_idle()
        if connection is None:
            with Interruption(min(options.first_byte_seconds, options.total_seconds), deadlines.timeout_error):
                connecting = Interruption(options.connect_seconds, deadlines.connect_error)
                connection = await address.pool.take(connecting)
        answer = connection.send(head, request.body, deadlines)
        call.note_connected(answer)
        try:
            await answer.wait_for_head()
        except BaseException:  # also where the call is cancelled
            answer.close()
            raise
        return answer

    async def close(self) -> None:
        """Close all connections."""
        self._addresses.close()
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # asyncio closes the sockets in its next turn

    def _address(self, url: str, options: ConnectionOptions) -> _Address:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
        except ValueError as error:  # also UnicodeError: a label is too long, or empty
            raise ConnectionFailed(
                "The upstream's address is not one, so the call was not sent.", was_connected=False
            ) from error
        is_tls = parts.scheme == "https"
        tls = (options.tls or self._tls()) if is_tls else None
        pool = self._pool(host, port or (443 if is_tls else 80), tls)
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_IN_TARGET)
        named = f"[{host}]" if ":" in host else host
        if len(self._known) >= _MOST_URLS:
            self._known.clear()
        address = _Address(pool, target, f"{named}:{port}" if port else named)
        self._known[url, options.tls] = address
        return address

    def _pool(self, host: str, port: int, tls: ssl.SSLContext | None) -> OriginPool:
        pool = self._pools.get((host, port, tls))
        if pool is None:
            connect = functools.partial(self._connect, host, port, tls)
            pool = OriginPool(self._loop, connect, max_connections=self._max_connections)
            self._pools[host, port, tls] = pool
        return pool

    async def _connect(self, host: str, port: int, tls: ssl.SSLContext | None, pool: OriginPool) -> UpstreamConnection:
        try:
            opened = await self._addresses.connect(host, port)
            with _closed_on_failure(opened):
                _, connection = await self._loop.create_connection(
                    lambda: UpstreamConnection(pool, self._loop),
                    sock=opened,
                    ssl=tls,
                    server_hostname=None if tls is None else host,
                )
        except (OSError, UnicodeError) as error:
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                raise OutOfFileDescriptors from error  # a limit of this process, no fault of the upstream
            raise _unreachable(error) from error
        return connection

    def _tls(self) -> ssl.SSLContext:
        if self._system_tls is None:
            self._system_tls = ssl.create_default_context()
        return self._system_tls


@contextlib.contextmanager
def _closed_on_failure(opened: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:  # also where the call is cancelled
        opened.close()
        raise


def _head_of(request: UpstreamRequest, address: _Address) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
    fields = "".join(lines)
    if fields.count("\n") != len(lines) or fields.count("\r") != len(lines) or "\0" in fields:
        raise ConnectionFailed("A header has a line break, so the call was not sent.", was_connected=False)
    length = "".join([f"{name}: {value}\r\n" for name, value in framing_of(request.body).items()])
    return f"{request.method} {address.target} HTTP/1.1\r\nhost: {address.host_header}\r\n{fields}{length}\r\n".encode()


def _unreachable(error: Exception) -> TidegateError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted ({error.verify_message})"
    return ConnectionFailed(f"The upstream could not be reached: {reason}.", was_connected=False)
