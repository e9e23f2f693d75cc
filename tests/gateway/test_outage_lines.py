"""Each process logs once that a store is lost, and once that it is back and for how long it was away."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.eventually import PATIENCE_SECONDS, wait_until, wait_until_async
from tests.gateway.test_stores_away import is_gone
from tests.harness import GatewayProcess, World, ask
from tests.storage.strangers import stranger
from tidegate.simulator import running
from tidegate.storage import embedded
from tidegate.storage.embedded import StoreUrls

pytestmark = pytest.mark.long

PREFIX = "tidegate-lines"
SETTINGS: dict[str, Any] = {"redis": {"prefix": PREFIX, "timeout_seconds": 0.25}, "database": {"timeout_seconds": 1.0}}
ABOUT_SOMETHING_ELSE = (
    "another run of redis: the budgets are counted from the ledger",
    "a secret stands in the configuration: all who may look there see it, and it turns only with a restart",
)
LOST, BACK = "a store is lost", "a store is back"


@pytest.fixture
async def world(own_stores: StoreUrls, tmp_path: Path) -> AsyncIterator[World]:
    with psycopg.connect(own_stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger")
    async with running() as upstream_url, World(own_stores, PREFIX, upstream_url, tmp_path) as world:
        yield world


def lines(gateway: GatewayProcess) -> list[dict[str, Any]]:
    """Return the warnings and errors."""
    found = [json.loads(line) for line in gateway.log.splitlines() if line.startswith("{")]
    return [
        line
        for line in found
        if line["severity"] in ("WARNING", "ERROR", "CRITICAL") and line["message"] not in ABOUT_SOMETHING_ELSE
    ]


def said(gateway: GatewayProcess) -> list[tuple[str, str | None]]:
    return [(line["message"], line.get("store")) for line in lines(gateway) if "secret" not in line["message"]]


async def call_meanwhile(gateway: GatewayProcess, calls: int = 30) -> None:
    """Make calls of several kinds, whatever becomes of them."""
    for number in range(calls):
        await asyncio.gather(
            gateway.chat(ask(f"question {number}")),
            gateway.call("/responses", {"model": "gpt-4o-mini", "input": f"question {number}"}),
            gateway.call("/responses", {"model": "gpt-4o-mini", "input": "later", "background": True}),
            gateway.call("/readyz"),
        )


async def answers_everything(gateway: GatewayProcess) -> bool:
    ready = await gateway.call("/readyz")
    return bool(ready.json["postgres"] == ready.json["redis"] == "ok")


async def check_lines(gateway: GatewayProcess, store: str) -> None:
    await wait_until(lambda: (BACK, store) in said(gateway))
    assert said(gateway) == [(LOST, store), (BACK, store)]
    lost, back = lines(gateway)
    assert lost["detail"]
    assert 0 < back["seconds"] < 120


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_postgresql_is_lost_and_back(world: World, own_folder: Path, workers: str) -> None:
    async with world.process("--workers", workers, **SETTINGS) as gateway:
        assert (await gateway.chat()).status == 200
        postmaster = int((own_folder / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(postmaster, signal.SIGINT)
        await wait_until(lambda: is_gone(postmaster))
        await call_meanwhile(gateway)
        await wait_until(lambda: (LOST, "postgres") in said(gateway), within=20)
        with embedded.running(own_folder):  # restarts it
            await wait_until_async(lambda: answers_everything(gateway))
            await check_lines(gateway, "postgres")


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_redis_is_lost_and_back(world: World, own_folder: Path, workers: str) -> None:
    async with world.process("--workers", workers, **SETTINGS) as gateway:
        assert (await gateway.chat()).status == 200
        process = int((own_folder / "redis" / "redis.pid").read_text())
        os.kill(process, signal.SIGKILL)
        await wait_until(lambda: is_gone(process))
        await call_meanwhile(gateway)
        with embedded.running(own_folder):  # restarts it
            await wait_until_async(lambda: answers_everything(gateway))
            await check_lines(gateway, "redis")


async def test_a_frozen_redis_is_one_outage_too(world: World, own_folder: Path) -> None:
    async with world.process(**SETTINGS) as gateway:
        assert (await gateway.chat()).status == 200
        process = int((own_folder / "redis" / "redis.pid").read_text())
        with contextlib.ExitStack() as stack:
            os.kill(process, signal.SIGSTOP)
            stack.callback(os.kill, process, signal.SIGCONT)
            await wait_until(lambda: (LOST, "redis") in said(gateway))
            await call_meanwhile(gateway, calls=10)
        await wait_until_async(lambda: answers_everything(gateway))
        await check_lines(gateway, "redis")


@pytest.mark.parametrize("kind", ["says nothing", "speaks HTTP", "sends zeros"])
async def test_a_stranger_at_redis_s_address_is_an_outage_with_one_line(world: World, kind: str) -> None:
    async with stranger(kind) as port, world.process(redis_url=f"redis://127.0.0.1:{port}", **SETTINGS) as gateway:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await gateway.chat()).status == 200
            ready = await gateway.call("/readyz")
        assert (ready.status, ready.json["redis"]) == (200, "redis_unavailable")
        await call_meanwhile(gateway, calls=3)
        assert said(gateway) == [(LOST, "redis")]


@pytest.mark.parametrize("kind", ["says nothing", "speaks HTTP", "refuses TLS and sends zeros"])
async def test_a_stranger_at_postgresql_s_address_ends_the_start_with_a_sentence(world: World, kind: str) -> None:
    async with stranger(kind) as port:
        environment = world.environment(database_url=f"postgresql://u:hidden@127.0.0.1:{port}/none")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tidegate", "serve", "--port", "0",
            stderr=asyncio.subprocess.PIPE, cwd=world.folder, env={**os.environ, **environment},
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                _, output = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert process.returncode == 75
    sentences = [line for line in output.decode().splitlines() if not line.startswith("{")]
    assert len(sentences) == 1
    assert sentences[0].startswith("PostgreSQL cannot be used: ")
