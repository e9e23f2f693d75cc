"""Brings the database's schema up to date with the SQL steps in `tidegate/storage/migrations`.

Called at start and by `tidegate migrate`. Several processes may start at once: a session-level advisory lock admits one
at a time, and PostgreSQL releases it when the process dies. yoyo and psycopg are imported inside the functions, so that
a serving process does not load them.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from tidegate.core.errors import PostgresUnavailable

_STEPS = "package:tidegate.storage:migrations"
_CONNECT_SECONDS = "10"
_LOCK_POLL_SECONDS = 0.1
_LOCK = 0x7469646567617465
"""The advisory lock's number: "tidegate" in ASCII."""


class MigrationFailed(PostgresUnavailable):
    """The database could not be migrated. The failed step was rolled back."""

    name = "migration_failed"
    retryable = False


def migrate(database_url: str) -> list[str]:
    """Apply the missing steps, and return their names in order.

    Waits while another process migrates. Raises PostgresUnavailable when the database cannot be reached, and
    MigrationFailed, which names the step, when a step fails.
    """
    with _locked(database_url) as backend:
        return [_apply(backend, step) for step in _pending_steps(backend)]


def pending(database_url: str) -> list[str]:
    """Return the names of the steps that `migrate` would apply. Raises PostgresUnavailable."""
    with _locked(database_url) as backend:
        return [str(step.id) for step in _pending_steps(backend)]


def _pending_steps(backend: Any) -> list[Any]:
    from yoyo import read_migrations  # noqa: PLC0415  # see the module's docstring

    steps = read_migrations(_STEPS).filter(lambda step: step.is_raw_sql())
    return list(backend.to_apply(steps))


def _apply(backend: Any, step: Any) -> str:
    import psycopg  # noqa: PLC0415  # see the module's docstring
    from yoyo.exceptions import BadMigration  # noqa: PLC0415  # see the module's docstring

    try:
        backend.apply_one(step)
    except (psycopg.Error, BadMigration) as error:
        raise MigrationFailed(f"The migration {step.id} failed and was rolled back: {error}") from error
    return str(step.id)


@contextlib.contextmanager
def _locked(database_url: str) -> Iterator[Any]:
    """Yield a yoyo backend while no other process uses one."""
    import psycopg  # noqa: PLC0415  # see the module's docstring

    parts = _connection_parts(database_url)
    try:
        with psycopg.connect(**parts, autocommit=True) as connection:
            _acquire_lock(connection)
            with _backend(parts) as backend:
                yield backend
    except psycopg.Error as error:
        raise PostgresUnavailable(f"PostgreSQL cannot be used: {' '.join(str(error).split())}") from error


def _acquire_lock(connection: Any) -> None:
    """Wait for the lock.

    The lock is polled, because a waiting statement holds a transaction open, and building an index waits for all
    transactions.
    """
    while not connection.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()[0]:
        time.sleep(_LOCK_POLL_SECONDS)


def _connection_parts(database_url: str) -> dict[str, Any]:
    """Return the URL's parts by libpq's names. libpq understands every form of URL, including unix sockets."""
    import psycopg  # noqa: PLC0415  # see the module's docstring
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415  # see the module's docstring

    try:
        return conninfo_to_dict(database_url, connect_timeout=_CONNECT_SECONDS, application_name="tidegate-migrate")
    except psycopg.ProgrammingError as error:
        raise PostgresUnavailable(
            "The database's URL cannot be read; write it as postgresql://user:password@host:5432/database."
        ) from error


def _backend(parts: dict[str, Any]) -> Any:
    from yoyo.connections import DatabaseURI, get_backend_class  # noqa: PLC0415  # see the module's docstring
    from yoyo.migrations import default_migration_table  # noqa: PLC0415  # see the module's docstring

    # yoyo passes `args` to libpq unchanged; its own URL parser would lose a percent-encoded socket path
    address = DatabaseURI("postgresql+psycopg", None, None, None, None, parts.get("dbname"), _without_name(parts))
    backend = get_backend_class("postgresql+psycopg")(address, default_migration_table)
    backend.init_database()
    return backend


def _without_name(parts: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in parts.items() if key != "dbname"}
