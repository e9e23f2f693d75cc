"""The calls under way of one process: what they hold in Redis stays held while the process lives."""

import asyncio
import contextlib
from collections import deque

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable
from tidegate.limits.scripts import AdmissionRequest, LimitScripts, Settlement

LEASE_SECONDS = 30.0
"""After so long without a sign of its process a call is lost, and charged all that it held."""
_RENEWALS_PER_LEASE = 3
CHECK_SECONDS = 0.25
"""Between looks whether Redis still has its memory; well below what a count of the budgets waits for."""
_RETRY_SECONDS = 1.0
_RECENT_SECONDS = 5.0
"""By then a line of the ledger is in PostgreSQL, unless that is away."""
_MAX_PENDING = 20_000
"""Settlements kept for when Redis is back; what is beyond is charged all it held."""


class _ActiveCall(msgspec.Struct, frozen=True):
    """A call as it was admitted."""

    request: AdmissionRequest
    spends: bool


class Reservations:
    """Use it between `start` and `close`."""

    def __init__(self, scripts: LimitScripts, clock: Clock, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._scripts = scripts
        self._clock = clock
        self.lease_seconds = lease_seconds
        self._calls: dict[str, _ActiveCall] = {}
        self._pending: deque[Settlement | str] = deque()
        """Settlements that Redis could not be told, and ids of calls that never went."""
        self._recent: deque[tuple[float, Settlement]] = deque()
        """By the monotonic moment at which they were settled."""
        self._dataset_id = ""
        self._settle_now = asyncio.Event()
        """Redis lost its memory: what is late is settled at once, before the ledger is counted."""
        self._keepers: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Holds: {len(self._calls)} calls under way, {len(self._pending)} to settle>"

    async def start(self) -> None:
        """Begin to renew, to hold anew what Redis forgot, and to settle what could not be."""
        self._keepers = [
            asyncio.create_task(self._keep(), name="holds"),
            asyncio.create_task(self._watch_memory(), name="redis-memory"),
            asyncio.create_task(self._settle_late(), name="late-settlements"),
        ]

    async def close(self) -> None:
        """Stop; what is still held is lost in time."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def add(self, request: AdmissionRequest, *, spends: bool) -> None:
        """A call was admitted; one that `spends` asks the upstream itself."""
        self._calls[request.reservation.id] = _ActiveCall(request, spends)

    def discard(self, request_id: str) -> None:
        """A call is settled, or about to be."""
        self._calls.pop(request_id, None)

    def record_settled(self, settlement: Settlement) -> None:
        """A call is over, and Redis knows; should it forget before PostgreSQL knows too, it will be told again."""
        now = self._clock.monotonic()
        while self._recent and self._recent[0][0] < now - _RECENT_SECONDS:
            self._recent.popleft()
        self._recent.append((now, _without_answer(settlement)))

    def settle_later(self, settlement: Settlement) -> None:
        """Redis could not be told that a call is over; it will be. The hold is kept until then."""
        self._add_pending(_marked_late(settlement))

    def release_later(self, request_id: str) -> None:
        """A call that Redis may have admitted never went; what it holds will be given back."""
        self._add_pending(request_id)

    def _add_pending(self, late: Settlement | str) -> None:
        if len(self._pending) >= _MAX_PENDING:
            self._pending.popleft()
        self._pending.append(late)

    async def _settle_late(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settle_now.wait(), _RETRY_SECONDS)
            self._settle_now.clear()
            with contextlib.suppress(RedisUnavailable):  # the next turn tries again
                while self._pending:
                    await self._settle_one()

    async def _settle_one(self) -> None:
        late = self._pending[0]
        try:
            if isinstance(late, str):
                await self._scripts.release(late, now=self._clock.now())
            else:
                await self._scripts.settle(late)
        except RedisUnavailable:
            self._pending.rotate(-1)  # so that one which Redis does not take holds up no other
            raise
        if self._pending and self._pending[0] is late:
            self._pending.popleft()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease_seconds / _RENEWALS_PER_LEASE)
            late = [one.charge.id for one in self._pending if isinstance(one, Settlement)]
            with contextlib.suppress(RedisUnavailable):  # the next turn tries again; the lease outlasts some
                if self._calls or late:
                    await self._scripts.renew([*self._calls, *late], expires_at=self._clock.now() + self.lease_seconds)
                await self._scripts.reap(now=self._clock.now())

    async def _watch_memory(self) -> None:
        """The budgets are counted anew only when every process had the time to do this."""
        while True:
            with contextlib.suppress(RedisUnavailable):  # the next look tells
                memory = await self._scripts.dataset_id()
                if self._dataset_id not in ("", memory):
                    await self._restore_all()
                self._dataset_id = memory
            await asyncio.sleep(CHECK_SECONDS)

    async def _restore_all(self) -> None:
        while self._recent:
            self._add_pending(_marked_late(self._recent.popleft()[1]))
        self._settle_now.set()
        # a call settled meanwhile is settled after this was sent, and in that order
        now = self._clock.now()
        await asyncio.gather(
            *(self._scripts.restore(call.request, spends=call.spends, now=now) for call in list(self._calls.values()))
        )


def _without_answer(settlement: Settlement) -> Settlement:
    """Charge and line alone."""
    return msgspec.structs.replace(settlement, head=b"", body=b"", fresh_seconds=0) if settlement.body else settlement


def _marked_late(settlement: Settlement) -> Settlement:
    """The same, marked as late."""
    return msgspec.structs.replace(
        _without_answer(settlement), charge=msgspec.structs.replace(settlement.charge, late=True)
    )
