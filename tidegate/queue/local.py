"""Lanes in this process's memory, for while Redis is away: the same rules, with a share of the upstream's capacity."""

from collections.abc import Callable

import msgspec

from tidegate.queue.capacity import Lane
from tidegate.queue.messages import LaneTerms, Report, Ticket, Verdict
from tidegate.queue.replicas import Replicas


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What was last known of a lane that all replicas share."""

    rpm: int = 0
    tpm: int = 0
    free: bool = False


class LocalLanes:
    """This process's part of each lane. It begins as after an outage: with few calls at once."""

    def __init__(self, terms: Callable[[str], LaneTerms], replicas: Replicas) -> None:
        """`terms` gives what the configuration says of a lane, by its name; `replicas` share the capacity."""
        self._terms = terms
        self._lanes: dict[str, Lane] = {}
        self._shares: dict[str, Share] = {}
        self._replicas = replicas

    def __repr__(self) -> str:
        return f"<LocalLanes 1/{self._replicas.count}: {self._lanes}>"

    def remember(self, lane: str, share: Share) -> None:
        """Keep what Redis knows of a lane."""
        self._shares[lane] = share

    def enter(self, lane: str, ticket: Ticket, now: float) -> Verdict:
        """As `Lane.enter`."""
        return self._lane(lane).enter(ticket, self._share(lane), now)

    def dispatch(self, lane: str, now: float) -> tuple[list[str], float | None]:
        """As `Lane.dispatch`; everybody here is alive."""
        if lane not in self._lanes:
            return [], None
        return self._lanes[lane].dispatch(self._share(lane), now, lambda _: True)

    def learn(self, lane: str, report: Report, now: float) -> None:
        """As `Lane.learn`; what is said to be left is left to all."""
        if lane in self._lanes:
            report = msgspec.structs.replace(report, rpm_left=self._part(report.rpm_left), tpm_left=-1)
            self._lanes[lane].learn(report, self._share(lane), now)

    def leave(self, lane: str, member: str) -> None:
        """As `Lane.leave`."""
        if lane in self._lanes:
            self._lanes[lane].leave(member)

    def give_back(self, lane: str, ticket: Ticket) -> None:
        """As `Lane.give_back`."""
        if lane in self._lanes:
            self._lanes[lane].give_back(ticket, self._share(lane))

    def end(self, lane: str) -> None:
        """Redis is back: forget the lane, unless somebody still waits in it."""
        if lane in self._lanes and not self._lanes[lane].order.waiting:
            del self._lanes[lane]

    def _lane(self, lane: str) -> Lane:
        if lane not in self._lanes:
            self._lanes[lane] = Lane()
            self._lanes[lane].state.free = self._shares.get(lane, Share()).free
        return self._lanes[lane]

    def _share(self, lane: str) -> LaneTerms:
        known, terms = self._shares.get(lane, Share()), self._terms(lane)
        rpm, tpm = terms.rpm or known.rpm, terms.tpm or known.tpm
        return LaneTerms(rpm=self._replicas.share(rpm), tpm=self._replicas.share(tpm), longest=terms.longest)

    def _part(self, amount: int) -> int:
        return amount // self._replicas.count if amount > 0 else amount
