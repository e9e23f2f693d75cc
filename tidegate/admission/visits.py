"""Requests that ask no model anything, or not yet: they cost nothing, and count as requests all the same."""

import msgspec

from tidegate.admission.door import Door
from tidegate.admission.gate import Admission, LaneAsk
from tidegate.admission.terms import Scope, Terms
from tidegate.core.clock import Clock
from tidegate.core.errors import BudgetHeld, CallerLimited, NotCached, RedisUnavailable
from tidegate.core.values import Caller

_NO_LANE = LaneAsk(lane="", member="", tokens=0, flow="", weight=1, deadline=0.0, rpm=0, tpm=0, longest=0)
_NOTHING = "-"
"""The fingerprint of no answer."""


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
            await self._door.admit(self._ask(terms, line, only_stored=False))
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
            await self._door.admit(self._ask(terms, b"{}", only_stored=True))
        except NotCached:
            return

    def _ask(self, terms: Terms, line: bytes, *, only_stored: bool) -> Admission:
        return Admission(
            fingerprint=_NOTHING,
            owner="",
            now=self._clock.now(),
            lookup=only_stored,
            claim=False,
            max_age=None,
            only_stored=only_stored,
            hit_entry=line,
            terms=terms,
            lane=_NO_LANE,
        )


def _limits(scope: Scope) -> bool:
    return any(limit is not None for limit in (scope.rpm, scope.rpd, scope.tpm, scope.bd, scope.bm))
