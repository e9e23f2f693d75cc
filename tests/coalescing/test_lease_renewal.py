"""A defect in one round of the lease renewal ends neither the renewal nor the lease."""

from collections.abc import Sequence
from typing import Any

from structlog.testing import capture_logs

from tests.coalescing.relayed import FINGERPRINT
from tests.coalescing.scripted import ScriptedSource
from tests.eventually import wait_until
from tidegate.coalescing.registry import FlightRegistry
from tidegate.core.clock import SystemClock
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink, Script

LEASE_SECONDS = 2.0


class FailingOnceLink(RedisLink):
    """A link whose first script has a defect."""

    scripts = 0

    async def run(self, script: Script, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        """Fail once, then run the script."""
        self.scripts += 1
        if self.scripts == 1:
            raise ZeroDivisionError
        return await super().run(script, keys, args)


async def test_a_round_with_a_defect_is_logged_once_and_the_next_one_renews(
    clean_stores: StoreUrls, redis_prefix: str
) -> None:
    link = FailingOnceLink(clean_stores.redis_url, timeout=2.0, clock=SystemClock())
    flights = FlightRegistry(link, prefix=redis_prefix, process="one", lease_seconds=LEASE_SECONDS)
    await link.start()
    await flights.start()
    key = f"{{{redis_prefix}}}:flight:{FINGERPRINT}"
    await link.command("SET", key, "one:r1", "PX", 60_000)
    flight = flights.lead(ScriptedSource(), fingerprint=FINGERPRINT, owner="one:r1")
    flight.subscribe()
    with capture_logs() as logs:
        await wait_until(lambda: link.scripts >= 3)
        flight.unsubscribe()
        await flights.close()
    assert await link.command("PTTL", key) <= LEASE_SECONDS * 1000, "renewed to the length of a lease"
    await link.close()
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["periodic task fails and will retry"]
