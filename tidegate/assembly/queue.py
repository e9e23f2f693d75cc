"""The objects of `tidegate.queue`: the fair queue for upstream capacity."""

from tidegate.assembly.base import Base
from tidegate.assembly.routing import lane_limits
from tidegate.queue.replicas import Replicas
from tidegate.queue.slot import QueueSlots
from tidegate.queue.waiters import Waiters


class QueueParts:
    """The queue of one process."""

    def __init__(self, base: Base) -> None:
        """Use `make_queue`."""
        clock, limits_of_lane = base.clock, lane_limits(base.settings)
        self.replicas = Replicas()
        self.waiters = Waiters(
            base.redis,
            prefix=base.prefix,
            process=base.process,
            clock=clock,
            lane_limits=limits_of_lane,
            replicas=self.replicas,
        )
        max_in_flight = base.settings.queue.max_in_flight
        self.slots = QueueSlots(self.waiters, lane_limits=limits_of_lane, in_flight=max_in_flight, clock=clock)


async def make_queue(base: Base) -> QueueParts:
    """Return the parts, started."""
    parts = QueueParts(base)
    await base.start(parts.waiters)
    return parts
