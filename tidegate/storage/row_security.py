"""Transactions that see the rows of one project only, by PostgreSQL's row policies.

Used by the stores of conversations and of background jobs.
"""

import contextlib
from collections.abc import AsyncIterator

import asyncpg

from tidegate.core.errors import NotStorable, PartitionMissing, PostgresUnavailable
from tidegate.storage.postgres import Connection, Postgres

_NO_PARTITION = "23514"
_DATA_ERROR_CLASSES = ("22", "54")
"""SQLSTATE classes of errors in the data: exception, limit."""
_CONFLICT_CLASSES = ("40", "55")
"""SQLSTATE classes of conflicting transactions: deadlock, lock not available."""

# One round trip for all of it. The project is in hexadecimal, so that its name cannot be read as SQL. Every query
# looks up keys. Planned once with nested loops over indexes, it is right for ten rows and for ten million, whatever
# the statistics of a newly filled table say.
_SET_PROJECT = r"""
SET LOCAL ROLE tidegate_rows;
SELECT set_config('tidegate.project', convert_from('\x{project}', 'UTF8'), true),
    set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true),
    set_config('enable_seqscan', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true),
    set_config('jit', 'off', true);
"""
_BEGIN = "BEGIN;" + _SET_PROJECT
_ASYNCHRONOUS_COMMIT = "SET LOCAL synchronous_commit = off;"
_SAVEPOINT = "SAVEPOINT project_rows;" + _SET_PROJECT


class ProjectTransactions:
    """Runs transactions of a project. The policies also hold where PostgreSQL knows the gateway as a superuser."""

    def __init__(self, postgres: Postgres) -> None:
        """`postgres` is shared with other stores."""
        self._postgres = postgres

    @contextlib.asynccontextmanager
    async def transaction(
        self, project: str, within: Connection | None = None, *, durable: bool = True
    ) -> AsyncIterator[Connection]:
        """Run a transaction of `project`, and commit it when the block succeeds.

        With `within` it is nested in the transaction of that connection. One that is not `durable` does not wait for
        the disk, and is lost if PostgreSQL dies within moments. Raises PostgresUnavailable, NotStorable for data that
        PostgreSQL cannot hold, and PartitionMissing.
        """
        if within is not None:
            async with self._nested(project, within):
                yield within
            return
        async with self._postgres.connection() as connection:
            begin = _BEGIN if durable else _BEGIN + _ASYNCHRONOUS_COMMIT
            await connection.execute(begin.format(project=project.encode().hex()))
            try:
                yield connection
            except BaseException as error:  # a cancelled call is rolled back, too
                with contextlib.suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                    await connection.execute("ROLLBACK")
                raise _typed(error) from error
            await connection.execute("COMMIT")

    @contextlib.asynccontextmanager
    async def _nested(self, project: str, connection: Connection) -> AsyncIterator[None]:
        await connection.execute(_SAVEPOINT.format(project=project.encode().hex()))
        try:
            yield
        except BaseException as error:  # an error only undoes the nested part, and the outer transaction goes on
            await connection.execute("ROLLBACK TO SAVEPOINT project_rows")
            raise _typed(error) from error
        await connection.execute("RESET ROLE; RELEASE SAVEPOINT project_rows")


def _typed(error: BaseException) -> BaseException:
    state = getattr(error, "sqlstate", None)
    if not isinstance(state, str):
        return error
    if state == _NO_PARTITION and getattr(error, "constraint_name", None) is None:
        return PartitionMissing(str(error))
    if state.startswith(_CONFLICT_CLASSES):
        return PostgresUnavailable(f"PostgreSQL had to give this transaction up: {error}").as_refusal()
    return NotStorable(f"PostgreSQL cannot hold this: {error}") if state.startswith(_DATA_ERROR_CLASSES) else error
