"""Uvicorn's WebSocket protocol with a graceful shutdown, and bounds for clients that send much or do not read.

Used by cli/serve.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from tidegate.web.websocket.connection import RESTARTING, TRY_AGAIN_LATER
from tidegate.web.websocket.inbound import EXTENSION, InboundMessages


class GracefulWebSocketProtocol(WebSocketsSansIOProtocol):
    """Tells the application about a shutdown instead of closing the connection; the server waits `grace_seconds`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """Leave out `connection: close`, which the server adds while it ends: the handshake is an upgrade."""
        self.default_headers = [pair for pair in self.default_headers if pair[0] != b"connection"]
        super().connection_made(transport)
        self._undelivered: ASGIReceiveEvent | None = None
        """A message that waits for memory."""
        self._inbound = InboundMessages(pause=self._pause_reading, resume=self._resume_reading, refuse=self._refuse)

    def handle_connect(self, event: Request) -> None:
        """Let the endpoint find what bounds the messages of this connection."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self._inbound

    def data_received(self, data: bytes) -> None:
        """Parse received bytes, and note how much of a message is there."""
        super().data_received(data)
        self._inbound.note_arriving(len(self.conn.reader.buffer) + sum(map(len, self.frames)))

    def send_receive_event_to_app(self) -> None:
        """Note a complete message, and pass it on."""
        if not self.close_sent:
            self._inbound.note_complete(sum(map(len, self.frames)))
        super().send_receive_event_to_app()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message once there is memory for it; may be cancelled and called again without loss."""
        if self._undelivered is None:
            self._undelivered = await super().receive()
        if self._inbound.is_paused:
            self._pause_reading()  # uvicorn reads on where no message waits
            await self._inbound.wait_for_memory()
        message, self._undelivered = self._undelivered, None
        if self._inbound.is_refused and message["type"] == "websocket.receive":
            return {"type": "websocket.disconnect", "code": TRY_AGAIN_LATER}
        return message

    def connection_lost(self, exc: Exception | None) -> None:
        """Give back the memory of messages that will not be answered."""
        super().connection_lost(exc)
        self._inbound.close()

    def _pause_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def _refuse(self) -> None:
        self.queue.put_nowait({"type": "websocket.disconnect", "code": TRY_AGAIN_LATER})

    def shutdown(self) -> None:
        """The process is about to end; a handshake that is not complete is completed first."""
        if self.close_sent or self.disconnected:
            super().shutdown()
        else:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": RESTARTING})

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message; a connection whose client does not even take what is there is closed without.

        Raises ClientDisconnected also where the server itself has closed: for a message too large, a ping unanswered.
        """
        if message["type"] == "websocket.close" and not self.writable.is_set():
            self.transport.abort()
        elif self.close_sent and self.handshake_complete:
            raise ClientDisconnected
        else:
            await super().send(message)
