"""The page on sizing says how many connections a process opens, and the benchmarks say what its figures are."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.eventually import wait_until_async
from tests.gateway.test_kinds_of_redis import BUSY
from tests.harness import World, ask
from tidegate.core.clock import SystemClock
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guides" / "sizing.md").read_text()
POOL = 3


async def test_the_connections_of_a_process_are_as_many_as_the_page_says(world: World, own_stores: StoreUrls) -> None:
    found = re.search(r"\| Redis \| (\d+) for each process", PAGE)
    assert found is not None
    own = StoreUrls(database_url=world.stores.database_url, redis_url=own_stores.redis_url)
    world.stores = own
    link = RedisLink(own.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()

    async def connections() -> int:
        return int((await link.command("CLIENT", "LIST", "TYPE", "normal")).count(b"\n")) + int(
            (await link.command("CLIENT", "LIST", "TYPE", "pubsub")).count(b"\n")
        )

    async def opened() -> int:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate' AND datname = current_database()"
        )
        return int((await world.rows(query))[0][0])

    before, before_them = await connections(), await opened()
    sections = {**BUSY, "database": {"pool_size": POOL, "timeout_seconds": 60.0}}  # on a busy machine, too
    async with world.gateway(**sections) as one, world.gateway(**sections) as two:

        async def both_are_connected() -> bool:
            return await connections() - before == 2 * int(found[1])

        await wait_until_async(both_are_connected)
        stored = [{**ask(f"question {number}"), "store": True} for number in range(5)]
        answers = await asyncio.gather(*(gateway.chat(body) for gateway in (one, two) for body in stored))
        assert {answer.status for answer in answers} == {200}
        assert await connections() - before == 2 * int(found[1])
        assert 0 < await opened() - before_them <= 2 * POOL
    await link.close()


@pytest.mark.parametrize(
    ("said", "page", "measured"),
    [
        ("on at most 11 connections", "benchmarks/LIMITS.md", "at most 11 connections"),
        ("15 MB a second", "docs/decisions/0058-turns-of-large-bodies.md", "about 15 MB of large bodies a second"),
        ("| at rest | 76 MB;", "docs/generated/image.md", "| idle memory, 1 worker | 76 MB |"),
        ("192 MB ([measured]", "docs/generated/image.md", "| idle memory, 2 workers | 192 MB |"),
    ],
)
def test_each_figure_was_measured(said: str, page: str, measured: str) -> None:
    assert said in PAGE
    assert measured in (ROOT / page).read_text(), f"{page} has another figure now; write it into docs/guides/sizing.md"
