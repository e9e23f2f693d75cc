"""A call that is sent again though its last attempt may be charged: the money of one more attempt is held as well."""

from collections.abc import Callable

from tidegate.core.clock import Clock
from tidegate.core.errors import TidegateError
from tidegate.limits.admission import AdmissionController
from tidegate.limits.scopes import Reservation, for_retry
from tidegate.limits.scripts import limits_only

LedgerEntryFor = Callable[[str], bytes]
"""The call's ledger entry under another name, should what is held be lost with its process."""


class RetryReservation:
    """What one call holds besides its first attempt."""

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
        """Hold the money of one more attempt, under a name of its own; whether there was room in every budget."""
        terms = self._reservation
        if terms.cost_nanos == 0 or not any(
            scope.budget_day is not None or scope.budget_month is not None for scope in terms.scopes
        ):
            return True
        self._attempts += 1
        name = f"{terms.id}-sent-{self._attempts + 1}"
        try:
            await self._admission.admit(
                limits_only(for_retry(terms, name), self._ledger_entry(name), now=self._clock.now())
            )
        except TidegateError:
            return False
        self._names.append(name)
        return True

    async def release(self) -> None:
        """The call is charged: nothing more is held."""
        while self._names:
            await self._admission.release(self._names[-1], now=self._clock.now())
            self._names.pop()
