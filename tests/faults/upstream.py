"""An upstream of raw bytes. It recognizes the case by the model's name, and follows the case's script."""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from enum import Enum
from typing import Any

import msgspec

from tidegate.core import endpoints
from tidegate.core.endpoints import Endpoint

_RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


class ScriptAction(Enum):
    """The actions of a script besides sending bytes."""

    SILENCE = "silence"
    """Send nothing more until the other side leaves."""
    CLOSE = "close"
    """Close the connection normally."""
    RESET = "reset"
    """Reset the connection."""


Step = bytes | float | ScriptAction | asyncio.Event
Script = list[Step]
"""Each `bytes` is one write, a number a pause in seconds, an event a wait for it. Then comes the next request."""


class ReceivedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One received request."""

    provider: str
    """The first part of the path, which names the provider."""
    route: Endpoint | None
    """None for a path that is no inference route."""
    model: str
    stream: bool
    credential: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    number: int = 0
    """The number of the request among those for this model, from 1."""


ScriptFor = Callable[[ReceivedRequest], Script]
"""Return the script that answers a request."""


class ScriptedUpstream:
    """Counts its requests by model."""

    def __init__(self, play: ScriptFor) -> None:
        self._play = play
        self.calls: Counter[str] = Counter()
        self.requests: dict[str, list[ReceivedRequest]] = {}
        self.disconnects: Counter[str] = Counter()
        """Connections that the gateway ended while a script was silent, by model."""
        self.held: Counter[str] = Counter()
        """Scripts that reached an event to wait for, by model."""
        self.root = ""

    def reset(self) -> None:
        """Count from 0 again."""
        self.calls.clear()
        self.requests.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                while await self._answer(await _request(reader), reader, writer):
                    pass
        finally:
            writer.close()

    async def _answer(
        self, request: ReceivedRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if request.route is not None:
            self.calls[request.model] += 1
            request = msgspec.structs.replace(request, number=self.calls[request.model])
            self.requests.setdefault(request.model, []).append(request)
        for step in self._play(request):
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                await asyncio.sleep(0)
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, asyncio.Event):
                self.held[request.model] += 1
                await step.wait()
            elif step is ScriptAction.SILENCE:
                with contextlib.suppress(ConnectionError):
                    await reader.read()
                self.disconnects[request.model] += 1
                return False
            else:
                if step is ScriptAction.RESET:
                    _reset(writer)
                return False
        return True


def _reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_WHEN_CLOSED)
    writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> ReceivedRequest:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    document: dict[str, Any] = msgspec.json.decode(body) if body else {}
    place, _, path = first.split(" ")[1].lstrip("/").partition("/")
    return ReceivedRequest(
        provider=place,
        route=next((route for route in endpoints.ALL if route.path == "/" + path), None),
        model=str(document.get("model", "")),
        stream=bool(document.get("stream")),
        credential=headers.get("authorization", headers.get("api-key", "")).removeprefix("Bearer "),
        headers=headers,
        body=body,
    )


@contextlib.asynccontextmanager
async def running_upstream(play: ScriptFor) -> AsyncIterator[ScriptedUpstream]:
    """Run the upstream while the context lasts; `root` is its address."""
    upstream = ScriptedUpstream(play)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, backlog=1024, limit=1024 * 1024)
    upstream.root = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield upstream
    finally:
        server.close()
