"""The decisions on a request: what the script `admit` replies, as values.

`LimitScripts` makes them from the script's reply, `AdmissionController` acts on them, and the pipeline gets the three
that admit the request: `CacheHit`, `JoinFlight` and `SendUpstream`.
"""

import msgspec

from tidegate.queue.messages import QueueRejected, QueueVerdict


class LimitStatus(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One rate limit and what remains of it, as its caller sees it in the response headers."""

    limit: int
    remaining: int
    reset: float
    """Seconds until the whole limit is available again."""


NEARLY_USED = 0.8
"""The share of a budget that is spent from which on its calls are told."""


class NearlyUsedBudget(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A budget of which at least `NEARLY_USED` is spent."""

    scope: str
    period: str
    """`day`, `week` or `month`."""
    spent: float
    """Nano-dollars."""
    limit: float
    """Nano-dollars."""

    @property
    def used_ratio(self) -> float:
        """Return the share that is spent."""
        return self.spent / self.limit if self.limit else 1.0


class RemainingLimits(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What remains of the caller's limits per minute; None where the caller has no such limit."""

    requests: LimitStatus | None = None
    tokens: LimitStatus | None = None
    budget: NearlyUsedBudget | None = None
    """The budget that is used most, if it is nearly used."""
    first_warned: tuple[NearlyUsedBudget, ...] = ()
    """The nearly used budgets that are warned of for the first time in their period."""


class CacheHit(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The response is in the cache; the ledger entry of the hit is written."""

    remaining_limits: RemainingLimits
    stored_at: float
    """Unix seconds at which the response was stored."""
    head: bytes
    body: bytes
    account: bytes
    fresh_until: float
    """Unix seconds; infinite where the response states none."""


class JoinFlight(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An identical request is in flight: wait for its response."""

    remaining_limits: RemainingLimits
    owner: str
    """`process:request` of the call that is in flight."""
    dataset_id: str
    """The id of the Redis data set that holds the reservation; empty where nothing is reserved."""
    claimed: bool = False
    """Always False: another request owns the flight."""
    verdict: QueueVerdict | None = None
    """Always None: the request takes no upstream capacity."""


class SendUpstream(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Send the request upstream."""

    remaining_limits: RemainingLimits
    claimed: bool
    """Whether this request owns a flight that identical requests join."""
    dataset_id: str
    """The id of the Redis data set that holds the reservation; empty where nothing is reserved."""
    counters_valid: bool = True
    """Whether the budget counters are valid."""
    verdict: QueueVerdict | None = None
    """The queue's verdict for the lane that was named; None where no lane was named."""


class UpstreamFull(msgspec.Struct, frozen=True, kw_only=True):
    """The upstream's capacity cannot serve the request before its deadline."""

    verdict: QueueRejected


class NoStoredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The cache has no response, and the request accepts only a stored one."""


class LimitRejection(msgspec.Struct, frozen=True, kw_only=True):
    """A limit or a budget rejects the request."""

    kind: str
    """`requests`, `day`, `tokens`, `too_large`, `concurrency`, `budget` or `budget_held`."""
    scope: str
    limit: float
    """In requests, tokens, requests in flight or nano-dollars."""
    used: float
    requested: float
    wait: float | None
    """Seconds until the same request may be admitted; None for never."""


class RebuildNeeded(msgspec.Struct, frozen=True, kw_only=True):
    """The budget counters are not valid: rebuild them from the ledger before a budget is spent."""


Decision = CacheHit | JoinFlight | SendUpstream | NoStoredAnswer | UpstreamFull | LimitRejection | RebuildNeeded
