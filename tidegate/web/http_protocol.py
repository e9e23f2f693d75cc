"""HTTP/1.1 connections over llhttp, with bounds against broken and malicious clients. Used by cli/serve.

A request's head is bounded in time and size, the rest of a body after its response in time, and pipelined requests in
number. What was received and not read, and what was written and not taken by the client, is bounded too. A connection
that exceeds a bound is closed; other connections are not affected.
"""

import asyncio
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from tidegate.core.errors import AddressTooLong, ClientDisconnected, HeadersTooLarge, MalformedHttp, TidegateError
from tidegate.web import envelope, request_head
from tidegate.web.asgi_cycle import AsgiCycle, Scope
from tidegate.web.connection_rules import ConnectionRules
from tidegate.web.cors import origin_of
from tidegate.web.envelope import Headers
from tidegate.web.exchange import ClientExchange
from tidegate.web.response_head import CLOSE_LINE, default_lines, header_lines, status_line
from tidegate.web.slow_clients import SlowClientWatch

_UNREAD_BYTES = 64 * 1024
"""Of bodies that were received and not read; then the socket is not read either."""
_NEVER = float("inf")
_USUAL = ConnectionRules()


class HttpProtocol(asyncio.Protocol):
    """One connection."""

    __slots__ = (
        "_bytes_read", "_client_watch", "_closes", "_config", "_due", "_exchanges", "_expects_continue",
        "_head_bytes", "_head_error", "_headers", "_in_head", "_in_message", "_incoming", "_is_paused", "_parser",
        "_state", "_target", "_timer", "_timer_due", "_unread_bytes", "app_state", "is_full", "loop", "rules",
        "transport",
    )  # fmt: skip

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        rules: ConnectionRules = _USUAL,
    ) -> None:
        """Uvicorn's server makes one for each connection."""
        self.rules = rules
        if not config.loaded:
            config.load()
        self._config = config
        self._state = server_state
        self.app_state = app_state
        self.loop = _loop or asyncio.get_running_loop()
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # until the connection is made
        self.is_full = False
        self._headers: Headers = []
        """Those of the head that arrives."""
        self._parser: Any = httptools.HttpRequestParser(self)
        # a client may send on behind a request with `connection: close`; it must not lose the response for that
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._target = b""
        self._expects_continue = False
        self._exchanges: list[ClientExchange] = []
        """Requests whose response is not complete; the first one is being answered."""
        self._incoming: ClientExchange | None = None
        """The request whose body arrives."""
        self._in_head = self._in_message = self._is_paused = False
        self._head_bytes = 0
        self._bytes_read = 0
        """The bytes of the last read, which may have ended a head."""
        self._head_error: TidegateError | None = None
        """What is wrong with the head that was just parsed."""
        self._closes = False
        """Whether the process ends, so that the connection closes soon after its answer."""
        self._unread_bytes = 0
        self._due = _NEVER
        """Event-loop time until which something must happen. The timer may be earlier: it is then set again."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = _NEVER
        self._client_watch = SlowClientWatch(self, rules.send_seconds)

    # what the event loop and the server call

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream's transport
        """Start the keep-alive timer of a new connection: clients may open connections in advance."""
        self.transport = transport
        self._state.connections.add(self)  # type: ignore[arg-type]  # uvicorn lists its own protocols
        self._expect(self._config.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Tell every unanswered request that its client is gone."""
        self._state.connections.discard(self)
        self._stop_timers()
        self._leave(ClientDisconnected())
        self._parser = None

    def data_received(self, data: bytes) -> None:
        """Parse received bytes within the head's bounds."""
        if (b"pgrade:" in data or b"PGRADE:" in data) and (self._in_head or not self._in_message):
            data = request_head.without_other_upgrade(data)
        self._bytes_read = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._upgrade()
            return
        except httptools.HttpParserError:
            error, self._head_error = self._head_error, None
            self._reject(error or MalformedHttp("Invalid HTTP request received."))
            return
        if self._in_head:
            if self._due is _NEVER:  # most heads arrive in one piece and need no timer
                self._expect(self.rules.head_seconds)
            self._head_bytes += len(data)
            if self._head_bytes > request_head.MAX_HEAD_BYTES:
                is_address = len(self._target) > request_head.MAX_ADDRESS_BYTES
                self._reject(AddressTooLong() if is_address else HeadersTooLarge())
        elif self._due is _NEVER and not (self._in_message or self._exchanges):
            self._expect(self._config.timeout_keep_alive)  # line breaks between two requests, or the end of a body

    def pause_writing(self) -> None:
        """Note that the client reads too slowly."""
        self.is_full = True
        self._client_watch.start()

    def resume_writing(self) -> None:
        """Note that the client has read most of what was written."""
        self.is_full = False
        self._client_watch.stop()
        if not self._exchanges:
            return
        if self._exchanges[0].task is None:
            self._answer(self._exchanges[0])
        else:
            self._exchanges[0].wake()

    def shutdown(self) -> None:
        """Close the connection after the request that it has, or whose first bytes have arrived."""
        if self._in_message or self._exchanges:
            self._closes = True
        else:
            self._close()

    # what the parser calls

    def on_message_begin(self) -> None:
        """Note a request's first byte."""
        self._in_head = self._in_message = True
        self._head_bytes = 0
        self._target = b""
        self._expects_continue = False
        self._headers = []
        self._due = _NEVER

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Those behind a body are not looked at: proxies did not check them."""
        if self._in_head:
            name = name.lower()
            self._headers.append((name, value))
            if name == b"expect" and value.lower() == b"100-continue":
                self._expects_continue = True

    def on_headers_complete(self) -> None:
        """Check a head, and begin to answer its request where no other one is being answered."""
        headers, parser = self._headers, self._parser
        version = parser.get_http_version()
        try:
            request_head.check_head(
                self._target,
                headers,
                needs_host=version != "1.0",
                is_large=self._head_bytes + self._bytes_read > request_head.MAX_HEAD_BYTES,
            )
        except TidegateError as error:
            self._head_error = error
            raise  # the parser stops
        self._in_head = False
        self._due = _NEVER
        upgrades = parser.should_upgrade()
        if upgrades and request_head.is_websocket(headers):
            return
        keep_alive = version != "1.0" and not upgrades and parser.should_keep_alive()
        exchange = ClientExchange(
            self, parser.get_method().decode(), request_head.parse_target(self._target), headers, version, keep_alive
        )
        exchange.awaits_continue = self._expects_continue and version != "1.0"
        if self.rules.cross_origin is not None:
            exchange.common_lines = self._common_lines(headers)
        self._headers = []
        self._incoming = exchange
        self._exchanges.append(exchange)
        if len(self._exchanges) == 1:
            self._answer(exchange)
        elif len(self._exchanges) > self.rules.max_pipelined + 1:
            self.transport.abort()

    def on_body(self, data: bytes) -> None:
        """Keep a part of a body until it is read; read no further where too much is kept."""
        exchange = self._incoming
        if exchange is None or exchange.is_complete:
            return
        if exchange.body:
            exchange.body = bytearray(exchange.body) if isinstance(exchange.body, bytes) else exchange.body
            exchange.body += data
        else:
            exchange.body = data
        self._unread_bytes += len(data)
        if self._unread_bytes > _UNREAD_BYTES and not self._is_paused and not self.transport.is_closing():
            self._is_paused = True
            self.transport.pause_reading()
        if exchange.reader is not None:
            exchange.wake()

    def on_message_complete(self) -> None:
        """Note the end of a body."""
        self._in_message = False
        self._due = _NEVER
        exchange, self._incoming = self._incoming, None
        if exchange is not None:
            exchange.has_arrived = True
            if exchange.reader is not None:
                exchange.wake()

    # what exchanges call

    def default_lines(self) -> tuple[bytes, bool]:
        """Return the lines that every head has, and whether they end the connection."""
        return default_lines(tuple(self._state.default_headers))

    def note_read(self, size: int) -> None:
        """Read on where enough was read."""
        self._unread_bytes -= size
        if self._is_paused and self._unread_bytes <= _UNREAD_BYTES:
            self._is_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def note_complete(self, exchange: ClientExchange) -> None:
        """Go on after a response, possibly before the request's body has arrived."""
        self._state.total_requests += 1
        self._exchanges.pop(0)
        if exchange.body or self._is_paused:
            self.note_read(len(exchange.body))
            exchange.body = b""
        if not exchange.keep_alive:
            self._close()
        elif self._exchanges:
            self._answer(self._exchanges[0])
        elif self._in_head:
            pass  # the next head is arriving
        elif self._in_message:
            self._expect(self.rules.remaining_body_seconds)
        elif self._closes:
            # its answer may have begun before the end was known, so its client may reuse the connection at once
            self._expect(self.rules.lingering_seconds)
        else:
            self._expect(self._config.timeout_keep_alive)

    # inner workings

    def _answer(self, exchange: ClientExchange) -> None:
        if self.is_full or self.transport.is_closing():
            return  # a client that reads no answer gets no further one
        work = None if self.rules.answer is None else self.rules.answer(exchange)
        if work is None:
            work = AsgiCycle(exchange).run(self._config.loaded_app, self._scope(exchange))
        exchange.task = task = self.loop.create_task(work)
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _scope(self, exchange: ClientExchange) -> Scope:
        """Return a request as ASGI describes it."""
        target = exchange.target
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": exchange.version,
            "method": exchange.method,
            "scheme": "http",
            "server": get_local_addr(self.transport),
            "client": get_remote_addr(self.transport),
            "root_path": "",
            "path": target.path,
            "raw_path": target.raw_path,
            "query_string": target.query,
            "headers": exchange.headers,
            "state": self.app_state.copy(),
        }

    def _upgrade(self) -> None:
        """Hand the connection over to the WebSocket protocol; it would hang on any method but GET."""
        self._in_message = False
        if not request_head.is_websocket(self._headers):
            return  # an offer that came in pieces, or CONNECT: the request is answered, and the connection closed
        method = self._parser.get_method()
        error = request_head.handshake_error(self._headers)
        if method != b"GET":
            error = MalformedHttp("A WebSocket is opened with GET.")
        if error is not None or self._exchanges or self._config.ws_protocol_class is None:
            self._reject(error or MalformedHttp("A WebSocket is opened where no other request is unanswered."))
            return
        self._stop_timers()
        self._state.connections.discard(self)
        protocol: Any = self._config.ws_protocol_class(  # type: ignore[call-arg]
            config=self._config, server_state=self._state, app_state=self.app_state
        )
        protocol.connection_made(self.transport)
        lines = b"".join([b"%b: %b\r\n" % pair for pair in self._headers])
        protocol.data_received(b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self._target, lines))
        self.transport.set_protocol(protocol)
        self._parser = None

    def _reject(self, error: TidegateError) -> None:
        """Answer bytes that are not HTTP, or a head that is not acceptable, and close."""
        in_body, self._in_head = self._in_message and not self._in_head, False
        if self.transport.is_closing():
            return
        if in_body and len(self._exchanges) == 1 and not self._exchanges[0].is_started:
            common_lines = self._exchanges[0].common_lines
            self._leave(ClientDisconnected())
        elif in_body or self._exchanges:  # the client would take the error for the answer to another request
            self.transport.abort()
            return
        else:  # a head that is refused for its size may have broken off before its origin
            common_lines = self._common_lines(self._headers)
        body = envelope.body_of(error)
        length = (b"content-length", str(len(body)).encode())
        lines = header_lines([envelope.JSON, length, *envelope.headers_of(error)]) + CLOSE_LINE + common_lines
        self.transport.write(b"%b%b\r\n%b" % (status_line(envelope.status_of(error)), lines, body))
        self._close()

    def _common_lines(self, headers: Headers) -> bytes:
        """Return the lines by which a browser gives an answer to the page."""
        return (
            b""
            if self.rules.cross_origin is None
            else header_lines(self.rules.cross_origin.headers_for(origin_of(headers)))
        )

    def give_up(self, gone: ClientDisconnected) -> None:
        """End the connection of a client that takes nothing more."""
        self._leave(gone)
        self.transport.abort()

    def _leave(self, gone: ClientDisconnected) -> None:
        exchanges, self._exchanges, self._incoming = self._exchanges, [], None
        for exchange in exchanges:
            exchange.leave(gone)

    def _close(self) -> None:
        """Close the connection once the client has taken what was written."""
        self.transport.close()
        self._due = _NEVER
        self._client_watch.start()

    # timers

    def _expect(self, seconds: float) -> None:
        """Close the connection after so many seconds in which nothing happens."""
        self._due = self.loop.time() + seconds
        if self._due < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer, self._timer_due = self.loop.call_at(self._due, self._on_timer), self._due

    def _on_timer(self) -> None:
        self._timer, self._timer_due = None, _NEVER
        if self._due > self.loop.time():
            if self._due is not _NEVER:
                self._timer, self._timer_due = self.loop.call_at(self._due, self._on_timer), self._due
        elif self._in_message:
            self.transport.abort()
        else:
            self._close()

    def _stop_timers(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = self._timer_due = _NEVER
        self._client_watch.stop()
