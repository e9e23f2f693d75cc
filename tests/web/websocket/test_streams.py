"""Requests of one stream follow each other, those of different streams do not wait, and nothing is without a bound."""

import asyncio

import pytest

from tests.eventually import wait_until
from tidegate.core.errors import TooManyWebSocketStreams, WebSocketQueueFull
from tidegate.web.websocket.streams import MAX_STREAMS, MAX_WAITING_REQUESTS, RequestStreams
from tidegate.wire.socket import CreateMessage


def create(stream_id: str | None = None, size: int = 1) -> CreateMessage:
    return CreateMessage(
        stream_id=stream_id, fields={}, previous_response_id=None, store=False, generate=True, size=size
    )


class Work:
    """Says who is being worked on, until it is let go."""

    def __init__(self) -> None:
        self.going: list[str | None] = []
        self.done: list[str | None] = []
        self._go = asyncio.Semaphore(0)

    async def __call__(self, create: CreateMessage) -> None:
        self.going.append(create.stream_id)
        await self._go.acquire()
        self.done.append(create.stream_id)

    def let_go(self, number: int) -> None:
        for _ in range(number):
            self._go.release()


def streams_of(work: Work, *, most_active: int = 16, most_bytes: int = 1000) -> RequestStreams:
    return RequestStreams(work, max_active=most_active, max_waiting_bytes=most_bytes)


async def test_one_stream_is_a_line_and_two_are_two() -> None:
    work = Work()
    streams = streams_of(work)
    for name in ("a", "a", None, "b"):
        streams.add(create(name))
    await wait_until(lambda: len(work.going) == 3)
    assert work.going == ["a", None, "b"]
    assert not streams.is_idle
    work.let_go(4)
    await streams.wait_until_idle()
    assert sorted(map(str, work.done)) == ["None", "a", "a", "b"]
    assert streams.is_idle


async def test_only_so_many_are_answered_at_once() -> None:
    work = Work()
    streams = streams_of(work, most_active=2)
    for name in ("a", "b", "c"):
        streams.add(create(name))
    await wait_until(lambda: len(work.going) == 2)
    work.let_go(1)
    await wait_until(lambda: len(work.going) == 3)
    work.let_go(2)
    await streams.wait_until_idle()


async def test_only_so_many_may_wait() -> None:
    work = Work()
    streams = streams_of(work)
    for _ in range(MAX_WAITING_REQUESTS):
        streams.add(create())
    with pytest.raises(WebSocketQueueFull):
        streams.add(create())
    assert len(streams.take_waiting()) == MAX_WAITING_REQUESTS
    work.let_go(1)
    await streams.wait_until_idle()


async def test_nor_so_many_bytes_but_one_may_always() -> None:
    work = Work()
    streams = streams_of(work, most_bytes=10)
    streams.add(create(size=100))
    await wait_until(lambda: len(work.going) == 1)
    streams.add(create(size=100))
    with pytest.raises(WebSocketQueueFull):
        streams.add(create(size=1))
    work.let_go(2)
    await streams.wait_until_idle()


async def test_only_so_many_streams_may_be_named() -> None:
    work = Work()
    streams = streams_of(work)
    for number in range(MAX_STREAMS):
        streams.add(create(str(number)))
    streams.add(create(None))
    streams.add(create("0"))
    with pytest.raises(TooManyWebSocketStreams):
        streams.add(create("another"))
    work.let_go(MAX_STREAMS + 2)
    await streams.wait_until_idle()


async def test_what_waits_may_be_taken() -> None:
    work = Work()
    streams = streams_of(work)
    for size in range(3):
        streams.add(create("a", size=size))
    await wait_until(lambda: len(work.going) == 1)
    assert [taken.size for taken in streams.take_waiting()] == [1, 2]
    work.let_go(1)
    await streams.wait_until_idle()
    assert work.done == ["a"]
