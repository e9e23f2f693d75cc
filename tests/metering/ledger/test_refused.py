"""What a known key was refused is in the ledger at no cost; a flood becomes a few entries that say how many it was."""

from typing import Any

from tests.observed_calls import report_of
from tidegate.core.call_report import CallClass
from tidegate.core.clock import ManualClock
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.process.refusal_window import MAX_SINGLE
from tidegate.metering.ledger.refused import RefusedCalls

REFUSED = report_of(outcome="rate_limit_exceeded", call_class=CallClass.REFUSED, in_ledger=False, provider=None)


class FakeLedger:
    """Keeps the entries."""

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []
        self.buffered_count = 0

    async def append(self, entry: LedgerEntry) -> None:
        """Keep an entry."""
        self.entries.append(entry)


def refused_calls(ledger: Any) -> RefusedCalls:
    return RefusedCalls(ledger, ManualClock(), lambda prefix: f"{prefix}1")


async def test_only_calls_of_known_keys_that_have_no_entry_are_written() -> None:
    ledger = FakeLedger()
    refused = refused_calls(ledger)
    for changes in (
        {},
        {"in_ledger": True},
        {"key_id": ""},
        {"call_class": CallClass.CLIENT_GONE},
        {"call_class": CallClass.FAILED, "id": "req_2"},
    ):
        refused.observe(
            report_of(**{"outcome": "queue_full", "call_class": CallClass.REFUSED, "in_ledger": False, **changes})
        )
    await refused.close()
    assert [entry.id for entry in ledger.entries] == ["req_1", "req_2"]


async def test_a_flood_is_a_few_entries_with_its_number() -> None:
    ledger = FakeLedger()
    refused = refused_calls(ledger)
    for _ in range(5000):
        refused.observe(REFUSED)
    await refused.close()
    assert len(ledger.entries) == MAX_SINGLE + 1
    assert sum(1 + entry.repeats for entry in ledger.entries) == 5000
    assert (ledger.entries[-1].id, ledger.entries[-1].cost_nanos) == ("refused_1", 0)


async def test_where_paid_entries_wait_those_of_refused_calls_are_dropped() -> None:
    ledger = FakeLedger()
    refused = refused_calls(ledger)
    ledger.buffered_count = 1
    refused.observe(REFUSED)
    await refused.close()
    assert (ledger.entries, refused.dropped) == ([], 1)
