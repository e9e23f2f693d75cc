"""A beat comes after silence, before the first event too, and never while events flow."""

import asyncio

import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tidegate.core.errors import ClientDisconnected
from tidegate.web.inference.heartbeat import Heartbeat


class RecordedBeats:
    """Counts beats."""

    def __init__(self) -> None:
        self.beats = 0

    async def beat(self) -> None:
        self.beats += 1


async def test_silence_is_broken_again_and_again() -> None:
    line = RecordedBeats()
    async with Heartbeat(line.beat, 0.02):
        await wait_until(lambda: line.beats >= 3)


async def test_there_is_no_beat_while_something_is_sent() -> None:
    line = RecordedBeats()
    async with Heartbeat(line.beat, 60) as heartbeat:
        for _ in range(20):
            heartbeat.note_sent()
            await asyncio.sleep(0)
    assert line.beats == 0


async def test_nothing_beats_after_the_end() -> None:
    line = RecordedBeats()
    async with Heartbeat(line.beat, 0.01):
        await wait_until(lambda: line.beats >= 1)
    beats = line.beats
    for _ in range(5):
        await asyncio.sleep(0)
    assert line.beats == beats


async def test_a_beat_that_nobody_takes_holds_up_no_failure() -> None:
    begun = asyncio.Event()

    async def stuck() -> None:
        begun.set()
        await asyncio.Event().wait()

    async def fail() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), Heartbeat(stuck, 0.01):
            await begun.wait()
            raise ClientDisconnected

    with pytest.raises(ClientDisconnected):
        await fail()
