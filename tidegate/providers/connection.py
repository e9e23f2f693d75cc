"""The client's connections: those of the pool, and the one that a call has.

A call that its client left is not cut off at once. Only this side's half of the connection is closed. Servers take that
for a hang-up, and close their half. So all that they sent until then is read, and the moment is known at which the
hang-up had reached them. Used by the transport, and by an attempt for its own connection.

Each such call costs the pool a connection. A new one is opened at once in its place: otherwise one caller that leaves
its calls would have all others wait for new connections, which take several round trips.
"""

import asyncio
import contextlib
import functools
import os
import select
import socket
from collections.abc import Iterator
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

_MAX_INTERIM_ANSWERS = 16
"""Interim answers (1xx) that may wait unread; a server that sends more is cut off."""

_MAX_REPLACEMENTS = 32
"""Connections that are opened at once in the place of others."""
_REPLACEMENT_SECONDS = 10.0
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)


class ConnectionHandler(ResponseHandler):
    """One connection, which is closed when the upstream sends bytes that answer no request.

    The library would take them for the answer to the next call, and so give them to another caller.
    """

    origin: ClientRequest | None = None
    """A request to where it leads; None until it is open."""

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if data and self._is_idle() and self.transport is not None:
            self.transport.close()
            return
        super().data_received(data)
        if len(self._buffer) > _MAX_INTERIM_ANSWERS and self.transport is not None:
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
        # what has arrived while this process was busy elsewhere, and is not read yet
        connection = None if self.transport is None else self.transport.get_extra_info("socket")
        if connection is None:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return bool(poll.poll(0))


class CallConnection:
    """The connection that one call has: none before it is sent, and none once its answer was read."""

    def __init__(self) -> None:
        """No connection yet."""
        self._handler: ConnectionHandler | None = None
        self._response: aiohttp.ClientResponse | None = None
        self._pool: CallConnector | None = None

    def note_connected(self, handler: ConnectionHandler, pool: "CallConnector") -> None:
        """Note the connection of `pool` on which the request is sent; the last one counts."""
        self._handler, self._response, self._pool = handler, None, pool

    def note_answer(self, response: aiohttp.ClientResponse) -> None:
        """Note the answer, whose end gives the connection back to the pool."""
        self._response = response

    def end_sending(self) -> bool:
        """Tell the upstream that the client has left, and leave the answer readable; return whether it was told."""
        if self._handler is None or (self._response is not None and self._response.connection is None):
            return False  # given back to the pool: another call may have it
        if not self._handler.end_sending():
            return False
        if self._pool is not None:
            self._pool.replace(self._handler)
        return True


class CallConnector(aiohttp.TCPConnector):
    """The pool of such connections."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of aiohttp's connector."""
        super().__init__(**options)
        self._factory = functools.partial(ConnectionHandler, loop=self._loop)  # type: ignore[assignment]  # a kind of it
        self._calls: dict[asyncio.Task[Any] | None, CallConnection] = {}
        """The calls that are connecting, by the task that sends each."""
        self._replacements: set[asyncio.Task[None]] = set()

    def replace(self, lost: ConnectionHandler) -> None:
        """Open a connection in the place of one that is lost, unless as many are idle as are in use."""
        origin = lost.origin
        if origin is None or self.closed or len(self._replacements) >= _MAX_REPLACEMENTS:
            return
        key = origin.connection_key
        if len(self._conns.get(key, ())) >= len(self._acquired_per_host.get(key, ())):
            return
        task = asyncio.create_task(self._replace(origin), name="connection-replacement")
        self._replacements.add(task)
        task.add_done_callback(self._replacements.discard)

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # the signature of the base
    ) -> ResponseHandler:
        handler = await super()._create_connection(req, traces, timeout)
        if isinstance(handler, ConnectionHandler):  # a request without headers and body: it lives as the connection
            handler.origin = ClientRequest(
                "GET", req.url.origin(), loop=self._loop, proxy=req.proxy, proxy_auth=req.proxy_auth, ssl=req.ssl
            )
        return handler

    async def _replace(self, origin: ClientRequest) -> None:
        # the next call that needs a connection says why there is none
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(_REPLACEMENT_SECONDS):
                handler = await self._create_connection(origin, [], _NO_TIMEOUT)
            if self.closed:
                handler.close()
            else:
                self._release(origin.connection_key, handler)

    @contextlib.contextmanager
    def telling(self, call: CallConnection | None) -> Iterator[None]:
        """Tell `call` of the connection that the current task gets within this context."""
        if call is None:
            yield
            return
        task = asyncio.current_task()
        self._calls[task] = call
        try:
            yield
        finally:
            del self._calls[task]

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # the signature of the base
    ) -> Connection:
        """Return a connection, and tell the call that is sent on it."""
        connection = await super().connect(req, traces, timeout)
        call = self._calls.get(asyncio.current_task())
        if call is not None and isinstance(connection.protocol, ConnectionHandler):
            call.note_connected(connection.protocol, self)
        return connection
