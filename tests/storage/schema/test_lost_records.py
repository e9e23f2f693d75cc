"""A step counts as applied if the database has all that it makes, and not if it has a part or something else."""

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from tests.storage.schema.taking_back import take_back
from tidegate.storage.postgres import Connection, Postgres
from tidegate.storage.schema.lost_records import is_applied
from tidegate.storage.schema.migrate import migrate
from tidegate.storage.schema.steps import all_steps

STEPS = {step.name: step for step in all_steps()}


@pytest.fixture
def migrated(empty_database: str) -> Iterator[psycopg.Connection]:
    migrate(empty_database)
    with psycopg.connect(empty_database, autocommit=True) as database:
        yield database


@pytest.fixture
async def connection(empty_database: str, migrated: psycopg.Connection) -> AsyncIterator[Connection]:
    assert not migrated.closed
    postgres = Postgres(empty_database, size=1, timeout=10.0)
    async with postgres.connection() as lent:
        yield lent
    await postgres.close()


async def test_a_whole_schema_has_its_last_step(connection: Connection) -> None:
    assert await is_applied(connection, STEPS["0014.fallback_step"])


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE keys DROP COLUMN rpm",
        "ALTER TABLE keys ALTER COLUMN rpm TYPE bigint",
        "ALTER TABLE ledger ALTER COLUMN cost_nanos DROP NOT NULL",
        "DROP FUNCTION completion_text CASCADE",
        "DROP VIEW usage_daily",
        "ALTER TYPE pgqueuer_status RENAME VALUE 'failed' TO 'lost'",
    ],
)
async def test_a_schema_that_lacks_something_has_not(
    connection: Connection, migrated: psycopg.Connection, change: str
) -> None:
    migrated.execute(change.encode())
    assert not await is_applied(connection, STEPS["0014.fallback_step"])


async def test_tables_of_others_do_not_matter(connection: Connection, migrated: psycopg.Connection) -> None:
    migrated.execute("CREATE TABLE somebody_elses (id text)")
    assert await is_applied(connection, STEPS["0014.fallback_step"])


async def test_another_table_of_the_same_name_is_not_taken_for_ours(
    empty_database: str, connection: Connection, migrated: psycopg.Connection
) -> None:
    take_back(empty_database)
    migrated.execute("CREATE TABLE projects (title text)")
    assert not await is_applied(connection, STEPS["0001.keys"])


async def test_the_look_changes_nothing(connection: Connection, migrated: psycopg.Connection) -> None:
    await is_applied(connection, STEPS["0014.fallback_step"])
    assert migrated.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tidegate%'").fetchone() == (0,)
    assert await connection.fetchval("SHOW search_path") == '"$user", public'
