"""A background response continues while Redis or PostgreSQL is away, and is complete afterwards."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import openai
import psycopg
import pytest

from tests.eventually import wait_until
from tests.gateway.test_background import NEVER, create_background, events_of, finished_response, text_of
from tests.gateway.test_background_faults import assert_complete, wait_for_output
from tests.gateway.test_stores_away import is_gone, kill_redis
from tests.harness import World
from tidegate.simulator import running
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

STEADY = {"x-simulate-tps": "20", "x-simulate-tokens": "80"}


@pytest.fixture
async def world(own_stores: StoreUrls, redis_prefix: str, tmp_path: Path) -> AsyncIterator[World]:
    """A world on stores that may be stopped, without rows of earlier tests."""
    with psycopg.connect(own_stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger, background_jobs, pgqueuer CASCADE")
    async with running() as upstream_url, World(own_stores, redis_prefix, upstream_url, tmp_path) as world:
        yield world


async def test_postgresql_is_started_again_in_the_middle(world: World, own_folder: Path) -> None:
    async with world.gateway() as one, world.gateway() as other, one.sdk() as client, other.sdk() as there:
        promised = await create_background(client, extra_headers=STEADY)
        await wait_for_output(world, promised.id)
        stream = await there.responses.retrieve(promised.id, stream=True)
        postmaster = int((own_folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGINT)
        await wait_until(lambda: is_gone(postmaster))
        with pytest.raises(openai.APIStatusError) as refused:
            await create_background(client, input="Now?")
        assert refused.value.status_code == 503
        with embedded.running(own_folder):  # restarts it
            events = await events_of(stream)
            assert_complete(events)
            assert events[-1].response.output_text == text_of(events)
            await world.reconnect()
            assert (await finished_response(client, promised.id)).status == "completed"
            ((attempt, deaths),) = await world.rows("SELECT attempt, deaths FROM background_jobs")
            assert (attempt, deaths) == (2, 0)  # one job in progress, one about to end
    assert await world.calls("responses") == 1


async def test_without_redis_replicas_hear_of_each_other_by_looking(world: World, own_folder: Path) -> None:
    async with world.gateway() as one, world.gateway() as other, one.sdk() as client, other.sdk() as there:
        promised = await create_background(client, extra_headers=STEADY)
        await wait_for_output(world, promised.id)
        stream = await there.responses.retrieve(promised.id, stream=True)
        await kill_redis(own_folder)
        events = await events_of(stream)
        assert_complete(events)
        endless = await create_background(client, input="Never?", extra_headers=NEVER)
        await world.wait_for_stats(in_flight=1)
        assert (await there.responses.cancel(endless.id)).status == "cancelled"
        await world.wait_for_stats(in_flight=0)
        with embedded.running(own_folder):  # restarts it
            await world.ledger_entries(2)
