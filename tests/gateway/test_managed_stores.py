"""On stores as clouds give them, with TLS and passwords, replicas work as on ours, and outlive a failover of Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import wait_until, wait_until_async
from tests.gateway.test_kinds_of_redis import BUSY, use_everything
from tests.gateway.test_queue import UpstreamFeedback
from tests.harness import STREAM, Answer, Gateway, World, ask
from tests.storage.managed import CLUSTERS, TlsCluster, needs_pgbouncer, tls_cluster, tls_pgbouncer
from tests.storage.redis_servers import make_certificate
from tidegate.core.clock import SystemClock
from tidegate.core.errors import StoreError
from tidegate.metering.ledger.stream import stream_key
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink
from tidegate.storage.schema.migrate import migrate

pytestmark = [needs_pgbouncer, pytest.mark.long]

CALLERS = 4


async def test_behind_a_pgbouncer_with_tls_and_a_password(world: World, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    async with tls_pgbouncer(world.stores.database_url, certificate, key) as (url, with_wrong_password):
        with pytest.raises(StoreError):
            await asyncio.to_thread(migrate, with_wrong_password)
        assert await asyncio.to_thread(migrate, url) == []
        world.stores = StoreUrls(database_url=url, redis_url=world.stores.redis_url)
        async with world.gateway(**BUSY) as one, world.gateway(**BUSY) as other:
            await chain(one, other)
        async with world.gateway(database_url=with_wrong_password) as gateway:
            assert (await gateway.chat()).status == 503


class Managed:
    """Two replicas on a cluster and behind a PgBouncer; each was given another node."""

    def __init__(self, world: World, cluster: TlsCluster, replicas: tuple[Gateway, Gateway], link: RedisLink) -> None:
        self.world = world
        self.cluster = cluster
        self.replicas = replicas
        self.link = link

    async def is_drained(self) -> bool:
        """Return whether every ledger entry has left Redis and the disk."""
        name = stream_key(self.world.prefix)
        spooled = any((self.world.folder / "spool").glob("*.jsonl"))
        return not spooled and self.cluster.ask(await self.cluster.master_of(name), "XLEN", name) == 0


@pytest.fixture(params=CLUSTERS)
async def managed(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Managed]:
    certificate, key = make_certificate(tmp_path)
    async with contextlib.AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(tls_cluster(tmp_path, certificate, key, request.param))
        pooler = tls_pgbouncer(world.stores.database_url, certificate, key)
        database_url, _ = await stack.enter_async_context(pooler)

        async def replica(number: int) -> Gateway:
            sections: dict[str, Any] = {"redis": {"ca_file": str(certificate)}, "redis_url": cluster.url(number)}
            return await stack.enter_async_context(world.gateway(database_url=database_url, **BUSY, **sections))

        replicas = await replica(0), await replica(5)
        url, clock = cluster.url(2), SystemClock()
        link = RedisLink(url, timeout=2.0, clock=clock, prefix=world.prefix, ca_file=certificate)
        await link.start()
        stack.push_async_callback(link.close)
        await wait_until(lambda: link.up)
        yield Managed(world, cluster, replicas, link)


async def test_all_that_needs_redis_works_on_a_cluster(managed: Managed, tmp_path: Path) -> None:
    one, other = managed.replicas
    await use_everything(
        managed.world, one, managed.cluster.url(1), prefix=managed.world.prefix, ca_file=tmp_path / "certificate.pem"
    )
    await chain(one, other)
    streams = [await gateway.chat(STREAM) for gateway in managed.replicas]
    assert [answer.headers["x-tidegate-cache"] for answer in streams] == ["miss", "hit"]
    assert streams[0].text.endswith("data: [DONE]\n\n")
    await UpstreamFeedback(managed.link, managed.world.prefix).refuse_for(0.5)
    waiting = await other.chat(ask("Is there a queue?"))
    assert (waiting.status, int(waiting.headers["x-tidegate-queue-ms"]) >= 400) == (200, True)
    await revoke(managed)


async def test_calls_go_on_while_a_master_fails_over(managed: Managed) -> None:
    answers: list[Answer] = []
    async with asking(managed, answers):
        await wait_until(lambda: len(answers) >= 10 * CALLERS)
        await managed.cluster.fail_over(stream_key(managed.world.prefix))

        async def is_cached() -> bool:
            """Whether both replicas have found the new master: the second is given what the first one stored."""
            body = ask(f"Is it cached after {len(answers)} calls?")
            caches = []
            for gateway in managed.replicas:
                answers.append(await gateway.chat(body))
                caches.append(answers[-1].headers["x-tidegate-cache"])
            return caches == ["miss", "hit"]

        await wait_until_async(is_cached)
        after = len(answers)
        await wait_until(lambda: len(answers) >= after + 10 * CALLERS)
    assert {answer.status for answer in answers} == {200}
    await wait_until_async(managed.is_drained)
    entries = await managed.world.rows("SELECT id, outcome FROM ledger")
    assert sorted(entries) == sorted((answer.headers["x-request-id"], "ok") for answer in answers)


async def chain(one: Gateway, other: Gateway) -> None:
    """Lead a conversation over two replicas in turn."""
    previous: str | None = None
    for number in range(6):
        gateway = (one, other)[number % 2]
        body = {"model": "gpt-4o-mini", "input": f"turn {number}", "previous_response_id": previous}
        answer = await gateway.call("/responses", body)
        assert answer.status == 200, answer.text
        previous = answer.json["id"]
    items = await other.call(f"/responses/{previous}/input_items?order=asc")
    assert [f"turn {number}" in items.text for number in range(6)] == [True] * 6


async def revoke(managed: Managed) -> None:
    """Revoke a key at one replica, until the other refuses it too, which it hears from Redis."""
    one, other = managed.replicas
    made = await managed.world.make_key()
    admin = (await managed.world.keys.create(project="operators", admin=True)).token
    assert (await other.chat(authorization=f"Bearer {made.token}")).status == 200
    url, headers = f"{one.root}/admin/v1/keys/{made.record.id}", {"authorization": f"Bearer {admin}"}
    async with managed.world.http.delete(url, headers=headers) as response:
        assert (await response.json())["state"] == "revoked"

    async def is_refused() -> bool:
        return (await other.chat(authorization=f"Bearer {made.token}")).status == 401

    await wait_until_async(is_refused)


@contextlib.asynccontextmanager
async def asking(managed: Managed, answers: list[Answer]) -> AsyncIterator[None]:
    """Make calls one after another, as several callers at both replicas, until the context ends."""
    ending = asyncio.Event()

    async def caller(name: int) -> None:
        number = 0
        while not ending.is_set():
            answers.append(await managed.replicas[name % 2].chat(ask(f"caller {name}, question {number}")))
            number += 1

    callers = [asyncio.create_task(caller(name)) for name in range(CALLERS)]
    try:
        yield
    finally:
        ending.set()
        await asyncio.gather(*callers)
