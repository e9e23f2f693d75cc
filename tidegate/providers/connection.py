"""The client's connections: those of the pool, and the one that a call has.

A call that its client left is not cut off at once. Only this side's half of the connection is closed. Servers take that
for a hang-up, and close their half. So all that they sent until then is read, and the moment is known at which the
hang-up had reached them. Used by the transport, and by an attempt for its own connection.
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

    def note_connected(self, handler: ConnectionHandler) -> None:
        """Note the connection on which the request is sent; the last one counts."""
        self._handler, self._response = handler, None

    def note_answer(self, response: aiohttp.ClientResponse) -> None:
        """Note the answer, whose end gives the connection back to the pool."""
        self._response = response

    def end_sending(self) -> bool:
        """Tell the upstream that the client has left, and leave the answer readable; return whether it was told."""
        if self._handler is None or (self._response is not None and self._response.connection is None):
            return False  # given back to the pool: another call may have it
        return self._handler.end_sending()


class CallConnector(aiohttp.TCPConnector):
    """The pool of such connections."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of aiohttp's connector."""
        super().__init__(**options)
        self._factory = functools.partial(ConnectionHandler, loop=self._loop)  # type: ignore[assignment]  # a kind of it
        self._calls: dict[asyncio.Task[Any] | None, CallConnection] = {}
        """The calls that are connecting, by the task that sends each."""

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
            call.note_connected(connection.protocol)
        return connection
