"""The HTTP client keeps its clocks, knows its proxies and authorities, and turns every failure into a typed error."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.loopback_certificate import make_certificate
from tests.providers.clients import transport
from tests.providers.servers import OK, STREAM_HEAD, Server, chunk, full_backlog, sending_parts, serve, silence
from tests.providers.targets import config_of
from tidegate.core.errors import (
    AnswerTooLarge,
    ConnectionFailed,
    ConnectTimeout,
    FirstByteTimeout,
    IdleTimeout,
    TotalTimeout,
    TruncatedAnswer,
    UpstreamTimeout,
)
from tidegate.providers.http.options import ConnectionOptions, connection_options
from tidegate.providers.request_body import RequestBody
from tidegate.providers.transport import Exchange

pytestmark = pytest.mark.usefixtures("either_client")


@contextlib.asynccontextmanager
async def asked(url: str, **settings: object) -> AsyncIterator[Exchange]:
    """The answer to a POST to `url`."""
    async with transport(max_connections=100) as sender:
        yield await sender.send("POST", f"{url}/v1/x", {"Accept": "*/*"}, b"{}", way(url, **settings))


def way(url: str, **settings: object) -> ConnectionOptions:
    """The way there."""
    return connection_options(config_of(url, **settings))


async def read(url: str, **settings: object) -> bytes:
    """The same, read to its end."""
    async with asked(url, **settings) as exchange:
        return await exchange.read_all()


def assert_names_its_clock(error: UpstreamTimeout, setting: str, seconds: str) -> None:
    variable = "TIDEGATE_UPSTREAM__" + setting.removeprefix("upstream.").upper()
    assert f"{setting} = {seconds} s" in error.message
    assert variable in error.message
    assert error.retryable


async def test_connecting_takes_too_long() -> None:
    with full_backlog() as address, pytest.raises(ConnectTimeout) as no:
        await read(address, connect_seconds=0.1)
    assert_names_its_clock(no.value, "upstream.connect_seconds", "0.1")


async def test_a_handshake_that_never_ends_is_connecting_too() -> None:
    async with serve(silence) as server:
        with pytest.raises(ConnectTimeout):
            await read(server.address.replace("http://", "https://"), connect_seconds=0.1)


async def test_the_first_byte_never_comes() -> None:
    async with serve(silence) as server:
        with pytest.raises(FirstByteTimeout) as no:
            await read(server.address, first_byte_seconds=0.1)
        assert_names_its_clock(no.value, "upstream.first_byte_seconds", "0.1")
        await asyncio.wait_for(server.closed.wait(), PATIENCE_SECONDS)


async def test_the_headers_come_and_then_no_body() -> None:
    async with (
        serve(sending_parts(STREAM_HEAD, then_silence=True)) as server,
        asked(server.address, first_byte_seconds=0.2, idle_seconds=5) as exchange,
    ):
        with pytest.raises(FirstByteTimeout):
            await exchange.read_some()


async def test_the_answer_falls_silent() -> None:
    async with serve(sending_parts(STREAM_HEAD + chunk(b"one"), then_silence=True)) as server:
        async with asked(server.address, idle_seconds=0.1) as exchange:
            assert await exchange.read_some() == b"one"
            with pytest.raises(IdleTimeout) as no:
                await exchange.read_some()
        assert_names_its_clock(no.value, "upstream.idle_seconds", "0.1")
        await asyncio.wait_for(server.closed.wait(), PATIENCE_SECONDS)


async def test_slow_but_alive_is_no_silence() -> None:
    parts = [STREAM_HEAD, *[chunk(b"x")] * 6, b"0\r\n\r\n"]
    async with serve(sending_parts(*parts, pause=0.25)) as server:  # longer than the clock in all
        assert await read(server.address, idle_seconds=1.5) == b"xxxxxx"


async def _read_to_end(exchange: Exchange) -> None:
    while await exchange.read_some():
        pass


@pytest.mark.parametrize("piece", [b": PROCESSING\n\n", b"data: {}\n\n"])
async def test_a_stream_whose_reader_sees_no_content_has_not_begun(piece: bytes) -> None:
    async with (
        serve(sending_parts(STREAM_HEAD, *[chunk(piece)] * 100, pause=0.02)) as server,
        asked(server.address, first_byte_seconds=0.3, idle_seconds=5) as exchange,
    ):
        with pytest.raises(FirstByteTimeout):
            await _read_to_end(exchange)


async def test_once_content_has_begun_only_silence_counts() -> None:
    async with (
        serve(sending_parts(STREAM_HEAD, *[chunk(b"x")] * 30, b"0\r\n\r\n", pause=0.02)) as server,
        asked(server.address, first_byte_seconds=0.3, idle_seconds=5) as exchange,
    ):
        assert await exchange.read_some()
        exchange.begin_content()
        assert len(await exchange.read_all()) == 29


async def test_white_space_before_a_body_is_no_answer_yet() -> None:
    pieces = [chunk(b" \n")] * 100
    async with serve(sending_parts(STREAM_HEAD, *pieces, pause=0.02)) as server:
        with pytest.raises(FirstByteTimeout):
            await read(server.address, first_byte_seconds=0.3, idle_seconds=5)
    async with serve(sending_parts(STREAM_HEAD, chunk(b"{"), *pieces[:30], b"0\r\n\r\n", pause=0.02)) as server:
        assert (await read(server.address, first_byte_seconds=0.3, idle_seconds=5)).startswith(b"{")


async def test_the_whole_answer_takes_too_long() -> None:
    parts = [STREAM_HEAD, *[chunk(b"x")] * 100]
    async with serve(sending_parts(*parts, pause=0.02)) as server:
        with pytest.raises(TotalTimeout) as no:
            await read(server.address, total_seconds=0.3, first_byte_seconds=5)
        assert_names_its_clock(no.value, "upstream.total_seconds", "0.3")


async def test_nobody_listens() -> None:
    with pytest.raises(ConnectionFailed) as no:
        await read("http://127.0.0.1:9")
    assert "could not be reached" in no.value.message
    assert not no.value.was_connected


async def test_a_name_that_cannot_be_looked_up_is_no_connection() -> None:
    with pytest.raises(ConnectionFailed) as no:
        await read("http://no-such-name.invalid")
    assert not no.value.was_connected


@pytest.mark.parametrize(
    "script",
    [sending_parts(), sending_parts(b"HTTP/1.1 200 OK\r\ncontent-le")],
    ids=["hung up", "broke off in the headers"],
)
async def test_no_answer_comes(script: object) -> None:
    async with serve(script) as server:  # type: ignore[arg-type]  # pytest hands it over as an object
        with pytest.raises(ConnectionFailed) as no:
            await read(server.address)
        assert no.value.was_connected


@pytest.mark.parametrize(
    "answer",
    [OK.replace(b": 2", b": 20"), STREAM_HEAD + chunk(b"half"), STREAM_HEAD + b"ff\r\nhalf"],
    ids=["shorter than said", "no last chunk", "half a chunk"],
)
async def test_an_answer_breaks_off(answer: bytes) -> None:
    async with serve(sending_parts(answer)) as server:
        with pytest.raises(TruncatedAnswer):
            await read(server.address)


async def test_an_answer_larger_than_the_limit_is_cut() -> None:
    body = b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n" + b"x" * 9999
    async with serve(sending_parts(body)) as server:
        with pytest.raises(AnswerTooLarge):
            await read(server.address, max_answer_bytes=2048)


async def test_a_redirect_is_not_followed() -> None:
    away = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n"
    async with serve(sending_parts(away)) as server, asked(server.address) as exchange:
        assert exchange.status == 302
        assert server.connections == 1


async def test_cancelling_cuts_the_connection() -> None:
    async with serve(silence) as server:
        call = asyncio.create_task(read(server.address))
        await wait_until(lambda: bool(server.requests))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(server.closed.wait(), PATIENCE_SECONDS)


async def test_reading_may_be_cancelled_and_taken_up_again() -> None:
    async with (
        serve(sending_parts(STREAM_HEAD, chunk(b"late") + b"0\r\n\r\n", pause=0.1)) as server,
        asked(server.address) as exchange,
    ):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(exchange.read_some(), 0.02)
        assert await exchange.read_all() == b"late"


async def test_connections_are_kept_and_closed_at_shutdown() -> None:
    async with serve(sending_parts(OK), keep_alive=True) as server:
        async with transport(max_connections=1) as sender:
            for _ in range(5):
                exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
                assert await exchange.read_all() == b"{}"
            assert server.connections == 1
            assert not server.closed.is_set()
        await asyncio.wait_for(server.closed.wait(), PATIENCE_SECONDS)


@pytest.mark.parametrize("body", [b"x" * 1_000_000, (memoryview(b"x" * 400_000), memoryview(b"y" * 600_000))])
async def test_a_long_body_arrives_whole_with_its_length(body: RequestBody) -> None:
    async with serve(sending_parts(OK)) as server, transport(max_connections=1) as sender:
        exchange = await sender.send("POST", server.address, {}, body, way(server.address))
        assert await exchange.read_all() == b"{}"
        head = server.requests[0].lower()
        assert "content-length: 1000000" in head
        assert "transfer-encoding" not in head


async def test_a_finished_answer_gives_its_connection_back() -> None:
    """The terminal event comes some time before the body's very end."""
    end = sending_parts(STREAM_HEAD + chunk(b"data: [DONE]\n\n"), b"0\r\n\r\n", pause=0.05)
    async with serve(end, keep_alive=True) as server, transport(max_connections=1) as sender:
        for _ in range(2):
            exchange = await sender.send("POST", server.address, {}, b"{}", way(server.address))
            assert await exchange.read_some() == b"data: [DONE]\n\n"
            exchange.release()
            await asyncio.sleep(0.15)
        assert server.connections == 1


