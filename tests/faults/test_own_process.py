"""Full disks, missing descriptors, signals under load and clock steps have the stated effect, and nothing is lost."""

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psycopg
import pytest
import redis

from tests.eventually import PATIENCE_SECONDS, wait_until
from tests.faults.own_parts import PREFIX, call_all, ledger_has
from tests.faults.proxy import Mode, proxy_before
from tests.harness import STREAM, Answer, Gateway, GatewayProcess, World, ask
from tidegate.core.clock import SystemClock
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

QUICK = {"redis": {"prefix": PREFIX, "timeout_seconds": 0.3}}
PACED = {"x_simulate_tps": "60", "x_simulate_tokens": "30"}
AT_ONCE = 12


@pytest.fixture
async def world(own_stores: StoreUrls, tmp_path: Path) -> AsyncIterator[World]:
    with psycopg.connect(own_stores.database_url, autocommit=True) as database:
        database.execute("TRUNCATE ledger")
    with redis.Redis.from_url(own_stores.redis_url) as client:
        client.flushall()
    async with running() as upstream_url, World(own_stores, PREFIX, upstream_url, tmp_path) as world:
        yield world


def limit(gateway: GatewayProcess, kind: int, soft: int | None) -> None:
    """Set a resource limit of the process; None for the machine's maximum."""
    _, hard = resource.prlimit(gateway.process.pid, kind)
    resource.prlimit(gateway.process.pid, kind, (hard if soft is None else soft, hard))


async def test_with_redis_gone_and_the_disk_full_lines_are_held_and_then_calls_refused(world: World) -> None:
    most = 6
    async with proxy_before(world.stores.redis_url) as (proxy, url):
        held = {"metering": {"spool_dir": str(world.folder / "spool"), "max_buffered_entries": most}}
        async with world.process(redis_url=url, **QUICK, **held) as gateway:
            first = await gateway.chat(ask("first"))
            assert first.status == 200
            await proxy.set(Mode.REFUSE)
            limit(gateway, resource.RLIMIT_FSIZE, 0)
            answers = [await gateway.chat(ask(f"held {number}")) for number in range(most + 2)]
            assert [answer.status for answer in answers] == [200] * most + [503] * 2
            refused = answers[-1]
            assert (refused.error["code"], refused.headers["x-tidegate-error"]) == (
                "ledger_unavailable",
                "ledger_unavailable",
            )
            assert (refused.headers["x-should-retry"], "retry-after" in refused.headers) == ("true", True)
            assert await world.calls() == 1 + most, "nothing was asked that could not be accounted for"
            limit(gateway, resource.RLIMIT_FSIZE, None)
            await proxy.set(Mode.PASS)
            lines = await world.ledger_entries(1 + most)
            assert {line["id"] for line in lines} == {
                answer.headers["x-request-id"] for answer in (first, *answers) if answer.status == 200
            }
            await answered(gateway)


async def answered(gateway: Gateway) -> None:
    """Wait until calls are answered again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await gateway.chat(ask("after"))).status != 200:
            pass


async def test_without_file_descriptors_calls_fail_by_name_and_the_process_lives(world: World) -> None:
    async with world.process(**QUICK) as gateway, aiohttp.ClientSession() as http:
        mine = Gateway(gateway.root, gateway.key, http)
        await asyncio.gather(*(mine.call("/livez") for _ in range(AT_ONCE)))  # connections that stay open
        assert (await mine.chat(ask("before"))).status == 200
        open_now = len(os.listdir(f"/proc/{gateway.process.pid}/fd"))  # noqa: PTH208  # names are enough
        limit(gateway, resource.RLIMIT_NOFILE, open_now)
        answers = await asyncio.gather(*(mine.chat(ask(f"during {number}")) for number in range(AT_ONCE)))
        good = [answer for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status != 200]
        assert {answer.headers["x-tidegate-error"] for answer in refused} == {"out_of_file_descriptors"}
        assert {answer.status for answer in refused} == {503}
        assert len(good) < AT_ONCE
        limit(gateway, resource.RLIMIT_NOFILE, None)
        assert (await mine.chat(ask("after"))).status == 200
        lines = await world.ledger_entries(2 + AT_ONCE)
        assert sorted({line["outcome"] for line in lines}) == ["ok", "out_of_file_descriptors"]
        assert gateway.process.returncode is None


async def stream(gateway: Gateway, number: int) -> Answer | None:
    """Return the answer of a paced stream; None where it broke."""
    body = {**STREAM, "messages": [{"role": "user", "content": f"stream {number}"}]}
    try:
        return await gateway.call("/chat/completions", body, **PACED)
    except aiohttp.ClientError:
        return None


async def test_told_to_end_under_load_it_finishes_what_runs(world: World) -> None:
    async with world.process(**QUICK) as gateway:
        running_streams = [asyncio.create_task(stream(gateway, number)) for number in range(AT_ONCE)]
        await called(world, AT_ONCE)
        gateway.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*running_streams)
        assert await gateway.wait() == 0
    whole = [answer for answer in answers if answer is not None and answer.text.endswith("data: [DONE]\n\n")]
    assert len(whole) == AT_ONCE
    assert {line["outcome"] for line in await world.ledger_entries(AT_ONCE)} == {"ok"}


async def test_killed_under_load_every_answer_given_is_in_the_ledger(world: World) -> None:
    async with world.process(**QUICK) as gateway:
        value = [answer.headers["x-request-id"] for answer in [await gateway.chat(ask(f"{n}")) for n in range(AT_ONCE)]]
        running_streams = [asyncio.create_task(stream(gateway, number)) for number in range(AT_ONCE)]
        await called(world, 2 * AT_ONCE)
        gateway.kill()
        answers = await asyncio.gather(*running_streams)
    assert not any(answer is not None and answer.text.endswith("[DONE]\n\n") for answer in answers)
    async with world.gateway(**QUICK):
        await until_ledger(world, set(value))


async def called(world: World, times: int) -> None:
    """Wait until the simulator was called this often."""
    await world.wait_for_stats(calls={"chat": times})


async def until_ledger(world: World, ids: set[str]) -> None:
    """Wait until the ledger has these entries, once each, perhaps among others."""
    with psycopg.connect(world.stores.database_url, autocommit=True) as database:

        def found() -> list[str]:
            return [row[0] for row in database.execute("SELECT id FROM ledger").fetchall()]

        await wait_until(lambda: ids <= set(found()))
        assert len(found()) == len(set(found()))


class StepClock(SystemClock):
    """The machine's clock, which a test can set."""

    step = 0.0

    def now(self) -> float:
        return super().now() + self.step


@pytest.mark.parametrize("step", [-86_400.0, -60.0, 60.0, 86_400.0, 40 * 86_400.0])
async def test_somebody_sets_the_clock(step: float, world: World) -> None:
    clock = StepClock()
    async with world.gateway(clock=clock, **QUICK) as gateway:
        earlier = await call_all(gateway, "before")
        clock.step = step
        later = await call_all(gateway, "after")
        again = await call_all(gateway, "before")
        assert {answer.headers["x-tidegate-cache"] for answer in again.answers} <= {"hit", "miss"}
        assert all(int(answer.headers.get("age", "0")) >= 0 for answer in again.answers)
        await ledger_has(world, earlier, later, again)
