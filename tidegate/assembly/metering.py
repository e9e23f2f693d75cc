"""The objects of `tidegate.metering.ledger`: the path of ledger entries to PostgreSQL."""

from tidegate.assembly.base import Base
from tidegate.limits.rebuild import BudgetRebuild
from tidegate.metering.ledger.drainer import LedgerDrainer
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.ledger.spool import Spool
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.ledger.stream import LedgerStream


async def make_ledger(base: Base, budget_rebuild: BudgetRebuild) -> Ledger:
    """Return the ledger, which is drained to PostgreSQL until the application stops.

    Entries replayed from disk are missing in the budget counters, so `budget_rebuild` counts them again.
    """
    metering, on_event = base.settings.metering, base.counters.count_event
    stream, spool = LedgerStream(base.redis, base.prefix), Spool(base.settings.spool_dir)
    store = LedgerStore(base.postgres)
    drainer = LedgerDrainer(
        stream,
        store,
        spool,
        clock=base.clock,
        on_replayed=budget_rebuild.invalidate,
        on_event=on_event,
    )
    await base.start(drainer)
    ledger = Ledger(stream, spool, store=store, max_buffered_entries=metering.max_buffered_entries, on_event=on_event)
    base.on_close(ledger.close)
    add_gauge = base.counters.add_gauge
    buffered = "Ledger entries in memory, because neither Redis nor the disk accepts them."
    add_gauge("ledger_lines_in_memory", buffered, lambda: ledger.buffered_count)
    add_gauge("spool_bytes", "Bytes of ledger entries on disk that wait to be replayed.", spool.size)
    return ledger
