"""Reserve the cost of further upstream attempts: a failed attempt may still be charged by the upstream.

The pipeline makes one RetryReservation per request, and the upstream call reserves each retry with it. It is a class of
its own because it keeps state per request: the names under which it has reserved.
"""

from collections.abc import Callable

from tidegate.core.clock import Clock
from tidegate.core.errors import TidegateError
from tidegate.limits.admission import AdmissionController
from tidegate.limits.scopes import Reservation, for_retry
from tidegate.limits.scripts import limits_only

LedgerEntryFor = Callable[[str], bytes]
"""Return the request's ledger entry under another name; it is written if the process dies."""


class RetryReservation:
    """The reservations of one request beyond its first attempt."""

    def __init__(
        self, admission: AdmissionController, reservation: Reservation, ledger_entry: LedgerEntryFor, clock: Clock
    ) -> None:
        self._admission = admission
        self._reservation = reservation
        self._ledger_entry = ledger_entry
        self._clock = clock
        self._names: list[str] = []
        self._attempts = 0

    async def reserve(self) -> bool:
        """Reserve the cost of one more attempt under a name of its own; return whether every budget had room."""
        reservation = self._reservation
        if reservation.cost_nanos == 0 or not any(scope.limits_money for scope in reservation.scopes):
            return True
        self._attempts += 1
        name = f"{reservation.id}-sent-{self._attempts + 1}"
        try:
            await self._admission.admit(
                limits_only(for_retry(reservation, name), self._ledger_entry(name), now=self._clock.now())
            )
        except TidegateError:
            return False
        self._names.append(name)
        return True

    async def release(self) -> None:
        """Release all of them, because the request is settled."""
        while self._names:
            await self._admission.release(self._names[-1], now=self._clock.now())
            self._names.pop()
