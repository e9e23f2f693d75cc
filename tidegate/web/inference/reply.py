"""Sends an answer over HTTP: whole, streamed with heartbeats, or an error at any point. Used by the HTTP endpoints."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any

from tidegate.core.endpoints import Format
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.pipeline.delivery import ResponseStream
from tidegate.web import envelope
from tidegate.web.envelope import JSON, Headers
from tidegate.web.inference.heartbeat import Heartbeat
from tidegate.wire import sse

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would buffer the events
]


_MAX_VALUE_LENGTH = 512
_PRINTABLE = bytes(code if 32 <= code != 127 else ord("?") for code in range(256))
_EVENTS_IN_TURN = 32
"""Events that are sent at once before other calls have their turn."""


class HttpResponseWriter:
    """Writes one HTTP response."""

    def __init__(self, send: Send, *, request_id: str, ping_seconds: float) -> None:
        """`ping_seconds` is the silence after which a streaming client gets a heartbeat."""
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._ping_seconds = ping_seconds
        self._common_headers: Headers = [(b"x-request-id", request_id.encode())]
        self._event_count = 0
        self.started = False
        self.status = 0
        """The status that was sent; 0 before that."""
        self.failure: TidegateError | None = None
        """Why the call ended, where it failed."""
        self.stream_error: TidegateError | None = None
        """The error that ended a started stream."""
        self._stream: ResponseStream | None = None
        """The stream that is being sent."""
        self.sending_since: float | None = None
        """Event-loop time since which the client has not read the last chunk; None if it has."""

    async def send_whole(self, delivery: ResponseStream) -> None:
        """Send the answer as one body. Raises TidegateError before anything was sent."""
        body = await delivery.body()
        head = await delivery.head()
        cost = (b"x-tidegate-cost-usd", _usd(delivery.cost_nanos))
        await self.send_json(200, body, [*_answer_headers(delivery, head), cost])

    async def send_stream(self, delivery: ResponseStream) -> None:
        """Send the answer's events and heartbeats. Raises TidegateError before the first byte."""
        self._stream = delivery
        try:
            async with Heartbeat(self._ping, self._ping_seconds) as heartbeat:
                await self._send_events(delivery, heartbeat)
        except ClientDisconnected:
            raise
        except TidegateError as error:
            if not self.started:
                raise
            self.stream_error = error
            await self.send_error(error)
        else:
            await self._end_stream()

    async def send_error(self, error: TidegateError) -> None:
        """Send an error as the response, or as the last event of a stream that was started."""
        if not self.started:
            await self.send_json(envelope.status_of(error), envelope.body_of(error), envelope.headers_of(error))
        elif self._stream is not None:
            responses = self._stream.requested_form.endpoint.format is Format.RESPONSES
            await self._body(envelope.event_of(error, responses=responses, sequence_number=self._event_count))
            await self._end_stream()

    async def send_json(self, status: int, body: bytes, headers: Headers) -> None:
        """Send a JSON body."""
        length = (b"content-length", str(len(body)).encode())
        await self._start(status, [JSON, length, *headers])
        await self._body(body, more=False)

    async def _send_events(self, delivery: ResponseStream, heartbeat: Heartbeat) -> None:
        head = await delivery.head()
        await self._start(200, [*_EVENT_STREAM, *_answer_headers(delivery, head)])
        while (event := await delivery.next()) is not None:
            self._event_count += 1
            heartbeat.note_sent()
            await self._body(event)
            if not self._event_count % _EVENTS_IN_TURN:
                await asyncio.sleep(0)  # a stored stream has thousands, and its client may take them all at once

    async def _end_stream(self) -> None:
        self._stream = None
        await self._body(b"", more=False)

    async def _ping(self) -> None:
        """Send a heartbeat; the first one starts the stream before the answer's head is known."""
        if self.sending_since is None:
            await self._start(200, _EVENT_STREAM)
            await self._body(sse.PING)

    async def _start(self, status: int, headers: Headers) -> None:
        if self.started:
            return
        self.started = True
        self.status = status
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *self._common_headers]}
        )

    async def _body(self, data: bytes, *, more: bool = True) -> None:
        self.sending_since = self._loop.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self.sending_since = None


def _answer_headers(delivery: ResponseStream, head: AnswerHead) -> Headers:
    labels: Headers = [(b"x-tidegate-cache", b"stale" if head.stale else delivery.cache.encode())]
    if head.served_by:
        labels.append((b"x-tidegate-served-by", _header_value(head.served_by)))
    age = delivery.age if head.age is None else head.age
    if age is not None:
        labels.append((b"age", str(int(age)).encode()))
    if head.adaptations:
        labels.append((b"x-tidegate-adapted", _header_value(", ".join(head.adaptations))))
    if head.queued_ms:
        labels.append((b"x-tidegate-queue-ms", str(head.queued_ms).encode()))
    return labels + envelope.remaining_limit_headers(delivery.remaining_limits)


@lru_cache(1024)
def _header_value(text: str) -> bytes:
    """Return text as a safe header value: the upstream chooses the model's name."""
    return text[:_MAX_VALUE_LENGTH].encode("latin-1", "replace").translate(_PRINTABLE)


def _usd(nanos: int) -> bytes:
    return f"{nanos // 1_000_000_000}.{nanos % 1_000_000_000:09d}".encode()
