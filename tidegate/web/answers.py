"""An answer as HTTP: whole, or streamed with heartbeats, or an error at whichever moment it comes."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeVar

import structlog

from tidegate.core.errors import ClientGone, TidegateError
from tidegate.core.values import AnswerHead, Route
from tidegate.delivery import Delivery
from tidegate.web import envelope
from tidegate.web.envelope import JSON, Headers
from tidegate.wire import sse

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would hold the events back
]
_T = TypeVar("_T")
_log = structlog.get_logger("web")


class Reply:
    """One HTTP response being sent."""

    def __init__(self, send: Send, *, request_id: str, ping_seconds: float, send_seconds: float) -> None:
        """Heartbeats after `ping_seconds` of silence; a client that takes no byte for `send_seconds` is gone."""
        self._send = send
        self._ping_seconds = ping_seconds
        self._send_seconds = send_seconds
        self._always: Headers = [(b"x-request-id", request_id.encode())]
        self._events = 0
        self.started = False

    async def whole(self, delivery: Delivery) -> None:
        """Send the answer in one piece. Raises TidegateError before anything was sent."""
        body = await delivery.whole()
        head = await delivery.opened()
        cost = (b"x-tidegate-cost-usd", _usd(delivery.cost_nanos))
        await self.document(200, body, [*_labels(delivery, head), cost])

    async def stream(self, delivery: Delivery) -> None:
        """Send the answer's events as they come. Raises TidegateError before anything was sent."""
        responses = delivery.wanted.route is Route.RESPONSES
        try:
            head = await self._alive(delivery.opened, [])
            await self._start(200, [*_EVENT_STREAM, *_labels(delivery, head)])
            while (event := await self._alive(delivery.next, [])) is not None:
                self._events += 1
                await self._body(event)
        except ClientGone:
            raise
        except TidegateError as error:
            if not self.started:
                raise
            await self._body(envelope.event_of(error, responses=responses, sequence_number=self._events))
        await self._body(b"", more=False)

    async def error(self, error: TidegateError) -> None:
        """Send an error, where nothing was sent yet."""
        if not self.started:
            await self.document(envelope.status_of(error), envelope.body_of(error), envelope.headers_of(error))

    async def document(self, status: int, body: bytes, headers: Headers) -> None:
        """Send JSON."""
        length = (b"content-length", str(len(body)).encode())
        await self._start(status, [JSON, length, *headers])
        await self._body(body, more=False)

    async def _alive(self, wait: Callable[[], Awaitable[_T]], headers: Headers) -> _T:
        """Wait, with a heartbeat whenever the silence lasts; the first one commits to a stream."""
        while True:
            try:
                async with asyncio.timeout(self._ping_seconds):
                    return await wait()
            except TimeoutError:
                await self._start(200, [*_EVENT_STREAM, *headers])
                await self._body(sse.PING)

    async def _start(self, status: int, headers: Headers) -> None:
        if self.started:
            return
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._always]})

    async def _body(self, data: bytes, *, more: bool = True) -> None:
        message = {"type": "http.response.body", "body": data, "more_body": more}
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._send(message)
        except TimeoutError as error:
            raise ClientGone(f"The client took no byte for {self._send_seconds:g} s.") from error


def _labels(delivery: Delivery, head: AnswerHead) -> Headers:
    labels: Headers = [
        (b"x-tidegate-cache", delivery.cache.encode()),
        (b"x-tidegate-served-by", head.served_by.encode("latin-1", "replace")),
    ]
    if delivery.age is not None:
        labels.append((b"age", str(int(delivery.age)).encode()))
    return labels


def _usd(nanos: int) -> bytes:
    return f"{nanos // 1_000_000_000}.{nanos % 1_000_000_000:09d}".encode()
