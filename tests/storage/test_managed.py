"""A link to a cluster of six nodes, with TLS and a password, finds its master from any node, and the next one."""

from pathlib import Path

from tests.eventually import wait_until, wait_until_async
from tests.storage.managed import needs_tls_redis, tls_cluster
from tests.storage.redis_servers import make_certificate
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import RedisLink


@needs_tls_redis
async def test_a_link_follows_from_any_node_and_over_a_failover(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    name = f"{RedisNames('managed').tag}:value"
    heard: list[bytes] = []
    async with tls_cluster(tmp_path, certificate, key) as cluster:
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
        master = cluster.master_of(name)
        await cluster.until_copied(master)
        await cluster.kill(master)

        async def is_found() -> bool:
            try:
                return bool(await link.command("GET", name) == b"6")
            except RedisUnavailable:
                return False

        async def is_heard() -> bool:
            await link.command("PUBLISH", channel.name, "still here")
            return bool(heard)

        await wait_until_async(is_found)
        assert cluster.master_of(name) != master
        await wait_until_async(is_heard)
        await channel.close()
        await link.close()
