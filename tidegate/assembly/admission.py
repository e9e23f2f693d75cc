"""Who may spend, and when: keys, limits, budgets, the queue; and the ledger, from which budgets are counted anew."""

from tidegate.assembly.base import Base
from tidegate.assembly.routing import lane_limits
from tidegate.auth.key_cache import ApiKeyCache
from tidegate.auth.key_store import KeyStore
from tidegate.limits.admission import AdmissionController
from tidegate.limits.budget_store import BudgetStore
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import BudgetRebuild
from tidegate.limits.request_count import RequestCount
from tidegate.limits.reservations import Reservations
from tidegate.limits.scripts import LimitScripts
from tidegate.limits.spending_alert import SpendingAlert
from tidegate.metering.ledger.drainer import LedgerDrainer
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.ledger.spool import Spool
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.ledger.stream import LedgerStream
from tidegate.queue.replicas import Replicas
from tidegate.queue.slot import QueueSlots
from tidegate.queue.waiters import Waiters


class AdmissionParts:
    """What one process has for them."""

    def __init__(self, base: Base) -> None:
        """Use `make_admission`."""
        settings, clock, redis, prefix = base.settings, base.clock, base.redis, base.prefix
        budgets = settings.budgets
        self.key_store = KeyStore(base.postgres, redis, clock=clock, prefix=prefix)
        self.keys = ApiKeyCache(self.key_store, clock)
        self.budget_rebuild = BudgetRebuild(
            redis, base.postgres, prefix=prefix, clock=clock, grace_seconds=budgets.rebuild_after_seconds
        )
        gate = LimitScripts(redis, prefix=prefix, lease_seconds=settings.cache.lease_seconds)
        self.reservations = Reservations(gate, clock, lease_seconds=budgets.lease_seconds)
        replicas, terms = Replicas(), lane_limits(settings)
        self.waiters = Waiters(
            redis, prefix=prefix, process=base.process, clock=clock, lane_limits=terms, replicas=replicas
        )
        self.admission = AdmissionController(
            gate, self.reservations, self.budget_rebuild, LocalLimits(replicas), global_limits=budgets.deployment_limits
        )
        self.request_count = RequestCount(self.admission, clock)
        self.queue_slots = QueueSlots(
            self.waiters, lane_limits=terms, in_flight=settings.queue.max_in_flight, clock=clock
        )


async def make_admission(base: Base) -> AdmissionParts:
    """The parts, started."""
    parts = AdmissionParts(base)
    await base.start(parts.keys)
    base.on_close(parts.budget_rebuild.close)
    await base.start(parts.reservations)
    await base.start(parts.waiters)
    counters = BudgetStore(base.redis, prefix=base.prefix)
    usual = base.settings.budgets.alert_nanos_per_day
    await base.start(SpendingAlert(counters, base.postgres, base.clock, usual_nanos=usual))
    return parts


async def make_ledger(base: Base, budget_rebuild: BudgetRebuild) -> Ledger:
    """The ledger's way into PostgreSQL, open until the stack unwinds."""
    metering, tell = base.settings.metering, base.counters.count_event
    stream, spool = LedgerStream(base.redis, base.prefix), Spool(metering.spool_dir)
    store = LedgerStore(base.postgres)
    drainer = LedgerDrainer(
        stream, store, spool, clock=base.clock, on_replayed=budget_rebuild.invalidate, on_event=tell
    )
    await drainer.start()
    base.on_close(drainer.close)
    ledger = Ledger(stream, spool, max_buffered_entries=metering.max_buffered_entries, on_event=tell)
    base.on_close(ledger.close)
    watch = base.counters.add_gauge
    watch(
        "ledger_lines_in_memory", "Ledger lines that neither Redis nor the disk takes.", lambda: ledger.buffered_count
    )
    watch("spool_bytes", "Ledger lines on disk that wait to be replayed.", spool.size)
    return ledger
