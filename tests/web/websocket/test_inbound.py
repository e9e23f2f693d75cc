"""A connection whose messages find no memory is not read until they do, and what was handled is given back."""

import pytest

from tests.eventually import wait_until
from tidegate.core.config import MESSAGE_COPIES
from tidegate.core.process.call_memory import CallMemory
from tidegate.web.websocket.inbound import InboundMessages

KB = 1024


class FakeServer:
    """A server's protocol, whose key has `room` for messages."""

    def __init__(self, room: int, *, wait_seconds: float = 60.0) -> None:
        self.memory = CallMemory(2 * MESSAGE_COPIES * room, wait_seconds=wait_seconds, stall_seconds=60.0)
        self.told: list[str] = []
        self.inbound = InboundMessages(
            pause=lambda: self.told.append("pause"),
            resume=lambda: self.told.append("resume"),
            refuse=lambda: self.told.append("refuse"),
        )
        self.other = self.memory.hold("key")

    def receive(self, size: int) -> None:
        self.inbound.note_complete(size)
        self.inbound.note_arriving(0)


async def test_a_message_is_held_until_it_was_handled() -> None:
    server = FakeServer(100 * KB)
    server.inbound.attach(server.memory.hold("key"))
    server.inbound.note_arriving(30 * KB)
    assert server.memory.used_bytes == MESSAGE_COPIES * 30 * KB
    server.receive(50 * KB)
    server.receive(20 * KB)
    assert server.memory.used_bytes == MESSAGE_COPIES * 70 * KB
    server.inbound.note_handled(50 * KB)
    server.inbound.note_handled(20 * KB)
    assert server.memory.used_bytes == 0
    assert server.told == []


async def test_before_the_key_is_known_little_is_read() -> None:
    server = FakeServer(1000 * KB)
    server.inbound.note_arriving(60 * KB)
    assert server.told == []
    server.inbound.note_arriving(70 * KB)
    assert server.told == ["pause"]
    server.inbound.attach(server.memory.hold("key"))
    assert server.told == ["pause", "resume"]


async def test_reading_waits_for_memory_that_another_call_has() -> None:
    server = FakeServer(100 * KB)
    server.inbound.attach(server.memory.hold("key"))
    await server.other.grow(MESSAGE_COPIES * 80 * KB)
    server.inbound.note_arriving(30 * KB)
    assert server.told == ["pause"]
    server.other.release()
    await wait_until(lambda: server.told == ["pause", "resume"])
    assert server.memory.used_bytes == MESSAGE_COPIES * 30 * KB


async def test_reading_waits_for_memory_that_an_earlier_message_has() -> None:
    server = FakeServer(100 * KB)
    server.inbound.attach(server.memory.hold("key"))
    server.receive(80 * KB)
    server.inbound.note_arriving(30 * KB)
    await wait_until(lambda: server.memory.waiting == 1)
    server.inbound.note_handled(80 * KB)
    assert server.told == ["pause", "resume"]
    await wait_until(lambda: server.memory.used_bytes == MESSAGE_COPIES * 30 * KB)
    assert server.memory.waiting == 0


async def test_without_memory_in_time_the_connection_is_refused() -> None:
    server = FakeServer(100 * KB, wait_seconds=0.05)
    server.inbound.attach(server.memory.hold("key"))
    await server.other.grow(MESSAGE_COPIES * 80 * KB)
    server.inbound.note_arriving(30 * KB)
    await wait_until(lambda: server.told == ["pause", "refuse"])
    assert server.inbound.is_refused


@pytest.mark.parametrize("waits", [False, True])
async def test_at_the_end_all_is_given_back(waits: bool) -> None:
    server = FakeServer(100 * KB)
    server.inbound.attach(server.memory.hold("key"))
    server.receive(80 * KB)
    if waits:
        server.inbound.note_arriving(30 * KB)
        await wait_until(lambda: server.memory.waiting == 1)
    server.inbound.close()
    await wait_until(lambda: server.memory.used_bytes == 0)
    server.inbound.note_arriving(30 * KB)
    server.inbound.note_handled(80 * KB)
    assert server.memory.used_bytes == 0
