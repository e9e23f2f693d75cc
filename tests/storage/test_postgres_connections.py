"""Through a pooler of any mode each statement gets its own parameters, and without one nothing is added."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.eventually import wait_until_async
from tests.storage.poolers import needs_pgbouncer, pgbouncer
from tidegate.core.errors import PostgresUnavailable, StatementPooling
from tidegate.storage.postgres import Postgres
from tidegate.storage.postgres_connections import Connector, LentConnection, UnresetConnection

ROOT = Path(__file__).parents[2]
EXCUSED = {"postgres_connections.py"}
"""It asks for the number of its session, within a transaction."""
END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'tidegate'
"""
TASKS = 16
ROUNDS = 25


@pytest.fixture(params=["transaction", "transaction, always reset", "session"])
async def pooled(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Postgres]:
    """A pool of eight connections to a pooler that has two (or in session mode, eight)."""
    mode, _, reset = request.param.partition(", ")
    async with pgbouncer(
        database_url, mode, size=2 if mode == "transaction" else 8, server_reset_query_always=int(bool(reset))
    ) as url:
        postgres = Postgres(url, size=8, timeout=20.0)
        yield postgres
        await postgres.close()


async def answers(postgres: Postgres) -> bool:
    try:
        await postgres.ping()
    except PostgresUnavailable:
        return False
    return True


@needs_pgbouncer
async def test_every_statement_gets_its_own_parameters(pooled: Postgres) -> None:
    async def ask(task: int) -> list[object]:
        found: list[object] = []
        for number in range(ROUNDS):
            mine = f"{task}.{number}"
            async with pooled.connection() as connection:
                # the same text in all tasks, and one of its own
                found.append(await connection.fetchval("SELECT $1::text", mine) == mine)
                row = await connection.fetchrow(f"SELECT $1::int AS a, $2::text AS b, {task} AS c", number, mine)
                found.append(tuple(row or ()) == (number, mine, task))
                rows = await connection.fetch("SELECT * FROM generate_series(1, $1::int)", task + 1)
                found.append(len(rows) == task + 1)
        return found

    answers = await asyncio.gather(*(ask(task) for task in range(TASKS)))
    assert all(all(answer) for answer in answers)


@needs_pgbouncer
async def test_changes_are_committed_and_a_failed_one_leaves_nothing_open(pooled: Postgres) -> None:
    add = "INSERT INTO projects (id, created_at) VALUES ($1, now())"
    async with pooled.connection() as connection:
        await connection.execute("DELETE FROM projects WHERE id = $1", "pooled")
        await connection.execute(add, "pooled")
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(add, "pooled")
        assert not connection.is_in_transaction()
        async with connection.transaction():
            await connection.execute("UPDATE projects SET rpm = $2 WHERE id = $1", "pooled", 7)
    async with pooled.connection() as other:
        assert await other.fetchval("SELECT rpm FROM projects WHERE id = $1", "pooled") == 7
        await other.execute("DELETE FROM projects WHERE id = $1", "pooled")


@needs_pgbouncer
async def test_a_statement_that_takes_too_long_spoils_no_later_one(database_url: str) -> None:
    async with pgbouncer(database_url, size=1) as url:
        postgres = Postgres(url, size=2, timeout=0.5)
        for _ in range(3):
            with pytest.raises(PostgresUnavailable):
                async with postgres.connection() as connection:
                    await connection.fetchval("SELECT $1::text FROM pg_sleep(30)", "late")
        patient = Postgres(url, size=1, timeout=20.0)
        async with patient.connection() as connection:
            assert await connection.fetchval("SELECT $1::text", "mine") == "mine"
        await patient.close()
        await postgres.close()


@needs_pgbouncer
async def test_sessions_that_end_behind_the_pooler_fail_what_they_run_and_nothing_else(database_url: str) -> None:
    async with pgbouncer(database_url, size=2) as url:
        postgres, aside = Postgres(url, size=4, timeout=20.0), Postgres(database_url, size=1, timeout=20.0)
        wrong: list[object] = []
        failed = 0

        async def ask(task: int) -> None:
            nonlocal failed
            for number in range(ROUNDS):
                mine = f"{task}.{number}"
                try:
                    async with postgres.connection() as connection:
                        seen = await connection.fetchval("SELECT $1::text", mine)
                except PostgresUnavailable:
                    failed += 1
                else:
                    wrong.extend([] if seen == mine else [(mine, seen)])

        async def end_sessions() -> None:
            async with aside.connection() as connection:
                for _ in range(5):
                    await connection.execute(END_SESSIONS)
                    await connection.execute("SELECT pg_sleep(0.02)")

        await asyncio.gather(*(ask(task) for task in range(4)), end_sessions())
        await wait_until_async(lambda: answers(postgres))
        assert wrong == []
        assert failed < 4 * ROUNDS
        await postgres.close()
        await aside.close()


@needs_pgbouncer
async def test_a_pooler_in_statement_mode_is_refused_with_a_sentence(database_url: str) -> None:
    async with pgbouncer(database_url, "statement") as url:
        postgres = Postgres(url, size=1, timeout=5.0)
        with pytest.raises(StatementPooling, match="pool_mode=transaction"):
            await postgres.ping()
        await postgres.close()


@needs_pgbouncer
async def test_a_pooler_that_takes_the_place_of_the_server_is_noticed_at_the_next_connection(database_url: str) -> None:
    connector, loop = Connector(), asyncio.get_running_loop()
    async with pgbouncer(database_url) as url:
        for address, kind in ((database_url, UnresetConnection), (url, LentConnection), (database_url, LentConnection)):
            connection = await connector.connect(address, loop=loop, connection_class=UnresetConnection)
            assert type(connection) is kind
            assert await connection.fetchval("SELECT $1::text", "mine") == "mine"
            await connection.close()


SESSION_STATE = (
    r"\bLISTEN\b",
    r"\bpg_(try_)?advisory_lock",
    r"\bCREATE (TEMP|TEMPORARY)\b",
    r"\bDISCARD\b",
    r"\bDECLARE \w+ CURSOR\b",
    r"[;\"]\s*SET (?!LOCAL)\w+",
    r"\bset_config\([^)]*false\)",
    r"connection\.(prepare|cursor|executemany|fetchmany|copy_\w+|add_listener)\(",
)
"""What would stay with a session of the server, or needs several messages without a transaction."""


@pytest.mark.parametrize("pattern", SESSION_STATE)
def test_nothing_relies_on_a_session_that_lasts(pattern: str) -> None:
    files = [path for path in (ROOT / "tidegate").rglob("*") if path.suffix in {".py", ".sql"}]
    found = [path.name for path in files if path.name not in EXCUSED and re.search(pattern, code_of(path))]
    assert found == []


def code_of(path: Path) -> str:
    """Return the text without comments."""
    return re.sub(r"(?m)(--|#).*$", "", path.read_text())


async def test_without_a_pooler_statements_are_remembered_and_need_no_transaction(postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        assert await connection.fetchval("SELECT $1::text", "first") == "first"
        await connection.fetchval("SELECT $1::text", "second")
        known = await connection.fetchval(
            "SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT $1::text'"
        )
    assert known == 1
