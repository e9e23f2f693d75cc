"""Count requests that are not sent to a model, or not yet, in the limits on requests of their callers.

The handlers of stored responses and conversations count each request here, as does the background submitter. This is a
class of its own so that the web layer depends on nothing else of admission.
"""

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import BudgetReserved, CallerRateLimited, NotCached, RedisUnavailable
from tidegate.core.values import Caller
from tidegate.limits.admission import AdmissionController
from tidegate.limits.scopes import LimitScope, Reservation
from tidegate.limits.scripts import limits_only


class RequestCount:
    """Count requests through the admission controller."""

    def __init__(self, admission: AdmissionController, clock: Clock) -> None:
        self._admission = admission
        self._clock = clock

    async def count(self, caller: Caller, request_id: str) -> None:
        """Count one request. Raises CallerRateLimited. A caller without limits causes no round trip.

        It is admitted as a request that accepts only a stored response, under a fingerprint that has none: so it takes
        from the limits on requests and from no other.
        """
        if caller.limits.is_unlimited and caller.project_limits.is_unlimited:
            return
        scopes = self._admission.scopes.of(caller, None)
        await self._count(
            self._admission.reservation(request_id, scopes, now=self._clock.now(), tokens=0, cost_nanos=0)
        )

    async def count_background(self, reservation: Reservation, ledger_entry: bytes) -> None:
        """Count a request that is answered later. Raises CallerRateLimited, RequestExceedsLimit and BudgetExceeded.

        Limits that may have room by then do not reject it: tokens per minute, requests in flight and reserved budget.
        The request is admitted and released at once; `ledger_entry` is written if this process dies in between. It
        reserves at most one nano-dollar: the worker checks the budget for its full cost later.
        """
        scopes = tuple(msgspec.structs.replace(scope, concurrency=None) for scope in reservation.scopes)
        reservation = msgspec.structs.replace(
            reservation, id=f"{reservation.id}-counted", scopes=scopes, cost_nanos=min(reservation.cost_nanos, 1)
        )
        if not any(_limits_anything(scope) for scope in scopes):
            return
        try:
            await self._admission.admit(limits_only(reservation, ledger_entry, now=self._clock.now()))
        except CallerRateLimited as error:
            if error.kind == "requests":
                raise
        except BudgetReserved:
            pass
        except RedisUnavailable:
            return
        else:
            await self._admission.release(reservation.id, now=self._clock.now())
            return
        await self._count(msgspec.structs.replace(reservation, tokens=0, cost_nanos=0))

    async def _count(self, reservation: Reservation) -> None:
        try:
            await self._admission.admit(limits_only(reservation, b"{}", now=self._clock.now(), only_stored=True))
        except NotCached:
            return


def _limits_anything(scope: LimitScope) -> bool:
    return any(limit is not None for limit in (scope.rpm, scope.rpd, scope.tpm, *scope.budgets))
