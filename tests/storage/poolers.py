"""A real PgBouncer before a test's PostgreSQL. It listens on loopback alone.

`.ci/run` installs it and sets `REQUIRE_PGBOUNCER`. Elsewhere the tests that need it are skipped where it is missing.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.eventually import wait_until
from tests.free_ports import first_of_free_ports

REQUIRED = bool(os.environ.get("REQUIRE_PGBOUNCER"))
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
_BINARY = shutil.which("pgbouncer", path=_PATH)

needs_pgbouncer = pytest.mark.skipif(
    _BINARY is None and not REQUIRED, reason="there is no pgbouncer; on Debian: apt-get install pgbouncer"
)


_NO_ONES_NUMBER = 65_534
"""PgBouncer refuses to run as root."""


@contextlib.asynccontextmanager
async def pgbouncer(
    database_url: str, mode: str = "transaction", size: int = 4, **options: object
) -> AsyncIterator[str]:
    """Run a PgBouncer with at most `size` connections to the database; yield the URL of the database through it."""
    assert _BINARY is not None, "REQUIRE_PGBOUNCER is set, but there is no pgbouncer"
    port = first_of_free_ports(1)
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": mode,
        "default_pool_size": size,
        "max_client_conn": 500,
        "query_wait_timeout": 60,
        **options,
    }
    user = _NO_ONES_NUMBER if os.getuid() == 0 else None
    async with _reachable(database_url) as target:
        with tempfile.TemporaryDirectory(prefix="tidegate-pgbouncer-") as folder:
            config, log = Path(folder) / "pgbouncer.ini", Path(folder) / "log"
            lines = ["[databases]", f"* = {target}", "[pgbouncer]", *(f"{k} = {v}" for k, v in settings.items())]
            config.write_text("\n".join(lines) + "\n")
            if user is not None:
                os.chown(folder, user, -1)
            with log.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    _BINARY, str(config), stdout=output, stderr=output, user=user
                )
            try:
                await wait_until(lambda: process.returncode is not None or _listens(port))
                assert process.returncode is None, log.read_text()
                yield f"postgresql://postgres@127.0.0.1:{port}{urlsplit(database_url).path}"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


@contextlib.asynccontextmanager
async def _reachable(database_url: str) -> AsyncIterator[str]:
    """Yield an address as PgBouncer reads it; a socket is relayed, because it may let in this account alone."""
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    words = {
        "host": parts.hostname,
        "port": parts.port or 5432,
        "user": unquote(parts.username) if parts.username else "postgres",
        "password": unquote(parts.password) if parts.password else None,
    }
    async with contextlib.AsyncExitStack() as stack:
        if "host" in query:
            path = f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
            words |= {"host": "127.0.0.1", "port": await stack.enter_async_context(_relay_to(path))}
        yield " ".join(f"{name}={word}" for name, word in words.items() if word is not None)


@contextlib.asynccontextmanager
async def _relay_to(path: str) -> AsyncIterator[int]:
    """Pass connections on to a socket; yield the port."""
    relayed: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relayed.add(asyncio.current_task())  # type: ignore[arg-type]  # a callback of the server runs in a task
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(writer.transport.abort)
            far_reader, far_writer = await asyncio.open_unix_connection(path)
            stack.callback(far_writer.transport.abort)
            pumps = [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))]
            for pump in pumps:
                stack.callback(pump.cancel)
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        for task in relayed:
            task.cancel()
        await asyncio.gather(*relayed, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close in the next turn of the loop


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
