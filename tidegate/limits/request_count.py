"""Requests that ask no model anything, or not yet: they cost nothing, and count as requests all the same."""

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import BudgetReserved, CallerRateLimited, NotCached, RedisUnavailable
from tidegate.core.values import Caller
from tidegate.limits.admission import AdmissionController
from tidegate.limits.scopes import LimitScope, Reservation
from tidegate.limits.scripts import limits_only


class RequestCount:
    """Counts requests in the limits of their callers."""

    def __init__(self, admission: AdmissionController, clock: Clock) -> None:
        self._admission = admission
        self._clock = clock

    async def count(self, caller: Caller, request_id: str) -> None:
        """Count one; costs nothing where the caller has no limits. Raises CallerLimited.

        To the door it is a call that wants a stored answer only, and there is none.
        """
        if caller.limits.is_unlimited and caller.project_limits.is_unlimited:
            return
        scopes = self._admission.scopes(caller, None)
        await self._count(
            self._admission.reservation(request_id, scopes, now=self._clock.now(), tokens=0, cost_nanos=0)
        )

    async def count_background(self, reservation: Reservation, ledger_entry: bytes) -> None:
        """Count a request that is answered later. Raises CallerLimited, CallTooLarge and BudgetExceeded.

        What may pass until then is no refusal: this minute's tokens, calls in flight, what others still hold. It is
        let in like any call, and at once gives back what it holds; `line` is its ledger entry, should it be lost in
        between. It holds no more than a nano-dollar: whether the budget has room for all of it is seen later.
        """
        scopes = tuple(msgspec.structs.replace(scope, concurrency=None) for scope in reservation.scopes)
        reservation = msgspec.structs.replace(
            reservation, id=f"{reservation.id}-promise", scopes=scopes, cost_nanos=min(reservation.cost_nanos, 1)
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

    async def _count(self, terms: Reservation) -> None:
        try:
            await self._admission.admit(limits_only(terms, b"{}", now=self._clock.now(), only_stored=True))
        except NotCached:
            return


def _limits_anything(scope: LimitScope) -> bool:
    return any(limit is not None for limit in (scope.rpm, scope.rpd, scope.tpm, scope.budget_day, scope.budget_month))
