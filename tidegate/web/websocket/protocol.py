"""Uvicorn's WebSocket protocol with a graceful shutdown and a bound for clients that do not read. Used by cli/serve."""

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from tidegate.web.websocket.connection import RESTARTING


class GracefulWebSocketProtocol(WebSocketsSansIOProtocol):
    """Tells the application about a shutdown instead of closing the connection; the server waits `grace_seconds`."""

    def shutdown(self) -> None:
        """The process is about to end."""
        if self.handshake_complete and not self.close_sent and not self.disconnected:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": RESTARTING})
        else:
            super().shutdown()

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