async def test_a_provider_that_hangs_takes_no_connection_from_another() -> None:
    async with serve(silence) as slow, serve(sending_parts(OK)) as fast, transport(max_connections=1) as sender:
        hanging = asyncio.create_task(sender.send("POST", slow.address, {}, b"{}", way(slow.address)))
        await wait_until(lambda: slow.connections == 1)
        exchange = await sender.send("POST", fast.address, {}, b"{}", way(fast.address))
        assert await exchange.read_all() == b"{}"
        assert not hanging.done()
        hanging.cancel()


async def test_each_provider_has_clocks_of_its_own() -> None:
    async with serve(silence) as server, transport(max_connections=1) as sender:
        patient = way(server.address)
        hasty = connection_options(config_of(server.address, first_byte_seconds=0.05), section="providers.hasty")
        with pytest.raises(FirstByteTimeout, match=r"providers\.hasty\.first_byte_seconds = 0\.05 s.*HASTY__FIRST"):
            await sender.send("POST", server.address, {}, b"{}", hasty)
    assert (patient.first_byte_seconds, patient.section) == (180.0, "upstream")


async def test_no_cookie_and_no_header_of_the_librarys_own_is_sent() -> None:
    ours = {"accept": "a/b", "accept-encoding": "identity", "user-agent": "us"}
    cookie = OK.replace(b"content-type", b"set-cookie: a=b\r\ncontent-type")
    async with serve(sending_parts(cookie), keep_alive=True) as server, transport(max_connections=1) as sender:
        for _ in range(2):
            await (await sender.send("POST", server.address, ours, b"{}", way(server.address))).read_all()
    sent = dict(line.lower().split(": ", 1) for line in server.requests[1].split("\r\n")[1:] if line)
    assert {name: sent.pop(name) for name in ours} == ours
    assert set(sent) <= {"host", "content-length", "content-type"}


