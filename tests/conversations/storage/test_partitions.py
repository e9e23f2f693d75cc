"""Partitions are created ahead of time and dropped when their rows have expired, by any number of processes."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.conversations.records import AT, message, response
from tidegate.conversations.storage.partitions import TABLES, Partitions, week_of
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.core.clock import ManualClock
from tidegate.core.errors import PreviousResponseNotFound
from tidegate.storage.postgres import Postgres

TODAY = datetime.fromtimestamp(AT, UTC).date()


@pytest.fixture
async def partitions(postgres: Postgres) -> Partitions:
    async with postgres.connection() as connection:
        await connection.execute("INSERT INTO projects (id, retention_days) VALUES ('shop', 30)")
    made = Partitions(postgres)
    await made.drop_expired(date(2100, 1, 1))  # left by earlier tests
    return made


async def names(postgres: Postgres) -> list[str]:
    """Return the names of the weekly partitions of the items."""
    async with postgres.connection() as connection:
        query = r"SELECT relname FROM pg_class WHERE relname ~ '^items_\d{8}$' ORDER BY relname"
        return [row["relname"] for row in await connection.fetch(query)]


async def test_those_that_rows_of_now_and_soon_need_are_made_once(partitions: Partitions, postgres: Postgres) -> None:
    await asyncio.gather(*(partitions.ensure(TODAY) for _ in range(3)))
    first = week_of(TODAY + timedelta(days=30))
    weeks = [first + timedelta(weeks=n) for n in range(3)]
    assert await names(postgres) == [f"items_{week:%Y%m%d}" for week in weeks]


async def test_those_that_are_over_are_dropped_with_all_that_is_in_them(
    partitions: Partitions, postgres: Postgres, responses: ResponseStore
) -> None:
    await responses.save("shop", response("resp_1"), [message("msg_1", "a")], [])
    await responses.save("bank", response("resp_1"), [message("msg_1", "a")], [])
    last = TODAY + timedelta(days=30)
    ends = week_of(last) + timedelta(weeks=1)
    assert await partitions.drop_expired(ends - timedelta(days=1)) == []
    dropped = await partitions.drop_expired(ends)
    assert dropped == sorted(f"{table}_{week_of(last):%Y%m%d}" for table in TABLES)
    async with postgres.connection() as connection:
        assert await connection.fetchval("SELECT array_agg(project) FROM items") == ["bank"]
        assert await connection.fetchval("SELECT array_agg(project) FROM responses") == ["bank"]


@pytest.mark.usefixtures("partitions")
async def test_what_has_expired_is_not_seen_any_more_even_before_its_partition_is_dropped(
    responses: ResponseStore, clock: ManualClock
) -> None:
    await responses.save("shop", response("resp_1"), [message("msg_1", "a")], [])
    clock.advance(29 * 86400)
    assert (await responses.history("shop", "resp_1")).items
    clock.advance(2 * 86400)
    with pytest.raises(PreviousResponseNotFound):
        await responses.history("shop", "resp_1")
