"""A live system is updated: the release before works on the new schema, and the schema can go back and forth."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
import psycopg
import pytest

from tests.metering.ledger_parts import ENTRY
from tests.storage.schema.taking_back import take_back
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.schema.migrate import MigrationFailed, migrate

PREVIOUS = Path(__file__).parent / "previous_release"
"""The queries of the release before, as they were."""
LAST_STEP = "0003.limits"
"""The last step that the release before knows."""
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def queries(file: str) -> dict[str, str]:
    """The queries of a file by their names."""
    parts = _NAME.split((PREVIOUS / f"{file}.sql").read_text())[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.fixture
def database(stores: StoreUrls) -> str:
    """A database as the release before left it, with a key and a line in the ledger."""
    name = "tidegate_test_update"
    with psycopg.connect(stores.database_url, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {name}")
    url = urlsplit(stores.database_url)._replace(path=f"/{name}").geturl()
    migrate(url)
    take_back(url, after=LAST_STEP)
    return url


async def migrated(url: str) -> list[str]:
    """Migrate aside: it has an event loop of its own."""
    return await asyncio.to_thread(migrate, url)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database)
    yield opened
    await opened.close()


async def at_work(connection: asyncpg.Connection, number: int) -> None:
    """What the release before does all day: make a key, limit its project, find the key, write and read the ledger."""
    keys, projects, ledger = queries("keys"), queries("projects"), queries("ledger")
    digest = number.to_bytes(32)
    await connection.execute(keys["add_project"], "acme", 1.0)
    granted, admin = '{"rpm": 60}', False
    await connection.execute(keys["add_key"], f"key_{number}", "acme", "web", digest, "abcd", 1.0, None, admin, granted)
    assert await connection.fetchval(projects["update_project"], "acme", '{"tpm": 5}') == "acme"
    found = await connection.fetchrow(keys["find_keys"], [digest])
    assert found is not None
    assert (found["rpm"], found["project_tpm"]) == (60, 5)
    line = {**msgspec.structs.asdict(ENTRY), "id": f"req_{number}"}
    await connection.execute(ledger["insert"], b"[" + msgspec.json.encode(line) + b"]")
    used = await connection.fetch(ledger["usage"], "user", 0.0, 1e10, None)
    assert [(row["what"], row["calls"]) for row in used] == [("ada", number)]


async def test_the_release_before_works_on_the_schema_of_this_one(
    connection: asyncpg.Connection, database: str
) -> None:
    await at_work(connection, 1)
    await migrated(database)
    await at_work(connection, 2)
    take_back(database, after=LAST_STEP)
    await at_work(connection, 3)
    assert await migrated(database)
    await at_work(connection, 4)


@pytest.mark.parametrize("file", ["keys", "ledger", "projects", "recount"])
async def test_every_query_of_the_release_before_finds_what_it_names(
    connection: asyncpg.Connection, database: str, file: str
) -> None:
    await migrated(database)
    for query in queries(file).values():
        await connection.prepare(query)


async def test_projects_are_not_locked_for_long(connection: asyncpg.Connection, database: str) -> None:
    """A step that cannot have its lock fails within seconds, and is applied by the next try."""
    await at_work(connection, 1)
    async with connection.transaction():
        await connection.execute("LOCK TABLE projects IN ACCESS SHARE MODE")
        with pytest.raises(MigrationFailed, match="0004"):
            await migrated(database)
    assert (await migrated(database))[0] == "0004.conversations"


async def test_a_retry_in_an_old_ledger_gets_its_new_name(connection: asyncpg.Connection, database: str) -> None:
    await migrated(database)
    take_back(database, after="0013.alerts")
    for number, step in enumerate(["first", "again", None], start=1):
        await at_work(connection, number)
        await connection.execute("UPDATE ledger SET rung = $1 WHERE id = $2", step, f"req_{number}")

    assert (await migrated(database))[:1] == ["0014.fallback_step"]

    rows = await connection.fetch("SELECT fallback_step FROM ledger ORDER BY id")
    assert [row["fallback_step"] for row in rows] == ["first", "retry", None]
