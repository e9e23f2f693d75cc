"""Names are looked up once for all calls, addresses need no look-up, and a failure is forgotten."""

import asyncio
import socket

import pytest

from tests.providers.servers import OK, sending_parts, serve
from tidegate.providers.http.addresses import Addresses


class NamesLoop:
    """The running event loop, but look-ups wait until they are answered."""

    def __init__(self, *answers: list[object] | OSError) -> None:
        self._loop = asyncio.get_running_loop()
        self._answers = list(answers)
        self.may_answer = asyncio.Event()
        self.asked = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._loop, name)

    async def getaddrinfo(self, *_: object, **__: object) -> list[object]:
        self.asked += 1
        await self.may_answer.wait()
        answer = self._answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer


def at(port: int) -> list[object]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


async def test_equal_look_ups_share_one_and_a_cancelled_one_ends_none() -> None:
    loop = NamesLoop(at(9))
    addresses = Addresses(loop)  # type: ignore[arg-type]  # as much of a loop as is used
    calls = [asyncio.create_task(addresses.connect("a.example", 9)) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calls[0].cancel()
    loop.may_answer.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert loop.asked == 1
    assert [type(result) for result in results] == [asyncio.CancelledError, *[ConnectionRefusedError] * 2]
    addresses.close()


async def test_a_failed_look_up_is_asked_again_and_a_good_one_is_not() -> None:
    async with serve(sending_parts(OK)) as server:
        port = int(server.address.rpartition(":")[2])
        loop = NamesLoop(socket.gaierror("no such name"), at(port))
        loop.may_answer.set()
        addresses = Addresses(loop)  # type: ignore[arg-type]  # as above
        with pytest.raises(socket.gaierror):
            await addresses.connect("a.example", port)
        for _ in range(3):
            (await addresses.connect("a.example", port)).close()
        assert loop.asked == 2
        addresses.close()


async def test_after_a_refused_connection_the_name_is_looked_up_again() -> None:
    loop = NamesLoop(at(9), at(9))
    loop.may_answer.set()
    addresses = Addresses(loop)  # type: ignore[arg-type]  # as above
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await addresses.connect("a.example", 9)
    assert loop.asked == 2
    addresses.close()


async def test_an_address_needs_no_look_up_and_its_socket_is_kept_alive() -> None:
    async with serve(sending_parts(OK)) as server:
        loop = NamesLoop()
        addresses = Addresses(loop)  # type: ignore[arg-type]  # as above
        opened = await addresses.connect("127.0.0.1", int(server.address.rpartition(":")[2]))
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        assert loop.asked == 0
        opened.close()
        addresses.close()
