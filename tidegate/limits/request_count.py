"""Requests that ask no model anything, or not yet: they cost nothing, and count as requests all the same."""

import msgspec

from tidegate.core.clock import Clock
from tidegate.core.errors import BudgetHeld, CallerLimited, NotCached, RedisUnavailable
from tidegate.core.values import Caller
from tidegate.limits.admission import Door
from tidegate.limits.scopes import Scope, Terms
from tidegate.limits.scripts import bare


class Visits:
    """Counts requests in the limits of their callers."""

    def __init__(self, door: Door, clock: Clock) -> None:
        self._door = door
        self._clock = clock

    async def count(self, caller: Caller, request_id: str) -> None:
        """Count one; costs nothing where the caller has no limits. Raises CallerLimited.

        To the door it is a call that wants a stored answer only, and there is none.
        """
        if caller.limits.none and caller.project_limits.none:
            return
        scopes = self._door.scopes(caller, None)
        await self._count(self._door.terms(request_id, scopes, now=self._clock.now(), tokens=0, nanos=0))

    async def promise(self, terms: Terms, line: bytes) -> None:
        """Count a request that is answered later. Raises CallerLimited, CallTooLarge and BudgetExceeded.

        What may pass until then is no refusal: this minute's tokens, calls in flight, what others still hold. It is
        let in like any call, and at once gives back what it holds; `line` is its ledger entry, should it be lost in
        between. It holds no more than a nano-dollar: whether the budget has room for all of it is seen later.
        """
        scopes = tuple(msgspec.structs.replace(scope, cc=None) for scope in terms.scopes)
        terms = msgspec.structs.replace(terms, id=f"{terms.id}-promise", scopes=scopes, c=min(terms.c, 1))
        if not any(_limits(scope) for scope in scopes):
            return
        try:
            await self._door.admit(bare(terms, line, now=self._clock.now()))
        except CallerLimited as error:
            if error.kind == "requests":
                raise
        except BudgetHeld:
            pass
        except RedisUnavailable:
            return
        else:
            await self._door.give_back(terms.id, now=self._clock.now())
            return
        await self._count(msgspec.structs.replace(terms, k=0, c=0))

    async def _count(self, terms: Terms) -> None:
        try:
            await self._door.admit(bare(terms, b"{}", now=self._clock.now(), only_stored=True))
        except NotCached:
            return


def _limits(scope: Scope) -> bool:
    return any(limit is not None for limit in (scope.rpm, scope.rpd, scope.tpm, scope.bd, scope.bm))
