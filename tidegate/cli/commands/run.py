"""`tidegate run`: PostgreSQL, Redis and the gateway on one machine, for trying out and development."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from pydantic import SecretStr

from tidegate.app import build
from tidegate.auth.key_store import KeyStore
from tidegate.cli.stores import exit_on_error, open_stores
from tidegate.cli.worker import graceful_server, ignore_repeated_signals
from tidegate.core import config, logs
from tidegate.core.clock import SystemClock
from tidegate.core.config import Settings
from tidegate.core.config.sections.providers import OPENAI_PROVIDER
from tidegate.core.process.core_files import forbid_core_files
from tidegate.secrets.start import with_secrets
from tidegate.simulator import Options, running
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink
from tidegate.storage.schema.migrate import migrate
from tidegate.web.listeners import bind
from tidegate.web.server import address_of

_KEY_SECONDS = 30 * 86_400.0
_PROJECT = "default"

_WELCOME = """\
Tidegate is ready   (stop it with Ctrl-C)

  base URL   {base_url}
  API key    {key}      (project {project}, valid for 30 days)
  upstream   {upstream}

Try it:

  curl {base_url}/chat/completions \\
    -H "Authorization: Bearer {key}" \\
    -H "Content-Type: application/json" \\
    -d '{{"model": "gpt-4o-mini", "messages": [{{"role": "user", "content": "Hello"}}]}}'

Send it again with `curl -i`: the header `x-tidegate-cache: hit` shows that the cache answered.
Cost so far: tidegate usage        More keys: tidegate keys create --project NAME
"""


def run(
    port: Annotated[int | None, typer.Option(help="Port to listen on (`server.port`).")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", help="The configuration file.")] = None,
) -> None:
    """Run PostgreSQL, Redis and the gateway here; without OPENAI_API_KEY, a simulated OpenAI too."""
    forbid_core_files()
    with exit_on_error():
        settings = with_secrets(config.load(config_file), SystemClock())
        if port is not None:
            settings = settings.model_copy(update={"server": settings.server.model_copy(update={"port": port})})
        logs.configure(settings.log_level)
        with open_stores(settings) as stores:
            migrate(stores.database_url)
            ignore_repeated_signals()
            listeners = bind(settings.server.host, settings.server.port)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(_with_stores(settings, stores), listeners))


def _with_stores(settings: Settings, stores: StoreUrls) -> Settings:
    return settings.model_copy(
        update={"database_url": SecretStr(stores.database_url), "redis_url": SecretStr(stores.redis_url)}
    )


async def _serve(settings: Settings, listeners: list[socket.socket]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        upstream = f"OpenAI, {settings.upstream.base_url}"
        if not settings.all_providers[OPENAI_PROVIDER].credentials:
            settings = await stack.enter_async_context(_with_simulator(settings))
            upstream = "simulated: OPENAI_API_KEY is not set, so no request goes to OpenAI and nothing is paid"
        key = await _create_key(settings)
        base_url = address_of(listeners[0]) + "/v1"
        text = _WELCOME.format(base_url=base_url, key=key, upstream=upstream, project=_PROJECT)
        server = graceful_server(build(settings), settings, on_started=lambda: typer.echo(text))
        await server.serve(sockets=listeners)


@contextlib.asynccontextmanager
async def _with_simulator(settings: Settings) -> AsyncIterator[Settings]:
    async with running(Options(ttft=0.2, tps=60)) as base_url:
        simulated = {
            "base_url": base_url,
            "api_key": SecretStr("sk-simulated"),
            "forward_headers": (*settings.upstream.forward_headers, "x-simulate-*"),
        }
        yield settings.model_copy(update={"upstream": settings.upstream.model_copy(update=simulated)})


async def _create_key(settings: Settings) -> str:
    assert settings.database_url is not None  # noqa: S101  # `_on` put it there
    assert settings.redis_url is not None  # noqa: S101  # `_on` put it there
    clock = SystemClock()
    postgres = Postgres(settings.database_url.get_secret_value(), size=1, timeout=settings.database.timeout_seconds)
    redis = RedisLink(settings.redis_url.get_secret_value(), timeout=1.0, clock=clock, ca_file=settings.redis.ca_file)
    await redis.start()
    try:
        store = KeyStore(postgres, redis, clock=clock, prefix=settings.redis.prefix)
        created = await store.create(project=_PROJECT, name="tidegate run", expires_at=clock.now() + _KEY_SECONDS)
        return created.token
    finally:
        await redis.close()
        await postgres.close()
