"""HTTP at the socket, for clients that mean harm or are broken: bounds that the server itself does not have.

A request's head has to come within a time and a size, so does what is left of a body once its answer has been given,
and a connection may have so many requests in line and no more. Whoever exceeds one is cut off; nobody else notices.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tidegate.core.errors import HeadTooLarge, NotHttp, TidegateError
from tidegate.web import envelope

_LINES = {400: b"HTTP/1.1 400 Bad Request\r\n", 431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n"}


class CarefulProtocol(HttpToolsProtocol):
    """One connection."""

    head_seconds: ClassVar[float] = 30.0
    """From the connection, or from a request's first byte, to the end of its head."""
    rest_seconds: ClassVar[float] = 30.0
    """For what is left of a body whose request was answered already."""
    most_head_bytes: ClassVar[int] = 64 * 1024
    most_in_line: ClassVar[int] = 32
    """Pipelined requests that wait for the one before them."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0
    _in_message = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as there
        """A client is there."""
        super().connection_made(transport)
        self._within(self.timeout_keep_alive)  # connections are opened in advance, too

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._still()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        super().data_received(data)
        if self._in_head:
            if self._timer is None:  # most heads come in one piece, and need none
                self._within(self.head_seconds)
            self._head_bytes += len(data)
            if self._head_bytes > self.most_head_bytes:
                self._refuse(HeadTooLarge())

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._in_head = self._in_message = True
        self._head_bytes = 0
        self._still()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is here."""
        self._in_head = False
        self._still()
        super().on_headers_complete()
        if len(self.pipeline) > self.most_in_line:
            self.transport.abort()

    def on_message_complete(self) -> None:
        """Its body is here, too."""
        self._in_message = False
        self._still()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered, perhaps before its body has come."""
        super().on_response_complete()
        if self._in_message and not self._in_head:
            self._within(self.rest_seconds)

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        self._refuse(NotHttp(msg))

    def _refuse(self, error: TidegateError) -> None:
        self._in_head = False
        if self.transport.is_closing():
            return
        body = envelope.body_of(error)
        headers = [envelope.JSON, (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        lines = b"".join(b"%s: %s\r\n" % pair for pair in [*headers, *envelope.headers_of(error)])
        self.transport.write(_LINES[envelope.status_of(error)] + lines + b"\r\n" + body)
        self.transport.close()

    def _within(self, seconds: float) -> None:
        self._still()
        self._timer = self.loop.call_later(seconds, self._cut_off)

    def _still(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self) -> None:
        self._timer = None
        self.transport.abort()
