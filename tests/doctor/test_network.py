"""A look at a server tells a name that is not found, a closed port and a clock that differs; it sends no key."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tidegate.core.clock import ManualClock
from tidegate.doctor.network import look_at_server
from tidegate.doctor.surroundings import ServerFacts

NOW = 1_790_000_000.0
DATE = "Mon, 21 Sep 2026 14:13:20 GMT"
"""NOW, as a server writes it."""


@contextlib.asynccontextmanager
async def answering(head: bytes, received: list[bytes]) -> AsyncIterator[str]:
    """Answer each request with `head`; yield the address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


async def look(address: str, *, ahead: float = 0.0) -> ServerFacts:
    return await look_at_server("p", address, None, ManualClock(NOW - ahead))


@pytest.mark.parametrize(
    ("head", "ahead", "skew"),
    [
        (f"HTTP/1.1 401 No\r\nDate: {DATE}\r\n\r\n", 0, 0),
        (f"HTTP/1.1 200 OK\r\ndate: {DATE}\r\n\r\n", 90, 90),
        (f"HTTP/1.1 200 OK\r\ndate: {DATE}\r\n\r\n", -90, -90),
        ("HTTP/1.1 200 OK\r\n\r\n", 0, None),
        ("HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n", 0, None),
        ("no HTTP at all", 0, None),
        ("HTTP/1.1 200 OK\r\nX: " + "x" * 100_000, 0, None),
    ],
)
async def test_the_clock_is_read_from_an_answer(head: str, ahead: float, skew: float | None) -> None:
    received: list[bytes] = []
    async with answering(head.encode(), received) as address:
        facts = await look(address, ahead=ahead)
    assert (facts.connect_error, facts.skew) == ("", skew)
    assert received[0].startswith(b"HEAD /v1/models HTTP/1.1")
    assert b"authorization" not in received[0].lower()


async def test_a_closed_port_and_a_name_that_is_not_found() -> None:
    assert (await look("http://127.0.0.1:1/v1")).connect_error
    assert (await look("http://nothing.invalid/v1")).dns_error
