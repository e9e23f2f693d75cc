"""One client's WebSocket, over ASGI."""

from typing import Any

import msgspec
from starlette.types import Receive, Send

from tidegate.core.errors import ClientDisconnected
from tidegate.simulator.refusal import Refusal, invalid

Json = dict[str, Any]


class SimulatedSocket:
    """Events in and out. Each method raises ClientDisconnected when the client has left."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._count = 0

    async def refuse(self, refusal: Refusal, headers: dict[str, str]) -> None:
        """Answer the handshake with an error envelope."""
        head = {"content-type": refusal.content_type, **headers, **refusal.headers}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in head.items()]
        await self._send({"type": "websocket.http.response.start", "status": refusal.status, "headers": raw})
        await self._send({"type": "websocket.http.response.body", "body": refusal.body})

    async def accept(self, subprotocol: str | None) -> None:
        """Complete the handshake."""
        await self._send({"type": "websocket.accept", "subprotocol": subprotocol})

    async def close(self, code: int) -> None:
        """Close the connection."""
        await self._send({"type": "websocket.close", "code": code})

    async def send(self, event: Json) -> None:
        """Send an event, with an id of its own."""
        self._count += 1
        named = {"event_id": f"event_sim{self._count:08d}", **event}
        await self.send_text(msgspec.json.encode(named).decode())

    async def send_text(self, text: str) -> None:
        """Send a text as it is."""
        try:
            await self._send({"type": "websocket.send", "text": text})
        except OSError as error:
            raise ClientDisconnected from error

    async def send_error(self, refusal: Refusal, event_id: Any) -> None:
        """Send an error event."""
        name = event_id if isinstance(event_id, str) else None
        await self.send({"type": "error", "error": {**refusal.error, "event_id": name}})

    async def receive(self) -> Json:
        """Return the next event. Raises Refusal for what is none."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            raise ClientDisconnected
        text = message.get("text")
        if text is None:
            raise invalid("Only text frames are supported.", code="invalid_frame")
        try:
            event = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            event = None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise invalid("The event could not be parsed as a JSON object with a type.", code="invalid_event")
        return event
