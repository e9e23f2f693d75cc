"""Answers one request by an ASGI application, with `receive` and `send` over an exchange.

Used by http_protocol.py.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.errors.traces import forget_traces
from tidegate.web import envelope
from tidegate.web.envelope import JSON
from tidegate.web.exchange import EXTENSION, ClientExchange
from tidegate.web.response_head import header_lines

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = structlog.get_logger("web")


class FramingError(RuntimeError):
    """An application sent a response that is not as long as it said, or messages out of order. This is a defect."""


class AsgiCycle:
    """One request and its response, as an ASGI application has them."""

    def __init__(self, exchange: ClientExchange) -> None:
        self._exchange = exchange
        self._start: Message | None = None
        """The message with the head, which is written with the first part of a body whose length it says."""
        self._missing: int | None = None
        """How much of a body is missing whose length was said."""
        self._is_received = False

    async def run(self, app: App, scope: Scope) -> None:
        """Let the application answer; where it fails, answer for it."""
        exchange = self._exchange
        scope["extensions"] = {EXTENSION: exchange}
        try:
            await app(scope, self.receive, self.send)
        except Exception:  # noqa: BLE001  # a defect in a handler: answer with an envelope, log the trace, keep serving
            if not exchange.is_complete:  # FastAPI answers and logs, and raises nevertheless
                _log.exception("unexpected failure", path=scope["path"])
            if not exchange.is_started:
                respond_with_error(exchange, TidegateError())
        finally:
            if not exchange.is_complete:
                exchange.abandon()

    async def receive(self) -> Message:
        """Return a part of the body; after its end, wait until the client is gone or has its response."""
        exchange = self._exchange
        try:
            if not self._is_received:
                part, self._is_received = await exchange.read()
                return {"type": "http.request", "body": part, "more_body": not self._is_received}
        except ClientDisconnected as gone:
            forget_traces(gone)
        else:
            await exchange.wait_for_end()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Write a part of the response once the client has read most of what came before. Raises FramingError."""
        exchange = self._exchange
        if exchange.connection.is_full:
            await exchange.drain()
        if message["type"] == "http.response.start":
            self._take_start(message)
        elif exchange.gone is None:
            self._write(message.get("body", b""), is_last=not message.get("more_body", False))

    def _take_start(self, message: Message) -> None:
        if self._start is not None:
            raise FramingError
        self._start = message
        lengths = [int(value) for name, value in message["headers"] if name == b"content-length"]
        if lengths:
            self._missing = lengths[0]
        else:
            self._write_head(message)

    def _write_head(self, message: Message) -> None:
        lines = header_lines([(name.lower(), value) for name, value in message["headers"]])
        self._exchange.start(message["status"], lines, has_length=self._missing is not None)

    def _write(self, data: bytes, *, is_last: bool) -> None:
        exchange = self._exchange
        if self._start is None or exchange.is_complete:
            raise FramingError
        if not exchange.is_started:
            self._write_head(self._start)
        if exchange.method == "HEAD":
            self._missing = None
        if self._missing is not None:
            self._missing -= len(data)
            if self._missing < 0 or (is_last and self._missing):
                raise FramingError
        exchange.write(data)
        if is_last:
            exchange.end()


def respond_with_error(exchange: ClientExchange, error: TidegateError, lines: bytes = b"") -> None:
    """Answer with an error's envelope, and with further header lines."""
    body = envelope.body_of(error)
    length = (b"content-length", str(len(body)).encode())
    head = header_lines([JSON, length, *envelope.headers_of(error)])
    exchange.respond(envelope.status_of(error), head + lines, body)
