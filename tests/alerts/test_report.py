"""The report lists the three alerts, also before one has ever fired, and queues a test message to each channel."""

import pytest

from tidegate.alerts.outbox import Outbox
from tidegate.alerts.report import MAX_MUTE_SECONDS, AlertReport
from tidegate.alerts.store import AlertStore
from tidegate.alerts.thresholds import AlertName, Thresholds
from tidegate.core.clock import ManualClock
from tidegate.core.ids import new_id
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink


@pytest.fixture
def report(postgres: Postgres, redis_link: RedisLink, redis_prefix: str, clock: ManualClock) -> AlertReport:
    store = AlertStore(postgres, redis_link, prefix=redis_prefix)
    return AlertReport(store, Outbox(postgres), Thresholds(), ["webhook", "slack"], clock, new_id)


async def test_three_alerts_are_listed(report: AlertReport) -> None:
    listing = await report.read()
    assert [(state.alert, state.is_firing) for state in listing.states] == [(name, False) for name in AlertName]
    assert (listing.muted_until, listing.deliveries, listing.channels) == (None, (), ("webhook", "slack"))


async def test_a_test_goes_to_each_channel(report: AlertReport) -> None:
    message_id = await report.send_test()
    queued = await report.deliveries_of(message_id)
    assert [(each.channel, each.attempts, each.delivered_at) for each in queued] == [
        ("slack", 0, None),
        ("webhook", 0, None),
    ]


async def test_muting_ends_by_itself(report: AlertReport, clock: ManualClock) -> None:
    assert await report.mute(10 * MAX_MUTE_SECONDS) == clock.now() + MAX_MUTE_SECONDS
    assert (await report.read()).muted_until == clock.now() + MAX_MUTE_SECONDS
    clock.advance(MAX_MUTE_SECONDS)
    assert (await report.read()).muted_until is None
