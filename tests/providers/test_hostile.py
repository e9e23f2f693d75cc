"""An upstream that says what is no HTTP, more than it was asked for, or more than can be read, harms nobody else."""

import asyncio
import gzip

import pytest

from tests.providers.clients import transport
from tests.providers.servers import OK, STREAM_HEAD, chunk, sending_parts, serve
from tests.providers.test_transport import asked, read, way
from tidegate.core.errors import ConnectionFailed, TotalTimeout

pytestmark = pytest.mark.usefixtures("either_client")


@pytest.mark.parametrize(
    "answer",
    [b"not http at all\r\n\r\n", OK.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 100_000 + b"\r\n\r\n")],
    ids=["no HTTP", "an endless header"],
)
async def test_what_is_no_http_is_no_answer(answer: bytes) -> None:
    async with serve(sending_parts(answer)) as server:
        with pytest.raises(ConnectionFailed, match="is not HTTP") as no:
            await read(server.address)
        assert "y" * 10 not in no.value.message


async def test_a_long_header_does_no_harm() -> None:
    async with serve(sending_parts(OK.replace(b"\r\n\r\n", b"\r\nx: " + b"y" * 30_000 + b"\r\n\r\n"))) as server:
        assert await read(server.address) == b"{}"


SECOND = OK.replace(b"{}", b"42")


@pytest.mark.parametrize("more", [SECOND, SECOND[:20], b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"garbage"])
async def test_what_nobody_asked_for_is_not_taken_for_the_next_calls_answer(more: bytes) -> None:
    read_to_its_end, said = asyncio.Event(), asyncio.Event()

    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await read_to_its_end.wait()
        writer.write(more)
        await writer.drain()
        said.set()

    async with serve(script, keep_alive=True) as server, transport(max_connections=1) as sender:
        for _ in range(3):
            exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
            assert await exchange.read_all() == b"{}"
            read_to_its_end.set()
            await asyncio.wait_for(said.wait(), 5)
            read_to_its_end.clear()
            said.clear()
        assert server.connections == 3


async def test_two_answers_at_once_are_one_too_many() -> None:
    async with serve(sending_parts(OK + SECOND), keep_alive=True) as server, transport(max_connections=1) as sender:
        for _ in range(3):
            exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
            assert await exchange.read_all() == b"{}"
        assert server.connections == 3


async def test_what_is_said_ahead_of_an_answer_is_no_answer() -> None:
    ahead = b"HTTP/1.1 100 Continue\r\n\r\n"
    hints = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    answer = sending_parts(ahead, hints, hints + OK, pause=0.01)
    async with serve(answer, keep_alive=True) as server, transport(max_connections=1) as sender:
        for _ in range(3):
            exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
            assert await exchange.read_all() == b"{}"
        assert server.connections == 1


async def test_a_bomb_is_read_piece_by_piece_and_others_get_their_turn() -> None:
    bomb = gzip.compress(bytes(8 * 1024 * 1024))
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with serve(sending_parts(head + bomb)) as server, asked(server.address) as exchange:
        beside = asyncio.create_task(others())
        while (piece := await exchange.read_some()) != b"":
            assert len(piece) <= 32 * 1024
        beside.cancel()
    assert turns >= 256


async def test_an_answer_that_never_pauses_has_no_more_time_than_others() -> None:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD)
        while not writer.is_closing():
            writer.write(chunk(b": x\n\n" * 50_000))
            await writer.drain()

    async with serve(script) as server:
        with pytest.raises(TotalTimeout):
            await read(server.address, total_seconds=0.3, max_answer_bytes=2**40)


async def test_an_upstream_that_only_announces_an_answer_is_left() -> None:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
            await writer.drain()

    async with serve(script) as server:
        with pytest.raises(ConnectionFailed):
            await read(server.address)
