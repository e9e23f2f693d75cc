"""Projects are also separated where the gateway is no superuser, as on managed clouds; missing rights are reported."""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.conversations.records import message, response, texts_of
from tidegate.conversations.retention import RetentionTask
from tidegate.conversations.storage.partitions import Partitions
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.clock import ManualClock
from tidegate.core.errors import PreviousResponseNotFound
from tidegate.storage import embedded
from tidegate.storage.postgres import Postgres
from tidegate.storage.schema.migrate import MigrationFailed, migrate


class Server:
    """A PostgreSQL without any migration."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, statement: str) -> None:
        """Run a statement as administrator."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    def owner(self, name: str, rights: str) -> str:
        """Create a user who owns a database of the same name, and return its URL."""
        self.run(f"CREATE ROLE {name} LOGIN NOSUPERUSER {rights}")
        self.run(f"CREATE DATABASE {name} OWNER {name}")
        url = urlsplit(self.url)
        return url._replace(netloc=f"{name}@{url.netloc.rpartition('@')[2]}", path=f"/{name}").geturl()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="tidegate-own-") as folder, embedded.running(Path(folder)) as stores:
        yield Server(stores.database_url)


async def assert_projects_are_separate(url: str, clock: ManualClock) -> None:
    """Fill two projects, set a retention, and run the retention task."""
    postgres = Postgres(url, size=2, timeout=10.0)
    try:
        async with postgres.connection() as connection:
            assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            await connection.execute("INSERT INTO projects (id, retention_days) VALUES ('shop', 30), ('bank', NULL)")
        store_base = StoreBase(postgres, clock)
        store = ResponseStore(store_base)
        await store.save("shop", response("resp_1"), [message("msg_1", "a")], [])
        assert texts_of(await store.history("shop", "resp_1")) == ["a"]
        with pytest.raises(PreviousResponseNotFound):
            await store.history("bank", "resp_1")
        async with store_base.rows.transaction("bank") as connection:
            assert await connection.fetchval("SELECT count(*) FROM items") == 0
        await RetentionTask(Partitions(postgres), clock).run_once()
    finally:
        await postgres.close()


async def test_each_kind_of_owner_is_served_or_told_what_to_do(server: Server, clock: ManualClock) -> None:
    poor = server.owner("poor", "NOCREATEROLE")
    with pytest.raises(MigrationFailed, match=r"may not create the role tidegate_rows[^$]*CREATE ROLE"):
        await asyncio.to_thread(migrate, poor)
    able = server.owner("able", "CREATEROLE")
    await asyncio.to_thread(migrate, able)
    await assert_projects_are_separate(able, clock)
    with pytest.raises(MigrationFailed, match=r"may not take the role tidegate_rows[^$]*GRANT tidegate_rows"):
        await asyncio.to_thread(migrate, poor)
    server.run("GRANT tidegate_rows TO poor")
    await asyncio.to_thread(migrate, poor)
    await assert_projects_are_separate(poor, clock)
