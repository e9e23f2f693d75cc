"""Brings the database's schema up to date with the SQL steps in `tidegate/storage/migrations`.

Called at start and by `tidegate migrate`. A step and its record are one transaction, so a process may be killed at any
moment. Several processes may start at once: an advisory lock admits one at a time, and PostgreSQL releases it when the
process dies. It is the lock of a transaction, because a session's lock would stay with a pooler's connection.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import structlog

from tidegate.core.errors import PostgresUnavailable
from tidegate.storage.postgres import Connection, Postgres, queries
from tidegate.storage.schema.lost_records import is_applied
from tidegate.storage.schema.steps import SchemaStep, all_steps

_CONNECT_SECONDS = 10.0
_STEP_SECONDS = 86_400.0
"""The most that one statement of a step may take. An index of a large ledger takes minutes."""
_LOCK_POLL_SECONDS = 0.1

_log = structlog.get_logger("migrate")


class DatabaseNotUtf8(PostgresUnavailable):
    """The database cannot hold every text, because its encoding is not UTF8."""

    name = "database_encoding"
    retryable = False
    is_outage = False


class MigrationFailed(PostgresUnavailable):
    """The database could not be migrated. The failed step was rolled back."""

    name = "migration_failed"
    retryable = False
    is_outage = False


def migrate(database_url: str) -> list[str]:
    """Apply the missing steps, and return their names in order. Do not call it within an event loop.

    Waits while another process migrates. Raises PostgresUnavailable when the database cannot be reached,
    DatabaseNotUtf8, and MigrationFailed, which names the step, when a step fails.
    """
    return asyncio.run(_migrated(database_url))


def pending(database_url: str) -> list[str]:
    """Return the names of the steps that `migrate` would apply, in order. Do not call it within an event loop.

    Waits while another process migrates. Raises PostgresUnavailable, and DatabaseNotUtf8.
    """
    return [step.name for step in pending_steps(database_url)]


def pending_steps(database_url: str) -> list[SchemaStep]:
    """Return the steps that `migrate` would apply, in order; otherwise the same as `pending`."""
    return asyncio.run(_pending(database_url))


async def _migrated(database_url: str) -> list[str]:
    async with _opened(database_url) as postgres, _locked(postgres), postgres.connection() as connection:
        await connection.execute(queries("migrations")["create_records"])
        return [await _apply(connection, step) for step in await _missing(connection)]


async def _pending(database_url: str) -> list[SchemaStep]:
    async with _opened(database_url) as postgres, _locked(postgres), postgres.connection() as connection:
        return await _missing(connection)


@contextlib.asynccontextmanager
async def _opened(database_url: str) -> AsyncIterator[Postgres]:
    postgres = Postgres(database_url, size=2, timeout=_CONNECT_SECONDS)
    try:
        async with postgres.connection() as connection:
            encoding = await connection.fetchval(queries("migrations")["encoding"])
        if encoding != "UTF8":
            raise DatabaseNotUtf8(
                f"The database's encoding is {encoding}, which cannot hold every text. Nothing was changed. "
                "Make one with: CREATE DATABASE tidegate ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            )
        yield postgres
    finally:
        await postgres.close()


@contextlib.asynccontextmanager
async def _locked(postgres: Postgres) -> AsyncIterator[None]:
    """Hold the lock, with a connection of its own.

    It is polled, because a waiting statement holds a snapshot, and building an index waits for those. The transaction
    that holds the lock is idle and has none: `stay_idle` is sent as a simple query, which closes the portal of the
    statement before it (PostgreSQL, "Frontend/Backend Protocol", 54.2.3).
    """
    sql = queries("migrations")
    while True:
        async with postgres.connection() as connection, connection.transaction():
            if await connection.fetchval(sql["try_lock"]):
                await connection.execute(sql["stay_idle"])
                yield
                return
        await asyncio.sleep(_LOCK_POLL_SECONDS)


async def _missing(connection: Connection) -> list[SchemaStep]:
    sql = queries("migrations")
    rows = await connection.fetch(sql["applied_steps"]) if await connection.fetchval(sql["has_steps"]) else []
    applied = {row["migration_id"] for row in rows}
    return [step for step in all_steps() if step.name not in applied]


async def _apply(connection: Connection, step: SchemaStep) -> str:
    try:
        if step.is_transactional:
            async with connection.transaction():
                await connection.execute(step.sql, timeout=_STEP_SECONDS)
                await _record(connection, step)
        else:
            for statement in step.statements:
                await connection.execute(statement, timeout=_STEP_SECONDS)
            await _record(connection, step)
    except asyncpg.PostgresError as error:
        # what the step makes is there already, or what it renames is there no more
        if not (isinstance(error, asyncpg.SyntaxOrAccessError) and await is_applied(connection, step)):
            raise MigrationFailed(f"The migration {step.name} failed and was rolled back: {error}") from error
        await _record(connection, step)
        _log.warning("a step was applied before, but its record was missing: it is written now", step=step.name)
    return step.name


async def _record(connection: Connection, step: SchemaStep) -> None:
    await connection.execute(queries("migrations")["record_step"], step.hash, step.name)
