"""The writer adds what is new to the minute in which it was counted, also when Redis was away meanwhile."""

import asyncio
import contextlib
from collections.abc import Mapping

import pytest

from tidegate.core.clock import ManualClock
from tidegate.core.errors import RedisUnavailable
from tidegate.dashboard import minute_writer
from tidegate.dashboard.minute_writer import MinuteWriter
from tidegate.dashboard.recent_minutes import RecentMinutes

Added = tuple[int, Mapping[str, int], int]


class FakeRing(RecentMinutes):
    """Takes additions, unless it is away."""

    def __init__(self) -> None:
        self.is_away = False
        self.added: list[Added] = []

    async def add(self, minute: int, fields: dict[str, int], *, process: str, number: int) -> None:
        assert process == "p1"
        if self.is_away:
            raise RedisUnavailable
        self.added.append((minute, dict(fields), number))


class World:
    """A process that counts."""

    def __init__(self) -> None:
        self.clock, self.ring, self.counted = ManualClock(60_000.0), FakeRing(), {"calls": 5}
        self.writer = MinuteWriter(self.ring, self.counted.copy, self.clock, process="p1")

    async def round(self, calls: int = 0) -> None:
        self.counted["calls"] += calls
        with contextlib.suppress(RedisUnavailable):
            await self.writer.write()


async def test_only_what_was_counted_since_the_start_is_written() -> None:
    world = World()
    await world.writer.start()
    await world.round()
    await world.round(calls=2)
    await world.round()
    assert world.ring.added == [(1000, {"calls": 2}, 1)]
    await world.writer.close()


async def test_calls_of_an_outage_keep_their_minutes_and_are_sent_as_they_were() -> None:
    world = World()
    await world.writer.start()
    world.ring.is_away = True
    await world.round(calls=1)  # this may have arrived: nothing is added to it
    await world.round(calls=2)
    await world.round(calls=3)
    world.clock.advance(60)
    await world.round(calls=4)
    assert world.ring.added == []
    world.ring.is_away = False
    await world.round()
    assert world.ring.added == [(1000, {"calls": 1}, 1), (1000, {"calls": 5}, 2), (1001, {"calls": 4}, 3)]
    await world.writer.close()


class StuckRing(FakeRing):
    """Holds up its first addition until its task is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def add(self, minute: int, fields: dict[str, int], *, process: str, number: int) -> None:
        await super().add(minute, fields, process=process, number=number)
        if not self.reached.is_set():
            self.reached.set()
            await asyncio.Event().wait()


async def test_closing_cuts_off_a_round_and_sends_it_again_under_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minute_writer, "EVERY_SECONDS", 0.001)
    world = World()
    ring = world.ring = StuckRing()
    world.writer = MinuteWriter(ring, world.counted.copy, world.clock, process="p1")
    await world.writer.start()
    world.counted["calls"] += 2
    await ring.reached.wait()
    world.counted["calls"] += 3
    await world.writer.close()
    assert ring.added == [(1000, {"calls": 2}, 1), (1000, {"calls": 2}, 1), (1000, {"calls": 3}, 2)]
