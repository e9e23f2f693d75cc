"""The ledger in PostgreSQL: whole batches in one statement, each call once."""

import hashlib
from collections.abc import Sequence

import structlog

from tidegate.core.errors import PostgresUnavailable
from tidegate.storage.postgres import Connection, Postgres, queries

_log = structlog.get_logger("ledger")

_DATA_ERROR_CLASSES = ("22", "23", "54")
"""SQLSTATE classes that speak of the data (exception, constraint, limit): trying again would not help."""


class LedgerStore:
    """Writes entries. Use it from any number of processes at once."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` is shared with others."""
        self._postgres = postgres
        self._sql = queries("ledger")

    async def ping(self) -> None:
        """Whether writing has a chance now. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            await connection.execute("SELECT 1")

    async def write(self, entries: Sequence[bytes]) -> None:
        """Write the entries, each a JSON object undecoded; what is written already stays as it is.

        An entry that PostgreSQL cannot hold goes to `ledger_rejected`. Raises PostgresUnavailable: nothing
        is lost then, and all of them may be written again.
        """
        if not entries:
            return
        async with self._postgres.connection() as connection:
            if await self._try_write(connection, entries) is None:
                return
            for entry in entries:
                reason = await self._try_write(connection, [entry])
                if reason is not None:
                    await self._reject(connection, entry, reason)

    async def _try_write(self, connection: Connection, entries: Sequence[bytes]) -> str | None:
        """Try one statement; returns what PostgreSQL has against the data, if that is the trouble."""
        try:
            await connection.execute(self._sql["insert"], b"[" + b",".join(entries) + b"]")
        except Exception as error:  # PostgreSQL's errors all carry `sqlstate`, and only `connections` knows their types
            state = getattr(error, "sqlstate", None)
            if not isinstance(state, str):
                raise
            if not state.startswith(
                _DATA_ERROR_CLASSES
            ):  # a missing table, a full disk, a read-only standby: theirs to mend
                raise PostgresUnavailable(f"PostgreSQL does not take the ledger: {error}") from error
            return f"{state}: {error}"
        return None

    async def _reject(self, connection: Connection, entry: bytes, reason: str) -> None:
        text = entry.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        _log.error("ledger entry rejected: kept in ledger_rejected", reason=reason, entry=text)
        await connection.execute(self._sql["reject"], hashlib.sha256(entry).hexdigest(), text, reason)
