"""The calls under way of one process: what they hold in Redis stays held while the process lives."""

import asyncio
import contextlib

from tidegate.admission.gate import Gate
from tidegate.core.clock import Clock
from tidegate.core.errors import RedisUnavailable

LEASE_SECONDS = 30.0
"""After so long without a sign of its process a call is lost, and charged all that it held."""
_RENEWALS_PER_LEASE = 3


class Holds:
    """Use it between `start` and `close`."""

    def __init__(self, gate: Gate, clock: Clock, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._gate = gate
        self._clock = clock
        self.lease_seconds = lease_seconds
        self._ids: dict[str, None] = {}
        self._keeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Holds: {len(self._ids)} calls under way>"

    async def start(self) -> None:
        """Begin to renew."""
        self._keeper = asyncio.create_task(self._keep(), name="holds")

    async def close(self) -> None:
        """Stop; what is still held is lost in time."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper

    def add(self, request_id: str) -> None:
        """A call was admitted."""
        self._ids[request_id] = None

    def discard(self, request_id: str) -> None:
        """A call was settled."""
        self._ids.pop(request_id, None)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self.lease_seconds / _RENEWALS_PER_LEASE)
            if self._ids:
                with contextlib.suppress(RedisUnavailable):  # the next turn tries again; the lease outlasts some
                    await self._gate.renew(list(self._ids), lost_at=self._clock.now() + self.lease_seconds)
