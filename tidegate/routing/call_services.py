"""What one upstream call is given: its specification, and the services of other packages that it uses."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.process.call_memory import MemoryHold
from tidegate.core.values import Outcome
from tidegate.routing.attempt import UpstreamSlot
from tidegate.routing.fallback_policy import SendTo
from tidegate.routing.plan import Plan
from tidegate.wire.call import Call


class CallSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the routing must know of one call."""

    call: Call
    plan: Plan
    headers: Mapping[str, str]
    echo: str
    deadline: float
    """Unix seconds until which the call may wait for its slot."""
    hold: MemoryHold | None = None
    """What holds memory for the answer."""
    first_step: SendTo | None
    """The first step, if it is already decided."""


class CallServices(Protocol):
    """What an upstream call needs of other packages: the queue, the limits, the cache and the ledger."""

    def slot(self, send_to: SendTo, number: int) -> UpstreamSlot:
        """Return the queue slot for the call's attempt `number`, from 0."""
        ...

    async def reserve_retry(self) -> bool:
        """Reserve the cost of one more attempt; return whether every budget has room for it."""
        ...

    async def stale_answer(self) -> BufferedAnswer | None:
        """Return the stored answer to the same call, if it may be given although it is no longer fresh."""
        ...

    async def canned_reply(self) -> BufferedAnswer | None:
        """Return the reply that is configured for the call's route, if there is one."""
        ...

    async def settle(self, outcome: Outcome) -> int:
        """Account for the outcome; return the cost in nano-dollars. May be called again with the same outcome."""
        ...
