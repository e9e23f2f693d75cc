"""A new secret reaches everything that uses it, and a refused key has it read at most once a minute."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until
from tidegate.core.clock import ManualClock
from tidegate.core.config.secret_reference import SecretReference
from tidegate.secrets.feed import SecretFeed, Subscriber, Use
from tidegate.secrets.sources.reading import SecretReading
from tidegate.secrets.watch import SecretReport

REFERENCE = SecretReference("aws-sm", "openai")
NEW = SecretReport(REFERENCE, SecretReading("sk-two", "2"))
NOTHING_NEW = SecretReport(REFERENCE, None)


class Users:
    """Two parts that use one secret."""

    def __init__(self, feed: SecretFeed, *, second: Use = Use.IN_USE) -> None:
        self.taken: list[str] = []
        for use in (Use.IN_USE, second):
            feed.subscribe(REFERENCE, self._subscriber(use))

    def _subscriber(self, use: Use) -> Subscriber:
        async def take(reading: SecretReading) -> Use:
            self.taken.append(reading.text)
            return use

        return take


@pytest.mark.parametrize("second", Use)
async def test_all_get_a_new_secret_and_it_is_in_use_once_all_take_it(second: Use) -> None:
    feed, in_use = SecretFeed(lambda _: None, ManualClock()), list[SecretReport]()
    users = Users(feed, second=second)
    with capture_logs() as logs:
        feed.take(NEW, on_used=in_use.append)
        await wait_until(lambda: len(users.taken) == 2 and bool(logs))
    await feed.close()
    assert in_use == ([NEW] if second is Use.IN_USE else [])
    assert second.value in logs[0]["event"]
    assert "sk-two" not in str(logs)


async def test_a_secret_that_could_not_be_tried_is_offered_again() -> None:
    feed = SecretFeed(lambda _: None, ManualClock())
    uses = [Use.LATER, Use.LATER, Use.IN_USE]

    async def take(_: SecretReading) -> Use:
        return uses.pop(0)

    feed.subscribe(REFERENCE, take)
    await feed.start()
    with capture_logs() as logs:
        feed.take(NEW)
        await wait_until(lambda: len(logs) == 2)
    await feed.close()
    assert ["later" in logs[0]["event"], "in use" in logs[1]["event"]] == [True, True], "each is told once"


async def test_a_secret_that_turns_only_with_a_start_is_not_said_to_be_in_use() -> None:
    feed, in_use = SecretFeed(lambda _: None, ManualClock()), list[SecretReport]()
    with capture_logs() as logs:
        feed.take(NEW, on_used=in_use.append)
        await wait_until(lambda: bool(logs))
    await feed.close()
    assert [line["event"] for line in logs] == ["a new secret is used from the next start on"]
    assert in_use == []


async def test_callers_whose_key_was_refused_share_one_read_and_wait_for_it() -> None:
    asked = list[SecretReference]()
    feed = SecretFeed(asked.append, ManualClock())
    Users(feed)
    callers = [asyncio.create_task(feed.refreshed(REFERENCE)) for _ in range(100)]
    await wait_until(lambda: bool(asked))
    feed.take(NEW)
    assert await asyncio.gather(*callers) == [True] * 100
    assert asked == [REFERENCE]
    await feed.close()


async def test_where_nothing_is_new_callers_are_told_at_once_and_the_next_read_waits_for_a_minute() -> None:
    asked, clock = list[SecretReference](), ManualClock()
    feed = SecretFeed(asked.append, clock)
    first = asyncio.create_task(feed.refreshed(REFERENCE))
    await wait_until(lambda: bool(asked))
    feed.take(NOTHING_NEW)
    assert not await first
    assert not await feed.refreshed(REFERENCE)
    assert len(asked) == 1
    clock.advance(60.0)
    again = asyncio.create_task(feed.refreshed(REFERENCE))
    await wait_until(lambda: len(asked) == 2)
    feed.take(NOTHING_NEW)
    assert not await again
    await feed.close()
