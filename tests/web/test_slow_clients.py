"""A client that takes nothing of its answer is given up in time; one that takes it slowly is not."""

import asyncio

from tests.eventually import wait_until
from tests.web.fake_connection import RecordingTransport
from tidegate.core.errors import ClientDisconnected
from tidegate.web.slow_clients import SLOWEST_BYTES, SlowClientWatch

MUCH = 100 * SLOWEST_BYTES


class SlowConnection:
    """Has much to write; `taken_at_a_look` is what its client takes between two looks of the watch."""

    def __init__(self, taken_at_a_look: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.recording = CountingTransport(taken_at_a_look)
        self.transport: asyncio.Transport = self.recording
        self.given_up: ClientDisconnected | None = None

    def give_up(self, gone: ClientDisconnected) -> None:
        self.given_up = gone


class CountingTransport(RecordingTransport):
    """Has less to write at each look."""

    def __init__(self, taken_at_a_look: int) -> None:
        super().__init__()
        self._taken = taken_at_a_look
        self.looks = 0

    def get_write_buffer_size(self) -> int:
        self.looks += 1
        return MUCH - self._taken * (self.looks // 2)  # a watch looks twice: at the end of a time, and of the next


async def test_who_takes_nothing_is_given_up() -> None:
    connection = SlowConnection(0)
    SlowClientWatch(connection, 0.01).start()
    await wait_until(lambda: connection.given_up is not None)
    assert "0.01 s" in str(connection.given_up)


async def test_who_takes_a_little_too_little_is_given_up() -> None:
    connection = SlowConnection(SLOWEST_BYTES - 1)
    SlowClientWatch(connection, 0.01).start()
    await wait_until(lambda: connection.given_up is not None)


async def test_who_takes_it_slowly_is_waited_for() -> None:
    connection = SlowConnection(SLOWEST_BYTES)
    watch = SlowClientWatch(connection, 0.01)
    watch.start()
    await wait_until(lambda: connection.recording.looks > 10)
    assert connection.given_up is None
    watch.stop()


async def test_who_has_taken_it_is_watched_no_longer() -> None:
    connection = SlowConnection(0)
    watch = SlowClientWatch(connection, 0.0)
    watch.start()
    watch.start()
    watch.stop()
    await asyncio.sleep(0.01)
    assert (connection.given_up, connection.recording.looks) == (None, 1)
