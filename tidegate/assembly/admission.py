"""Who may spend, and when: keys, limits, budgets, the queue; and the ledger, from which budgets are counted anew."""

from tidegate.assembly.base import Base
from tidegate.assembly.routing import lane_terms
from tidegate.auth.key_cache import KeyRing
from tidegate.auth.key_store import KeyStore
from tidegate.limits.admission import Door
from tidegate.limits.budget_store import BudgetStore
from tidegate.limits.local_limits import LocalLimits
from tidegate.limits.rebuild import Recount
from tidegate.limits.request_count import Visits
from tidegate.limits.reservations import Holds
from tidegate.limits.scripts import Gate
from tidegate.limits.spending_alert import SpendingAlert
from tidegate.metering.ledger.drainer import Drainer
from tidegate.metering.ledger.entries import Ledger
from tidegate.metering.ledger.spool import Spool
from tidegate.metering.ledger.store import LedgerStore
from tidegate.metering.ledger.stream import LedgerStream
from tidegate.queue.replicas import Replicas
from tidegate.queue.slot import Turns
from tidegate.queue.waiters import Places


class AdmissionParts:
    """What one process has for them."""

    def __init__(self, base: Base) -> None:
        """Use `make_admission`."""
        settings, clock, redis, prefix = base.settings, base.clock, base.redis, base.prefix
        budgets = settings.budgets
        self.key_store = KeyStore(base.postgres, redis, clock=clock, prefix=prefix)
        self.keys = KeyRing(self.key_store, clock)
        self.recount = Recount(
            redis, base.postgres, prefix=prefix, clock=clock, grace_seconds=budgets.recount_after_seconds
        )
        gate = Gate(redis, prefix=prefix, lease_seconds=settings.cache.lease_seconds)
        self.holds = Holds(gate, clock, lease_seconds=budgets.lease_seconds)
        replicas, terms = Replicas(), lane_terms(settings)
        self.places = Places(redis, prefix=prefix, process=base.process, clock=clock, terms=terms, replicas=replicas)
        self.door = Door(gate, self.holds, self.recount, LocalLimits(replicas), everybody=budgets.everybody)
        self.visits = Visits(self.door, clock)
        self.turns = Turns(self.places, terms=terms, in_flight=settings.queue.in_flight, clock=clock)


async def make_admission(base: Base) -> AdmissionParts:
    """The parts, started."""
    parts = AdmissionParts(base)
    await base.started(parts.keys)
    base.closing(parts.recount.close)
    await base.started(parts.holds)
    await base.started(parts.places)
    counters = BudgetStore(base.redis, prefix=base.prefix)
    usual = base.settings.budgets.usual_nanos_per_day
    await base.started(SpendingAlert(counters, base.postgres, base.clock, usual_nanos=usual))
    return parts


def make_ledger(base: Base, recount: Recount) -> Ledger:
    """The ledger's way into PostgreSQL, open until the stack unwinds."""
    metering, tell = base.settings.metering, base.counters.happened
    stream, spool = LedgerStream(base.redis, base.prefix), Spool(metering.spool_dir)
    store = LedgerStore(base.postgres)
    drainer = Drainer(stream, store, spool, clock=base.clock, on_replayed=recount.forget, tell=tell)
    drainer.start()
    base.closing(drainer.close)
    ledger = Ledger(stream, spool, most_held=metering.most_held, tell=tell)
    base.closing(ledger.close)
    watch = base.counters.watch
    watch("ledger_lines_in_memory", "Ledger lines that neither Redis nor the disk takes.", lambda: ledger.held)
    watch("spool_bytes", "Ledger lines on disk that wait to be replayed.", spool.bytes_waiting)
    return ledger
