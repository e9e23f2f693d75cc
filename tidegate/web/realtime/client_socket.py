"""The client's side of a Realtime session: its WebSocket, bounded in size, memory and time. Used by endpoint.py."""

import asyncio
import contextlib
from typing import Any

from tidegate.core.errors import ClientDisconnected, EventTooLarge, MemoryShareExceeded
from tidegate.web.asgi_cycle import Receive, Send
from tidegate.web.websocket.connection import RESTARTING
from tidegate.web.websocket.inbound import InboundMessages

_GOING_AWAY = 1001
_FORCE_CLOSE_SECONDS = 1.0
"""How long a forced close may wait for a client that does not read."""


class ClientSocket:
    """One client's connection. Implements `tidegate.pipeline.realtime.session.ClientEnd`."""

    def __init__(
        self, receive: Receive, send: Send, inbound: InboundMessages, *, max_event_bytes: int, send_seconds: float
    ) -> None:
        """`send_seconds` is how long a client may not read before it counts as gone."""
        self._receive = receive
        self._send = send
        self._inbound = inbound
        self._max_event_bytes = max_event_bytes
        self._send_seconds = send_seconds
        self._unhandled = 0
        self._is_gone = False

    async def receive(self) -> bytes | None:
        """Return the next event, by which the one before counts as handled; None when the process is about to end.

        Raises ClientDisconnected, EventTooLarge and MemoryShareExceeded. May be cancelled and called again.
        """
        if self._unhandled:
            self._inbound.note_handled(self._unhandled)
            self._unhandled = 0
        message = await self._receive()
        if message["type"] == "websocket.receive":
            data: bytes = message.get("bytes") or (message.get("text") or "").encode(errors="replace")
            self._unhandled = len(data)
            if len(data) > self._max_event_bytes:
                raise EventTooLarge
            return data
        if self._inbound.is_refused:
            raise MemoryShareExceeded
        if message.get("code") == RESTARTING:
            return None
        self._is_gone = True
        raise ClientDisconnected

    async def send(self, text: str) -> None:
        """Send an event; wait while the client does not read. Raises ClientDisconnected."""
        await self._send_message({"type": "websocket.send", "text": text})

    async def close(self, code: int) -> None:
        """Close the connection, unless the client has left."""
        with contextlib.suppress(ClientDisconnected):
            await self._send_message({"type": "websocket.close", "code": code})

    async def _send_message(self, message: dict[str, Any]) -> None:
        if self._is_gone:
            raise ClientDisconnected
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._send(message)
        except TimeoutError as error:
            self._is_gone = True
            await self._force_close()
            raise ClientDisconnected(f"The client read no byte for {self._send_seconds:g} s.") from error
        except OSError as error:  # raised by servers if the client is gone (ASGI 2.4)
            self._is_gone = True
            raise ClientDisconnected from error

    async def _force_close(self) -> None:
        """Close without sending what the client did not read."""
        with contextlib.suppress(TimeoutError, OSError, ClientDisconnected):
            async with asyncio.timeout(_FORCE_CLOSE_SECONDS):
                await self._send({"type": "websocket.close", "code": _GOING_AWAY})
