"""The spending alert is raised once a day: not twice by two replicas, a restart, or a Redis that lost its data."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from tests.eventually import wait_until
from tests.injected_faults import Fault, task_log_levels
from tidegate.core.clock import ManualClock, SystemClock
from tidegate.core.errors import RedisUnavailable
from tidegate.limits.budget_store import BudgetStore, Spending
from tidegate.limits.spending_alert import SpendingAlert
from tidegate.storage.postgres import Postgres
from tidegate.storage.redis import RedisLink

NOON = 1_795_780_800.0
"""2026-11-27 12:00 UTC, in Unix seconds."""
DOLLAR = 1_000_000_000


class FaultyStore(BudgetStore):
    """The real store, with a fault to inject into its reads."""

    fault = Fault()

    async def read(self, scopes: Sequence[str], now: float) -> tuple[Spending, ...]:
        self.fault.trip()
        return await super().read(scopes, now)


class AlertSetup:
    """Replicas that check, and the spending."""

    def __init__(self, link: RedisLink, postgres: Postgres, prefix: str) -> None:
        self.clock = ManualClock(NOON)
        self._link = link
        self._postgres = postgres
        self._prefix = prefix

    def replica(self, link: RedisLink | None = None) -> SpendingAlert:
        store = BudgetStore(link or self._link, prefix=self._prefix)
        return SpendingAlert(store, self._postgres, self.clock, usual_nanos=100 * DOLLAR)

    def faulty_replica(self) -> SpendingAlert:
        store = FaultyStore(self._link, prefix=self._prefix)
        store.fault.arm(times=2)
        return SpendingAlert(store, self._postgres, self.clock, usual_nanos=100 * DOLLAR, check_seconds=0.01)

    async def set_spent(self, nanos: int, day: str = "2026-11-27") -> None:
        await self._link.command("SET", f"{{{self._prefix}}}:spent:all:{day}", nanos)

    async def alerted_days(self, *replicas: SpendingAlert) -> list[str]:
        """Return the days of the alerts that these replicas raise when they check at once."""
        with capture_logs() as logs:
            await asyncio.gather(*(replica.check() for replica in replicas))
        return [log["day"] for log in logs if log.get("alert") == "spending"]


@pytest.fixture
def setup(redis_link: RedisLink, postgres: Postgres, redis_prefix: str) -> AlertSetup:
    return AlertSetup(redis_link, postgres, redis_prefix)


async def test_of_many_replicas_one_raises_the_alert_once_a_day(setup: AlertSetup) -> None:
    replicas = [setup.replica() for _ in range(3)]
    await setup.set_spent(100 * DOLLAR)
    assert await setup.alerted_days(*replicas) == []
    await setup.set_spent(100 * DOLLAR + 1)
    assert await setup.alerted_days(*replicas) == ["2026-11-27"]
    await setup.set_spent(500 * DOLLAR)
    assert await setup.alerted_days(*replicas) == []
    assert await setup.alerted_days(setup.replica()) == [], "one that was started anew"
    setup.clock.advance(86_400)
    assert await setup.alerted_days(*replicas) == []
    await setup.set_spent(101 * DOLLAR, "2026-11-28")
    assert await setup.alerted_days(*replicas) == ["2026-11-28"]


async def test_a_redis_that_lost_its_data_does_not_raise_it_again(setup: AlertSetup) -> None:
    await setup.set_spent(101 * DOLLAR)
    assert await setup.alerted_days(setup.replica()) == ["2026-11-27"]
    await setup.set_spent(0)
    assert await setup.alerted_days(setup.replica()) == []
    await setup.set_spent(102 * DOLLAR)
    assert await setup.alerted_days(setup.replica(), setup.replica()) == []


async def test_checks_go_on_while_a_store_is_away(setup: AlertSetup) -> None:
    away = setup.replica(RedisLink("redis://127.0.0.1:4849/0", timeout=0.1, clock=SystemClock()))
    with pytest.raises(RedisUnavailable):
        await away.check()
    await away.start()
    await away.close()


async def test_checks_run_in_the_background(setup: AlertSetup) -> None:
    await setup.set_spent(101 * DOLLAR)
    replica = setup.replica()
    with capture_logs() as logs:
        await replica.start()
        await wait_until(lambda: any(log.get("alert") == "spending" for log in logs))
        await replica.close()
    [alert] = [log for log in logs if log.get("alert") == "spending"]
    assert (alert["spent"], alert["threshold"], alert["log_level"]) == ("$101.00", "$100.00", "error")


async def test_a_defect_in_a_check_is_logged_once_and_the_next_check_comes(setup: AlertSetup) -> None:
    await setup.set_spent(101 * DOLLAR)
    replica = setup.faulty_replica()
    with capture_logs() as logs:
        await replica.start()
        await wait_until(lambda: any(log.get("alert") == "spending" for log in logs))
        await wait_until(lambda: len(task_log_levels(logs, "spending-alert")) == 2)
        await replica.close()
    assert task_log_levels(logs, "spending-alert") == ["error", "info"]
