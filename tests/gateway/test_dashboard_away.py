"""The dashboard while Redis is away: logins work, the figures are PostgreSQL's, and the overview says so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.test_dashboard_page import browser
from tests.gateway.test_stores_away import PREFIX, kill_redis
from tests.harness import World
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls


@pytest.fixture
async def world(own_stores: StoreUrls, tmp_path: Path) -> AsyncIterator[World]:
    async with running() as upstream_url, World(own_stores, PREFIX, upstream_url, tmp_path) as world:
        yield world


async def test_without_redis_the_figures_are_postgresqls(world: World, own_folder: Path) -> None:
    key = await world.keys.create(project="operators", admin=True)
    async with world.gateway(redis={"prefix": PREFIX, "timeout_seconds": 0.25}) as gateway, browser(gateway) as page:
        assert (await gateway.chat()).status == 200
        await world.ledger_entries(1)
        await kill_redis(own_folder)
        await page.log_in(key.token)
        async with page.events() as events:
            async for _, overview in events:
                if overview["degraded"] and overview["calls"]["total"]:
                    break
    [away] = overview["degraded"]
    assert (away["store"], "these figures are from PostgreSQL, whose newest call is" in away["text"]) == ("redis", True)
    assert (overview["calls"]["total"], overview["stores"]["redis"]["state"]) == (1, "away")
    assert overview["spend"]["today_usd"] not in (None, "0.000000000")
    assert overview["queue"]["waiting"] is None