# proxies


@contextlib.asynccontextmanager
async def proxy() -> AsyncIterator[Server]:
    """A proxy that tunnels (CONNECT) and that answers plain requests itself."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = server.requests[-1].split(" ", 2)
        if method != "CONNECT":
            writer.write(OK)
            return
        host, _, port = target.partition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    async with serve(script) as server:
        yield server


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


UNREACHABLE = "http://upstream.invalid"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_a_plain_call_goes_through_the_environments_proxy(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    async with proxy() as between:
        monkeypatch.setenv(variable, between.address)
        assert await read(UNREACHABLE) == b"{}"
    assert between.requests[0].startswith(f"POST {UNREACHABLE}/v1/x HTTP/1.1")


async def test_a_proxy_without_a_scheme_and_one_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as between:
        for address in (between.address.removeprefix("http://"), between.address.replace("//", "//me:pass@")):
            monkeypatch.setenv("http_proxy", address)
            assert await read(UNREACHABLE) == b"{}"
    basic = base64.b64encode(b"me:pass").decode()
    assert f"Proxy-Authorization: Basic {basic}" in between.requests[1]


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "localhost,127.0.0.1"])
async def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch, exempt: str) -> None:
    async with serve(sending_parts(OK)) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", exempt)
        assert await read(server.address) == b"{}"


# authorities


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for loopback, signed by itself, with its key beside it."""
    return make_certificate(tmp_path_factory.mktemp("authority"))


@contextlib.asynccontextmanager
async def over_tls(certificate: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n{}")
            writer.write(OK)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_an_authority_of_ones_own_is_trusted_only_where_it_is_named(certificate: Path) -> None:
    async with over_tls(certificate) as address:
        assert await read(address, ca_file=certificate) == b"{}"
        with pytest.raises(ConnectionFailed) as no:
            await read(address)
    assert "certificate" in no.value.message.lower()


async def test_tls_goes_through_a_tunnel(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with over_tls(certificate) as address, proxy() as between:
        monkeypatch.setenv("HTTPS_PROXY", between.address)
        assert await read(address, ca_file=certificate) == b"{}"
    assert between.requests[0].startswith(f"CONNECT {address.removeprefix('https://')} HTTP/1.1")
