"""A simulated front door keeps each of its limits, before a target that waits until it is told to go on."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from deploy.simulated_front.doors import DOORS, FrontDoor
from deploy.simulated_front.proxy import serving
from tests.eventually import PATIENCE_SECONDS
from tests.free_ports import first_of_free_ports

ROOT = Path(__file__).parents[2]
OPEN = FrontDoor(name="open", stands_for="no limit at all")
BUFFERED = FrontDoor(name="buffered", stands_for="a proxy that buffers", is_buffered=True, answer_bytes=1000)
HASTY = FrontDoor(name="hasty", stands_for="a short limit", total_seconds=0.2)
RESTLESS = FrontDoor(name="restless", stands_for="a short idle limit", idle_seconds=0.2)
SMALL = FrontDoor(name="small", stands_for="a small limit", request_bytes=1000)


class ControlledTarget:
    """A server that says a part of its answer, and the rest when `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.was_left = asyncio.Event()

    async def speak(self, request: web.Request) -> web.StreamResponse:
        """Send one part, wait, and send the other."""
        response = web.StreamResponse(headers={"x-target": request.headers.get("x-client", "")})
        if request.path != "/silent":
            await response.prepare(request)
            await response.write(b"one ")
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.was_left.set()
            raise
        await response.prepare(request)
        await response.write(b"two")
        await response.write_eof()
        return response

    async def echo(self, request: web.Request) -> web.Response:
        """Answer with what came."""
        return web.Response(body=await request.read(), status=418)


@contextlib.asynccontextmanager
async def target_at() -> AsyncIterator[tuple[ControlledTarget, str]]:
    """Run a target; yield it and its address."""
    target = ControlledTarget()
    application = web.Application(client_max_size=0)
    application.router.add_get("/parts", target.speak)
    application.router.add_get("/silent", target.speak)
    application.router.add_post("/echo", target.echo)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield target, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        target.go_on.set()
        await runner.cleanup()


@contextlib.asynccontextmanager
async def before(door: FrontDoor) -> AsyncIterator[tuple[ControlledTarget, str, aiohttp.ClientSession]]:
    """Run a front door before a target; nothing in it may take longer than a minute."""
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        target_at() as (target, address),
        serving(door, address) as front,
        aiohttp.ClientSession() as http,
    ):
        yield target, front, http


async def test_an_answer_arrives_as_it_is_made() -> None:
    async with (
        before(OPEN) as (target, front, http),
        http.get(f"{front}/parts", headers={"x-client": "tide"}) as answer,
    ):
        assert await answer.content.readany() == b"one "
        target.go_on.set()
        assert await answer.text() == "two"
        assert (answer.status, answer.headers["x-target"]) == (200, "tide")


async def test_a_buffering_door_gives_nothing_before_the_end() -> None:
    async with before(BUFFERED) as (target, front, http):
        call = asyncio.create_task(http.get(f"{front}/parts"))
        done, _ = await asyncio.wait({call}, timeout=0.2)
        assert not done
        target.go_on.set()
        async with await call as answer:
            assert (await answer.text(), answer.headers["content-length"]) == ("one two", "7")


@pytest.mark.parametrize("door", [HASTY, RESTLESS])
@pytest.mark.parametrize("status", [504, 503])
async def test_an_answer_that_does_not_begin_is_refused(door: FrontDoor, status: int) -> None:
    refusing = FrontDoor(
        name=door.name,
        stands_for=door.stands_for,
        total_seconds=door.total_seconds,
        idle_seconds=door.idle_seconds,
        timeout_status=status,
    )
    async with before(refusing) as (target, front, http), http.get(f"{front}/silent") as answer:
        assert (answer.status, await answer.json()) == (status, {"message": "Endpoint request timed out"})
        await target.was_left.wait()


@pytest.mark.parametrize("door", [HASTY, RESTLESS])
async def test_an_answer_that_has_begun_is_cut(door: FrontDoor) -> None:
    async with before(door) as (target, front, http), http.get(f"{front}/parts") as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
        await target.was_left.wait()


async def test_a_request_within_the_limit_passes_and_one_byte_more_does_not() -> None:
    async with before(SMALL) as (_, front, http):
        async with http.post(f"{front}/echo", data=b"x" * 1000) as answer:
            assert (answer.status, len(await answer.read())) == (418, 1000)
        async with http.post(f"{front}/echo", data=b"x" * 1001) as answer:
            assert (answer.status, await answer.json()) == (413, {"message": "Request Too Long"})


async def test_a_buffering_door_refuses_an_answer_that_is_too_large() -> None:
    async with before(BUFFERED) as (_, front, http):
        async with http.post(f"{front}/echo", data=b"x" * 1000) as answer:
            assert answer.status == 418
        async with http.post(f"{front}/echo", data=b"x" * 1001) as answer:
            assert answer.status == 500


async def test_a_client_that_leaves_ends_the_call_behind() -> None:
    async with before(OPEN) as (target, front, http):
        async with http.get(f"{front}/parts") as answer:
            await answer.content.readany()
        await target.was_left.wait()


async def test_a_gateway_that_is_away_is_told() -> None:
    port = first_of_free_ports(1)
    async with (
        serving(OPEN, f"http://127.0.0.1:{port}") as front,
        aiohttp.ClientSession() as http,
        http.get(f"{front}/livez") as answer,
    ):
        assert answer.status == 502


def test_the_names_are_unique_and_scaling_changes_only_times() -> None:
    assert len({door.name for door in DOORS}) == len(DOORS)
    stream = DOORS[0].scaled(0.1)
    assert (stream.total_seconds, stream.idle_seconds, stream.request_bytes) == (90, 30, DOORS[0].request_bytes)
    assert OPEN.scaled(0.1) == OPEN


async def test_the_command_starts_each_door_and_ends_at_ctrl_c() -> None:
    port = first_of_free_ports(len(DOORS))
    async with asyncio.timeout(PATIENCE_SECONDS), target_at() as (target, address):
        target.go_on.set()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.simulated_front", address, "--first-port", str(port),
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).decode() for _ in DOORS]
        assert [line.split("  ")[1].split(":")[0] for line in lines] == [door.name for door in DOORS]
        async with aiohttp.ClientSession() as http, http.get(f"{lines[-1].split()[0]}/parts") as answer:
            assert await answer.text() == "one two"
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
