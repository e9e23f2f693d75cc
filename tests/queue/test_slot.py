"""A call's turn: it waits for the lane and for a free place here, comes again after a refusal, and gives back."""

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
async def places(redis_link: RedisLink, redis_prefix: str) -> AsyncIterator[Waiters]:
    places = Waiters(
        redis_link,
        prefix=redis_prefix,
        process="p1",
        clock=SystemClock(),
        lane_limits=lambda _: TERMS,
        replicas=Replicas(),
    )
    await places.start()
    yield places
    await places.close()


def make_slot(turns: QueueSlots, name: str, *, patience: float = 5.0) -> QueueSlot:
    deadline = SystemClock().now() + patience
    ticket = QueueEntry(member=f"p1:{name}", tokens=1, flow="harbour", weight=4, deadline=deadline)
    return turns.slot("openai/m", ticket, GRANTED)


def make_slots(places: Waiters, in_flight: int) -> QueueSlots:
    return QueueSlots(places, lane_limits=lambda _: TERMS, in_flight=in_flight, clock=SystemClock())


async def refused(turn: QueueSlot, wait: float) -> bool:
    turn.report_rate_limit(ReportedLimits(), UpstreamRateLimited(retry_after=wait))
    return await turn.wait_again()


async def test_no_more_calls_than_allowed_are_at_the_upstream_at_once(places: Waiters) -> None:
    turns = make_slots(places, 2)
    here = [make_slot(turns, str(number)) for number in range(3)]
    await asyncio.gather(here[0].wait(), here[1].wait())
    third = asyncio.create_task(here[2].wait())
    await asyncio.sleep(0)
    assert not third.done()
    here[0].release()
    here[0].release()
    await third
    assert here[2].waited_seconds > 0


async def test_who_waits_for_a_free_place_has_a_deadline(places: Waiters) -> None:
    turns = make_slots(places, 1)
    await make_slot(turns, "first").wait()
    with pytest.raises(QueueTimeout):
        await make_slot(turns, "second", patience=0.05).wait()


async def test_a_wait_that_is_given_up_takes_nobodys_place(places: Waiters) -> None:
    turns = make_slots(places, 1)
    first = make_slot(turns, "first")
    await first.wait()
    second = asyncio.create_task(make_slot(turns, "second").wait())
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    first.release()
    await make_slot(turns, "third").wait()
    await wait_until(lambda: not places.has_pending_writes)


async def test_after_a_refusal_a_call_comes_again_but_not_for_ever(places: Waiters) -> None:
    turn = make_slot(make_slots(places, 1), "often")
    await turn.wait()
    answers = [await refused(turn, 0.001) for _ in range(MAX_SENDS)]
    assert answers == [True] * (MAX_SENDS - 1) + [False]


async def test_there_is_no_use_in_coming_again_after_the_deadline(places: Waiters) -> None:
    turn = make_slot(make_slots(places, 1), "late", patience=1.0)
    await turn.wait()
    assert not await refused(turn, 60.0)
