"""`tidegate serve`: the gateway in one or several processes, on existing PostgreSQL and Redis."""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import structlog
import typer
import uvicorn
import uvloop

from tidegate.app import build
from tidegate.auth.key_store import KeyStore
from tidegate.cli.stores import exit_on_error
from tidegate.core import config, logs
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.process.gc_tuning import freeze_startup_objects
from tidegate.storage.migrate import pending
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.web.asgi import App
from tidegate.web.http_protocol import BoundedHttpProtocol
from tidegate.web.websocket.protocol import GracefulWebSocketProtocol

_log = structlog.get_logger("serve")

_LOOPBACK = ("127.", "localhost", "::1")


def serve(
    port: Annotated[int | None, typer.Option(help="Port to listen on (`server.port`).")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (`server.host`).")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of worker processes (`server.workers`).")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", help="The configuration file.")] = None,
) -> None:
    """Run the gateway with the stores set by TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL."""
    with exit_on_error():
        settings = _with_options(config.load(config_file), port=port, host=host, workers=workers)
        logs.configure(settings.log_level)
        _check(settings)
        if settings.server.workers > 1:
            _serve_many(settings, config_file)
        else:
            serve_in_process(build(settings), settings)


def serve_in_process(app: App, settings: Settings) -> None:
    """Serve in this process until SIGTERM or SIGINT, then finish the running requests and return."""
    ignore_repeated_signals()
    freeze_startup_objects()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(uvicorn_config(app, settings)).serve())


def _serve_many(settings: Settings, config_file: Path | None) -> None:
    # each worker process reads the configuration itself
    server = settings.server
    if config_file is not None:
        os.environ["TIDEGATE_CONFIG"] = str(config_file)
    ignore_repeated_signals()
    with _shared_metrics_folder(settings):
        uvicorn.run(
            "tidegate.app:create",
            factory=True,
            workers=server.workers,
            limit_max_requests=server.max_requests or None,
            limit_max_requests_jitter=server.max_requests_jitter,
            **_options(settings),
        )


@contextlib.contextmanager
def _shared_metrics_folder(settings: Settings) -> Iterator[None]:
    """Create the folder in which worker processes share their metrics, unless one is configured."""
    if settings.monitoring.workers_dir is not None:
        yield
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="tidegate-workers-", ignore_cleanup_errors=True)
    except OSError as error:
        _log.warning("metrics show one worker at a time: the shared folder could not be created", error=error.strerror)
        yield
        return
    with folder as path:
        os.environ["TIDEGATE_MONITORING__WORKERS_DIR"] = path
        yield


def uvicorn_config(app: App, settings: Settings) -> uvicorn.Config:
    """Return uvicorn's configuration for these settings."""
    return uvicorn.Config(app, **_options(settings))


def _options(settings: Settings) -> dict[str, Any]:
    server, ping_seconds = settings.server, settings.websocket.ping_seconds
    return {
        "host": server.host,
        "port": server.port,
        "loop": "uvloop",
        "http": BoundedHttpProtocol,
        "ws": GracefulWebSocketProtocol,
        "ws_max_size": server.max_body_bytes,
        "ws_ping_interval": ping_seconds,
        "ws_ping_timeout": server.send_seconds,  # a client that does not read does not answer pings either
        "ws_per_message_deflate": False,  # a small message could unpack to a large one; the SDKs do not use it
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "date_header": True,
        "proxy_headers": False,
        "timeout_keep_alive": server.keep_alive_seconds,
        "timeout_graceful_shutdown": server.grace_seconds,
        "backlog": 4096,
    }


def ignore_repeated_signals() -> None:
    """Ignore the second signal: uvicorn raises the one that stopped it again after its shutdown."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore_signal)


def _ignore_signal(_: int, __: FrameType | None) -> None:
    """Ignore the signal that uvicorn raises again after shutdown."""


def _with_options(settings: Settings, **server: object) -> Settings:
    options = {name: value for name, value in server.items() if value is not None}
    return settings.model_copy(update={"server": settings.server.model_copy(update=options)})


def _check(settings: Settings) -> None:
    """Check the schema, and that a key exists if others can reach the port. Raises ConfigError."""
    if settings.database_url is None or settings.redis_url is None:
        raise ConfigError(
            "The gateway did not start: set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, "
            "or use `tidegate run`, which starts both stores."
        )
    if missing := pending(settings.database_url.get_secret_value()):
        raise ConfigError(
            f"The gateway did not start: the database lacks {', '.join(missing)}: run `tidegate migrate` first."
        )
    if not settings.server.host.startswith(_LOOPBACK) and not asyncio.run(_any_key_exists(settings)):
        raise ConfigError(
            f"The gateway did not start: there is no API key, and others could reach {settings.server.host}. "
            "Create a key with `tidegate keys create --project NAME`, or listen on 127.0.0.1."
        )


async def _any_key_exists(settings: Settings) -> bool:
    assert settings.database_url is not None  # noqa: S101  # checked before
    assert settings.redis_url is not None  # noqa: S101  # checked before
    postgres = Postgres(settings.database_url.get_secret_value(), size=1, timeout=settings.database.timeout_seconds)
    redis = RedisLink(settings.redis_url.get_secret_value(), timeout=1.0, clock=SystemClock())
    try:
        return await KeyStore(postgres, redis, clock=SystemClock(), prefix=settings.redis.prefix).any_exists()
    finally:
        await postgres.close()
