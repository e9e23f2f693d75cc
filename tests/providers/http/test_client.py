"""What Tidegate's own client does better than the library's."""

import asyncio
import contextlib
import gc
import gzip
import ssl

import msgspec
import pytest

from tests.providers.servers import OK, sending_parts, serve, silence
from tests.providers.test_transport import read, way
from tidegate.core.errors import ConnectionFailed, TruncatedAnswer, UpstreamError
from tidegate.providers.http.received_answer import ReceivedAnswer
from tidegate.providers.transport import Transport


async def test_a_compressed_body_that_ends_early_is_no_answer() -> None:
    packed = gzip.compress(bytes(range(256)) * 100)[:-8]
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    async with serve(sending_parts(head + packed)) as server:
        with pytest.raises(TruncatedAnswer, match="ends early"):
            await read(server.address)


async def test_nothing_of_a_call_outlives_it() -> None:
    async with (
        serve(sending_parts(OK), keep_alive=True) as server,
        serve(silence) as silent,
        serve(sending_parts(b"no HTTP\r\n\r\n")) as broken,
        Transport(max_connections=10) as transport,
    ):
        gc.collect()
        gc.disable()
        try:
            exchange = await transport.send("POST", server.address, {}, b"{}", way(server.address))
            await exchange.read_all()
            exchange.release()
            del exchange
            for address in (silent.address, broken.address, "http://127.0.0.1:9"):
                with contextlib.suppress(UpstreamError):
                    await transport.send("POST", address, {}, b"{}", way(address, first_byte_seconds=0.05))
            await asyncio.sleep(0.05)
            assert not [thing for thing in gc.get_objects() if isinstance(thing, ReceivedAnswer)]
        finally:
            gc.enable()


async def test_a_name_that_cannot_be_looked_up_was_not_connected() -> None:
    async with serve(silence) as server:
        with pytest.raises(ConnectionFailed, match="could not be reached") as no:
            await read(server.address.replace("http://", "https://").replace("127.0.0.1", "no-such.invalid"))
        assert not no.value.was_connected


@pytest.mark.parametrize("url", ["http://a..example", f"http://{'a' * 64}.example", "http://a.example:x"])
async def test_an_address_that_is_none_is_a_typed_error(url: str) -> None:
    options = way("http://127.0.0.1:9")
    async with Transport(max_connections=1) as transport:
        with pytest.raises(ConnectionFailed, match="address") as no:
            await transport.send("POST", url, {}, b"{}", options)
    assert not no.value.was_connected


async def test_an_authority_of_ones_own_does_not_turn_a_plain_call_into_tls() -> None:
    async with serve(sending_parts(OK)) as server, Transport(max_connections=1) as transport:
        options = msgspec.structs.replace(way(server.address), tls=ssl.create_default_context())
        exchange = await transport.send("POST", server.address, {}, b"{}", options)
        assert await exchange.read_all() == b"{}"
