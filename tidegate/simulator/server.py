"""Serves the simulator on a socket, within the running event loop."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tidegate.core.clock import Clock
from tidegate.simulator.app import create_app
from tidegate.simulator.exchange import RESET
from tidegate.simulator.options import Options

_MAX_EVENT_BYTES = 16 * 1024 * 1024


class ResettableProtocol(HttpToolsProtocol):
    """HTTP/1.1 whose requests can reset their socket through an ASGI extension."""

    def on_message_begin(self) -> None:
        """Add the extension to the scope of a new request."""
        super().on_message_begin()
        extensions: dict[object, object] = {RESET: self._reset}
        self.scope["extensions"] = extensions  # type: ignore[typeddict-item]  # an extension of our own

    def _reset(self) -> None:
        # closing with a linger time of 0 sends RST instead of FIN
        connected = self.transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


@contextlib.asynccontextmanager
async def running(
    options: Options | None = None, *, host: str = "127.0.0.1", port: int = 0, clock: Clock | None = None
) -> AsyncIterator[str]:
    """Serve while the context lasts; yield the base URL for an SDK, which ends in `/v1`.

    `port` 0 takes a free one. At the end, answers in progress are cut off. Raises OSError when the port is taken.
    """
    config = Config(
        create_app(options, clock=clock), http=ResettableProtocol, ws="websockets-sansio", ws_max_size=_MAX_EVENT_BYTES,
        ws_per_message_deflate=False, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=75,
    )  # fmt: skip
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: ResettableProtocol(config=config, server_state=state, app_state={}, _loop=loop),
        host,
        port,
        backlog=2048,
    )
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await _cut_off(state)
        await server.wait_closed()


async def _cut_off(state: ServerState) -> None:
    for connection in list(state.connections):
        connection.transport.abort()
    if state.tasks:  # each request notices by its connection that the server is gone
        _, stubborn = await asyncio.wait(list(state.tasks), timeout=1.0)
        for task in stubborn:
            task.cancel()
