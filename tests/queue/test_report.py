"""Waiting requests are listed in order, with an estimate of the wait where a rate is known."""

from collections.abc import Callable

import pytest

from tidegate.core.values import Priority
from tidegate.queue.messages import LaneLimits
from tidegate.queue.report import QueueReport
from tidegate.queue.store import LaneSnapshot, WaitingEntry


class FakeLaneReader:
    """A store that returns these lanes."""

    def __init__(self, *lanes: LaneSnapshot) -> None:
        self.lanes = lanes
        self.limits: list[int] = []

    async def snapshot(self, now: float, *, limit: int) -> tuple[LaneSnapshot, ...]:
        assert now > 0
        self.limits.append(limit)
        return self.lanes


def lane_limits(rpm: int | None, tpm: int | None) -> Callable[[str], LaneLimits]:
    """Return the same configured limits for every lane."""
    return lambda _: LaneLimits(rpm=rpm or 0, tpm=tpm or 0)


def waiting(number: int, tokens: int = 100) -> WaitingEntry:
    return WaitingEntry(
        request=f"req_{number}", process="p1", flow="shop", weight=4, tokens=tokens, waited=1.5, left=30.0
    )


def lane(
    name: str = "main/gpt-4o-mini", rpm: int = 0, tpm: int = 0, held_for: float = 0.0, calls: int = 3
) -> LaneSnapshot:
    heads = tuple(waiting(number) for number in range(calls))
    return LaneSnapshot(
        name=name, rpm=rpm, tpm=tpm, waiting=calls, unanswered=2, held_for=held_for, first_entries=heads
    )


@pytest.mark.parametrize(
    ("snapshot", "configured", "estimates"),
    [
        (lane(), (None, None), [None, None, None]),
        (lane(rpm=60), (None, None), [1.0, 2.0, 3.0]),
        (lane(rpm=60, held_for=5.0), (None, None), [6.0, 7.0, 8.0]),
        (lane(rpm=60, tpm=600), (None, None), [10.0, 20.0, 30.0]),
        (lane(tpm=600), (None, None), [10.0, 20.0, 30.0]),
        (lane(rpm=60), (120, None), [0.5, 1.0, 1.5]),
    ],
)
async def test_the_slower_limit_makes_the_estimate(
    snapshot: LaneSnapshot, configured: tuple[int | None, int | None], estimates: list[float | None]
) -> None:
    (found,) = await QueueReport(FakeLaneReader(snapshot), lane_limits(*configured)).read(1.0, limit=3)
    assert [waiter.estimate for waiter in found.waiters] == estimates


async def test_lanes_come_by_name_with_their_waiters() -> None:
    lanes = FakeLaneReader(lane("b"), lane("a", rpm=60, calls=1))
    first, second = await QueueReport(lanes, lane_limits(None, 500)).read(1.0, limit=7)
    assert (first.name, second.name, lanes.limits) == ("a", "b", [7])
    assert (first.rpm, first.tpm, second.rpm, first.waiting, first.unanswered) == (60, 500, None, 1, 2)
    (waiter,) = first.waiters
    assert (waiter.request, waiter.project, waiter.priority) == ("req_0", "shop", Priority.NORMAL)
    assert (waiter.waited, waiter.left, waiter.tokens) == (1.5, 30.0, 100)
