"""Sends an answer over HTTP: whole, streamed with heartbeats, or an error at any point. Used by the HTTP endpoints."""

import asyncio
from functools import lru_cache

from tidegate.core.endpoints import Format
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.pipeline.delivery import ResponseStream
from tidegate.web import envelope
from tidegate.web.asgi_cycle import respond_with_error
from tidegate.web.exchange import ClientExchange
from tidegate.web.inference.heartbeat import Heartbeat
from tidegate.web.response_head import header_lines
from tidegate.wire import sse

_JSON_LINES = b"content-type: application/json\r\ncontent-length: %d\r\n"
_EVENT_STREAM_LINES = (
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\n"  # nginx would buffer the events
)
_MAX_VALUE_LENGTH = 512
_PRINTABLE = bytes(code if 32 <= code != 127 else ord("?") for code in range(256))
_EVENTS_IN_TURN = 32
"""Events that are sent at once before other calls have their turn."""


class HttpResponseWriter:
    """Writes one HTTP response."""

    __slots__ = (
        "_event_count",
        "_exchange",
        "_ping_seconds",
        "_request_id_line",
        "_stream",
        "failure",
        "status",
        "stream_error",
    )

    def __init__(self, exchange: ClientExchange, *, request_id: str, ping_seconds: float) -> None:
        """`ping_seconds` is the silence after which a streaming client gets a heartbeat."""
        self._exchange = exchange
        self._ping_seconds = ping_seconds
        self._request_id_line = b"x-request-id: %b\r\n" % request_id.encode()
        self._event_count = 0
        self.status = 0
        """The status that was sent; 0 before that."""
        self.failure: TidegateError | None = None
        """Why the call ended, where it failed."""
        self.stream_error: TidegateError | None = None
        """The error that ended a started stream."""
        self._stream: ResponseStream | None = None
        """The stream that is being sent."""

    async def send_whole(self, delivery: ResponseStream) -> None:
        """Send the answer as one body. Raises TidegateError before anything was sent."""
        body = await delivery.body()
        labels = _answer_lines(delivery, await delivery.head())
        cost, nanos = divmod(delivery.cost_nanos, 1_000_000_000)
        self.status = 200
        self._exchange.respond(
            200,
            b"%b%bx-tidegate-cost-usd: %d.%09d\r\n%b"
            % (_JSON_LINES % len(body), labels, cost, nanos, self._request_id_line),
            body,
        )

    async def send_stream(self, delivery: ResponseStream) -> None:
        """Send the answer's events and heartbeats. Raises TidegateError before the first byte."""
        self._stream = delivery
        exchange, connection, ping_seconds = self._exchange, self._exchange.connection, self._ping_seconds
        time = connection.loop.time
        try:
            with Heartbeat(self._ping, ping_seconds) as heartbeat:
                self._start_stream(_answer_lines(delivery, await delivery.head()))
                while (event := await delivery.next()) is not None:
                    self._event_count += 1
                    heartbeat.due_at = time() + ping_seconds
                    exchange.write(event)
                    if connection.is_full:
                        await exchange.drain()
                    if not self._event_count % _EVENTS_IN_TURN:
                        await asyncio.sleep(0)  # a stored stream has thousands, and its client may take them at once
        except ClientDisconnected:
            raise
        except TidegateError as error:
            if not exchange.is_started:
                raise
            self.stream_error = error
            self.send_error(error)
        else:
            self._stream = None
            exchange.end()

    def send_error(self, error: TidegateError) -> None:
        """Send an error as the response, or as the last event of a stream that was started."""
        if not self._exchange.is_started:
            self.status = envelope.status_of(error)
            respond_with_error(self._exchange, error, self._request_id_line)
        elif self._stream is not None:
            responses = self._stream.requested_form.endpoint.format is Format.RESPONSES
            self._stream = None
            self._exchange.write(envelope.event_of(error, responses=responses, sequence_number=self._event_count))
            self._exchange.end()

    def _ping(self) -> None:
        """Send a heartbeat; the first one starts the stream before the answer's head is known."""
        if not self._exchange.connection.is_full:
            self._start_stream(b"")
            self._exchange.write(sse.PING)

    def _start_stream(self, lines: bytes) -> None:
        if not self._exchange.is_started:
            self.status = 200
            self._exchange.start(200, b"%b%b%b" % (_EVENT_STREAM_LINES, lines, self._request_id_line))


def _answer_lines(delivery: ResponseStream, head: AnswerHead) -> bytes:
    """Return the header lines that tell where an answer comes from."""
    lines = _source_lines("stale" if head.stale else delivery.cache, head.served_by)
    age = delivery.age if head.age is None else head.age
    if age is not None:
        lines += b"age: %d\r\n" % int(age)
    if delivery.semantic:
        lines += header_lines(list(delivery.semantic))
    if head.adaptations:
        lines += b"x-tidegate-adapted: %b\r\n" % _header_value(", ".join(head.adaptations))
    if head.queued_ms:
        lines += b"x-tidegate-queue-ms: %d\r\n" % head.queued_ms
    limits = delivery.remaining_limits
    if limits.requests is not None or limits.tokens is not None or limits.budget is not None:
        lines += header_lines(envelope.remaining_limit_headers(limits))
    return lines


@lru_cache(1024)
def _source_lines(cache: str, served_by: str) -> bytes:
    lines = b"x-tidegate-cache: %b\r\n" % cache.encode()
    return lines + b"x-tidegate-served-by: %b\r\n" % _header_value(served_by) if served_by else lines


def _header_value(text: str) -> bytes:
    """Return text as a safe header value: the upstream chooses the model's name."""
    return text[:_MAX_VALUE_LENGTH].encode("latin-1", "replace").translate(_PRINTABLE)
