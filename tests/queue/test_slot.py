"""A slot waits for the lane and for this process, waits again after a 429, and returns what it does not use."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.eventually import wait_until
from tidegate.core.clock import SystemClock
from tidegate.core.errors import QueueTimeout, UpstreamRateLimited
from tidegate.core.rate_limits import ReportedLimits
from tidegate.queue.messages import Granted, LaneLimits, QueueEntry, QueuePosition
from tidegate.queue.replicas import Replicas
from tidegate.queue.slot import MAX_SENDS, QueueSlot, QueueSlots
from tidegate.queue.waiters import Waiters
from tidegate.storage.redis import RedisLink

TERMS = LaneLimits(rpm=60_000)
GRANTED = Granted(QueuePosition(0))


@pytest.fixture
async def waiters(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[Waiters]:
    waiters = Waiters(
        redis_link,
        prefix=redis_prefix,
        process="p1",
        clock=SystemClock(),
        lane_limits=lambda _: TERMS,
        replicas=Replicas(),
    )
    await waiters.start()
    yield waiters
    await waiters.close()


def make_slot(slots: QueueSlots, name: str, *, patience: float = 5.0) -> QueueSlot:
    deadline = SystemClock().now() + patience
    ticket = QueueEntry(member=f"p1:{name}", tokens=1, flow="harbour", weight=4, deadline=deadline)
    return slots.slot("openai/m", ticket, GRANTED)


def make_slots(waiters: Waiters, in_flight: int) -> QueueSlots:
    return QueueSlots(waiters, lane_limits=lambda _: TERMS, in_flight=in_flight, clock=SystemClock())


async def rejected(slot: QueueSlot, wait: float) -> bool:
    slot.report_rate_limit(ReportedLimits(), UpstreamRateLimited(retry_after=wait))
    return await slot.wait_again()


async def test_no_more_calls_than_allowed_are_at_the_upstream_at_once(waiters: Waiters) -> None:
    slots = make_slots(waiters, 2)
    here = [make_slot(slots, str(number)) for number in range(3)]
    await asyncio.gather(here[0].wait(), here[1].wait())
    third = asyncio.create_task(here[2].wait())
    await asyncio.sleep(0)
    assert not third.done()
    here[0].release()
    here[0].release()
    await third
    assert here[2].waited_seconds > 0


async def test_the_wait_for_a_local_slot_has_a_deadline(waiters: Waiters) -> None:
    slots = make_slots(waiters, 1)
    await make_slot(slots, "first").wait()
    with pytest.raises(QueueTimeout):
        await make_slot(slots, "second", patience=0.05).wait()


async def test_a_cancelled_wait_takes_no_slot(waiters: Waiters) -> None:
    slots = make_slots(waiters, 1)
    first = make_slot(slots, "first")
    await first.wait()
    second = asyncio.create_task(make_slot(slots, "second").wait())
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    first.release()
    await make_slot(slots, "third").wait()
    await wait_until(lambda: not waiters.has_pending_writes)


async def test_after_a_refusal_a_call_comes_again_but_not_for_ever(waiters: Waiters) -> None:
    slot = make_slot(make_slots(waiters, 1), "often")
    await slot.wait()
    answers = [await rejected(slot, 0.001) for _ in range(MAX_SENDS)]
    assert answers == [True] * (MAX_SENDS - 1) + [False]


async def test_a_refusal_among_successes_is_waited_for_by_its_own_request(waiters: Waiters) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    clock = SystemClock()
    slots = QueueSlots(waiters, lane_limits=lambda _: TERMS, in_flight=99, clock=clock, pause=pause)
    for _ in range(30):
        other = make_slot(slots, "other")
        await other.wait()
        other.report_answer(ReportedLimits(), ok=True)
    await waiters.feedback.flush("openai/m")
    slot = make_slot(slots, "refused", patience=60.0)
    await slot.wait()
    slot.report_rate_limit(ReportedLimits(), UpstreamRateLimited())
    assert await slot.wait_again()
    assert [round(seconds) for seconds in pauses] == [1]
    entry = QueueEntry(member="p1:next", tokens=1, flow="harbour", weight=4, deadline=clock.now() + 1)
    await waiters.enter("openai/m", entry)


async def test_there_is_no_use_in_coming_again_after_the_deadline(waiters: Waiters) -> None:
    slot = make_slot(make_slots(waiters, 1), "late", patience=1.0)
    await slot.wait()
    assert not await rejected(slot, 60.0)
