"""PostgreSQL through one small pool, with named queries from `tidegate/sql`."""

import asyncio
import contextlib
import math
import re
from collections import deque
from collections.abc import AsyncIterator
from importlib import resources

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from tidegate.core.errors import PostgresUnavailable
from tidegate.core.events import Event, EventName, EventSink, ignore_event

_log = structlog.get_logger("postgres")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

Connection = PoolConnectionProxy

_UNAVAILABLE = (
    OSError,  # TimeoutError is one of them
    asyncpg.InterfaceError,  # the pool's own refusals
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting, stopping, or a statement cancelled
    asyncpg.InsufficientResourcesError,  # connections, memory or disk
    asyncpg.PostgresSystemError,  # its own disk fails
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server in failover
    asyncpg.InternalClientError,  # what came was not PostgreSQL's protocol
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,  # no such database
)


def queries(name: str) -> dict[str, str]:
    """The queries of `tidegate/storage/sql/<name>.sql`, by the name in the comment `-- name: …` above each."""
    text = resources.files("tidegate.storage.sql").joinpath(f"{name}.sql").read_text()
    parts = _NAME.split(text)[1:]
    return {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}


_FRESH_SECONDS = 1.0
"""How long an answer speaks for the next one; a server that ends is noticed at once, its connections end with it."""


_WAIT_SAMPLES = 1000
"""Waits for a connection that are remembered."""


class _UnresetConnection(asyncpg.Connection):
    """A connection that is given back as it is: who changes a session does so for a transaction only.

    An open transaction is ended all the same. asyncpg's own clean-up costs a round trip each time.
    """

    def get_reset_query(self) -> str:
        return ""


class Postgres:
    """The pool: at most `size` connections, made when first needed. Use it between `start` and `close`."""

    def __init__(self, url: str, *, size: int, timeout: float, on_event: EventSink = ignore_event) -> None:
        """`timeout` in seconds bounds getting a connection and each statement."""
        self._url = url
        self._size = size
        self._timeout = timeout
        self._on_event = on_event
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._answered = -math.inf
        self._waits: deque[float] = deque(maxlen=_WAIT_SAMPLES)

    async def close(self) -> None:
        """Give the connections back and close them; those still busy are cut after the timeout."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), self._timeout)
        except TimeoutError:
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for a moment. Raises PostgresUnavailable when there is none or it breaks."""
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            pool = await self._open()
            async with asyncio.timeout(self._timeout):  # the pool's own timeout costs a task, and a turn of the loop
                connection = await pool.acquire()
            self._waits.append(loop.time() - began)
            try:
                yield connection
            finally:
                await pool.release(connection)
            self._answered = loop.time()
        except _UNAVAILABLE as error:
            self._on_event(Event(EventName.POSTGRES_UNAVAILABLE))
            raise PostgresUnavailable(f"PostgreSQL: {type(error).__name__}: {error}") from error

    @property
    def wait_p99(self) -> float:
        """Seconds within which 99 of 100 got their connection, of the last thousand; 0 before there was one."""
        waits = sorted(self._waits)
        return waits[math.ceil(0.99 * len(waits)) - 1] if waits else 0.0

    async def ping(self) -> None:
        """Ask whether PostgreSQL is there. Raises PostgresUnavailable."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    async def ensure_ready(self) -> None:
        """Make sure of it, without asking where it answered just now and holds its connections still.

        Raises PostgresUnavailable.
        """
        connected = self._pool is not None and self._pool.get_size() > 0
        if not connected or asyncio.get_running_loop().time() - self._answered > _FRESH_SECONDS:
            await self.ping()

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._size,
                    connection_class=_UnresetConnection,
                    timeout=self._timeout,
                    command_timeout=self._timeout,
                    server_settings={"application_name": "tidegate"},
                )
            return self._pool
