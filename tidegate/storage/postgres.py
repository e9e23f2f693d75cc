"""Access to PostgreSQL through one small pool, with named queries from `tidegate/storage/sql`. Used by all stores."""

import asyncio
import contextlib
import math
import re
import time
from collections import deque
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from tidegate.core.errors import PostgresUnavailable
from tidegate.core.events import Event, EventName, EventSink, ignore_event
from tidegate.storage.outage_log import OutageLog, silent
from tidegate.storage.postgres_connections import Connector, UnresetConnection

_log = structlog.get_logger("postgres")
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

Connection = PoolConnectionProxy

_UNAVAILABLE = (
    OSError,  # includes TimeoutError
    asyncpg.InterfaceError,  # errors of the pool itself
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting, stopping, or a cancelled statement
    asyncpg.InsufficientResourcesError,  # out of connections, memory or disk
    asyncpg.PostgresSystemError,  # a failure of its disk
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a server during failover
    asyncpg.IdleInTransactionSessionTimeoutError,  # the server ended a transaction that waited
    asyncpg.InternalClientError,  # the reply was not in PostgreSQL's protocol
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,  # the database does not exist
)


def queries(name: str) -> dict[str, str]:
    """Return the queries of `tidegate/storage/sql/<name>.sql`, by the name in the comment `-- name: …` above each."""
    text = resources.files("tidegate.storage.sql").joinpath(f"{name}.sql").read_text()
    parts = _NAME.split(text)[1:]
    return {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}


_FRESH_SECONDS = 1.0
"""How long an answer proves that PostgreSQL is up.

When the server ends, its connections end, which is noticed at once.
"""


_RENEW_SECONDS = 1.0
"""How often the connections to a server that became read-only are opened anew, at most."""
_WAIT_SAMPLES = 1000
"""The number of waits for a connection that the percentile covers."""


class Postgres:
    """A pool of at most `size` connections, opened when first needed. Use it between `start` and `close`."""

    def __init__(
        self,
        url: str,
        *,
        size: int,
        timeout: float,
        on_event: EventSink = ignore_event,
        outages: OutageLog | None = None,
    ) -> None:
        """`timeout` in seconds bounds waiting for a connection, and each statement.

        `outages` logs when PostgreSQL is lost and back.
        """
        self._url = url
        self._size = size
        self._timeout = timeout
        self._on_event = on_event
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        self._connector = Connector()
        self._outage = outages or silent()
        self._renewed = -math.inf
        self._answered = -math.inf
        self._waits: deque[float] = deque(maxlen=_WAIT_SAMPLES)

    async def close(self) -> None:
        """Close all connections; those still in use are cut after the timeout."""
        if self._pool is None:
            return
        try:
            await asyncio.wait_for(self._pool.close(), self._timeout)
        except TimeoutError:
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection. Raises PostgresUnavailable when there is none or it breaks."""
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            pool = await self._open()
            async with asyncio.timeout(self._timeout):  # the pool's own timeout costs a task and a turn of the loop
                connection = await pool.acquire()
            self._waits.append(loop.time() - began)
            try:
                yield connection
            finally:
                await pool.release(connection)
            self._answered = loop.time()
            self._outage.answered()
        except PostgresUnavailable as error:  # a store has named it before it came here
            if isinstance(error.__cause__, _UNAVAILABLE):
                await self._note_failure(error.__cause__)
                error.is_outage = True
            raise
        except _UNAVAILABLE as error:
            await self._note_failure(error)
            raise PostgresUnavailable(f"PostgreSQL cannot be used: {type(error).__name__}: {error}") from error

    async def _note_failure(self, error: BaseException) -> None:
        self._on_event(Event(EventName.POSTGRES_UNAVAILABLE))
        self._outage.failed(error)
        # after a failover the connections lead to a standby, as long as they are in use
        is_due = time.monotonic() - self._renewed > _RENEW_SECONDS
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError) and self._pool is not None and is_due:
            self._renewed = time.monotonic()
            await self._pool.expire_connections()

    @property
    def wait_p99(self) -> float:
        """Return the seconds that 99 % of the last thousand waits for a connection took at most; 0 before the first."""
        waits = sorted(self._waits)
        return waits[math.ceil(0.99 * len(waits)) - 1] if waits else 0.0

    async def ping(self) -> None:
        """Check that PostgreSQL answers. Raises PostgresUnavailable."""
        async with self.connection() as connection:
            await connection.execute("SELECT 1")

    async def ensure_ready(self) -> None:
        """Check that PostgreSQL answers, without a query where it answered just now and its connections are open.

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
                    connection_class=UnresetConnection,
                    connect=self._connector.connect,
                    **self._options(),
                )
            return self._pool

    def _options(self) -> dict[str, Any]:
        """Return the options of each connection."""
        return {
            "timeout": self._timeout,
            "command_timeout": self._timeout,
            "server_settings": {"application_name": "tidegate"},
        }

    async def use_url(self, url: str) -> bool:
        """Use another address from now on, if PostgreSQL answers there; return whether it does.

        Each open connection is replaced when it is next used, so no statement fails.
        """
        other = Postgres(url, size=1, timeout=self._timeout)
        try:
            await other.ping()
        except PostgresUnavailable:
            return False
        finally:
            await other.close()
        async with self._opening:
            self._url = url
            if self._pool is not None:
                self._pool.set_connect_args(url, **self._options())
                await self._pool.expire_connections()
        return True
