"""The calls under way of one process: what they hold in Redis stays held while the process lives."""

import asyncio
import contextlib
from collections import deque

from tidegate.admission.gate import Gate, Settlement
from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable

LEASE_SECONDS = 30.0
"""After so long without a sign of its process a call is lost, and charged all that it held."""
_RENEWALS_PER_LEASE = 3
_RETRY_SECONDS = 1.0
_MOST_LATE = 20_000
"""Settlements kept for when Redis is back; what is beyond is charged all it held."""


class Holds:
    """Use it between `start` and `close`."""

    def __init__(self, gate: Gate, clock: Clock, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._gate = gate
        self._clock = clock
        self.lease_seconds = lease_seconds
        self._ids: dict[str, None] = {}
        self._late: deque[Settlement] = deque(maxlen=_MOST_LATE)
        self._keepers: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Holds: {len(self._ids)} calls under way>"

    async def start(self) -> None:
        """Begin to renew, and to settle what could not be."""
        self._keepers = [
            asyncio.create_task(self._keep(), name="holds"),
            asyncio.create_task(self._settle_late(), name="late-settlements"),
        ]

    async def close(self) -> None:
        """Stop; what is still held is lost in time."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)

    def add(self, request_id: str) -> None:
        """A call was admitted."""
        self._ids[request_id] = None

    def discard(self, request_id: str) -> None:
        """A call was settled."""
        self._ids.pop(request_id, None)

    def settle_later(self, settlement: Settlement) -> None:
        """Redis could not be told that a call is over; it will be. The hold is kept until then."""
        self._late.append(settlement)

    async def _settle_late(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            with contextlib.suppress(RedisUnavailable):  # the next turn tries again
                while self._late:
                    await self._gate.settle(self._late[0])
                    self.discard(self._late.popleft().done.id)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease_seconds / _RENEWALS_PER_LEASE)
            if self._ids:
                with contextlib.suppress(RedisUnavailable):  # the next turn tries again; the lease outlasts some
                    await self._gate.renew(list(self._ids), lost_at=self._clock.now() + self.lease_seconds)
