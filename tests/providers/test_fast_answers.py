"""A stream that an upstream sends at once gives all others their turns; ordinary streams do not rest."""

import asyncio

from tests.eventually import wait_until
from tests.providers.servers import STREAM_HEAD, chunk, sending_parts, serve
from tests.providers.targets import config_of
from tidegate.providers.fast_answers import FREE_BYTES, TURN_BYTES, FastAnswers
from tidegate.providers.transport import Transport, connection_options

EVENT = b"data: " + b"x" * 1018


async def test_a_stream_that_never_pauses_rests_between_turns() -> None:
    sent = chunk(EVENT * 256)
    async with (
        serve(sending_parts(STREAM_HEAD, sent, b"0\r\n\r\n")) as server,
        Transport(max_connections=1) as transport,
    ):
        exchange = await transport.send(
            "POST", server.address, {}, b"{}", connection_options(config_of(server.address))
        )
        turns = _Turns()
        exchange._fast_answers = turns  # noqa: SLF001  # counts the turns
        size = 0
        content = exchange._response.content  # noqa: SLF001  # what has arrived before it is read
        await wait_until(lambda: content.total_bytes >= FREE_BYTES + TURN_BYTES)
        while data := await exchange.read_some(TURN_BYTES):
            assert len(data) <= TURN_BYTES
            size += len(data)
        assert size == 256 * 1024
        assert 1 <= turns.count <= (size - FREE_BYTES) / TURN_BYTES + 1


async def test_what_comes_in_ordinary_portions_never_rests() -> None:
    parts = [chunk(EVENT * 16)] * 8
    async with (
        serve(sending_parts(STREAM_HEAD, *parts, b"0\r\n\r\n", pause=0.01)) as server,
        Transport(max_connections=1) as transport,
    ):
        exchange = await transport.send(
            "POST", server.address, {}, b"{}", connection_options(config_of(server.address))
        )
        turns = _Turns()
        exchange._fast_answers = turns  # noqa: SLF001  # counts the turns
        while await exchange.read_some(TURN_BYTES):
            pass
        assert turns.count == 0


async def test_all_fast_answers_share_one_part_of_the_time() -> None:
    turns, loop = FastAnswers(), asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(turns.turn() for _ in range(50)))
    assert loop.time() - began >= 50 * 0.002 * 0.9


class _Turns(FastAnswers):
    """Counts the turns."""

    count = 0

    async def turn(self) -> None:
        """Count this one."""
        self.count += 1
        await super().turn()
