"""Processes share figures in Redis or PostgreSQL; one judges each slot, and nothing strange in a store harms it."""

import pytest

from tests.alerts.calls import FAILED
from tidegate.alerts.figures import SlotFigures, slot_of, window_slots
from tidegate.alerts.recorder import AlertRecorder
from tidegate.alerts.sharing import FigureSharing, FigureStore, PostgresFigures, RedisFigures
from tidegate.alerts.thresholds import Thresholds
from tidegate.core.clock import ManualClock
from tidegate.storage.names import RedisNames
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

NOW = 1_790_000_000.0
WINDOW = window_slots(NOW, 300)


def slots(now: float = NOW) -> list[SlotFigures]:
    recorder = AlertRecorder(Thresholds(), ManualClock(now))
    recorder.observe(FAILED)
    return recorder.slots()


@pytest.fixture(params=["redis", "postgres"])
def store(request: pytest.FixtureRequest, postgres: Postgres, redis_link: RedisLink, redis_prefix: str) -> FigureStore:
    if request.param == "postgres":
        return PostgresFigures(postgres)
    return RedisFigures(redis_link, prefix=redis_prefix, expire_seconds=600)


async def test_one_process_judges_what_all_have_shared(store: FigureStore) -> None:
    one, other = FigureSharing("p1", [store]), FigureSharing("p2", [store])
    first = await one.exchange(slots(), NOW, WINDOW)
    assert first is not None
    assert [slot.failed for slot in first.slots] == [1]
    assert await other.exchange(slots(), NOW, WINDOW) is None
    second = await other.exchange(slots(), NOW + 10, WINDOW)
    assert second is not None
    assert [slot.failed for slot in second.slots] == [2]


@pytest.mark.parametrize(("ahead", "claimed"), [(0, False), (1, True), (-1, False), (-6, False), (-7, True)])
async def test_a_clock_that_was_far_ahead_blocks_no_other(store: FigureStore, ahead: int, claimed: bool) -> None:
    assert await store.claim(slot_of(NOW))
    assert await store.claim(slot_of(NOW) + ahead) == claimed


async def test_what_cannot_be_read_and_what_is_old_counts_for_nothing(store: FigureStore) -> None:
    await store.publish("other-release", b"\xc1 not figures", NOW)
    await store.publish("huge", b"x" * 3_000_000, NOW)
    await FigureSharing("gone", [store]).exchange(slots(NOW - 3_600), NOW - 3_600, WINDOW)
    judged = await FigureSharing("p1", [store]).exchange(slots(), NOW, WINDOW)
    assert judged is not None
    assert [slot.failed for slot in judged.slots] == [1]


async def test_a_key_of_another_type_is_set_aside(redis_link: RedisLink, redis_prefix: str) -> None:
    names = RedisNames(redis_prefix)
    for kind in ("alerts:figures", "alerts:judged"):
        await redis_link.command("DEL", names.of(kind))
        await redis_link.command("LPUSH", names.of(kind), "x")
    store = RedisFigures(redis_link, prefix=redis_prefix, expire_seconds=600)
    assert await FigureSharing("p1", [store]).exchange(slots(), NOW, WINDOW) is not None


async def test_what_is_shared_in_redis_expires(redis_link: RedisLink, redis_prefix: str) -> None:
    store = RedisFigures(redis_link, prefix=redis_prefix, expire_seconds=600)
    await FigureSharing("p1", [store]).exchange(slots(), NOW, WINDOW)
    names = RedisNames(redis_prefix)
    for kind in ("alerts:figures", "alerts:judged"):
        assert 0 < await redis_link.command("TTL", names.of(kind)) <= 600
