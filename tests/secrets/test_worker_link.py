"""A worker asks its supervisor for a read, and says which new secret it has taken into use."""

import asyncio
import multiprocessing

from tests.eventually import wait_until
from tidegate.core.clock import ManualClock
from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.feed import SecretFeed, Use
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.watch import SecretReport
from tidegate.secrets.worker_link import ReadSecret, SecretInUse, WorkerLink

REFERENCE = SecretReference("aws-sm", "openai")
NEW = SecretReport(REFERENCE, SecretReading("sk-two", "2"))


async def test_a_worker_asks_takes_and_tells() -> None:
    supervisors, mine = multiprocessing.Pipe()
    link = WorkerLink(mine)
    feed = SecretFeed(link.ask, ManualClock())

    async def take(reading: SecretReading) -> Use:
        return Use.IN_USE if reading.text == "sk-two" else Use.REFUSED

    feed.subscribe(REFERENCE, take)
    link.take_message(NEW)  # before it is connected nothing can use it
    await link.start(feed)
    refreshed = asyncio.create_task(feed.refreshed(REFERENCE))
    await wait_until(supervisors.poll)
    assert supervisors.recv() == ReadSecret(REFERENCE)
    link.take_message("alive?")
    link.take_message(NEW)
    assert await refreshed
    await wait_until(supervisors.poll)
    assert supervisors.recv() == SecretInUse(NEW)
    await link.close()
    await feed.close()
    supervisors.close()
    mine.close()
