"""The HTTP client of a library (aiohttp), for upstreams that are reached through a proxy.

It is the one edge where the library's exceptions become typed errors. Tests hold both clients to one contract.
"""

import asyncio
import contextlib
import copy
import errno
import functools
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from tidegate.core.errors import ConnectionFailed, OutOfFileDescriptors, TidegateError, TruncatedAnswer
from tidegate.core.process.interrupt import Interruption
from tidegate.providers.http.answer import CallConnection, UpstreamRequest
from tidegate.providers.http.answer_reader import MAX_HEAD_BYTES, MAX_INTERIM_ANSWERS
from tidegate.providers.http.connection import KEEPALIVE_SECONDS, has_unread_bytes
from tidegate.providers.http.deadlines import Deadlines
from tidegate.providers.http.options import ConnectionOptions
from tidegate.providers.request_body import StreamedBody, is_long, pieces_of, size_of

_CHECK_SECONDS = 1.0
"""Between looks whether a silent answer's connection is still there."""
_READ_BYTES = 32 * 1024
_DRAIN_SECONDS = 1.0
"""How long an answer's connection may take to end after its terminal event."""


class LibraryClient:
    """Sends requests by aiohttp."""

    def __init__(self, *, max_connections: int) -> None:
        """`max_connections` to each upstream."""
        self._connector = CallConnector(
            limit=0, limit_per_host=max_connections, keepalive_timeout=KEEPALIVE_SECONDS, ttl_dns_cache=30
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
        )

    def send_at_once(
        self,
        request: UpstreamRequest,  # noqa: ARG002  # the signature of both clients
        options: ConnectionOptions,  # noqa: ARG002  # as above
        deadlines: Deadlines,  # noqa: ARG002  # as above
    ) -> None:
        """Send nothing: the library does not say whether a connection is free."""
        return

    async def send(
        self, request: UpstreamRequest, options: ConnectionOptions, deadlines: Deadlines, call: CallConnection
    ) -> "LibraryAnswer":
        """Send a request and wait for its answer's headers; `call` learns which connection it has.

        Raises ConnectTimeout, ConnectionFailed, FirstByteTimeout or TotalTimeout; cancelling it cuts the connection.
        """
        data, headers = _sent_body(request)
        side = LibrarySide()
        if call is not None:
            call.note_connected(side)
        streams = isinstance(request.body, StreamedBody)  # such a body may take longer than its answer
        seconds = options.total_seconds if streams else min(options.first_byte_seconds, options.total_seconds)
        try:
            with (
                Interruption(seconds, deadlines.timeout_error),
                self._connector.telling(side),
            ):
                response = await self._session.request(
                    request.method,
                    request.url,
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=options.connect_seconds),
                    proxy=options.proxy,
                    ssl=True if options.tls is None else options.tls,
                )
        except aiohttp.ConnectionTimeoutError as error:
            raise deadlines.connect_error() from error
        except aiohttp.ClientResponseError as error:
            problem = error.message.partition(":")[0]  # what follows is the upstream's own bytes
            raise ConnectionFailed(f"What the upstream answered is not HTTP: {problem}.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # ValueError: what the client refuses to send
            raise _failure(request, error) from error
        side.note_answer(response)
        return LibraryAnswer(response, deadlines)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class LibraryAnswer:
    """Implements `HttpAnswer`."""

    def __init__(self, response: aiohttp.ClientResponse, deadlines: Deadlines) -> None:
        """An answer whose head has come."""
        self._response = response
        self._deadlines = deadlines
        self._timer: asyncio.TimerHandle | None = None
        self._timed_out = False
        self._arrived = b""
        """What was waited for, and is not read yet."""
        self._drain_task: asyncio.Task[None] | None = None
        self.status = response.status
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            headers.setdefault(name.lower(), value)
        self.headers: Mapping[str, str] = headers

    async def wait_for_head(self) -> None:
        """Do nothing: the head has come."""

    @property
    def at_end(self) -> bool:
        """Whether the whole body has come, and was read."""
        return not self._arrived and self._response.content.at_eof()

    def read_nowait(self, limit: int) -> bytes:
        """Return at most `limit` bytes of those that have come; empty where there are none, or at the end."""
        if self._arrived:
            data, self._arrived = self._arrived[:limit], self._arrived[limit:]
            return data
        try:
            return self._response.content.read_nowait(limit)
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken_off(error) from error

    async def arrival(self) -> None:
        """Wait for more bytes, or the end."""
        self._start_timer()
        try:
            self._arrived = await self._response.content.read(_READ_BYTES)
        except (aiohttp.ClientError, OSError) as error:
            raise self._broken_off(error) from error

    def pause_deadlines(self) -> None:
        """Let no deadline pass until the next read."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Cut the connection, unless the body has come to its end."""
        self._response.close()
        self.pause_deadlines()

    def release(self) -> None:
        """Give the connection back to the pool at the body's end: wait a moment for it, or cut."""
        self.pause_deadlines()
        if not self._response.content.at_eof() and not self._response.closed:
            self._drain_task = asyncio.create_task(self._drain(), name="upstream-drain")

    def _broken_off(self, error: Exception) -> Exception:
        if self._timed_out:
            return self._deadlines.timeout_error()
        return TruncatedAnswer(f"The upstream's answer broke off: {type(error).__name__}.")

    def _start_timer(self) -> None:
        """One timer for the whole answer, set again each time it goes off early."""
        if self._timer is None:
            loop = self._deadlines.loop
            due = min(self._deadlines.next_deadline, loop.time() + _CHECK_SECONDS)
            self._timer = loop.call_at(due, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._response.content.is_eof():
            return
        self._timed_out = self._deadlines.are_over()
        if self._timed_out or self._is_lost():
            self.close()
        else:
            self._start_timer()

    def _is_lost(self) -> bool:
        # after a body that breaks HTTP's rules the client drops the connection without ending the read that waits
        connection = self._response.connection
        return connection is not None and (connection.transport is None or connection.transport.is_closing())

    async def _drain(self) -> None:
        # RuntimeError: the client was closed at shutdown while this waited
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError, RuntimeError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while await self._response.content.readany():
                    pass
        self._response.close()


class ConnectionHandler(ResponseHandler):
    """One connection, which is closed when the upstream sends bytes that answer no request.

    The library would take them for the answer to the next call, and so give them to another caller.
    """

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if data and self._is_idle() and self.transport is not None:
            self.transport.close()
            return
        super().data_received(data)
        if len(self._buffer) > MAX_INTERIM_ANSWERS and self.transport is not None:
            self.transport.close()

    def is_connected(self) -> bool:
        """Whether it may serve another call: the pool asks this of a connection that is idle."""
        return super().is_connected() and not self._has_unread_bytes()

    def end_sending(self) -> bool:
        """Close this side's half of the connection; return whether it was open."""
        if self.transport is None or self.transport.is_closing():
            return False
        shared = self.transport.get_extra_info("socket")
        if shared is None:
            return False
        try:
            with socket.socket(fileno=os.dup(shared.fileno())) as own:  # the event loop's object offers no shutdown
                own.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        self.force_close()  # the answer may still end in good order: the next call could send nothing here
        return True

    def _is_idle(self) -> bool:
        """Return whether the last answer is complete and no other is awaited; after a 1xx a call still waits."""
        over = self._payload is not None and self._payload.is_eof()
        return over and not self._buffer and self._waiter is None

    def _has_unread_bytes(self) -> bool:
        connection = None if self.transport is None else self.transport.get_extra_info("socket")
        return connection is not None and has_unread_bytes(connection)


class LibrarySide:
    """Implements `SendingSide`."""

    def __init__(self) -> None:
        """No connection yet."""
        self._handler: ConnectionHandler | None = None
        self._response: aiohttp.ClientResponse | None = None

    def note_handler(self, handler: ConnectionHandler) -> None:
        """Note the connection on which the request is sent; the last one counts."""
        self._handler, self._response = handler, None

    def note_answer(self, response: aiohttp.ClientResponse) -> None:
        """Note the answer, whose end gives the connection back to the pool."""
        self._response = response

    def end_sending(self) -> bool:
        """Close the half of the connection by which the request was sent; return whether it was open."""
        if self._handler is None or (self._response is not None and self._response.connection is None):
            return False  # given back to the pool: another call may have it
        return self._handler.end_sending()


class CallConnector(aiohttp.TCPConnector):
    """The pool of such connections."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of aiohttp's connector."""
        super().__init__(**options)
        self._factory = functools.partial(ConnectionHandler, loop=self._loop)  # type: ignore[assignment]  # a kind of it
        self._sides: dict[asyncio.Task[Any] | None, LibrarySide] = {}
        """Of the calls that are connecting, by the task that sends each."""

    @contextlib.contextmanager
    def telling(self, side: LibrarySide) -> Iterator[None]:
        """Tell `side` of the connection that the current task gets within this context."""
        task = asyncio.current_task()
        self._sides[task] = side
        try:
            yield
        finally:
            del self._sides[task]

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # the signature of the base
    ) -> Connection:
        """Return a connection, and tell the call that is sent on it."""
        connection = await super().connect(req, traces, timeout)
        side = self._sides.get(asyncio.current_task())
        if side is not None and isinstance(connection.protocol, ConnectionHandler):
            side.note_handler(connection.protocol)
        return connection


def _sent_body(request: UpstreamRequest) -> tuple[Any, Mapping[str, str]]:
    """Return a request's body as the library takes it, and its headers with the size of the body, if it is known."""
    body, headers = request.body, request.headers
    if body is None or not is_long(body):
        return body, headers
    if (size := size_of(body)) is not None:  # else the library sends chunks, and says so
        headers = {**headers, "content-length": str(size)}
    return pieces_of(body), headers


def _failure(request: UpstreamRequest, error: Exception) -> TidegateError:
    """Return why a request was not sent, or not answered."""
    if isinstance(request.body, StreamedBody) and request.body.broken_off is not None:
        return copy.copy(request.body.broken_off)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return OutOfFileDescriptors()  # a limit of this process, no fault of the upstream
    return ConnectionFailed(_unreachable(error), was_connected=not isinstance(error, aiohttp.ClientConnectorError))


def _unreachable(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return f"The upstream could not be reached, or hung up before answering: {reason}."
