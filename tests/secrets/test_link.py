"""A process that serves alone watches in a thread of its own, and a read that is asked for comes at once."""

from random import SystemRandom

from tests.eventually import wait_until
from tidegate.core.clock import SystemClock
from tidegate.core.config.secret_reference import ReferredSecret, SecretReference
from tidegate.secrets.feed import SecretFeed, Use
from tidegate.secrets.link import WatchHere
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.watch import SecretWatch

REFERENCE = SecretReference("aws-sm", "openai")


async def test_a_read_that_is_asked_for_brings_the_new_secret() -> None:
    texts, taken = ["sk-two"], list[str]()
    watch = SecretWatch(
        [ReferredSecret("sk-one", REFERENCE)],
        lambda _: SecretReading(texts[0]),
        every=300.0,
        clock=SystemClock(),
        random=SystemRandom(),
    )
    link = WatchHere(watch)
    feed = SecretFeed(link.ask, SystemClock())

    async def take(reading: SecretReading) -> Use:
        taken.append(reading.text)
        return Use.IN_USE

    feed.subscribe(REFERENCE, take)
    await link.start(feed)
    try:
        assert await feed.refreshed(REFERENCE)
        await wait_until(lambda: taken == ["sk-two"])
    finally:
        await link.close()
        await feed.close()
