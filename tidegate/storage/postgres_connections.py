"""Opens the connections of the pool, and uses them so that a pooler such as PgBouncer may be in between.

A pooler in transaction mode lends a server's session for one transaction only. asyncpg sends a statement in two
messages, preparation and execution, and remembers prepared statements by name. Without a transaction around both they
may meet two sessions, and the parameters of one caller another caller's statement. So behind a pooler no statement is
remembered, and each one that has parameters runs within a transaction. Without a pooler nothing is added.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from tidegate.core.errors import PostgresUnavailable, StatementPooling
from tidegate.storage.postgres_guard import GuardedLoop

UNREADABLE_URL = "The database's URL cannot be read; write it as postgresql://user:password@host:5432/database."
STATEMENT_MODE = "statement pooling"
"""What PgBouncer says in statement mode when a transaction begins."""


class UnresetConnection(asyncpg.Connection):
    """A connection that is returned to the pool without a reset.

    Session settings may therefore only be changed within a transaction. An open transaction is rolled back all the
    same. asyncpg's own reset costs a round trip each time.
    """

    def get_reset_query(self) -> str:
        """Return nothing to run."""
        return ""


class LentConnection(UnresetConnection):
    """A connection to a pooler, which may lend another session of the server for each transaction."""

    async def fetch(self, *args: Any, **options: Any) -> Any:
        """Return all rows."""
        async with self._one_session():
            return await super().fetch(*args, **options)

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        """Return the first row."""
        async with self._one_session():
            return await super().fetchrow(*args, **options)

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        """Return a value of the first row."""
        async with self._one_session():
            return await super().fetchval(*args, **options)

    async def execute(self, query: str, *args: Any, **options: Any) -> str:
        """Run a statement, or several without parameters."""
        if not args:  # then it is one message
            return await super().execute(query, **options)
        async with self._one_session():
            return await super().execute(query, *args, **options)

    @contextlib.asynccontextmanager
    async def _one_session(self) -> AsyncIterator[None]:
        if self.is_in_transaction():
            yield
        else:
            async with self.transaction():
                yield


class Connector:
    """Opens connections for asyncpg's pool. Once a pooler was met, all further connections expect one."""

    def __init__(self) -> None:
        self.is_pooled = False

    async def connect(self, *args: Any, **options: Any) -> Any:
        """Open a connection; `asyncpg.create_pool` calls it. Raises StatementPooling, and what asyncpg raises."""
        options["loop"] = GuardedLoop(options["loop"])
        if not self.is_pooled:
            connection = await _connected(*args, **options)
            self.is_pooled = await _is_pooled(connection)
            if not self.is_pooled:
                return connection
            connection.terminate()
        options |= {"connection_class": LentConnection, "statement_cache_size": 0}
        return await _connected(*args, **options)


async def _connected(*args: Any, **options: Any) -> Any:
    try:
        return await asyncpg.connect(*args, **options)
    except asyncpg.InterfaceError:  # some are ValueErrors, too, and say more
        raise
    except ValueError as error:
        raise PostgresUnavailable(UNREADABLE_URL) from error


async def _is_pooled(connection: asyncpg.Connection) -> bool:
    """Return whether the session is not the one that the connection was opened to.

    A pooler makes up a process number for its own clients. An unnamed statement within a transaction is safe anywhere.
    """
    try:
        async with connection.transaction():
            statement = await connection.prepare("SELECT pg_backend_pid()", name="")
            return int(await statement.fetchval()) != connection.get_server_pid()
    except asyncpg.PostgresError as error:
        connection.terminate()
        if STATEMENT_MODE in str(error):
            raise StatementPooling from error
        raise
    except BaseException:  # the pool does not have it yet, so it cannot close it
        connection.terminate()
        raise
