"""Lanes in the memory of this process, for while Redis is away: each process uses its share of the capacity.

`Waiters` asks this when Redis is unavailable. The rules are those of `UpstreamCapacity`.
"""

from collections.abc import Callable

import msgspec

from tidegate.queue.capacity import UpstreamCapacity
from tidegate.queue.messages import MAX_LANES, CapacityReport, LaneLimits, QueueEntry, QueueVerdict
from tidegate.queue.replicas import Replicas


class LearntLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a lane that Redis last reported, for all replicas together."""

    rpm: int = 0
    tpm: int = 0
    unlimited: bool = False


class LocalCapacity:
    """This process's share of each lane. A lane begins with slow start, as after an outage."""

    def __init__(self, lane_limits: Callable[[str], LaneLimits], replicas: Replicas) -> None:
        """`lane_limits` returns the configured limits of a lane by its name; `replicas` share the capacity."""
        self._lane_limits = lane_limits
        self._lanes: dict[str, UpstreamCapacity] = {}
        self._learnt: dict[str, LearntLimits] = {}
        self._replicas = replicas

    def __repr__(self) -> str:
        return f"<LocalCapacity 1/{self._replicas.count}: {self._lanes}>"

    def remember(self, lane: str, learnt: LearntLimits) -> None:
        """Store what Redis last reported of a lane."""
        self._learnt.pop(lane, None)
        if len(self._learnt) >= MAX_LANES:
            del self._learnt[next(iter(self._learnt))]  # of which there was no news for longest
        self._learnt[lane] = learnt

    def enter(self, lane: str, entry: QueueEntry, now: float) -> QueueVerdict:
        """Do as `UpstreamCapacity.enter` does."""
        return self._lane(lane).enter(entry, self._local_limits(lane), now)

    def dispatch(self, lane: str, now: float) -> tuple[list[str], float | None]:
        """Do as `UpstreamCapacity.dispatch` does; all members are of this process, which is alive."""
        if lane not in self._lanes:
            return [], None
        return self._lanes[lane].dispatch(self._local_limits(lane), now, lambda _: True)

    def learn(self, lane: str, report: CapacityReport, now: float) -> None:
        """Do as `UpstreamCapacity.learn` does; the remainder that the upstream reports is shared by all replicas."""
        if lane in self._lanes:
            report = msgspec.structs.replace(
                report, rpm_remaining=self._share_of(report.rpm_remaining), tpm_remaining=-1
            )
            self._lanes[lane].learn(report, self._local_limits(lane), now)

    def leave(self, lane: str, member: str) -> None:
        """Do as `UpstreamCapacity.leave` does."""
        if lane in self._lanes:
            self._lanes[lane].leave(member)

    def give_back(self, lane: str, entry: QueueEntry) -> None:
        """Do as `UpstreamCapacity.give_back` does."""
        if lane in self._lanes:
            self._lanes[lane].give_back(entry, self._local_limits(lane))

    def discard(self, lane: str) -> None:
        """Forget the lane, because Redis is back; unless requests still wait in it."""
        if lane in self._lanes and not self._lanes[lane].fair_queue.waiting:
            del self._lanes[lane]

    def _lane(self, lane: str) -> UpstreamCapacity:
        capacity = self._lanes.pop(lane, None)
        if capacity is None:
            self._forget_idle_lane()
            capacity = UpstreamCapacity()
            capacity.state.unlimited = self._learnt.get(lane, LearntLimits()).unlimited
        self._lanes[lane] = capacity  # now the last one, as it was used last
        return capacity

    def _forget_idle_lane(self) -> None:
        if len(self._lanes) >= MAX_LANES:
            idle = (name for name, capacity in self._lanes.items() if not capacity.fair_queue.waiting)
            self._lanes.pop(next(idle, ""), None)

    def _local_limits(self, lane: str) -> LaneLimits:
        learnt, configured = self._learnt.get(lane, LearntLimits()), self._lane_limits(lane)
        rpm, tpm = configured.rpm or learnt.rpm, configured.tpm or learnt.tpm
        return LaneLimits(
            rpm=self._replicas.share(rpm), tpm=self._replicas.share(tpm), max_waiting=configured.max_waiting
        )

    def _share_of(self, amount: int) -> int:
        return amount // self._replicas.count if amount > 0 else amount
