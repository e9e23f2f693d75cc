"""Every entry arrives and counts once, whichever process dies and whichever store goes away."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import structlog

from tests.failing_once import FailingOnce, failed_rounds
from tests.metering.ledger_parts import SHORT_INTERVALS, entry, ids, wait_until_async
from tidegate.core.clock import SystemClock
from tidegate.metering.ledger.drainer import LedgerDrainer
from tidegate.metering.ledger.entries import Ledger, encode
from tidegate.metering.ledger.spool import Spool
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.ledger.stream import CONSUMER_GROUP, LedgerStream
from tidegate.storage.outage_log import OutageLog
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
"""A port on which no server listens."""


class LedgerProcess:
    """The ledger of one process."""

    def __init__(
        self, link: RedisLink, postgres: Postgres, prefix: str, folder: Path, *, tells_redis: bool = False
    ) -> None:
        """With `tells_redis`, what was replayed is told to `link`, as the budgets need it."""
        self.stream = LedgerStream(link, prefix)
        self.spool = Spool(folder)
        self.store = LedgerStore(postgres)
        self.ledger = Ledger(self.stream, self.spool, store=self.store)
        self.link, self.tells_redis = link, tells_redis
        self.replayed: list[str] = []
        self.drainer = LedgerDrainer(
            self.stream,
            self.store,
            self.spool,
            clock=SystemClock(),
            intervals=SHORT_INTERVALS,
            on_replayed=self.note_replayed,
        )

    async def note_replayed(self, ids: Sequence[str]) -> None:
        if self.tells_redis:
            await self.link.command("PING")
        self.replayed += ids

    async def close(self) -> None:
        await self.drainer.close()
        await self.ledger.close()


@pytest.fixture
async def parts(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str, tmp_path: Path
) -> AsyncIterator[LedgerProcess]:
    made = LedgerProcess(redis_link, postgres, redis_prefix, tmp_path)
    yield made
    await made.close()


def expected(count: int) -> list[str]:
    return sorted(f"req_{number}" for number in range(count))


async def test_entries_reach_postgresql_and_leave_the_stream(parts: LedgerProcess, postgres: Postgres) -> None:
    await parts.drainer.start()
    for number in range(30):
        await parts.ledger.append(entry(number))

    async def arrived() -> bool:
        return await ids(postgres) == expected(30)

    await wait_until_async(arrived)
    await parts.close()
    assert await parts.stream.length() == 0


async def test_closing_drains_what_is_there(parts: LedgerProcess, postgres: Postgres) -> None:
    await asyncio.gather(*(parts.ledger.append(entry(number)) for number in range(1200)))

    await parts.close()

    assert await ids(postgres) == expected(1200)
    assert await parts.stream.length() == 0


async def test_a_drainer_killed_between_insert_and_acknowledgement_causes_no_second_line(
    parts: LedgerProcess, postgres: Postgres
) -> None:
    for number in range(10):
        await parts.ledger.append(entry(number))
    async with parts.stream.consumer("killed") as killed:
        batch = await killed.read_new()
        await parts.store.write([one.entry for one in batch if one.entry])
        # it dies here: nothing is acknowledged
    await parts.ledger.append(entry(10))

    await parts.drainer.start()

    async def drained() -> bool:
        return await parts.stream.length() == 0

    await wait_until_async(drained)
    assert await ids(postgres) == expected(11)


async def test_a_drainer_killed_before_its_insert_loses_nothing(parts: LedgerProcess, postgres: Postgres) -> None:
    for number in range(10):
        await parts.ledger.append(entry(number))
    async with parts.stream.consumer("killed") as killed:
        assert len(await killed.read_new()) == 10

    await parts.drainer.start()

    async def arrived() -> bool:
        return await ids(postgres) == expected(10)

    await wait_until_async(arrived)


async def test_two_processes_drain_at_once_without_double_entries(
    parts: LedgerProcess, redis_link: RedisLink, postgres: Postgres, redis_prefix: str, tmp_path: Path
) -> None:
    other = LedgerProcess(redis_link, postgres, redis_prefix, tmp_path)
    await parts.drainer.start()
    await other.drainer.start()

    await asyncio.gather(*(parts.ledger.append(entry(number)) for number in range(3000)))

    async def arrived() -> bool:
        return len(await ids(postgres)) >= 3000

    await wait_until_async(arrived)
    await other.close()
    await parts.close()
    assert await ids(postgres) == expected(3000)
    assert await parts.stream.length() == 0


async def test_an_entry_that_postgresql_refuses_holds_up_no_other(parts: LedgerProcess, postgres: Postgres) -> None:
    poison = [
        b'{"id":null}',
        b"no JSON",
        b"\xff",
        encode(entry(9, cost_nanos=2**70)),
        encode(entry(8, at=float("nan"))),
    ]
    for number in range(3):
        await parts.ledger.append(entry(number))
        await parts.stream.append(poison[number])
    await parts.stream.append(poison[3])
    await parts.stream.append(poison[4])

    with structlog.testing.capture_logs() as logs:
        await parts.close()

    assert await ids(postgres) == expected(3)
    assert await parts.stream.length() == 0
    async with postgres.connection() as connection:
        reasons = [row["reason"][:5] for row in await connection.fetch("SELECT reason FROM ledger_rejected")]
    assert sorted(reasons) == ["22003", "22021", "22P02", "23502", "23502"]
    assert sum(line["event"].startswith("ledger entry rejected") for line in logs) == 5


async def test_what_is_no_entry_at_all_is_kept_among_the_rejected(
    parts: LedgerProcess, redis_link: RedisLink, postgres: Postgres
) -> None:
    await redis_link.command("XADD", parts.stream.key, "*", "other", "field")

    await parts.close()

    async with postgres.connection() as connection:
        assert [row["entry"] for row in await connection.fetch("SELECT entry FROM ledger_rejected")] == ["other field"]


async def test_while_postgresql_is_away_entries_wait_and_then_arrive(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str, tmp_path: Path
) -> None:
    away = Postgres(NOWHERE, size=1, timeout=1.0, outages=OutageLog("postgres", time.monotonic))
    without = LedgerProcess(redis_link, away, redis_prefix, tmp_path)
    await without.drainer.start()
    for number in range(5):
        await without.ledger.append(entry(number))

    with structlog.testing.capture_logs() as logs:

        async def complained() -> bool:
            return any((line["event"], line.get("store")) == ("a store is lost", "postgres") for line in logs)

        await wait_until_async(complained)
    await without.close()
    await away.close()
    assert await without.stream.length() == 5

    back = LedgerProcess(redis_link, postgres, redis_prefix, tmp_path)
    await back.drainer.start()

    async def arrived() -> bool:
        return await ids(postgres) == expected(5)

    await wait_until_async(arrived)
    await back.close()
    assert await back.stream.length() == 0


async def test_a_redis_that_starts_anew_without_its_data_is_drained_again(
    parts: LedgerProcess, redis_link: RedisLink, postgres: Postgres
) -> None:
    await parts.drainer.start()
    await parts.ledger.append(entry(0))

    async def first() -> bool:
        return await ids(postgres) == expected(1)

    await wait_until_async(first)
    await redis_link.command("DEL", parts.stream.key)  # the group is deleted with it
    await parts.ledger.append(entry(1))

    async def second() -> bool:
        return await ids(postgres) == expected(2)

    await wait_until_async(second)


async def test_while_redis_is_away_entries_go_to_disk_and_then_to_postgresql(
    postgres: Postgres, redis_prefix: str, tmp_path: Path
) -> None:
    nowhere = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    await nowhere.start()
    parts = LedgerProcess(nowhere, postgres, redis_prefix, tmp_path)
    await parts.drainer.start()

    for number in range(20):
        await parts.ledger.append(entry(number))

    async def arrived() -> bool:
        return await ids(postgres) == expected(20)

    async def told_of() -> bool:
        return sorted(parts.replayed) == expected(20)

    await wait_until_async(arrived)
    await wait_until_async(told_of)
    await parts.close()
    await nowhere.close()
    assert not parts.spool.has_files()
    assert parts.ledger.lost_count == 0


async def test_with_both_stores_away_entries_wait_on_disk_for_the_next_process(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str, tmp_path: Path
) -> None:
    nowhere = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    away = Postgres(NOWHERE, size=1, timeout=1.0)
    before = LedgerProcess(nowhere, away, redis_prefix, tmp_path)
    for number in range(7):
        await before.ledger.append(entry(number))
    await before.close()
    assert await ids(postgres) == []

    after = LedgerProcess(redis_link, postgres, redis_prefix, tmp_path)
    await after.ledger.append(entry(6))  # this one was in Redis, too
    await after.close()

    assert await ids(postgres) == expected(7)
    assert not after.spool.has_files()
    await away.close()


async def test_a_drainer_that_leaves_is_no_longer_a_consumer(parts: LedgerProcess, redis_link: RedisLink) -> None:
    await parts.ledger.append(entry(0))

    await parts.close()

    assert await redis_link.command("XINFO", "CONSUMERS", parts.stream.key, CONSUMER_GROUP) == []


class StoreFailingOnce(LedgerStore):
    """A store whose first batch meets a defect."""

    def __init__(self, postgres: Postgres) -> None:
        super().__init__(postgres)
        self.fault = FailingOnce()

    async def write(self, entries: Sequence[bytes]) -> None:
        if entries:
            self.fault()
        await super().write(entries)


@pytest.mark.parametrize(("source", "task"), [("stream", "ledger-drain"), ("spool", "ledger-replay")])
async def test_a_defect_in_one_round_is_logged_once_and_the_next_round_drains(
    source: str, task: str, parts: LedgerProcess, postgres: Postgres
) -> None:
    drainer = LedgerDrainer(
        parts.stream, StoreFailingOnce(postgres), parts.spool, clock=SystemClock(), intervals=SHORT_INTERVALS
    )
    if source == "stream":
        await parts.ledger.append(entry(0))
    else:
        parts.ledger.spool(encode(entry(0)))

    async def arrived() -> bool:
        return await ids(postgres) == expected(1)

    with structlog.testing.capture_logs() as logs:
        await drainer.start()
        await wait_until_async(arrived)
        await drainer.close()
    assert failed_rounds(logs) == [(task, "ZeroDivisionError")]


async def test_a_process_that_ends_while_redis_is_away_copies_its_files_to_postgresql(
    redis_link: RedisLink, postgres: Postgres, redis_prefix: str, tmp_path: Path
) -> None:
    nowhere = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    ending = LedgerProcess(nowhere, postgres, redis_prefix, tmp_path, tells_redis=True)
    for number in range(7):
        await ending.ledger.append(entry(number))
    await ending.close()
    assert await ids(postgres) == expected(7), "the folder may end with the process"

    later = LedgerProcess(redis_link, postgres, redis_prefix, tmp_path)
    await later.close()
    assert sorted(later.replayed) == expected(7), "where the folder stays, Redis hears of them once it is back"
    assert await ids(postgres) == expected(7)
    assert not later.spool.has_files()


async def test_a_process_that_ends_with_neither_disk_nor_redis_writes_to_postgresql(
    postgres: Postgres, redis_prefix: str, tmp_path: Path
) -> None:
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    nowhere = RedisLink("redis://127.0.0.1:1/0", timeout=0.1, clock=SystemClock())
    ending = LedgerProcess(nowhere, postgres, redis_prefix, no_folder / "spool")
    for number in range(5):
        await ending.ledger.append(entry(number))
    assert ending.ledger.buffered_count == 5
    await ending.ledger.close()
    assert await ids(postgres) == expected(5)
    assert ending.ledger.lost_count == 0
