"""A link to a cluster of six nodes, with TLS and a password, finds its master from any node, and the next one."""

from pathlib import Path

import pytest

from tests.eventually import wait_until, wait_until_async
from tests.storage.managed import CLUSTERS, tls_cluster
from tests.storage.redis_servers import make_certificate
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import Argument, RedisLink


@pytest.mark.parametrize("kind", CLUSTERS)
async def test_a_link_follows_from_any_node_and_over_a_failover(tmp_path: Path, kind: str) -> None:
    certificate, key = make_certificate(tmp_path)
    name = f"{RedisNames('managed').tag}:value"
    heard: list[bytes] = []
    async with tls_cluster(tmp_path, certificate, key, kind) as cluster:
        for number in range(len(cluster.ports)):
            link = RedisLink(
                cluster.url(number), timeout=15.0, clock=SystemClock(), prefix="managed", ca_file=certificate
            )
            await link.start()
            await wait_until(lambda: link.up)  # noqa: B023  # awaited here
            assert await link.command("INCR", name) == number + 1
            if number < len(cluster.ports) - 1:
                await link.close()
        channel = Channel(link, f"{RedisNames('managed').tag}:news")
        await channel.start(heard.append)
        before = await cluster.master_of(name)
        assert await cluster.fail_over(name) != before

        async def answer_to(*command: Argument) -> object:
            try:
                return await link.command(*command)
            except RedisUnavailable:
                return None

        async def is_found() -> bool:
            return await answer_to("GET", name) == b"6"

        async def is_heard() -> bool:
            await answer_to("PUBLISH", channel.name, "still here")
            return bool(heard)

        await wait_until_async(is_found)
        await wait_until_async(is_heard)
        await channel.close()
        await link.close()
