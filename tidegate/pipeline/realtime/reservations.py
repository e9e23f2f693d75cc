"""What one session holds in the limits and budgets of its caller, and is charged. Used by meter.py.

The session itself counts as one request, and as one call in flight for as long as it lasts. Each response is held
before it may begin, and charged when its usage is known. If the process dies, what is held is charged in full.
"""

import asyncio

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.ledger_entry import LedgerEntry
from tidegate.core.values import Caller
from tidegate.limits.admission import AdmissionController
from tidegate.limits.decision import SendUpstream
from tidegate.limits.scopes import CallerScopes, Charge, Reservation, for_retry
from tidegate.limits.scripts import Settlement, limits_only
from tidegate.metering.ledger.entries import Ledger, encode
from tidegate.pipeline.realtime.session import SessionContext

_LARGEST_SHARE = 10
"""A hold is no more than a tenth of the smallest budget: larger ones would end sessions that could still pay."""


class ResponseHold(msgspec.Struct, frozen=True, kw_only=True):
    """What is held for one response."""

    entry: LedgerEntry
    """Its ledger entry before anything has happened."""
    reservation: Reservation
    dataset_id: str
    """The Redis data set that has the reservation."""


class SessionReservations:
    """The holds of one session."""

    def __init__(
        self, context: SessionContext, *, admission: AdmissionController, ledger: Ledger, clock: Clock
    ) -> None:
        self._context = context
        self._admission = admission
        self._ledger = ledger
        self._clock = clock
        self._count = 0
        self._session: ResponseHold | None = None
        self._settlements: set[asyncio.Task[None]] = set()
        """Those in progress."""
        self.caller: Caller = context.caller
        """As its key is now: what is held from now on counts in these limits."""

    def place(self, context: SessionContext) -> None:
        """Note where the session was opened: its entries name that."""
        self._context = context

    @property
    def limits_money(self) -> bool:
        """Whether any budget applies."""
        return self._scopes.smallest_budget is not None

    async def begin(self) -> None:
        """Count the session. Raises TidegateError where a limit refuses it, or a budget is used up."""
        entry = self._context.entry(self._context.request.id, at=self._context.at)
        self._session = await self._admit(self._reservation(entry.id, cost_nanos=1, tokens=0), entry)

    async def hold(self, *, cost_nanos: int, tokens: int, counts: bool) -> ResponseHold:
        """Hold a response; one that `counts` is a request as well. Raises TidegateError if a limit refuses it."""
        self._count += 1
        now = self._clock.now()
        entry = self._context.entry(f"{self._context.request.id}-{self._count}", at=now)
        budget = self._scopes.smallest_budget
        nanos = cost_nanos if budget is None else max(1, min(cost_nanos, budget // _LARGEST_SHARE))
        reservation = self._reservation(entry.id, cost_nanos=nanos, tokens=tokens)
        counted = _without_concurrency(reservation) if counts else for_retry(reservation, entry.id)
        return await self._admit(counted, entry)

    async def check_budget(self) -> None:
        """Raise BudgetExceeded, or another TidegateError, if nothing more may be spent."""
        if not self.limits_money:
            return
        self._count += 1
        name = f"{self._context.request.id}-{self._count}"
        probe = for_retry(self._reservation(name, cost_nanos=1, tokens=0), name)
        hold = await self._admit(probe, self._context.entry(name, at=self._clock.now()))
        await self.release(hold)

    async def release(self, hold: ResponseHold) -> None:
        """Give back what was held for a response that did not come about."""
        await self._admission.release(hold.reservation.id, now=self._clock.now())

    async def settle(self, hold: ResponseHold | None, entry: LedgerEntry) -> None:
        """Charge what was used, and write its ledger entry; without a hold its id keeps it from counting twice."""
        if hold is None:
            reservation, dataset_id = self._reservation(entry.id, cost_nanos=entry.cost_nanos, tokens=0), ""
        else:
            reservation, dataset_id = hold.reservation, hold.dataset_id
        charge = Charge(
            id=entry.id,
            scope_names=reservation.scope_names,
            day=reservation.day,
            week=reservation.week,
            month=reservation.month,
            cost_nanos=entry.cost_nanos,
            tokens=entry.input_tokens + entry.output_tokens,
            dataset_id=dataset_id,
        )
        settlement = Settlement(fingerprint="", owner="", entry=encode(entry), now=self._clock.now(), charge=charge)
        task = asyncio.create_task(self._write(settlement), name="realtime-settlement")
        self._settlements.add(task)
        task.add_done_callback(self._settlements.discard)
        await asyncio.shield(task)  # the client may leave meanwhile: what was used is charged all the same

    async def end(self, entry: LedgerEntry) -> None:
        """Write the session's own entry: it is a call in flight no more."""
        await asyncio.gather(*self._settlements)
        await self.settle(self._session, entry)

    async def _write(self, settlement: Settlement) -> None:
        try:
            await self._admission.settle(settlement)
        except RedisUnavailable:
            self._ledger.spool(settlement.entry)

    @property
    def _scopes(self) -> CallerScopes:
        return self._admission.scopes.of(self.caller, self._context.request.end_user, self._context.tags)

    def _reservation(self, name: str, *, cost_nanos: int, tokens: int) -> Reservation:
        return self._admission.reservation(
            name, self._scopes, now=self._clock.now(), tokens=tokens, cost_nanos=cost_nanos
        )

    async def _admit(self, reservation: Reservation, entry: LedgerEntry) -> ResponseHold:
        self._ledger.check_capacity()
        decision = await self._admission.admit(limits_only(reservation, encode(entry), now=self._clock.now()))
        dataset_id = decision.dataset_id if isinstance(decision, SendUpstream) else ""
        return ResponseHold(entry=entry, reservation=reservation, dataset_id=dataset_id)


def _without_concurrency(reservation: Reservation) -> Reservation:
    """Return the reservation without limits of calls in flight: the session is one already."""
    scopes = tuple(msgspec.structs.replace(scope, concurrency=None) for scope in reservation.scopes)
    return msgspec.structs.replace(reservation, scopes=scopes)
