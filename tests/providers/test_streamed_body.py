"""A body that streams arrives whole by either client, in chunks or by its size, and a broken one is never completed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.free_ports import first_of_free_ports
from tests.providers.clients import transport
from tests.providers.targets import config_of
from tidegate.core.errors import MalformedMultipart, TidegateError, UpstreamTimeout
from tidegate.providers.http.options import connection_options
from tidegate.providers.request_body import StreamedBody

pytestmark = pytest.mark.usefixtures("either_client")
PIECES = [b"a" * 100_000, b"", b"b" * 300_000, b"c"]


class Collector:
    """Takes bodies, and keeps those that came whole."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.address = ""

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if request.path == "/v1/silent":
            await asyncio.sleep(60)
        return web.json_response({})

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Collector"]:
        """Serve on a free port."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        port = first_of_free_ports(1)
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.address = f"http://127.0.0.1:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()


async def pieces(*, pause: float = 0.0, error: TidegateError | None = None) -> AsyncIterator[bytes]:
    for piece in PIECES:
        await asyncio.sleep(pause)
        yield piece
    if error is not None:
        raise error


async def send(collector: Collector, body: StreamedBody, path: str = "/v1/x", **clocks: float) -> int:
    options = connection_options(config_of(collector.address, **clocks))
    async with transport() as sender:
        exchange = await sender.send("POST", collector.address + path, {"Accept": "*/*"}, body, options)
        await exchange.read_all()
        exchange.close()
        return exchange.status


@pytest.mark.parametrize("size", [None, sum(map(len, PIECES))])
async def test_it_arrives_whole(size: int | None) -> None:
    async with Collector().serving() as collector:
        assert await send(collector, StreamedBody(pieces(), size)) == 200
    assert collector.bodies == [b"".join(PIECES)]
    stated = collector.headers[0]
    assert stated.get("content-length") == (None if size is None else str(size))
    assert ("transfer-encoding" in stated) is (size is None)


async def test_one_that_breaks_off_is_not_completed_and_says_why() -> None:
    async with Collector().serving() as collector:
        with pytest.raises(MalformedMultipart):
            await send(collector, StreamedBody(pieces(error=MalformedMultipart()), None))
    assert collector.bodies == []


async def test_sending_may_take_longer_than_the_first_byte() -> None:
    async with Collector().serving() as collector:
        body = StreamedBody(pieces(pause=0.3), None)
        assert await send(collector, body, first_byte_seconds=0.8, total_seconds=20.0) == 200


async def test_the_wait_for_the_answer_begins_with_the_last_piece() -> None:
    async with Collector().serving() as collector:
        with pytest.raises(UpstreamTimeout):
            await send(collector, StreamedBody(pieces(), None), "/v1/silent", first_byte_seconds=0.3, total_seconds=3.0)
