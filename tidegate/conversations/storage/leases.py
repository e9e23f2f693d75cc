"""Leases of conversations: a second turn that begins meanwhile is refused before its answer is paid for.

Used by the conversation store; each process renews its leases.
"""

from collections.abc import Callable
from weakref import WeakSet

import msgspec

from tidegate.core.errors import StoreError
from tidegate.core.periodic import PeriodicTask
from tidegate.storage.postgres import Postgres, queries

LEASE_SECONDS = 5.0
"""The longest time that others wait for a conversation whose process has died."""
_RENEWALS_PER_LEASE = 4


class Lease(msgspec.Struct, frozen=True, kw_only=True, weakref=True):
    """A conversation that is leased for one turn."""

    project: str
    conversation: str
    response: str
    """The id of the response that is being made."""


RenewLease = Callable[[Lease], Lease]
"""Register a lease for renewal, for as long as the returned value is referenced."""


def without_renewal(lease: Lease) -> Lease:
    """Return the lease without renewing it: it expires."""
    return lease


class LeaseRenewal:
    """Renews the leases of this process between `start` and `close`, each for as long as it is referenced."""

    def __init__(self, postgres: Postgres, *, seconds: float = LEASE_SECONDS) -> None:
        """`postgres` must be connected as the owner of the tables."""
        self._postgres = postgres
        self._seconds = seconds
        self._leases: WeakSet[Lease] = WeakSet()
        self._sql = queries("leases")
        # a failed round is harmless: the next one may be in time, and if not, the first saved turn wins
        self._task = PeriodicTask(
            "conversation-leases",
            self.renew_all,
            every=seconds / _RENEWALS_PER_LEASE,
            wait_first=True,
            quiet=(StoreError,),
        )

    async def start(self) -> None:
        """Begin to renew."""
        await self._task.start()

    async def close(self) -> None:
        """Stop; the remaining leases expire."""
        await self._task.close()

    def register(self, lease: Lease) -> Lease:
        """Renew this lease from now on, for as long as the returned value is referenced."""
        self._leases.add(lease)
        return lease

    async def renew_all(self) -> None:
        """Renew all leases. Raises PostgresUnavailable."""
        leases = list(self._leases)
        if not leases:
            return
        columns = [[getattr(lease, name) for lease in leases] for name in ("project", "conversation", "response")]
        async with self._postgres.connection() as connection:
            await connection.execute(self._sql["renew"], *columns, self._seconds)
