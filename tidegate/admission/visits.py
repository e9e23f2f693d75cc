"""Requests that ask no model anything: they cost nothing, and count as requests all the same."""

from tidegate.admission.door import Door
from tidegate.admission.gate import Admission, LaneAsk
from tidegate.core.clock import Clock
from tidegate.core.errors import NotCached
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
        now = self._clock.now()
        scopes = self._door.scopes(caller, None)
        ask = Admission(
            fingerprint=_NOTHING,
            owner="",
            now=now,
            lookup=True,
            claim=False,
            max_age=None,
            only_stored=True,
            hit_entry=b"{}",
            terms=self._door.terms(request_id, scopes, now=now, tokens=0, nanos=0),
            lane=_NO_LANE,
        )
        try:
            await self._door.admit(ask)
        except NotCached:
            return
