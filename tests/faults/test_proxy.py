"""The proxy fails as requested, at once, for open and for new connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import Destination, FaultProxy, Mode, destination_of, url_through


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy(Destination(host="127.0.0.1", port=port)) as proxy:
        yield proxy
    server.close()


async def connect(proxy: FaultProxy) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = proxy.address.partition(":")
    return await asyncio.open_connection(host, int(port))


async def asked(proxy: FaultProxy, words: bytes) -> bytes:
    reader, writer = await connect(proxy)
    writer.write(words)
    try:
        return await reader.readexactly(len(words))
    finally:
        writer.close()


async def test_it_passes_what_it_is_given(proxy: FaultProxy) -> None:
    assert await asked(proxy, b"hello") == b"hello"
    assert proxy.accepted == 1


async def test_refusing_it_resets_what_is_open_and_lets_nobody_in_until_it_passes_again(proxy: FaultProxy) -> None:
    reader, writer = await connect(proxy)
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    await proxy.set(Mode.REFUSE)
    with pytest.raises(ConnectionError):
        await reader.readexactly(1)
    with pytest.raises(ConnectionRefusedError):
        await connect(proxy)
    await proxy.set(Mode.PASS)
    assert await asked(proxy, b"again") == b"again"
    writer.close()


async def test_frozen_nothing_moves_and_later_everything_does(proxy: FaultProxy) -> None:
    reader, writer = await connect(proxy)
    writer.write(b"a")
    assert await reader.read(1) == b"a"
    await proxy.set(Mode.FREEZE)
    writer.write(b"b")
    answer = asyncio.create_task(reader.read(1))
    done, _ = await asyncio.wait({answer}, timeout=0.05)
    assert not done
    await proxy.set(Mode.PASS)
    assert await answer == b"b"
    writer.close()


async def test_slow_each_answer_waits(proxy: FaultProxy) -> None:
    await proxy.set(Mode.SLOW, seconds=0.05)
    started_at = asyncio.get_running_loop().time()
    assert await asked(proxy, b"hello") == b"hello"
    assert asyncio.get_running_loop().time() - started_at >= 0.05


async def test_cut_an_answer_ends_after_so_many_bytes(proxy: FaultProxy) -> None:
    await proxy.set(Mode.CUT, after=3)
    reader, writer = await connect(proxy)
    writer.write(b"hello")
    assert await reader.read() == b"hel"
    writer.close()


async def test_resetting_it_takes_connections_and_breaks_them(proxy: FaultProxy) -> None:
    await proxy.set(Mode.RESET)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asked(proxy, b"hello")


@pytest.mark.parametrize(
    ("url", "through"),
    [
        ("unix:///run/redis.sock", "redis://127.0.0.1:1/0"),
        ("redis://:secret@cache:6379/2", "redis://:secret@127.0.0.1:1/2"),
        ("postgresql://postgres@/postgres?host=%2Frun%2Fpg", "postgresql://postgres@127.0.0.1:1/postgres"),
        ("postgresql://a:b@db:5432/x?sslmode=disable", "postgresql://a:b@127.0.0.1:1/x?sslmode=disable"),
    ],
)
def test_a_stores_url_leads_through_it(url: str, through: str) -> None:
    assert url_through(url, "127.0.0.1:1") == through
    assert isinstance(destination_of(url), Destination)
