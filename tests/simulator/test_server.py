"""The server takes a free port or the given one, and leaves nothing behind."""

import asyncio

import aiohttp
import pytest

from tests.simulator.client import CHAT
from tidegate.simulator import running

KEY = {"authorization": "Bearer sk-any"}


async def test_two_servers_take_two_free_ports() -> None:
    async with running() as one, running() as other:
        assert one != other
        assert one.startswith("http://127.0.0.1:")
        assert one.endswith("/v1")


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with running() as url:
        port = int(url.rpartition(":")[2].removesuffix("/v1"))
        with pytest.raises(OSError, match="in use"):
            await running(port=port).__aenter__()


async def test_closing_cuts_off_what_is_still_being_answered() -> None:
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession(headers={**KEY, "x-simulate-fault": "timeout"}) as session:
        async with running() as url:
            asking = asyncio.create_task(_ask(session, url))
            while not await _in_flight(session, url):
                pass
        with pytest.raises(aiohttp.ClientError):
            await asking
    assert asyncio.all_tasks() <= before


async def _ask(session: aiohttp.ClientSession, url: str) -> None:
    async with session.post(f"{url}/chat/completions", json=CHAT) as answer:
        await answer.read()


async def _in_flight(session: aiohttp.ClientSession, url: str) -> int:
    async with session.get(url.removesuffix("v1") + "simulator/stats") as answer:
        return int((await answer.json())["in_flight"])
