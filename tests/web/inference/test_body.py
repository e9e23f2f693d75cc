"""A body is taken in up to its size, time and memory, and no further."""

import asyncio
import gzip
from collections.abc import MutableMapping
from typing import Any

import pytest

from tidegate.core.config import BODY_COPIES
from tidegate.core.errors import (
    BodyTimeout,
    BodyTooLarge,
    ClientDisconnected,
    InvalidCompression,
    MemoryShareExceeded,
    TidegateError,
    TooManyValues,
    UnsupportedCompression,
)
from tidegate.core.process.call_memory import CallMemory, MemoryHold
from tidegate.web.inference.body import MAX_CONTAINERS, AsgiBody, BodyBounds, read_body
from tidegate.wire import zstd

Message = MutableMapping[str, Any]


def part(data: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


class FakeClient:
    """Sends these messages, then nothing."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.taken = 0

    async def __call__(self) -> Message:
        if self._messages:
            self.taken += 1
            return self._messages.pop(0)
        nothing: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await nothing


def hold_of(max_bytes: int) -> MemoryHold:
    return CallMemory(2 * max_bytes, wait_seconds=0.05).hold("key")


SOME = BodyBounds(100, 1.0)
MUCH = BodyBounds(10**7, 1.0)


async def test_a_body_in_parts_is_put_together() -> None:
    client = FakeClient(part(b'{"a"', more=True), part(b":1}"))
    hold = hold_of(1000)
    assert await read_body(AsgiBody(client), {}, SOME, hold) == b'{"a":1}'
    assert hold.held_bytes == BODY_COPIES * len(b'{"a":1}')


async def test_an_unpacked_body_takes_its_whole_size() -> None:
    hold = hold_of(10**6)
    packed = gzip.compress(b"x" * 10_000)
    assert (
        await read_body(AsgiBody(FakeClient(part(packed))), {"content-encoding": "gzip"}, MUCH, hold) == b"x" * 10_000
    )
    assert hold.held_bytes == BODY_COPIES * (len(packed) + 10_000)


@pytest.mark.parametrize("encoding", ["identity", "Identity", " ", ""])
async def test_a_body_that_says_it_is_not_compressed_is_taken(encoding: str) -> None:
    assert (
        await read_body(AsgiBody(FakeClient(part(b"{}"))), {"content-encoding": encoding}, SOME, hold_of(1000)) == b"{}"
    )


@pytest.mark.parametrize(
    ("headers", "messages", "taken", "error"),
    [
        ({"content-length": "11"}, [part(b"12345678901")], 0, BodyTooLarge),
        ({}, [part(b"123456", more=True), part(b"78901", more=True), part(b"2")], 2, BodyTooLarge),
        ({"content-encoding": "br"}, [part(b"\x1f\x8b")], 0, UnsupportedCompression),
        ({"content-encoding": "gzip, gzip"}, [part(b"\x1f\x8b")], 0, UnsupportedCompression),
        ({"content-encoding": "gzip"}, [part(b"\x1f\x8b")], 1, InvalidCompression),
        ({"content-encoding": "gzip"}, [part(gzip.compress(b"x" * 101))], 1, BodyTooLarge),
        ({"content-encoding": "zstd"}, [part(zstd.compress(b"x" * 101))], 1, BodyTooLarge),
        ({}, [part(b"1", more=True), {"type": "http.disconnect"}], 2, ClientDisconnected),
        ({}, [part(b"1", more=True)], 1, BodyTimeout),
    ],
)
async def test_what_cannot_be_taken_in_is_refused_early(
    headers: dict[str, str], messages: list[Message], taken: int, error: type[TidegateError]
) -> None:
    client = FakeClient(*messages)
    with pytest.raises(error):
        await read_body(AsgiBody(client), headers, BodyBounds(10, 0.05), hold_of(1000))
    assert client.taken == taken


async def test_a_length_that_is_no_number_is_not_believed() -> None:
    assert await read_body(AsgiBody(FakeClient(part(b"12"))), {"content-length": "٣"}, SOME, hold_of(1000)) == b"12"


@pytest.mark.parametrize(
    ("headers", "taken"), [({"content-length": "50"}, 0), ({}, 2)], ids=["known length", "unknown length"]
)
async def test_nothing_is_read_that_the_memory_has_no_room_for(headers: dict[str, str], taken: int) -> None:
    client = FakeClient(part(b"x" * 30, more=True), part(b"x" * 20))
    with pytest.raises(MemoryShareExceeded):
        await read_body(AsgiBody(client), headers, SOME, hold_of(BODY_COPIES * 49))
    assert client.taken == taken


async def test_a_body_without_length_grows_into_its_memory() -> None:
    client = FakeClient(part(b"x" * 30, more=True), part(b"x" * 20))
    hold = hold_of(BODY_COPIES * 50)
    await read_body(AsgiBody(client), {}, SOME, hold)
    assert hold.held_bytes == BODY_COPIES * 50


async def test_a_body_of_many_values_holds_what_they_take_decoded() -> None:
    body = b"[" + b"[]," * 100_000 + b"0]"
    hold = hold_of(50_000_000)
    await read_body(AsgiBody(FakeClient(part(body))), {}, MUCH, hold)
    assert 20 * len(body) < hold.held_bytes < 40 * len(body)
    with pytest.raises(TooManyValues):
        await read_body(AsgiBody(FakeClient(part(body))), {}, MUCH, hold_of(5_000_000))


@pytest.mark.parametrize("value", [b"[],", b'{"a":1},', b"[[[[[[[[]]]]]]]],"], ids=["lists", "objects", "nested"])
async def test_a_body_of_more_lists_and_objects_than_are_decoded_in_a_moment_is_refused(value: bytes) -> None:
    within = MAX_CONTAINERS // (value.count(b"[") + value.count(b"{")) - 1
    plenty = hold_of(10**9)
    await read_body(AsgiBody(FakeClient(part(b"[" + value * within + b"0]"))), {}, MUCH, plenty)
    with pytest.raises(TooManyValues):
        await read_body(AsgiBody(FakeClient(part(b"[" + value * 2 * within + b"0]"))), {}, MUCH, plenty)


async def test_brackets_in_a_text_are_no_lists() -> None:
    body = b'{"content":"' + b"[] {} " * MAX_CONTAINERS + b'"}'
    assert await read_body(AsgiBody(FakeClient(part(body))), {}, MUCH, hold_of(10**9)) == body


async def test_while_a_large_body_is_looked_through_others_go_on() -> None:
    others = asyncio.create_task(asyncio.sleep(0))
    await read_body(AsgiBody(FakeClient(part(b"x" * 1_000_000))), {}, MUCH, hold_of(10**9))
    assert others.done()
