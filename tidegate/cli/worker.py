"""One serving process: `tidegate serve` with one worker, and each worker of several."""

import asyncio
import random
import signal
import socket
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from types import FrameType
from typing import cast

import structlog
import uvicorn
import uvloop

from tidegate.app import build
from tidegate.core import logs
from tidegate.core.config import Settings
from tidegate.core.process.gc_tuning import freeze_startup_objects
from tidegate.core.process.heap_tuning import give_back_large_blocks
from tidegate.core.process.shutdown import exit_with_parent
from tidegate.core.process.supervisor import READY, WORN_OUT, answer_supervisor
from tidegate.secrets.worker_link import WorkerLink
from tidegate.web.asgi import Gateway
from tidegate.web.connection_rules import ConnectionRules
from tidegate.web.http_protocol import HttpProtocol
from tidegate.web.server import GracefulServer, address_of
from tidegate.web.websocket.protocol import GracefulWebSocketProtocol

_log = structlog.get_logger("serve")


def serve_in_process(settings: Settings, listeners: list[socket.socket]) -> None:
    """Serve in this process until SIGTERM or SIGINT, then finish the running requests and return."""
    gateway = build(settings)
    server = graceful_server(gateway, settings, on_started=lambda: log_ready(settings, listeners))
    _run(server, listeners, settings)


def run_worker(settings: Settings, listeners: list[socket.socket], connection: Connection) -> None:
    """Serve as one worker of several: tell the supervisor when it serves, and when it wants to be replaced."""
    exit_with_parent()
    logs.configure(settings.log_level)
    config = settings.server
    jitter = random.randint(0, config.max_requests_jitter)  # noqa: S311  # no secret

    secrets = WorkerLink(connection)

    def ready() -> None:
        log_ready(settings, listeners)
        answer_supervisor(connection, secrets.take_message)
        connection.send(READY)

    server = graceful_server(
        build(settings, secrets=secrets),
        settings,
        on_started=ready,
        max_requests=config.max_requests + jitter if config.max_requests else 0,
        on_worn_out=lambda: connection.send(WORN_OUT),
        is_repeat_urgent=False,
    )
    _run(server, listeners, settings)


def graceful_server(
    gateway: Gateway,
    settings: Settings,
    *,
    on_started: Callable[[], None] = lambda: None,
    max_requests: int = 0,
    on_worn_out: Callable[[], None] = lambda: None,
    is_repeat_urgent: bool = True,
) -> GracefulServer:
    """Return the server of a gateway."""
    return GracefulServer(
        uvicorn_config(gateway, settings),
        gateway.lifecycle,
        drain_seconds=settings.server.drain,
        grace_seconds=settings.server.grace,
        on_started=on_started,
        max_requests=max_requests,
        on_worn_out=on_worn_out,
        is_repeat_urgent=is_repeat_urgent,
    )


def log_ready(settings: Settings, listeners: list[socket.socket]) -> None:
    """Log that requests are answered, and where."""
    others = {name: provider.base_url for name, provider in settings.providers.items()}
    addresses = [address_of(listener) for listener in listeners]
    _log.info("ready", addresses=addresses, upstream=settings.upstream.base_url, providers=others)


def _run(server: GracefulServer, listeners: list[socket.socket], settings: Settings) -> None:
    ignore_repeated_signals()
    signal.signal(signal.SIGQUIT, lambda *_: server.end_grace())
    give_back_large_blocks()
    freeze_startup_objects()
    with (
        logs.written_by_a_thread(settings.log_level),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(server.serve(sockets=listeners))


def uvicorn_config(gateway: Gateway, settings: Settings) -> uvicorn.Config:
    """Return uvicorn's configuration for these settings."""
    server, ping_seconds = settings.server, settings.websocket.ping_seconds
    rules = ConnectionRules(answer=gateway.answer, cross_origin=gateway.cross_origin, send_seconds=server.send_seconds)
    return uvicorn.Config(
        gateway,
        loop="uvloop",
        http=cast("type[HttpProtocol]", partial(HttpProtocol, rules=rules)),
        ws=GracefulWebSocketProtocol,
        ws_max_size=server.max_body_bytes,
        ws_ping_interval=ping_seconds,
        ws_ping_timeout=server.send_seconds,  # a client that does not read does not answer pings either
        ws_per_message_deflate=False,  # a small message could unpack to a large one; the SDKs do not use it
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        backlog=4096,
        proxy_headers=False,
        timeout_keep_alive=server.keep_alive_seconds,
        timeout_graceful_shutdown=server.grace,
    )


def ignore_repeated_signals() -> None:
    """Ignore the second signal: uvicorn raises the one that stopped it again after its shutdown."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore_signal)


def _ignore_signal(_: int, __: FrameType | None) -> None:
    """Ignore the signal that uvicorn raises again after shutdown."""
