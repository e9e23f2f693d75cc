"""The HTTP server: it announces its end, answers on while load balancers notice, and cuts no request without a word.

On SIGTERM `/readyz` says 503 at once, and requests are still answered for `drain_seconds`, each with
`connection: close`. Then the port is closed, and what runs may finish until the grace is over. What runs still gets an
error that allows a retry. SIGINT, from a terminal, skips the drain; a second signal, or SIGQUIT, ends the grace.
"""

import asyncio
import signal
import socket
from collections.abc import Callable
from types import FrameType

import structlog
import uvicorn

from tidegate.core.process.lifecycle import Lifecycle

_log = structlog.get_logger("server")

_CLOSE = (b"connection", b"close")
_LOOK_SECONDS = 0.02
_LINGERING_SECONDS = 1.0
"""For which connections stay open after the ports are closed."""
_LAST_WORDS_SECONDS = 2.0
"""For which requests may send their error at the end of the grace."""


class GracefulServer(uvicorn.Server):
    """Serves one application in one process."""

    def __init__(  # noqa: PLR0913  # a parameter for each choice
        self,
        config: uvicorn.Config,
        lifecycle: Lifecycle,
        *,
        drain_seconds: float,
        grace_seconds: float,
        on_started: Callable[[], None] = lambda: None,
        is_repeat_urgent: bool = True,
        max_requests: int = 0,
        on_worn_out: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_started` is called when requests are accepted, and `on_worn_out` once, after `max_requests` (0: never).

        `is_repeat_urgent` tells whether a second signal ends the grace. A worker may get one signal twice.
        """
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_seconds = drain_seconds
        self._grace_seconds = grace_seconds
        self._on_started = on_started
        self._is_repeat_urgent = is_repeat_urgent
        self._is_urgent = False
        self._max_requests = max_requests
        self._on_worn_out = on_worn_out
        self._is_worn_out = False
        self._signals: list[int] = []

    @property
    def addresses(self) -> list[str]:
        """The true addresses on which it listens."""
        return [address_of(listener) for server in self.servers for listener in server.sockets]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal ends the grace at once."""
        if self._signals and self._is_repeat_urgent:
            self.end_grace()
        self._signals.append(sig)
        super().handle_exit(sig, frame)

    def end_grace(self) -> None:
        """End at once; what still runs gets an error."""
        self._is_urgent = self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._on_started()

    async def on_tick(self, counter: int) -> bool:
        """Return whether to end; a worn-out server asks for its successor and serves on."""
        should_exit = await super().on_tick(counter)
        if self._max_requests and self.server_state.total_requests >= self._max_requests and not self._is_worn_out:
            self._is_worn_out = True
            self._on_worn_out()
        return should_exit

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, close the ports, let requests finish, and stop the application."""
        now = asyncio.get_running_loop().time()
        grace_over = now + self._grace_seconds
        self._lifecycle.is_draining = True
        self._close_after_each_response()
        drain_seconds = 0.0 if signal.SIGINT in self._signals else self._drain_seconds
        await self._wait(lambda: False, until=now + drain_seconds)
        await asyncio.sleep(_LOOK_SECONDS)  # what has arrived by now is read, and answered
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        # a connection that was opened at the last moment may not have sent its request yet
        await self._wait(self._is_idle, until=now + drain_seconds + min(drain_seconds, _LINGERING_SECONDS))
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not await self._wait(self._is_idle, until=grace_over):
            await self._end_requests()
        await self.lifespan.shutdown()

    def _close_after_each_response(self) -> None:
        self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]

    def _is_idle(self) -> bool:
        return not self.server_state.connections and not self.server_state.tasks

    async def _wait(self, is_done: Callable[[], bool], *, until: float) -> bool:
        """Wait until it is done, the time is over or a second signal has come; return whether it is done."""
        loop = asyncio.get_running_loop()
        while not is_done():
            if loop.time() >= until or self._is_urgent:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    async def _end_requests(self) -> None:
        """End what still runs with an error that allows a retry."""
        tasks = set(self.server_state.tasks)
        self._lifecycle.is_grace_over = True
        if tasks:
            _log.warning("the grace is over: the requests that still ran got an error", requests=len(tasks))
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.abort()  # its client does not read


def address_of(listener: socket.socket) -> str:
    """Return the address of a listening socket as it stands in a URL."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
