"""A beat comes after silence, before the first event too, and never while events flow."""

import asyncio

from tests.eventually import wait_until
from tidegate.web.inference.heartbeat import Heartbeat


class RecordedBeats:
    """Counts beats."""

    def __init__(self) -> None:
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1


async def test_silence_is_broken_again_and_again() -> None:
    line = RecordedBeats()
    with Heartbeat(line.beat, 0.02):
        await wait_until(lambda: line.beats >= 3)


async def test_there_is_no_beat_while_something_is_sent() -> None:
    line = RecordedBeats()
    with Heartbeat(line.beat, 60) as heartbeat:
        for _ in range(20):
            heartbeat.due_at = asyncio.get_running_loop().time() + 60
            await asyncio.sleep(0)
    assert line.beats == 0


async def test_nothing_beats_after_the_end() -> None:
    line = RecordedBeats()
    with Heartbeat(line.beat, 0.01):
        await wait_until(lambda: line.beats >= 1)
    beats = line.beats
    for _ in range(5):
        await asyncio.sleep(0)
    assert line.beats == beats
