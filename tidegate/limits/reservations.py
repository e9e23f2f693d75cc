"""The reservations of this process's requests in progress: keep them alive in Redis until the requests are settled.

`AdmissionController` registers each admitted request here. A reservation in Redis has a lease. Three periodic tasks
look after the reservations:
  - renewal: extend the leases. When a process dies, its leases end, and another process charges its requests in full.
  - data set: watch the id of Redis's data set. When it changes, Redis has lost its data: restore all reservations, and
    settle recent requests again, before the budget counters are rebuilt from the ledger.
  - late settlements: retry settlements and releases that Redis could not be sent.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.core.periodic import PeriodicTask
from tidegate.limits.scripts import AdmissionRequest, LimitScripts, Settlement

LEASE_SECONDS = 30.0
"""Seconds without a renewal after which a request counts as lost and is charged its whole reservation."""
_RENEWALS_PER_LEASE = 3
CHECK_SECONDS = 0.25
"""Seconds between checks of the data set id; far less than a rebuild waits for restored reservations."""
_RETRY_SECONDS = 1.0
_RECENT_SECONDS = 5.0
"""Seconds after which a ledger entry is in PostgreSQL, unless that is away."""
_MAX_PENDING = 20_000
"""The most settlements that wait for Redis; the oldest beyond it are dropped, and their requests charged in full."""


class _ActiveCall(msgspec.Struct, frozen=True):
    """A request in progress, as it was admitted."""

    request: AdmissionRequest
    spends: bool


class Reservations:
    """The requests in progress of one process. Use it between `start` and `close`."""

    def __init__(self, scripts: LimitScripts, clock: Clock, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._scripts = scripts
        self._clock = clock
        self.lease_seconds = lease_seconds
        self._calls: dict[str, _ActiveCall] = {}
        self._pending: deque[Settlement | str] = deque()
        """Settlements that wait for Redis, and ids of requests to release."""
        self._recent: deque[tuple[float, Settlement]] = deque()
        """The last settlements, with the monotonic time at which each was made."""
        self._dataset_id = ""
        self._renewal = self._task(
            "reservation-renewal", self._renew, lease_seconds / _RENEWALS_PER_LEASE, wait_first=True
        )
        self._dataset_watch = self._task("redis-data-set", self._restore_if_lost, CHECK_SECONDS)
        self._settling = self._task("late-settlements", self._settle_pending, _RETRY_SECONDS, wait_first=True)

    def __repr__(self) -> str:
        return f"<Reservations: {len(self._calls)} in progress, {len(self._pending)} to settle>"

    async def start(self) -> None:
        """Start the three tasks."""
        for task in (self._renewal, self._dataset_watch, self._settling):
            await task.start()

    async def close(self) -> None:
        """Stop; the leases of requests that are still in progress will end."""
        for task in (self._renewal, self._dataset_watch, self._settling):
            await task.close()

    def add(self, request: AdmissionRequest, *, spends: bool) -> None:
        """Register an admitted request; one that `spends` goes upstream itself."""
        self._calls[request.reservation.id] = _ActiveCall(request, spends)

    def discard(self, request_id: str) -> None:
        """Unregister a request that is settled, or about to be."""
        self._calls.pop(request_id, None)

    def record_settled(self, settlement: Settlement) -> None:
        """Remember a settlement for a few seconds, to send it again if Redis loses it before PostgreSQL has it."""
        now = self._clock.monotonic()
        while self._recent and self._recent[0][0] < now - _RECENT_SECONDS:
            self._recent.popleft()
        self._recent.append((now, _without_answer(settlement)))

    def settle_later(self, settlement: Settlement) -> None:
        """Settle a request when Redis is back. Its lease is renewed until then."""
        self._add_pending(_marked_late(settlement))

    def release_later(self, request_id: str) -> None:
        """Release the reservation of a request that Redis may have admitted, when Redis is back."""
        self._add_pending(request_id)

    def _add_pending(self, item: Settlement | str) -> None:
        if len(self._pending) >= _MAX_PENDING:
            self._pending.popleft()
        self._pending.append(item)

    @staticmethod
    def _task(
        name: str, work: Callable[[], Awaitable[None]], seconds: float, *, wait_first: bool = False
    ) -> PeriodicTask:
        return PeriodicTask(name, work, every=seconds, wait_first=wait_first, quiet=(RedisUnavailable,))

    async def _settle_pending(self) -> None:
        while self._pending:
            await self._settle_one()

    async def _settle_one(self) -> None:
        item = self._pending[0]
        try:
            if isinstance(item, str):
                await self._scripts.release(item, now=self._clock.now())
            else:
                await self._scripts.settle(item)
        except Exception:  # whatever it is, one settlement that fails must not block the others
            self._pending.rotate(-1)
            raise
        if self._pending and self._pending[0] is item:
            self._pending.popleft()

    async def _renew(self) -> None:
        pending_ids = [item.charge.id for item in self._pending if isinstance(item, Settlement)]
        if self._calls or pending_ids:
            expires_at = self._clock.now() + self.lease_seconds
            await self._scripts.renew([*self._calls, *pending_ids], expires_at=expires_at)
        await self._scripts.reap(now=self._clock.now())

    async def _restore_if_lost(self) -> None:
        """Restore everything if Redis has lost its data. A rebuild of the counters waits until every process did."""
        dataset_id = await self._scripts.dataset_id()
        if self._dataset_id not in ("", dataset_id):
            await self._restore_all()
        self._dataset_id = dataset_id

    async def _restore_all(self) -> None:
        while self._recent:
            self._add_pending(_marked_late(self._recent.popleft()[1]))
        self._settling.wake()  # before the counters are rebuilt from the ledger
        # a request settled meanwhile is settled by a later command, and Redis keeps the order
        now = self._clock.now()
        await asyncio.gather(
            *(self._scripts.restore(call.request, spends=call.spends, now=now) for call in list(self._calls.values()))
        )


def _without_answer(settlement: Settlement) -> Settlement:
    """Return the settlement without the response to store."""
    return msgspec.structs.replace(settlement, head=b"", body=b"", fresh_seconds=0) if settlement.body else settlement


def _marked_late(settlement: Settlement) -> Settlement:
    """Return the settlement without the response, marked as late."""
    return msgspec.structs.replace(
        _without_answer(settlement), charge=msgspec.structs.replace(settlement.charge, late=True)
    )
