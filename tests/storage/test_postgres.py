"""The pool is small, bounded in time, and recovers by itself from any failure of PostgreSQL."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.eventually import wait_until, wait_until_async
from tidegate.core.errors import PostgresUnavailable
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.postgres import Postgres, queries

COUNT = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate' AND datname = current_database()"


@pytest.fixture
async def own(own_stores: StoreUrls) -> AsyncIterator[Postgres]:
    """A pool with a short timeout on a PostgreSQL that may be killed."""
    pool = Postgres(own_stores.database_url, size=2, timeout=0.5)
    yield pool
    await pool.close()


async def until_it_answers(postgres: Postgres) -> None:
    """Wait until it answers: its timeout is too short for a busy machine now and then."""
    await wait_until_async(lambda: answers(postgres))


async def answers(postgres: Postgres) -> bool:
    try:
        async with postgres.connection() as connection:
            return bool(await connection.fetchval("SELECT true"))
    except PostgresUnavailable:
        return False


async def test_a_query_is_answered(postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        assert await connection.fetchval("SELECT 1 + 1") == 2


async def test_no_connection_is_made_before_the_first_is_needed(postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        assert await connection.fetchval(COUNT) == 1


async def test_however_many_ask_the_pool_keeps_its_size(postgres: Postgres) -> None:
    async def ask() -> int:
        async with postgres.connection() as connection:
            await connection.execute("SELECT pg_sleep(0.01)")
            return int(await connection.fetchval(COUNT))

    seen = await asyncio.gather(*(ask() for _ in range(40)))
    assert max(seen) <= 4, "the fixture's pool has four"


async def test_how_long_a_connection_was_waited_for_is_known(postgres: Postgres) -> None:
    assert postgres.wait_p99 == 0
    waiting = []
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(postgres.connection())
        waiting.append(asyncio.create_task(postgres.ping()))
        await asyncio.sleep(0.05)
    await asyncio.gather(*waiting)
    assert postgres.wait_p99 >= 0.05


async def test_who_gets_no_connection_in_time_is_told(own: Postgres) -> None:
    async with own.connection(), own.connection():
        with pytest.raises(PostgresUnavailable):
            async with own.connection():
                pass
    await until_it_answers(own)


async def test_a_statement_that_takes_too_long_is_given_up(own: Postgres) -> None:
    started_at = asyncio.get_running_loop().time()
    with pytest.raises(PostgresUnavailable):
        async with own.connection() as connection:
            await connection.execute("SELECT pg_sleep(30)")
    assert asyncio.get_running_loop().time() - started_at < 15
    await until_it_answers(own)


async def test_a_frozen_backend_is_given_up_too(own: Postgres) -> None:
    async with own.connection() as connection:
        backend = await connection.fetchval("SELECT pg_backend_pid()")
    started_at = asyncio.get_running_loop().time()
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(PostgresUnavailable):
            async with own.connection() as connection:
                await connection.execute("SELECT 1")
        assert asyncio.get_running_loop().time() - started_at < 15
        await until_it_answers(own)
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_mistake_in_a_query_is_no_unavailability(postgres: Postgres) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with postgres.connection() as connection:
            await connection.execute("SELECT * FROM nothing_of_the_kind")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody:hidden@127.0.0.1:1/none",
        "postgresql://nobody:hidden@/none?host=/nonexistent",
        "mysql://nobody:hidden@127.0.0.1/none",
    ],
)
async def test_where_there_is_no_server_the_error_is_typed_and_keeps_the_password(url: str) -> None:
    nowhere = Postgres(url, size=1, timeout=1.0)
    with pytest.raises(PostgresUnavailable) as refusal:
        async with nowhere.connection():
            pass
    assert "hidden" not in refusal.value.message
    await nowhere.close()


async def test_a_database_that_does_not_exist_is_unavailable_too(own_stores: StoreUrls) -> None:
    wrong = Postgres(own_stores.database_url.replace("/postgres?", "/nothing?"), size=1, timeout=1.0)
    with pytest.raises(PostgresUnavailable):
        async with wrong.connection():
            pass
    await wrong.close()


async def test_a_restart_heals_by_itself(own: Postgres, own_folder: Path) -> None:
    pid_file = own_folder / "postgres" / "postmaster.pid"
    await until_it_answers(own)
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)
    await wait_until(lambda: not pid_file.exists())
    assert not await answers(own)
    with embedded.running(own_folder):
        await until_it_answers(own)


async def test_after_a_failover_no_connection_to_the_standby_is_used_again(postgres: Postgres) -> None:
    add = "INSERT INTO projects (id, created_at) VALUES ('failover', now())"
    async with contextlib.AsyncExitStack() as stack:
        lent = [await stack.enter_async_context(postgres.connection()) for _ in range(4)]
        for connection in lent:
            await connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(PostgresUnavailable):
        async with postgres.connection() as connection:
            await connection.execute(add)
    async with contextlib.AsyncExitStack() as stack:
        lent = [await stack.enter_async_context(postgres.connection()) for _ in range(4)]
        assert [await connection.fetchval("SHOW transaction_read_only") for connection in lent] == ["off"] * 4


async def test_a_transaction_that_the_server_ended_while_it_waited_is_an_unavailability(postgres: Postgres) -> None:
    with pytest.raises(PostgresUnavailable):
        await wait_too_long_in_a_transaction(postgres)
    await postgres.ping()


async def wait_too_long_in_a_transaction(postgres: Postgres) -> None:
    async with postgres.connection() as connection, postgres.connection() as other:
        backend = await connection.fetchval("SELECT pg_backend_pid()")

        async def ended() -> bool:
            return not await other.fetchval("SELECT count(*) FROM pg_stat_activity WHERE pid = $1", backend)

        await connection.execute("SET idle_in_transaction_session_timeout = 20")
        async with connection.transaction():
            await connection.execute("SELECT 1")
            await wait_until_async(ended)
            await connection.execute("SELECT 1")


async def test_a_server_that_answered_just_now_is_not_asked_again(own: Postgres) -> None:
    async with own.connection() as connection:
        backend = await connection.fetchval("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    try:
        await own.ensure_ready()  # a query would fail now
    finally:
        os.kill(backend, signal.SIGCONT)


async def test_a_server_that_ended_is_missed_at_once(own: Postgres, own_folder: Path) -> None:
    pid_file = own_folder / "postgres" / "postmaster.pid"
    await own.ensure_ready()
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGINT)
    await wait_until(lambda: not pid_file.exists())
    with pytest.raises(PostgresUnavailable):
        await own.ensure_ready()
    with embedded.running(own_folder):
        await own.ensure_ready()


async def test_closing_waits_no_longer_than_the_timeout(own_stores: StoreUrls) -> None:
    pool = Postgres(own_stores.database_url, size=1, timeout=0.5)
    async with pool.connection():
        started_at = asyncio.get_running_loop().time()
        await pool.close()
        assert asyncio.get_running_loop().time() - started_at < 15


def test_queries_have_names_and_descriptions() -> None:
    result = queries("keys")
    assert {"add_key", "find_keys", "list_keys", "revoke_key"} <= set(result)
    assert all(body.startswith("-- ") for body in result.values())
