"""Every process reports the upstream keys that it uses, as fingerprints, by Redis's own clock."""

from collections.abc import AsyncIterator

import pytest

from tests.eventually import wait_until_async
from tidegate.core.clock import SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.secrets.key_reports import UpstreamKeyReports, read_reported_keys, report_seconds
from tidegate.secrets.sources.reading import fingerprint
from tidegate.storage.embedded import StoreUrls
from tidegate.storage.redis import RedisLink


@pytest.fixture
async def redis(clean_stores: StoreUrls) -> AsyncIterator[RedisLink]:
    link = RedisLink(clean_stores.redis_url, timeout=2.0, clock=SystemClock())
    await link.start()
    yield link
    await link.close()


async def test_keys_in_use_are_reported_and_replaced_ones_no_more(redis: RedisLink, redis_prefix: str) -> None:
    keys = ["sk-one"]
    reports = UpstreamKeyReports(redis, lambda: keys, prefix=redis_prefix, refresh_seconds=300.0)
    await reports.report()
    keys[:] = ["sk-two"]
    await reports.report()
    first = await read_reported_keys(redis, redis_prefix)
    await reports.report()
    second = await read_reported_keys(redis, redis_prefix)
    one, two = fingerprint("sk-one"), fingerprint("sk-two")
    assert first.last_used.keys() == second.last_used.keys() == {one, two}
    assert second.last_used[one] == first.last_used[one]
    assert second.last_used[two] >= first.last_used[two]
    assert second.now >= second.last_used[two]


async def test_a_started_process_reports_by_itself(redis: RedisLink, redis_prefix: str) -> None:
    reports = UpstreamKeyReports(redis, lambda: ["sk-one"], prefix=redis_prefix, refresh_seconds=1.0)
    await reports.start()

    async def reported() -> bool:
        return fingerprint("sk-one") in (await read_reported_keys(redis, redis_prefix)).last_used

    await wait_until_async(reported)
    await reports.close()


async def test_without_redis_nothing_is_read() -> None:
    link = RedisLink("redis://127.0.0.1:9", timeout=0.1, clock=SystemClock())
    with pytest.raises(RedisUnavailable):
        await read_reported_keys(link, "any")


def test_the_pause_follows_a_short_refresh() -> None:
    assert (report_seconds(300.0), report_seconds(2.0)) == (15.0, 1.0)
