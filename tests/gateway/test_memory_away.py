"""While PostgreSQL is away, calls that could not be stored are not sent; stateless calls go on."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.eventually import wait_until
from tests.gateway.recording import RecordingUpstream, recording
from tests.gateway.test_stores_away import is_gone
from tests.harness import Gateway, World, ask
from tidegate.simulator import running
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

Json = dict[str, Any]
MODEL = "gpt-4o-mini"


@pytest.fixture
async def world(own_stores: StoreUrls, tmp_path: Path) -> AsyncIterator[World]:
    """A world on a PostgreSQL that may be stopped."""
    with psycopg.connect(own_stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger")
    async with running() as upstream_url, World(own_stores, "tidegate-away", upstream_url, tmp_path) as world:
        yield world


async def stop_postgres(folder: Path) -> None:
    postmaster = int((folder / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGINT)
    await wait_until(lambda: is_gone(postmaster))


async def call_count(world: World) -> int:
    return await world.calls("responses") + await world.calls("chat")


async def test_what_cannot_be_kept_is_not_asked(world: World, own_folder: Path) -> None:
    async with world.gateway() as gateway:
        first = (await gateway.call("/responses", {"model": MODEL, "input": "One"})).json
        before = await call_count(world)
        await stop_postgres(own_folder)
        stateful: list[tuple[str, Json]] = [
            ("/responses", {"model": MODEL, "input": "Two"}),
            ("/responses", {"model": MODEL, "input": "Two", "stream": True}),
            ("/responses", {"model": MODEL, "input": "Two", "store": False, "previous_response_id": first["id"]}),
            ("/responses", {"model": MODEL, "input": "Two", "conversation": "conv_1"}),
            ("/chat/completions", ask("Two", store=True)),
            ("/conversations", {}),
        ]
        for path, body in stateful:
            answer = await gateway.call(path, body)
            assert (answer.status, answer.error["code"]) == (503, "postgres_unavailable"), path
            assert answer.headers["x-should-retry"] == "true"
        assert await call_count(world) == before
        assert (await gateway.call("/responses", {"model": MODEL, "input": "Two", "store": False})).status == 200
        assert (await gateway.chat(ask("Three"))).status == 200
        with embedded.running(own_folder):  # restarts it
            await world.reconnect()
            chained = {"model": MODEL, "input": "Two", "previous_response_id": first["id"]}
            assert (await gateway.call("/responses", chained)).status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_cannot_be_kept_any_more_is_not_given_as_if_it_were(
    world: World, own_folder: Path, stream: bool
) -> None:
    body = {"model": MODEL, "input": f"One {stream}", "stream": stream}
    async with recording(world) as (gateway, upstream):
        assert (await gateway.call("/responses", {"model": MODEL, "input": "Warm"})).status == 200
        answer = await _while_postgres_ends(gateway, upstream, own_folder, body)
        error = answer.events[-1] if stream else answer.json
        assert error["error"]["code"] == "postgres_unavailable"
        with embedded.running(own_folder):  # restarts it
            await world.reconnect()
            again = await gateway.call("/responses", body)
            assert (again.status, again.headers["x-tidegate-cache"]) == (200, "hit")


async def _while_postgres_ends(gateway: Gateway, upstream: RecordingUpstream, folder: Path, body: Json) -> Any:
    asked = len(upstream.bodies)
    upstream.answer_allowed.clear()
    slow = asyncio.create_task(gateway.call("/responses", body))
    try:
        await wait_until(lambda: len(upstream.bodies) > asked)
        await stop_postgres(folder)
    finally:
        upstream.answer_allowed.set()
    return await slow
