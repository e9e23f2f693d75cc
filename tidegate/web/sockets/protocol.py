"""Uvicorn's WebSocket connection, but for its end: what is being answered when the process stops is answered."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from tidegate.web.sockets.connection import RESTARTING


class PatientProtocol(WebSocketsSansIOProtocol):
    """Tells the application of the shutdown instead of cutting the connection; the server waits `grace_seconds`."""

    def shutdown(self) -> None:
        """The process is about to end."""
        if self.handshake_complete and not self.close_sent and not self.disconnected:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": RESTARTING})
        else:
            super().shutdown()
