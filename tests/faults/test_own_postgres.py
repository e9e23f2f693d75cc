"""With PostgreSQL refused, frozen, slow, full or in failover, cached keys work, and no ledger entry is lost."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg import sql

from tests.eventually import wait_until_async
from tests.faults.own_parts import PREFIX, BreakableGateway, breakable_gateway, call_all, ledger_has
from tests.faults.proxy import Mode
from tests.harness import World, ask
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

TIMEOUT = 0.5
CONFIGURED = {"redis": {"prefix": PREFIX, "timeout_seconds": 2.0}, "database": {"timeout_seconds": TIMEOUT}}
SLACK_SECONDS = 20.0
"""Seconds that a busy machine may add."""

DISK_FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'could not extend file: No space left on device';
END $$;
CREATE TRIGGER no_room BEFORE INSERT ON ledger EXECUTE FUNCTION no_room();
"""


@pytest.fixture
async def world(own_stores: StoreUrls, tmp_path: Path) -> AsyncIterator[World]:
    with psycopg.connect(own_stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger")
    with redis.Redis.from_url(own_stores.redis_url) as client:
        client.flushall()
    async with running() as upstream_url, World(own_stores, PREFIX, upstream_url, tmp_path) as world:
        yield world


@pytest.fixture
def database(own_stores: StoreUrls) -> Iterator[psycopg.Connection]:
    with psycopg.connect(own_stores.database_url, autocommit=True) as connection:
        yield connection


def end_all_others(database: psycopg.Connection) -> None:
    """Terminate all connections but the test's own, as a restart does."""
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tidegate'")


async def assert_unknown_key_is_unavailable(ways: BreakableGateway, token: str) -> float:
    """Check that an uncached valid key gets a retryable 503 and never a 401; return the seconds it took."""
    started_at = time.monotonic()
    answer = await ways.gateway.chat(ask("who"), authorization=f"Bearer {token}")
    assert (answer.status, answer.error["code"]) == (503, "postgres_unavailable"), answer.text
    assert answer.headers["x-should-retry"] == "true"
    return time.monotonic() - started_at


@pytest.mark.parametrize("mode", [Mode.REFUSE, Mode.RESET, Mode.FREEZE, Mode.SLOW, Mode.CUT])
async def test_postgres_is(mode: Mode, world: World) -> None:
    stranger = (await world.make_key()).token
    async with breakable_gateway(world, **CONFIGURED) as ways:
        await ways.postgres.set(mode, seconds=3 * TIMEOUT, after=20)
        during = await call_all(ways.gateway, "during", times=3)
        assert during.seconds < SLACK_SECONDS
        assert await assert_unknown_key_is_unavailable(ways, stranger) < 4 * TIMEOUT + SLACK_SECONDS
        assert (await ways.event_counts())["postgres_unavailable"] >= 1
        await ways.postgres.set(Mode.PASS)
        await ledger_has(world, during)

        async def known() -> bool:
            return (await ways.gateway.chat(ask("who"), authorization=f"Bearer {stranger}")).status == 200

        await wait_until_async(known)


async def test_postgres_is_full(world: World, database: psycopg.Connection) -> None:
    async with breakable_gateway(world, **CONFIGURED) as ways:
        database.execute(DISK_FULL)
        try:
            during = await call_all(ways.gateway, "during", times=3)
            assert database.execute("SELECT count(*) FROM ledger").fetchone() == (0,)
        finally:
            database.execute("DROP FUNCTION no_room CASCADE")
        await ledger_has(world, during)
    assert database.execute("SELECT count(*) FROM ledger_rejected").fetchone() == (0,), "a full disk is not the data"


async def test_postgres_is_in_failover(world: World, database: psycopg.Connection) -> None:
    """A standby answers, and refuses writes."""
    stranger = (await world.make_key()).token
    name = sql.Identifier(database.info.dbname)
    async with breakable_gateway(world, **CONFIGURED) as ways:
        database.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))
        try:
            end_all_others(database)
            during = await call_all(ways.gateway, "during", times=3)
            read = await ways.gateway.chat(ask("read"), authorization=f"Bearer {stranger}")
            assert read.status == 200, "reading is enough to know a key"
            made = await admin_post(ways, "/keys", {"project": "shop"})
            assert made == (503, "postgres_unavailable")
        finally:
            database.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(name))
            end_all_others(database)
        lines = await world.ledger_entries(len(during.ids) + 1)
        assert during.ids | {read.headers["x-request-id"]} == {line["id"] for line in lines}


async def admin_post(ways: BreakableGateway, path: str, body: dict[str, str]) -> tuple[int, str]:
    """Send an admin request; return its status and code."""
    headers = {"authorization": f"Bearer {ways.admin}"}
    address = f"{ways.gateway.root}/admin/v1{path}"
    async with ways.gateway.http.post(address, json=body, headers=headers) as answer:
        return answer.status, (await answer.json())["error"]["code"]


async def test_postgres_restarts_again_and_again(world: World, database: psycopg.Connection) -> None:
    async with breakable_gateway(world, **CONFIGURED) as ways:
        called = []
        for number in range(3):
            end_all_others(database)
            called.append(await call_all(ways.gateway, f"round {number}"))
        await ledger_has(world, *called)


async def test_postgres_gives_no_more_connections(world: World, database: psycopg.Connection) -> None:
    """Valid keys are not refused because of it (litellm 18708)."""
    stranger = (await world.make_key()).token
    database.execute("CREATE ROLE crowded LOGIN PASSWORD 'x' SUPERUSER")
    url = world.stores.database_url.replace("postgres@", "crowded:x@")
    try:
        async with breakable_gateway(world, database_url=url, **CONFIGURED) as ways:
            database.execute("ALTER ROLE crowded NOSUPERUSER CONNECTION LIMIT 0")
            end_all_others(database)
            during = await call_all(ways.gateway, "during", times=3)
            await assert_unknown_key_is_unavailable(ways, stranger)
            database.execute("ALTER ROLE crowded SUPERUSER CONNECTION LIMIT -1")
            await ledger_has(world, during)
    finally:
        end_all_others(database)
        database.execute("DROP ROLE crowded")
