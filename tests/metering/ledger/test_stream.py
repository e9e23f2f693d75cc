"""One group, many consumers: each entry is delivered once, and again only if its consumer died."""

from pathlib import Path

import pytest

from tests.storage.redis_servers import fill_memory, redis_server
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.metering.ledger.stream import BATCH_SIZE, CONSUMER_GROUP, LedgerStream, StreamConsumer, stream_key
from tidegate.storage.redis import RedisLink


@pytest.fixture
def stream(redis_link: RedisLink, redis_prefix: str) -> LedgerStream:
    return LedgerStream(redis_link, redis_prefix)


async def entries(consumer: StreamConsumer) -> list[bytes | None]:
    return [one.entry for one in await consumer.read_new()]


async def consumers(link: RedisLink, stream: LedgerStream) -> list[bytes]:
    return [raw[1] for raw in await link.command("XINFO", "CONSUMERS", stream.key, CONSUMER_GROUP)]


def test_the_key_carries_the_slot_of_all_our_keys() -> None:
    assert stream_key("tidegate") == "{tidegate}:ledger"


async def test_what_came_before_the_group_is_read_too_and_each_entry_once(stream: LedgerStream) -> None:
    await stream.append(b"before")
    async with stream.consumer("one") as one, stream.consumer("two") as two:
        await stream.append(b"after")

        assert await entries(one) == [b"before", b"after"]
        assert await entries(two) == []
        assert await two.read_new(block=0.01) == []


async def test_a_read_is_at_most_a_batch(stream: LedgerStream) -> None:
    for number in range(BATCH_SIZE + 1):
        await stream.append(b"%d" % number)
    async with stream.consumer("one") as one:
        assert [len(await one.read_new()) for _ in range(3)] == [BATCH_SIZE, 1, 0]


async def test_what_was_not_finished_is_read_again_by_the_same_name(stream: LedgerStream) -> None:
    await stream.append(b"a")
    await stream.append(b"b")
    async with stream.consumer("one") as one:
        first, _ = await one.read_new()
        await one.acknowledge([first.id])
    async with stream.consumer("one") as again:
        remaining = await again.read_unacknowledged()
        assert [entry.entry for entry in remaining] == [b"b"]
        await again.acknowledge([entry.id for entry in remaining])
        assert await again.read_unacknowledged() == []
    assert await stream.length() == 0


async def test_what_a_dead_reader_left_is_claimed(stream: LedgerStream) -> None:
    await stream.append(b"a")
    async with stream.consumer("dead") as dead:
        await dead.read_new()
    async with stream.consumer("heir") as heir:
        assert await heir.claim_idle(60) == []
        assert [one.entry for one in await heir.claim_idle(0)] == [b"a"]


async def test_an_entry_that_was_deleted_meanwhile_has_nothing_to_write(
    stream: LedgerStream, redis_link: RedisLink
) -> None:
    await stream.append(b"a")
    async with stream.consumer("one") as one:
        [value] = await one.read_new()
        await redis_link.command("XDEL", stream.key, value.id)

        [remaining] = await one.read_unacknowledged()
        assert remaining.entry is None
        await one.acknowledge([remaining.id])
        assert await one.read_unacknowledged() == []
        assert await one.claim_idle(0) == []


async def test_a_reader_leaves_unless_it_holds_entries(stream: LedgerStream, redis_link: RedisLink) -> None:
    await stream.append(b"a")
    async with stream.consumer("one") as one:
        [value] = await one.read_new()
        await one.remove()
        assert await consumers(redis_link, stream) == [b"one"]

        await one.acknowledge([value.id])
        await one.remove()
        assert await consumers(redis_link, stream) == []


async def test_a_silent_reader_is_forgotten_once_it_holds_nothing(stream: LedgerStream, redis_link: RedisLink) -> None:
    await stream.append(b"a")
    async with stream.consumer("dead") as dead:
        await dead.read_new()
    assert await stream.remove_idle_consumers(0) == 0
    async with stream.consumer("heir") as heir:
        [remaining] = await heir.claim_idle(0)
        assert await stream.remove_idle_consumers(60) == 0

        assert await stream.remove_idle_consumers(0) == 1

        assert await consumers(redis_link, stream) == [b"heir"]
        await heir.acknowledge([remaining.id])


async def test_a_stream_that_vanished_is_a_typed_error_and_made_anew(
    stream: LedgerStream, redis_link: RedisLink
) -> None:
    with pytest.raises(RedisUnavailable, match="NOGROUP"):  # noqa: PT012  # the edge is around the whole block
        async with stream.consumer("one") as one:
            await redis_link.command("DEL", stream.key)
            await one.read_new()

    await stream.append(b"a")
    async with stream.consumer("one") as one:
        assert await entries(one) == [b"a"]


async def test_a_redis_without_memory_is_drained_all_the_same(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "maxmemory-policy noeviction") as port:
        link = RedisLink(f"redis://127.0.0.1:{port}", timeout=2.0, clock=SystemClock())
        await link.start()
        stream = LedgerStream(link, "t")
        for number in range(BATCH_SIZE + 1):
            await stream.append(b"%d" % number)
        async with stream.consumer("dead") as dead:
            await dead.read_new()
        await fill_memory(link, 2.0)
        async with stream.consumer("one") as one:
            for batch in (await one.read_new(), await one.claim_idle(0.0)):
                await one.acknowledge([entry.id for entry in batch])
            assert await stream.remove_idle_consumers(0.0) == 2
            await one.remove()
        assert await stream.length() == 0
        await link.close()
