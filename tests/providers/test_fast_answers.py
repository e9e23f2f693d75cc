"""A stream that an upstream sends at once gives all others their turns; ordinary streams do not rest."""

import asyncio

from tests.providers.targets import config_of
from tidegate.providers.fast_answers import FREE_BYTES, TURN_BYTES, FastAnswers
from tidegate.providers.http.answer import UpstreamRequest
from tidegate.providers.http.deadlines import Deadlines
from tidegate.providers.http.options import connection_options
from tidegate.providers.transport import Exchange

SIZE = 32 * TURN_BYTES


class ArrivedAnswer:
    """An answer of which so many bytes have arrived at each read; a reader that finds none waits for the next."""

    status = 200
    headers: dict[str, str] = {}  # noqa: RUF012  # never changed

    def __init__(self, *, at_once: int) -> None:
        self._left, self._at_once, self._here = SIZE, at_once, at_once

    @property
    def at_end(self) -> bool:
        """Whether all was read."""
        return not self._left

    def read_nowait(self, size: int) -> bytes:
        """Return what is here."""
        taken = min(size, self._here, self._left)
        self._here -= taken
        self._left -= taken
        return b"x" * taken

    async def arrival(self) -> None:
        """The next bytes come."""
        self._here = self._at_once


class ReadyClient:
    """A client whose answer has come as soon as it has sent."""

    def __init__(self, answer: ArrivedAnswer) -> None:
        self._answer = answer

    def send_at_once(self, *_: object) -> ArrivedAnswer:
        """Return the answer."""
        return self._answer


class CountedTurns(FastAnswers):
    """Counts the turns."""

    count = 0

    async def turn(self) -> None:
        """Count this one."""
        self.count += 1


async def turns_of(*, at_once: int, turn_bytes: int) -> int:
    """Return the turns for which the reading of an answer rests."""
    options = connection_options(config_of("http://127.0.0.1:1"))
    deadlines, turns = Deadlines(options, asyncio.get_running_loop()), CountedTurns()
    client = ReadyClient(ArrivedAnswer(at_once=at_once))
    request = UpstreamRequest("POST", "", {}, b"")
    exchange = Exchange(client, request, options, deadlines, turns, secret="")  # type: ignore[arg-type]  # what is used of one
    assert exchange.send_at_once()
    size = 0
    while data := await exchange.read_some(turn_bytes):
        assert len(data) <= turn_bytes
        size += len(data)
    assert size == SIZE
    return turns.count


async def test_a_stream_that_never_pauses_rests_after_each_turn() -> None:
    assert await turns_of(at_once=SIZE, turn_bytes=TURN_BYTES) == (SIZE - FREE_BYTES) // TURN_BYTES + 1


async def test_what_comes_in_ordinary_portions_never_rests() -> None:
    assert await turns_of(at_once=FREE_BYTES // 2, turn_bytes=TURN_BYTES) == 0


async def test_a_whole_body_is_read_without_a_rest() -> None:
    assert await turns_of(at_once=SIZE, turn_bytes=4 * TURN_BYTES) == 0


async def test_all_fast_answers_share_one_part_of_the_time() -> None:
    turns, loop = FastAnswers(), asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(turns.turn() for _ in range(50)))
    assert loop.time() - began >= 50 * 0.002 * 0.9
