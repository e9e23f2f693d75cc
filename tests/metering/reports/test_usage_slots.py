"""The sums of five minutes equal the ledger, whenever and in whatever order its entries came."""

from typing import Any

import pytest

from tests.metering.ledger_parts import ENTRY, entry
from tidegate.core.clock import ManualClock
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.metering.ledger.entries import encode
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.reports.usage_slots import LONGEST_MS, OutcomeNames, UsageSlots
from tidegate.storage.postgres import Postgres

NAMES = OutcomeNames(answered=("unfinished_answer",), refused=("rate_limit_exceeded",))
AT = ENTRY.at


@pytest.fixture
def slots(postgres: Postgres, clock: ManualClock) -> UsageSlots:
    clock.advance(AT + 10 - clock.now())
    return UsageSlots(postgres, NAMES, (100, 1000), clock)


async def write(postgres: Postgres, *entries: LedgerEntry) -> None:
    await LedgerStore(postgres).write([encode(each) for each in entries])


def failed(number: int, error: str, **changes: Any) -> LedgerEntry:
    return entry(number, outcome=error, cost_nanos=0, provider="openai", **changes)


async def test_calls_are_summed_by_how_they_ended(slots: UsageSlots, postgres: Postgres) -> None:
    await write(
        postgres,
        entry(1, latency_ms=100, first_byte_ms=20, saved_nanos=7),
        entry(2, latency_ms=101, cache="hit"),
        entry(3, latency_ms=5000, outcome="unfinished_answer", cache="joined"),
        failed(4, "rate_limit_exceeded", repeats=9),
        failed(5, "server_error", error_text="The server had an error"),
        entry(6, outcome="client_disconnected"),
    )
    assert not await slots.refresh()
    figures = await slots.read(AT - 3600, AT, 300)
    (step,) = figures.steps
    assert (step.calls, step.answered, step.refused, step.failed, step.client_gone) == (15, 3, 10, 1, 1)
    assert (step.hits, step.joined, step.misses, step.cost_nanos, step.saved_nanos) == (1, 1, 4, 18_000, 7)
    assert (figures.whole, figures.first_content) == ({100: 1, 1000: 1}, {100: 1, 1000: 1})
    assert [(each.error, each.target, each.calls, each.message) for each in figures.errors] == [
        ("rate_limit_exceeded", "openai/gpt-4o-mini", 10, None),
        ("server_error", "openai/gpt-4o-mini", 1, "The server had an error"),
    ]


async def test_late_and_replaced_entries_are_summed_anew(slots: UsageSlots, postgres: Postgres) -> None:
    await write(postgres, failed(1, "lost", at=AT - 7200))
    await slots.refresh()
    await write(postgres, entry(1, at=AT - 7200), entry(2, at=AT - 7200, latency_ms=3000))
    await slots.refresh()
    figures = await slots.read(AT - 86_400, AT, 900)
    (step,) = figures.steps
    assert (step.calls, step.failed, step.cost_nanos, figures.errors) == (2, 0, 9000, ())
    assert figures.whole[LONGEST_MS] == 1
    assert step.at == (AT - 7200) // 900 * 900


async def test_only_one_process_sums_at_a_time_and_nothing_is_left_out(
    slots: UsageSlots, postgres: Postgres, clock: ManualClock
) -> None:
    await write(postgres, *(entry(number, at=AT - 300 * number) for number in range(310)))
    assert await slots.refresh(), "310 slots are more than a round takes"
    assert not await slots.refresh()
    assert len((await slots.read(AT - 400 * 300, AT, 300)).steps) == 310
    other = UsageSlots(postgres, NAMES, (100,), clock)
    await write(postgres, entry(999))
    async with postgres.connection() as connection, connection.transaction():
        await connection.fetchval("SELECT pg_advisory_xact_lock(hashtextextended('tidegate.usage_slots', 0))")
        assert not await other.refresh()
    await other.refresh()
    assert (await slots.read(AT, AT, 300)).steps[0].calls == 2


async def test_what_a_caller_chose_is_bounded(slots: UsageSlots, postgres: Postgres) -> None:
    await write(
        postgres, *(failed(number, "model_not_found", model=f"{number}" + "m" * 10_000) for number in range(60))
    )
    await slots.refresh()
    errors = (await slots.read(AT, AT, 300)).errors
    assert len(errors) == 20
    assert max(len(each.target) for each in errors) == 200
    async with postgres.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM usage_slot_errors") == 50


async def test_spending_is_that_of_day_month_and_the_last_24_hours(slots: UsageSlots, postgres: Postgres) -> None:
    hour = 3600.0
    await write(postgres, entry(1, saved_nanos=3), entry(2, at=AT - 30 * hour), entry(3, at=AT - 40 * 24 * hour))
    while await slots.refresh():
        pass
    spent = await slots.spent(day_start=AT - hour, month_start=AT - 48 * hour, now=AT)
    assert (spent.day_nanos, spent.day_saved_nanos, spent.recent_nanos, spent.month_nanos) == (4500, 3, 4500, 9000)
    assert spent.newest_at == AT
    assert spent.first_at == (AT - 30 * hour) // 300 * 300
    assert await slots.database_bytes() > 0
