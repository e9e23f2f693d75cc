"""The server announces its end, answers on during the drain, and ends what outlasts the grace."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import pytest
import uvicorn

from tests.eventually import wait_until
from tidegate.core.process.lifecycle import Lifecycle
from tidegate.web.listeners import bind
from tidegate.web.server import GracefulServer, address_of

Message = MutableMapping[str, Any]


class SlowApp:
    """Answers when it is told to, and says what cancelled it."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self.go = asyncio.Event()
        self.running = 0

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],  # noqa: ARG002  # ASGI's signature
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self.running += 1
        status = 200
        try:
            if scope["path"] == "/slow":
                await self.go.wait()
        except asyncio.CancelledError:
            assert self._lifecycle.take_cancellation() is not None
            status = 503
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


class Rig:
    """A running server, its application and a client."""

    def __init__(self, server: GracefulServer, app: SlowApp, lifecycle: Lifecycle, root: str) -> None:
        self.server = server
        self.app = app
        self.lifecycle = lifecycle
        self.root = root

    async def get(self, path: str = "/") -> tuple[int, str]:
        """Return the status and the `connection` header of an answer on a connection of its own."""
        async with aiohttp.ClientSession() as client, client.get(self.root + path) as answer:
            return answer.status, answer.headers.get("connection", "")


class _WithoutSignals(GracefulServer):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[tuple[Rig, asyncio.Task[None]]]:
    lifecycle = Lifecycle()
    app = SlowApp(lifecycle)
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    listeners = bind("127.0.0.1", 0)
    server = _WithoutSignals(config, lifecycle, **{"drain_seconds": 0.0, "grace_seconds": 30.0, **options})
    root = address_of(listeners[0])
    running = asyncio.create_task(server.serve(sockets=listeners))
    await wait_until(lambda: server.started)
    yield Rig(server, app, lifecycle, root), running
    app.go.set()
    server.handle_exit(signal.SIGTERM, None)
    server.handle_exit(signal.SIGTERM, None)
    await running


async def test_during_the_drain_new_connections_are_answered_and_told_to_close() -> None:
    async with serving(drain_seconds=30.0) as (rig, running):
        assert await rig.get() == (200, "")
        rig.server.handle_exit(signal.SIGTERM, None)
        await wait_until(lambda: rig.lifecycle.is_draining)
        assert await rig.get() == (200, "close")
        assert not running.done()


async def test_after_the_drain_the_port_is_closed_and_what_runs_is_finished() -> None:
    async with serving() as (rig, running):
        slow = asyncio.create_task(rig.get("/slow"))
        await wait_until(lambda: rig.app.running == 1)
        rig.server.handle_exit(signal.SIGTERM, None)
        await wait_until(lambda: rig.server.servers[0].sockets == ())
        with pytest.raises(aiohttp.ClientError):
            await rig.get()
        rig.app.go.set()
        assert await slow == (200, "close")
        await running
        assert not rig.lifecycle.is_grace_over


@pytest.mark.parametrize(
    ("grace", "signals"), [(0.2, [signal.SIGTERM]), (30.0, [signal.SIGTERM, signal.SIGTERM]), (0.2, [signal.SIGINT])]
)
async def test_what_outlasts_the_grace_or_meets_a_second_signal_gets_an_error(
    grace: float, signals: list[signal.Signals]
) -> None:
    async with serving(grace_seconds=grace) as (rig, running):
        slow = asyncio.create_task(rig.get("/slow"))
        await wait_until(lambda: rig.app.running == 1)
        for number in signals:
            rig.server.handle_exit(number, None)
        assert (await slow)[0] == 503
        await running


async def test_a_person_at_a_terminal_does_not_wait_for_the_drain() -> None:
    async with serving(drain_seconds=30.0) as (rig, running):
        rig.server.handle_exit(signal.SIGINT, None)
        async with asyncio.timeout(20):
            await running


async def test_a_worn_out_server_asks_once_and_serves_on() -> None:
    asked: list[bool] = []
    async with serving(max_requests=2, on_worn_out=lambda: asked.append(True)) as (rig, running):
        for _ in range(4):
            assert (await rig.get())[0] == 200
        await wait_until(lambda: asked == [True])
        assert (await rig.get())[0] == 200
        assert not running.done()
    assert asked == [True]
