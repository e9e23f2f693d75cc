"""HTTP at the socket, for clients that mean harm or are broken: bounds that the server itself does not have.

A request's head has to come within a time and a size, so does what is left of a body once its answer has been given,
and a connection may have so many requests in line and no more. Whoever exceeds one is cut off; nobody else notices.
"""

import asyncio
import re
from collections import deque
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tidegate.core.errors import HeadersTooLarge, MalformedHttp, TidegateError
from tidegate.web import envelope

_STATUS_LINES = {400: b"HTTP/1.1 400 Bad Request\r\n", 431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n"}
_H2C = re.compile(rb"(?<=\r\n)upgrade:[ \t]*h2c[ \t]*\r\n", re.IGNORECASE)


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    head_seconds: ClassVar[float] = 30.0
    """From the connection, or from a request's first byte, to the end of its head."""
    remaining_body_seconds: ClassVar[float] = 30.0
    """For what is left of a body whose request was answered already."""
    max_head_bytes: ClassVar[int] = 64 * 1024
    max_pipelined: ClassVar[int] = 32
    """Pipelined requests that wait for the one before them."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0
    _in_message = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as there
        """A client is there."""
        self._unanswered: deque[RequestResponseCycle] = deque()
        super().connection_made(transport)
        self._start_timer(self.timeout_keep_alive)  # connections are opened in advance, too

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: told to all who work for it, while the server itself knows the last request only."""
        self._stop_timer()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if b"h2c" in data and (self._in_head or not self._in_message):
            data = _without_h2c(data)
        super().data_received(data)
        if self._in_head:
            if self._timer is None:  # most heads come in one piece, and need none
                self._start_timer(self.head_seconds)
            self._head_bytes += len(data)
            if self._head_bytes > self.max_head_bytes:
                self._reject(HeadersTooLarge())

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._in_head = self._in_message = True
        self._head_bytes = 0
        self._stop_timer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its head is here."""
        self._in_head = False
        self._stop_timer()
        self.headers[:] = _with_one_authorization(self.headers)
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:  # it becomes a WebSocket
            return
        self._unanswered.append(self.cycle)
        self.headers = []  # what stands behind the body is no header: who checked those did not see it
        if len(self.pipeline) > self.max_pipelined:
            self._abort()

    def handle_websocket_upgrade(self) -> None:
        """It becomes a WebSocket, which begins with GET: its own protocol waits for ever where it does not."""
        if self.scope["method"] == "GET":
            super().handle_websocket_upgrade()
        else:
            self._reject(MalformedHttp("A WebSocket is opened with GET."))

    def on_message_complete(self) -> None:
        """Its body is here, too."""
        self._in_message = False
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered, perhaps before its body has come."""
        self._unanswered.popleft()
        super().on_response_complete()
        if self._in_message and not self._in_head:
            self._start_timer(self.remaining_body_seconds)

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP."""
        self._reject(MalformedHttp(msg))

    def _reject(self, error: TidegateError) -> None:
        in_body, self._in_head = self._in_message and not self._in_head, False
        if self.transport.is_closing():
            return
        if self._unanswered and not (in_body and self._abandon_only_request()):  # it would be taken for their answer
            self._abort()
            return
        body = envelope.body_of(error)
        headers = [envelope.JSON, (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        lines = b"".join(b"%s: %s\r\n" % pair for pair in [*headers, *envelope.headers_of(error)])
        self.transport.write(_STATUS_LINES[envelope.status_of(error)] + lines + b"\r\n" + body)
        self.transport.close()

    def _abandon_only_request(self) -> bool:
        """Whether the request whose body is coming is the only one, and not being answered; then nobody answers it."""
        cycle = self._unanswered[-1]
        if len(self._unanswered) > 1 or cycle.response_started:
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True

    def _start_timer(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self._abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort(self) -> None:
        self._timer = None
        self.transport.abort()


def _with_one_authorization(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with one `authorization`: of several none is right, whichever of them somebody else has looked at."""
    signed = [value for name, value in headers if name == b"authorization"]
    if len(signed) < 2:
        return headers
    return [pair for pair in headers if pair[0] != b"authorization"] + [(b"authorization", b", ".join(signed))]


def _without_h2c(data: bytes) -> bytes:
    """A head without an offer to speak HTTP/2, as Java's client makes; the parser would not read the body after it."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _H2C.sub(b"", head + end[:2]) + end[2:] + rest
