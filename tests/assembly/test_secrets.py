"""Each upstream key that comes from a place is offered to its credential when the place holds another one."""

from pathlib import Path

from tests.eventually import wait_until_async
from tests.gateway.keyed_upstream import KeyedUpstream
from tests.harness import CHAT, World
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.simulator import running
from tidegate.storage.embedded import StoreUrls

ONE, TWO = "sk-one-0123456789", "sk-two-0123456789"


async def test_a_process_that_serves_alone_watches_by_itself(
    clean_stores: StoreUrls, redis_prefix: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(ONE)
    key = ReferredSecret(ONE, SecretReference("file", str(file)))
    async with (
        running() as simulated,
        World(clean_stores, redis_prefix, simulated, tmp_path) as world,
        KeyedUpstream(ONE, TWO).serving() as upstream,
        world.gateway(upstream={"base_url": upstream.base_url, "api_key": key}) as gateway,
    ):
        assert (await gateway.chat(CHAT)).status == 200
        file.write_text(TWO)

        async def turned() -> bool:
            assert (await gateway.chat(CHAT, cache_control="no-store")).status == 200
            return upstream.calls[TWO] > 0

        await wait_until_async(turned)
