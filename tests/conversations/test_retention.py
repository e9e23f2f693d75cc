"""Rows are deleted within a week of their expiry, whatever other processes do."""

import asyncio
from datetime import date

import pytest
from structlog.testing import capture_logs

from tests.conversations.records import AT, item, message, response, texts_of
from tests.eventually import wait_until, wait_until_async
from tests.failing_once import FailingOnce, failed_rounds
from tidegate.conversations.documents.records import Conversation
from tidegate.conversations.retention import RetentionTask
from tidegate.conversations.storage.conversations import ConversationStore
from tidegate.conversations.storage.partitions import Partitions
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.conversations.storage.store_base import StoreBase
from tidegate.core.clock import ManualClock
from tidegate.storage.postgres import Postgres

DAY = 86_400.0


@pytest.fixture
async def retention_task(postgres: Postgres, clock: ManualClock, store_base: StoreBase) -> RetentionTask:
    async with store_base.rows.transaction("shop"), postgres.connection() as connection:
        await connection.execute("UPDATE projects SET retention_days = 30 WHERE id = 'shop'")
    return RetentionTask(Partitions(postgres), clock)


async def row_count(postgres: Postgres, table: str) -> int:
    """Return the number of rows in a table."""
    async with postgres.connection() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608  # the tests' own names


async def test_what_has_expired_goes_and_the_rest_stays(
    retention_task: RetentionTask,
    postgres: Postgres,
    clock: ManualClock,
    responses: ResponseStore,
    conversations: ConversationStore,
) -> None:
    await responses.save("shop", response("resp_1"), [message("msg_1", "a")], [])
    await responses.save("bank", response("resp_1"), [message("msg_1", "a")], [])
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT), [message("msg_2", "b")])
    clock.advance(20 * DAY)
    await conversations.add_items("shop", "conv_1", [message("msg_3", "c")])
    await retention_task.run_once()
    assert await row_count(postgres, "items") == 4
    clock.advance(18 * DAY)
    await asyncio.gather(*(retention_task.run_once() for _ in range(3)))
    assert texts_of(await conversations.history("shop", "conv_1")) == ["c"]
    assert await row_count(postgres, "responses") == 1
    assert await row_count(postgres, "conversations") == 2
    clock.advance(40 * DAY)
    await retention_task.run_once()
    assert await row_count(postgres, "items") == await row_count(postgres, "conversations") == 1
    assert (await responses.history("bank", "resp_1")).items


async def test_a_tools_output_goes_with_its_call(
    retention_task: RetentionTask, clock: ManualClock, conversations: ConversationStore
) -> None:
    call = item("fc_1", "function_call", call_id="c", name="tide", arguments="{}")
    await conversations.create("shop", Conversation(id="conv_1", created_at=AT), [message("msg_1", "a"), call])
    clock.advance(DAY)
    output = item("fco_1", "function_call_output", call_id="c", output="noon")
    await conversations.add_items("shop", "conv_1", [output, message("msg_2", "b")])
    assert len(texts_of(await conversations.history("shop", "conv_1"))) == 4
    clock.advance(29 * DAY)
    assert texts_of(await conversations.history("shop", "conv_1")) == ["b"]
    await retention_task.run_once()


async def test_a_chain_that_others_go_on_from_is_kept_as_long_as_they(
    retention_task: RetentionTask, postgres: Postgres, clock: ManualClock, responses: ResponseStore
) -> None:
    await responses.save("shop", response("resp_1"), [message("msg_1", "a")], [])
    await responses.save("shop", response("resp_2", previous_response_id="resp_1"), [message("msg_2", "b")], [])
    clock.advance(25 * DAY)
    await responses.save("shop", response("resp_3", previous_response_id="resp_1"), [message("msg_3", "c")], [])
    clock.advance(15 * DAY)
    await retention_task.run_once()
    assert await row_count(postgres, "conversations") == 2
    assert texts_of(await responses.history("shop", "resp_3")) == ["c"]
    clock.advance(40 * DAY)
    await retention_task.run_once()
    await retention_task.run_once()
    assert await row_count(postgres, "conversations") == 0


async def test_it_goes_on_when_postgresql_comes_back(clock: ManualClock, postgres: Postgres) -> None:
    async with postgres.connection() as connection:
        await connection.execute("INSERT INTO projects (id, retention_days) VALUES ('shop', 3)")
    away = Postgres("postgresql://nobody@127.0.0.1:1/none", size=1, timeout=0.2)
    for pool in (away, postgres):
        retention_task = RetentionTask(Partitions(pool), clock, every_seconds=0.01)
        await retention_task.start()
        if pool is postgres:
            await wait_until_async(lambda: _made(postgres))
        await retention_task.close()
    await away.close()


async def _made(postgres: Postgres) -> bool:
    async with postgres.connection() as connection:
        return bool(await connection.fetchval("SELECT to_regclass('items_20260921') IS NOT NULL"))


class PartitionsFailingOnce(Partitions):
    """Partitions whose first round meets a defect."""

    def __init__(self, postgres: Postgres) -> None:
        super().__init__(postgres)
        self.fault = FailingOnce()

    async def ensure(self, today: date) -> None:
        self.fault()
        await super().ensure(today)


async def test_a_defect_in_one_round_is_logged_once_and_the_next_round_works(
    clock: ManualClock, postgres: Postgres
) -> None:
    partitions = PartitionsFailingOnce(postgres)
    task = RetentionTask(partitions, clock, every_seconds=0.01)
    with capture_logs() as logs:
        await task.start()
        await wait_until(lambda: partitions.fault.calls >= 3)
        await task.close()
    assert failed_rounds(logs) == [("retention", "ZeroDivisionError")]
