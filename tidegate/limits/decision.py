"""What the gate decides of a call."""

import msgspec

from tidegate.queue.messages import QueueRejected, QueueVerdict


class LimitStatus(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A limit as its caller is told of it."""

    limit: int
    remaining: int
    reset: float
    """Seconds until all of it is there again."""


class RemainingLimits(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What is left of the caller's limits a minute, where it has any."""

    requests: LimitStatus | None = None
    tokens: LimitStatus | None = None


class CacheHit(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer is stored; its ledger entry is written."""

    remaining_limits: RemainingLimits
    stored_at: float
    """Unix seconds at which it was stored."""
    head: bytes
    body: bytes
    account: bytes


class JoinFlight(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Somebody is asking the same right now."""

    remaining_limits: RemainingLimits
    owner: str
    """`process:request` of the one who asks."""
    dataset_id: str
    """The name of Redis's memory in which the call is held; empty where it is not."""
    claimed: bool = False
    """Never: the flight is the other's."""
    verdict: QueueVerdict | None = None
    """None: the lane was not asked."""


class SendUpstream(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Ask the upstream."""

    remaining_limits: RemainingLimits
    claimed: bool
    """Others who ask the same will join this call."""
    dataset_id: str
    """The name of Redis's memory in which the call is held; empty where it is not."""
    counters_valid: bool = True
    """Whether the budgets' counters are true."""
    verdict: QueueVerdict | None = None
    """What the upstream's lane says; None where it was not asked."""


class UpstreamFull(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream has no room for the call in time."""

    verdict: QueueRejected


class NoStoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """There is no stored answer, and nothing else was wanted."""


class LimitRejection(msgspec.Struct, frozen=True, kw_only=True):
    """A limit or a budget does not allow it."""

    kind: str
    """`requests`, `day`, `tokens`, `too_large`, `concurrency`, `budget` or `budget_held`."""
    scope: str
    limit: float
    """In requests, tokens, calls or nano-dollars."""
    used: float
    requested: float
    wait: float | None
    """Seconds until the same call may be allowed; None for never."""


class RebuildNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """A budget's counters are not true; the ledger must be counted before anything is paid from it."""


Decision = CacheHit | JoinFlight | SendUpstream | NoStoredAnswer | UpstreamFull | LimitRejection | RebuildNeeded
