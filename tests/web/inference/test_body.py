"""A body is taken in up to its size and time, and no further."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from tidegate.core.errors import BodyTimeout, BodyTooLarge, ClientDisconnected, InvalidParameter, TidegateError
from tidegate.web.inference.body import read_body

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


async def test_a_body_in_parts_is_put_together() -> None:
    client = FakeClient(part(b'{"a"', more=True), part(b":1}"))
    assert await read_body(client, {}, max_bytes=100, seconds=1) == b'{"a":1}'


@pytest.mark.parametrize("encoding", ["identity", "Identity", " ", ""])
async def test_a_body_that_says_it_is_not_compressed_is_taken(encoding: str) -> None:
    assert await read_body(FakeClient(part(b"{}")), {"content-encoding": encoding}, max_bytes=10, seconds=1) == b"{}"


@pytest.mark.parametrize(
    ("headers", "messages", "taken", "error"),
    [
        ({"content-length": "11"}, [part(b"12345678901")], 0, BodyTooLarge),
        ({}, [part(b"123456", more=True), part(b"78901", more=True), part(b"2")], 2, BodyTooLarge),
        ({"content-encoding": "gzip"}, [part(b"\x1f\x8b")], 0, InvalidParameter),
        ({}, [part(b"1", more=True), {"type": "http.disconnect"}], 2, ClientDisconnected),
        ({}, [part(b"1", more=True)], 1, BodyTimeout),
    ],
)
async def test_what_cannot_be_taken_in_is_refused_early(
    headers: dict[str, str], messages: list[Message], taken: int, error: type[TidegateError]
) -> None:
    client = FakeClient(*messages)
    with pytest.raises(error):
        await read_body(client, headers, max_bytes=10, seconds=0.05)
    assert client.taken == taken


async def test_a_length_that_is_no_number_is_not_believed() -> None:
    assert await read_body(FakeClient(part(b"12")), {"content-length": "٣"}, max_bytes=10, seconds=1) == b"12"
