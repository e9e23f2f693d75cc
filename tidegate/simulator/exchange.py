"""One HTTP request and its answer over ASGI, which notices when the client leaves."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Receive, Scope, Send

from tidegate.core.errors import ClientDisconnected
from tidegate.simulator.refusal import Refusal, invalid

RESET = "tidegate.reset"
"""The ASGI extension that resets the socket; `tidegate.simulator.server` offers it."""


class ResetUnavailable(Exception):
    """The server cannot reset a socket. It closes the connection by failing; serve the app with `running` instead."""


class SimulatedExchange:
    """Everything that an endpoint needs of HTTP. Each method raises ClientDisconnected when the client has left."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The three parts of an ASGI call."""
        self.method: str = scope.get("method", "GET")
        self.subprotocols: tuple[str, ...] = tuple(scope.get("subprotocols", ()))
        """Those that the handshake of a WebSocket offers."""
        self.path: str = scope["path"]
        self.query: Mapping[str, str] = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        self.headers: Mapping[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self.reply_headers: dict[str, str] = {}
        """Headers that are sent with any answer."""
        self.status: int | None = None
        self._reset: Callable[[], None] | None = scope.get("extensions", {}).get(RESET)
        self._receive = receive
        self._send = send

    async def body(self, most: int | None = None) -> bytes:
        """Return the whole request body. Raises Refusal, 413, for one of more than `most` bytes."""
        parts = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if most is not None and size > most:
                raise Refusal(413, f"Maximum content size limit ({most}) exceeded ({size} bytes read)")
            if not message.get("more_body", False):
                return b"".join(parts)

    async def pause(self, seconds: float) -> None:
        """Wait; the wait ends at once when the client leaves."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(None if seconds == float("inf") else seconds):
                await self.wait_for_disconnect()
        except TimeoutError:
            return

    async def pause_until(self, moment: float) -> None:
        """Wait until a moment of the event loop's clock, and look whether the client left, however late it is."""
        try:
            async with asyncio.timeout_at(moment):
                await self.wait_for_disconnect()
        except TimeoutError:
            await asyncio.sleep(0)  # what came together with the timer is heard
        try:
            async with asyncio.timeout(0):
                await self.wait_for_disconnect()
        except TimeoutError:
            return

    async def wait_for_disconnect(self) -> None:
        """Wait until the client leaves."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        raise ClientDisconnected

    async def begin(self, status: int, content_type: str, length: int | None = None) -> None:
        """Send the headers; without `length` the body is chunked."""
        headers = {"content-type": content_type, **self.reply_headers}
        if length is not None:
            headers["content-length"] = str(length)
        self.status = status
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes, *, last: bool = False) -> None:
        """Send a part of the body, in one write."""
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def send_json(self, value: Any, status: int = 200) -> None:
        """Send a whole answer."""
        data = msgspec.json.encode(value)
        await self.begin(status, "application/json", len(data))
        await self.write(data, last=True)

    async def refuse(self, refusal: Refusal) -> None:
        """Send an error envelope."""
        self.reply_headers.update(refusal.headers)
        data = refusal.body
        await self.begin(refusal.status, refusal.content_type, len(data))
        await self.write(data, last=True)

    async def reset(self) -> None:
        """Break the connection so that the client sees a reset."""
        if self._reset is None:
            raise ResetUnavailable
        await asyncio.sleep(0.01)  # what was written reaches the client before the reset discards it
        self._reset()
        try:
            await self.wait_for_disconnect()
        except ClientDisconnected:
            return


def json_object(body: bytes) -> dict[str, Any]:
    """Return the body as an object. Raises Refusal."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        value = None
    if not isinstance(value, dict):
        raise invalid(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
        )
    return value
