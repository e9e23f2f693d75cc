"""A transaction sees its project's rows and no others, whatever the query."""

import asyncio

import pytest

from tidegate.core.errors import NotStorable, PartitionMissing, PostgresUnavailable
from tidegate.storage.postgres import Connection, Postgres
from tidegate.storage.row_security import ProjectTransactions

TABLES = ("conversations", "items", "responses", "completions", "parts", "owned_objects")
FILL = """
INSERT INTO projects (id) VALUES ('shop'), ('bank'), ('it''s "x"; \\');
INSERT INTO conversations (project, id, kind, created_at, first_expires, last_expires)
SELECT id, 'conv_1', 'conversation', now(), 'infinity', 'infinity' FROM projects;
INSERT INTO items (project, conversation, seq, expires_on, id, output, at, type, size, document)
SELECT id, 'conv_1', 1, 'infinity', 'msg_1', false, now(), 'message', 2, '{}' FROM projects;
INSERT INTO responses (
    project, id, expires_on, conversation, first_seq, last_seq, history_size, status, model, created_at, document
)
SELECT id, 'resp_1', 'infinity', 'conv_1', 1, 1, 2, 'completed', 'm', now(), '{}' FROM projects;
INSERT INTO completions (project, id, expires_on, model, created_at, document, messages)
SELECT id, 'c1', 'infinity', 'm', now(), '{}', '[]' FROM projects;
INSERT INTO parts (project, hash, expires_on, uses, data) SELECT id, 'h', 'infinity', 1, 'd' FROM projects;
INSERT INTO owned_objects (id, provider, credential, project, kind, created_at)
SELECT 'file-' || md5(id), 'openai', 'default', id, 'file', now() FROM projects;
"""


@pytest.fixture
async def rows(postgres: Postgres) -> ProjectTransactions:
    async with postgres.connection() as connection:
        await connection.execute(FILL)
    return ProjectTransactions(postgres)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("project", ["shop", 'it\'s "x"; \\', "nobody"])
async def test_one_projects_rows_are_seen(rows: ProjectTransactions, table: str, project: str) -> None:
    async with rows.transaction(project) as connection:
        seen = [row["project"] for row in await connection.fetch(f"SELECT project FROM {table}")]  # noqa: S608
    assert seen == ([] if project == "nobody" else [project])


@pytest.mark.parametrize("table", TABLES)
async def test_others_rows_can_neither_be_changed_nor_deleted_nor_made(rows: ProjectTransactions, table: str) -> None:
    async with rows.transaction("shop") as connection:
        assert await connection.execute(f"UPDATE {table} SET project = project WHERE project = 'bank'") == "UPDATE 0"  # noqa: S608
        assert await connection.execute(f"DELETE FROM {table} WHERE project = 'bank'") == "DELETE 0"  # noqa: S608
    with pytest.raises(Exception, match="row-level security"):
        async with rows.transaction("shop") as connection:
            await connection.execute(f"UPDATE {table} SET project = 'bank'")  # noqa: S608


@pytest.mark.parametrize(
    "query",
    [
        "SELECT FROM items_forever",
        "SELECT FROM keys",
        "SELECT FROM ledger",
        "SELECT rpm FROM projects",
        "UPDATE projects SET retention_days = 1",
        "ALTER TABLE items DISABLE ROW LEVEL SECURITY",
        "DROP POLICY own_project ON items",
        "TRUNCATE items",
        "CREATE TABLE mine ()",
    ],
)
async def test_nothing_else_is_allowed(rows: ProjectTransactions, query: str) -> None:
    with pytest.raises(Exception, match=r"permission denied|must be owner"):
        async with rows.transaction("shop") as connection:
            await connection.execute(query)


async def test_after_the_transaction_nothing_of_it_is_left(rows: ProjectTransactions, postgres: Postgres) -> None:
    async def role(connection: Connection) -> tuple[str, str]:
        row = await connection.fetchrow(
            "SELECT current_user AS name, current_setting('tidegate.project', true) AS project"
        )
        assert row is not None
        return row["name"], row["project"] or ""

    async with postgres.connection() as connection:
        before = await role(connection)

    async def fail() -> None:
        async with rows.transaction("shop") as connection:
            await connection.execute("DELETE FROM items")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with rows.transaction("shop") as connection:
        assert await role(connection) == ("tidegate_rows", "shop")
        assert await connection.fetchval("SELECT count(*) FROM items") == 1
    async with postgres.connection() as connection:
        assert await role(connection) == before


async def test_of_a_cancelled_transaction_nothing_is_kept(rows: ProjectTransactions) -> None:
    began = asyncio.Event()

    async def delete() -> None:
        async with rows.transaction("shop") as connection:
            await connection.execute("DELETE FROM items")
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(delete())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with rows.transaction("shop") as connection:
        assert await connection.fetchval("SELECT count(*) FROM items") == 1


@pytest.mark.parametrize(
    ("query", "error"),
    [
        (r"""SELECT '"\u0000"'::jsonb""", NotStorable),
        ("SELECT '1e1000000'::jsonb", NotStorable),
        ("SELECT repeat('[', 1000000)::jsonb", NotStorable),
        ("UPDATE items SET expires_on = '1999-01-01'", PartitionMissing),
        ("DO $$ BEGIN RAISE EXCEPTION SQLSTATE '40P01'; END $$", PostgresUnavailable),
    ],
)
async def test_what_postgresql_cannot_hold_is_typed(
    rows: ProjectTransactions, query: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        async with rows.transaction("shop") as connection:
            await connection.execute(query)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("plan_cache_mode", "force_generic_plan"), ("max_parallel_workers_per_gather", "0"), ("enable_hashjoin", "off")],
)
async def test_what_goes_by_keys_is_planned_for_keys(rows: ProjectTransactions, setting: str, value: str) -> None:
    async with rows.transaction("shop") as connection:
        assert await connection.fetchval(f"SHOW {setting}") == value
