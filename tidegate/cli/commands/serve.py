"""`tidegate serve`: the gateway in one or several processes, on existing PostgreSQL and Redis."""

import asyncio
import contextlib
import multiprocessing
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import structlog
import typer

from tidegate.auth.admin_key import admin_digest
from tidegate.auth.key_store import KeyStore
from tidegate.cli.stores import exit_on_error
from tidegate.cli.worker_process import run_worker_process
from tidegate.core import config, logs
from tidegate.core.clock import SystemClock
from tidegate.core.config import ConfigError, Settings
from tidegate.core.process.core_files import forbid_core_files
from tidegate.core.process.supervisor import Supervisor, WorkerProcess
from tidegate.metering import price_list
from tidegate.metering.ledger.spool import Spool
from tidegate.secrets.replica import ReplicaWatch
from tidegate.secrets.start import make_watch, warn_of_secrets_in_sight, with_secrets
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.storage.schema.migrate import pending
from tidegate.web.listeners import bind

_log = structlog.get_logger("serve")

_SPAWN = multiprocessing.get_context("spawn")
_END_SECONDS = 15.0
"""For which a worker may still flush its ledger after the grace."""
_FIRST_KEY = (
    "create a key with `tidegate keys create --project NAME`, or set auth.admin_key to env:NAME or file:PATH and "
    "create one over /admin/v1/keys"
)


def serve(
    port: Annotated[int | None, typer.Option(help="Port to listen on (`server.port`).")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (`server.host`).")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of worker processes (`server.workers`).")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", help="The configuration file.")] = None,
) -> None:
    """Run the gateway with the stores set by TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL."""
    forbid_core_files()
    with exit_on_error():
        settings = with_secrets(config.load(config_file), SystemClock())
        settings = _with_options(settings, port=port, host=host, workers=workers)
        logs.configure(settings.log_level)
        _check(settings)
        listeners = bind(settings.server.host, settings.server.port)
        _warn_without_keys(settings)
        warn_of_secrets_in_sight(settings)
        Spool(settings.spool_dir).warn_if_unwritable()
        if settings.server.workers > 1:
            raise typer.Exit(_serve_many(settings, listeners))
        from tidegate.cli.worker import serve_in_process  # noqa: PLC0415  # several workers import the gateway themselves

        serve_in_process(settings, listeners)


def _serve_many(settings: Settings, listeners: list[socket.socket]) -> int:
    """Serve in several processes until SIGTERM or SIGINT; return the exit code."""
    server = settings.server

    def start() -> WorkerProcess:
        mine, its = multiprocessing.Pipe()
        process = _SPAWN.Process(target=run_worker_process, args=(secrets.settings, listeners, its))
        process.start()
        its.close()
        return WorkerProcess(process, mine)

    with _shared_metrics_folder(settings) as shared:
        plain = Settings.model_construct(**dict(shared))  # the class that read the file cannot be sent to a process
        secrets = ReplicaWatch(make_watch(plain, SystemClock()), plain)
        supervisor = Supervisor(
            start,
            count=server.workers,
            end_seconds=server.grace + _END_SECONDS,
            on_end=lambda: _close(listeners),  # while this process holds them, no worker would take its connections
            on_message=secrets.take_message,
        )
        secrets.start(supervisor.tell_all)
        try:
            return supervisor.run()
        finally:
            secrets.close()


def _close(listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()


@contextlib.contextmanager
def _shared_metrics_folder(settings: Settings) -> Iterator[Settings]:
    """Yield the settings with a folder in which workers share their metrics; create it unless one is configured."""
    if settings.monitoring.workers_dir is not None:
        yield settings
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="tidegate-workers-", ignore_cleanup_errors=True)
    except OSError as error:
        _log.warning("metrics show one worker at a time: the shared folder could not be created", error=error.strerror)
        yield settings
        return
    with folder as path:
        monitoring = settings.monitoring.model_copy(update={"workers_dir": Path(path)})
        yield settings.model_copy(update={"monitoring": monitoring})


def _with_options(settings: Settings, **server: object) -> Settings:
    options = {name: value for name, value in server.items() if value is not None}
    return settings.model_copy(update={"server": settings.server.model_copy(update=options)})


def _check(settings: Settings) -> None:
    """Check the stores, the price list and the admin key. Raises ConfigError."""
    if settings.database_url is None or settings.redis_url is None:
        raise ConfigError(
            "The gateway did not start: set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL, "
            "or use `tidegate run`, which starts both stores."
        )
    if missing := pending(settings.database_url.get_secret_value()):
        raise ConfigError(
            f"The gateway did not start: the database lacks {', '.join(missing)}: run `tidegate migrate` first."
        )
    price_list.load(settings.metering.price_file)
    asyncio.run(_check_redis(settings))
    admin_digest(settings.auth.admin_key)


def _warn_without_keys(settings: Settings) -> None:
    if settings.auth.admin_key is None and not asyncio.run(_any_key_exists(settings)):
        _log.warning("there is no API key: every call is refused with 401", remedy=_FIRST_KEY)


async def _check_redis(settings: Settings) -> None:
    """Raise ConfigError if the address is none of Redis, or is a Sentinel's. A Redis that is away is no error."""
    assert settings.redis_url is not None  # noqa: S101  # checked before
    url, redis = settings.redis_url.get_secret_value(), settings.redis
    link = RedisLink(url, timeout=1.0, clock=SystemClock(), prefix=redis.prefix, ca_file=redis.ca_file)
    await link.start()
    await link.close()


async def _any_key_exists(settings: Settings) -> bool:
    assert settings.database_url is not None  # noqa: S101  # checked before
    assert settings.redis_url is not None  # noqa: S101  # checked before
    postgres = Postgres(settings.database_url.get_secret_value(), size=1, timeout=settings.database.timeout_seconds)
    redis = RedisLink(
        settings.redis_url.get_secret_value(), timeout=1.0, clock=SystemClock(), ca_file=settings.redis.ca_file
    )
    try:
        return await KeyStore(postgres, redis, clock=SystemClock(), prefix=settings.redis.prefix).any_exists()
    finally:
        await postgres.close()
