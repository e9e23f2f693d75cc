"""HTTP connections with bounds that uvicorn does not have, against broken and malicious clients. Used by cli/serve.

A request's head is bounded in time and size, the rest of a body after its response in time, and pipelined requests in
number. A connection that exceeds a bound is closed; other connections are not affected.
"""

import asyncio
import re
from collections import deque
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from tidegate.core.errors import AddressTooLong, HeadersTooLarge, MalformedHttp, TidegateError
from tidegate.web import envelope, request_head
from tidegate.web.cors import CrossOrigin, origin_of

_OTHER_UPGRADE = re.compile(rb"(?<=\r\n)upgrade:(?![ \t]*websocket[ \t]*\r\n)[^\r\n]*\r\n", re.IGNORECASE)


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection with bounds."""

    head_seconds: ClassVar[float] = 30.0
    """From the connection's start, or a request's first byte, to the end of the head."""
    remaining_body_seconds: ClassVar[float] = 30.0
    """For the rest of a body whose request was already answered."""
    lingering_seconds: ClassVar[float] = 1.0
    """For which a connection stays open after its last answer while the process ends."""
    max_pipelined: ClassVar[int] = 32
    """Pipelined requests that may wait."""
    cross_origin: ClassVar[CrossOrigin | None] = None
    """The pages that may read a refusal; None: no page of another origin."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _head_bytes = 0
    _bytes_read = 0
    """The bytes of the last read, which may have ended a head."""
    _head_error: TidegateError | None = None
    """What is wrong with the head that was just parsed."""
    _in_message = False
    _closes = False
    """Whether the process ends, so that the connection closes soon after its answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """Start the keep-alive timer of a new connection."""
        self._unanswered: deque[RequestResponseCycle] = deque()
        super().connection_made(transport)
        self._start_timer(self.timeout_keep_alive)  # clients may open connections in advance

    def connection_lost(self, exc: Exception | None) -> None:
        """Disconnect every unanswered request; uvicorn itself disconnects only the last one."""
        self._stop_timer()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes within the head's bounds."""
        if (b"pgrade:" in data or b"PGRADE:" in data) and (self._in_head or not self._in_message):
            data = _without_other_upgrade(data)
        self._bytes_read = len(data)
        super().data_received(data)
        if self._in_head:
            if self._timer is None:  # most heads arrive in one piece and need no timer
                self._start_timer(self.head_seconds)
            self._head_bytes += len(data)
            if self._head_bytes > request_head.MAX_HEAD_BYTES:
                is_address = len(self.url) > request_head.MAX_ADDRESS_BYTES
                self._reject(AddressTooLong() if is_address else HeadersTooLarge())
        elif not (self._in_message or self._unanswered or self._timer) and self.transport.get_protocol() is self:
            # line breaks between two requests, at which uvicorn has stopped its own timer
            self._start_timer(self.timeout_keep_alive)

    def on_message_begin(self) -> None:
        """Note a request's first byte."""
        self._in_head = self._in_message = True
        self._head_bytes = 0
        self._stop_timer()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Check a head and note its end."""
        try:
            request_head.check_head(
                self.url,
                self.headers,
                needs_host=self.parser.get_http_version() != "1.0",
                is_large=self._head_bytes + self._bytes_read > request_head.MAX_HEAD_BYTES,
            )
        except TidegateError as error:
            self._head_error = error
            raise  # the parser stops, and send_400_response is called
        self._in_head = False
        self._stop_timer()
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before:  # the connection becomes a WebSocket
            return
        self._unanswered.append(self.cycle)
        self.headers = []  # trailers after the body must not become headers: proxies did not check them
        if len(self.pipeline) > self.max_pipelined:
            self._abort()

    def handle_websocket_upgrade(self) -> None:
        """Upgrade to a WebSocket if the method is GET; the WebSocket protocol would hang on any other."""
        error = request_head.handshake_error(self.scope["headers"])
        if self.scope["method"] != "GET":
            error = MalformedHttp("A WebSocket is opened with GET.")
        if error is None:
            super().handle_websocket_upgrade()
        else:
            self._reject(error)

    def on_message_complete(self) -> None:
        """Note the end of a body."""
        self._in_message = False
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Note the end of a response, possibly before the request's body has arrived."""
        self._unanswered.popleft()
        super().on_response_complete()
        if self._in_message and not self._in_head:
            self._start_timer(self.remaining_body_seconds)
        elif self._closes and not self._in_message:
            # its answer may have begun before the end was known, so its client may reuse the connection at once
            self._start_timer(self.lingering_seconds)

    def shutdown(self) -> None:
        """Close the connection after the request that it has, or whose first bytes have arrived."""
        if self._in_message or self._unanswered:
            self._closes = True
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Reject bytes that are not HTTP, or a head that is not acceptable."""
        error, self._head_error = self._head_error, None
        self._reject(error or MalformedHttp(msg))

    def _reject(self, error: TidegateError) -> None:
        in_body, self._in_head = self._in_message and not self._in_head, False
        if self.transport.is_closing():
            return
        if self._unanswered and not (
            in_body and self._abandon_only_request()
        ):  # the client would take the error for the answer to another request
            self._abort()
            return
        body = envelope.body_of(error)
        headers = [envelope.JSON, (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        headers += envelope.headers_of(error)
        if self.cross_origin is not None:
            # a head that is refused for its size may have broken off before its origin
            headers += self.cross_origin.headers_for(origin_of(self.scope["headers"] if in_body else self.headers))
        lines = b"".join(b"%s: %s\r\n" % pair for pair in headers)
        self.transport.write(STATUS_LINE[envelope.status_of(error)] + lines + b"\r\n" + body)
        self.transport.close()

    def _abandon_only_request(self) -> bool:
        """Abandon the request whose body is arriving, if it is the only one and has no response yet; return whether."""
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


def protocol_for(cross_origin: CrossOrigin | None) -> type[BoundedHttpProtocol]:
    """Return the protocol whose refusals the pages of these origins may read."""
    return type("HttpProtocol", (BoundedHttpProtocol,), {"cross_origin": cross_origin})


def _without_other_upgrade(data: bytes) -> bytes:
    """Return the head without an offer of another protocol than WebSocket: the parser would skip the body.

    Java's client offers HTTP/2 (`h2c`). Such an offer is to be ignored (RFC 9110, 7.8).
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _OTHER_UPGRADE.sub(b"", head + end[:2]) + end[2:] + rest
