"""Leases of conversations: whoever would be the second to take a turn is told before the answer is paid for."""

import asyncio
import contextlib
from collections.abc import Callable
from weakref import WeakSet

import msgspec

from tidegate.core.errors import StoreError
from tidegate.storage.postgres import Postgres, queries

LEASE_SECONDS = 5.0
"""How long others wait for a conversation whose process has died."""
_RENEWALS_PER_LEASE = 4


class Lease(msgspec.Struct, frozen=True, kw_only=True, weakref=True):
    """A conversation, for one turn."""

    project: str
    conversation: str
    response: str
    """The id of the response that is being made."""


RenewLease = Callable[[Lease], Lease]
"""Renews a lease for as long as somebody refers to what it returns."""


def without_renewal(lease: Lease) -> Lease:
    """A `Hold` that lets it run out."""
    return lease


class LeaseRenewal:
    """Renews the leases of this process between `start` and `close`, each for as long as somebody refers to it."""

    def __init__(self, postgres: Postgres, *, seconds: float = LEASE_SECONDS) -> None:
        """`postgres` must be known there as the tables' owner."""
        self._postgres = postgres
        self._seconds = seconds
        self._leases: WeakSet[Lease] = WeakSet()
        self._sql = queries("leases")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to renew."""
        self._task = asyncio.create_task(self._run(), name="conversation-leases")

    async def close(self) -> None:
        """Stop; what is left runs out."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def register(self, lease: Lease) -> Lease:
        """A `Hold`."""
        self._leases.add(lease)
        return lease

    async def renew_all(self) -> None:
        """Renew all. Raises PostgresUnavailable."""
        leases = list(self._leases)
        if not leases:
            return
        columns = [[getattr(lease, name) for lease in leases] for name in ("project", "conversation", "response")]
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["renew"], *columns, self._seconds)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / _RENEWALS_PER_LEASE)
            with contextlib.suppress(StoreError):  # the next may come in time; if not, the commit says who was first
                await self.renew_all()
