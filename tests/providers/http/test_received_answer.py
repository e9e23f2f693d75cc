"""An answer gives its bytes in order and in pieces of the size that is asked for, and its error after all of them."""

import asyncio
import gzip

import pytest

from tests.providers.targets import config_of
from tidegate.core.errors import ConnectionFailed, TruncatedAnswer
from tidegate.providers.http.deadlines import Deadlines
from tidegate.providers.http.options import connection_options
from tidegate.providers.http.received_answer import ReceivedAnswer


class FakeConnection:
    """Notes what an answer asks of its connection."""

    def __init__(self) -> None:
        self.held: list[bool] = []
        self.is_cut = False
        self.deadlines: list[float] = []

    def watch_deadline(self, deadline: float) -> None:
        self.deadlines.append(deadline)

    def hold_reading(self, *, hold: bool) -> None:
        self.held.append(hold)

    def end_sending(self) -> bool:
        return True

    def cut(self) -> None:
        self.is_cut = True


def begun(headers: dict[str, str] | None = None) -> tuple[ReceivedAnswer, FakeConnection]:
    connection = FakeConnection()
    options = connection_options(config_of("http://127.0.0.1:9"))
    answer = ReceivedAnswer(connection, Deadlines(options, asyncio.get_running_loop()))
    answer.on_head(200, headers or {})
    return answer, connection


async def read(answer: ReceivedAnswer, limit: int) -> bytes:
    """Return the next bytes; wait for them where none have come."""
    while not (data := answer.read_nowait(limit)) and not answer.at_end:
        await answer.arrival()
    return data


@pytest.mark.parametrize("limit", [1, 3, 5, 100])
async def test_bytes_come_in_order_and_in_pieces_of_the_size_asked_for(limit: int) -> None:
    answer, _ = begun()
    for piece in (b"one", b"two", b"three" * 3):
        answer.on_data(piece)
    answer.on_end()
    pieces: list[bytes] = []
    while not answer.at_end:
        pieces.append(await read(answer, limit))
    assert b"".join(pieces) == b"onetwo" + b"three" * 3
    assert max(map(len, pieces)) <= limit
    assert answer.read_nowait(limit) == b""


async def test_what_is_not_read_holds_the_connection_until_it_is() -> None:
    answer, connection = begun()
    for _ in range(5):
        answer.on_data(bytes(100_000))
    assert connection.held == [True]
    while answer.read_nowait(32_768):
        pass
    assert connection.held == [True, False]


async def test_an_error_comes_after_all_bytes_before_it_and_each_time() -> None:
    answer, _ = begun()
    answer.on_data(b"half")
    answer.fail(lambda: TruncatedAnswer("broke off"))
    assert await read(answer, 100) == b"half"
    for _ in range(2):
        with pytest.raises(TruncatedAnswer):
            await read(answer, 100)


async def test_an_answer_that_fails_before_its_head_says_so_to_who_waits() -> None:
    connection = FakeConnection()
    options = connection_options(config_of("http://127.0.0.1:9"))
    answer = ReceivedAnswer(connection, Deadlines(options, asyncio.get_running_loop()))
    waiting = asyncio.create_task(answer.wait_for_head())
    await asyncio.sleep(0)
    answer.fail(ConnectionFailed)
    with pytest.raises(ConnectionFailed):
        await waiting
    assert connection.deadlines


async def test_a_compressed_body_that_ends_early_is_an_error_after_what_it_holds() -> None:
    answer, _ = begun({"content-encoding": "gzip"})
    answer.on_data(gzip.compress(bytes(1000))[:-4])
    answer.on_end()
    assert await read(answer, 2000) == bytes(1000)
    with pytest.raises(TruncatedAnswer, match="ends early"):
        await read(answer, 2000)


async def test_closing_cuts_only_what_has_not_ended() -> None:
    answer, connection = begun()
    answer.on_end()
    answer.close()
    assert not connection.is_cut
    answer, connection = begun()
    answer.close()
    assert connection.is_cut
    with pytest.raises(TruncatedAnswer):
        await read(answer, 1)


async def test_a_released_answer_drops_what_still_comes() -> None:
    answer, connection = begun()
    answer.release()
    answer.on_data(bytes(10_000_000))
    assert not any(connection.held)
    answer.on_end()
    assert not connection.is_cut
