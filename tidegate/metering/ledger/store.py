"""Writes the ledger to PostgreSQL: a whole batch in one statement, each call once. Called by the drainer."""

import hashlib
from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import structlog

from tidegate.core.errors import PostgresUnavailable
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.storage.postgres import Connection, Postgres, queries

_log = structlog.get_logger("ledger")

_DATA_ERROR_CLASSES = ("22", "23", "54")
"""SQLSTATE classes of errors in the data (exception, constraint, limit), which a retry would not cure."""


_UNCHANGED = frozenset({"id", "at", "project", "key_id", "end_user", "route", "model", "stream", "tags"})
"""Fields in which the entry of a lost call agrees with the call's own entry, or that may have been erased since."""
_SQL_TYPES: dict[Any, str] = {
    str: "text", int: "bigint", bool: "boolean", float: "double precision", dict[str, str]: "jsonb",
}  # fmt: skip
"""By the types of LedgerEntry's fields; a float is a moment in Unix seconds."""


def insert_statement() -> str:
    """Return the statement that writes a JSON array of entries, with a column for each field of LedgerEntry."""
    types, values = [], []
    for field in msgspec.structs.fields(LedgerEntry):
        kind = next(kind for kind in (field.type, *get_args(field.type)) if kind in _SQL_TYPES)
        types.append(f"{field.name} {_SQL_TYPES[kind]}")
        value = f"to_timestamp({field.name})" if kind is float else field.name
        has_default = not field.required and field.default is not None
        values.append(f"coalesce({value}, {msgspec.json.encode(field.default).decode()})" if has_default else value)
    names = LedgerEntry.__struct_fields__
    replaced = [f"{name} = excluded.{name}" for name in names if name not in _UNCHANGED]
    statement = queries("ledger")["insert"]
    parts = {"columns": names, "types": types, "values": values, "replaced": replaced}
    for name, part in parts.items():
        statement = statement.replace(f"{{{name}}}", ", ".join(part))
    return statement


class LedgerStore:
    """Writes entries. Any number of processes may do so at once."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres
        self._sql = {**queries("ledger"), "insert": insert_statement()}

    async def ping(self) -> None:
        """Check that PostgreSQL answers. Raises PostgresUnavailable."""
        async with self._postgres.connection() as connection:
            await connection.execute("SELECT 1")

    async def write(self, entries: Sequence[bytes]) -> None:
        """Write the entries, each an encoded JSON object. Entries that are already written stay as they are.

        An entry that PostgreSQL cannot hold goes to `ledger_rejected`. Raises PostgresUnavailable: then nothing is
        lost, and all entries may be written again.
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
        """Run one statement; return PostgreSQL's objection if it is about the data."""
        try:
            await connection.execute(self._sql["insert"], b"[" + b",".join(entries) + b"]")
        except Exception as error:  # PostgreSQL's errors all carry `sqlstate`, and only `storage` knows their types
            state = getattr(error, "sqlstate", None)
            if not isinstance(state, str):
                raise
            if not state.startswith(_DATA_ERROR_CLASSES):  # a missing table, a full disk, a standby: not about the data
                raise PostgresUnavailable(f"PostgreSQL does not take the ledger: {error}").as_refusal() from error
            return f"{state}: {error}"
        return None

    async def _reject(self, connection: Connection, entry: bytes, reason: str) -> None:
        text = entry.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        _log.error("ledger entry rejected: kept in ledger_rejected", reason=reason, entry=text)
        await connection.execute(self._sql["reject"], hashlib.sha256(entry).hexdigest(), text, reason)
