"""A process that delivers messages until it is killed: `python -m tests.alerts.deliverer DATABASE_URL WEBHOOK_URL`.

Its clock is fast, so that the pauses between attempts pass quickly.
"""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tidegate.alerts.channels import TurningSecret, WebhookChannel
from tidegate.alerts.delivery import AlertDelivery
from tidegate.alerts.outbox import Outbox
from tidegate.storage.postgres import Postgres

SPEED = 1_000


class FastClock:
    """A clock on which a second takes a millisecond; all processes of a machine agree on it."""

    def now(self) -> float:
        return (time.time() - 1_795_000_000) % 1_000_000 * SPEED

    def monotonic(self) -> float:
        return time.monotonic() * SPEED


async def deliver(database_url: str, webhook_url: str) -> None:
    clock = FastClock()
    postgres = Postgres(database_url, size=2, timeout=5)
    with ThreadPoolExecutor(2) as threads:
        webhook = WebhookChannel(TurningSecret(webhook_url).read, TurningSecret("key").read, clock, threads)
        delivery = AlertDelivery(Outbox(postgres), {"webhook": webhook}, clock)
        while True:
            await delivery.deliver()
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(deliver(*sys.argv[1:]))
