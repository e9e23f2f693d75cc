"""The values that the queue exchanges: entries, verdicts, and reports on the upstream's limits.

A lane is the capacity of one credential and model. No I/O.
"""

import msgspec


class LaneLimits(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The configured limits of a lane; 0 means that the limit is learnt from the upstream's responses."""

    rpm: int = 0
    tpm: int = 0
    max_waiting: int = 10_000
    """The most requests that may wait."""


class QueuePosition(msgspec.Struct, frozen=True, gc=False):
    """A request's position in its flow: the sequence number of its arrival."""

    seq: int


class QueueEntry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A request that asks for capacity of a lane."""

    member: str
    """`process:request`."""
    tokens: int
    """The estimated tokens of the request."""
    flow: str
    """The project: the queue is fair between projects."""
    weight: int
    """The weight of its priority. Each weight of a project is a flow of its own."""
    deadline: float
    """Unix seconds."""
    position: QueuePosition | None = None
    """Its earlier position, if it comes back after a 429 of the upstream."""

    @property
    def flow_id(self) -> str:
        """The flow of SFQ: project and weight. Requests of one flow go in the order of their arrival."""
        return f"{self.flow}/{self.weight}"


class Granted(msgspec.Struct, frozen=True, gc=False):
    """The request may be sent now."""

    position: QueuePosition


class Queued(msgspec.Struct, frozen=True, gc=False):
    """The request waits for a grant."""

    position: QueuePosition
    eta: float
    """Estimated seconds until the grant."""
    ahead: int


class QueueRejected(msgspec.Struct, frozen=True, gc=False):
    """The request is not queued: the queue is full, or its turn would come too late."""

    eta: float
    full: bool
    """The queue is full. False: the estimated wait exceeds the deadline."""


QueueVerdict = Granted | Queued | QueueRejected


MAX_LANES = 1000
"""Lanes that a process remembers: callers choose the names of models, so there may be any number."""

_REPORT_WIRE = {
    "rpm_remaining": "rpm_left",
    "tpm_remaining": "tpm_left",
    "closed_window": "shut",
    "closed_for": "shut_for",
    "rejection_kind": "refused",
    "retry_after": "wait",
}


class CapacityReport(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename=_REPORT_WIRE):
    """What responses said about the upstream's limits; the script `capacity_learn` reads it. -1: not reported."""

    answered: int = 0
    """Requests that were answered, with a 429 or otherwise."""
    succeeded: int = 0
    rpm: int = -1
    rpm_remaining: int = -1
    tpm: int = -1
    tpm_remaining: int = -1
    age: float = 0.0
    """Seconds since the request was sent whose response reported the limits."""
    closed_window: str = ""
    """The limit that is used up: `requests` or `tokens`; empty for none."""
    closed_for: float = -1.0
    """Seconds until it is renewed, counted from when the upstream received the request."""
    rejection_kind: str = ""
    """The kind of a 429: `requests`, `tokens`, or another word where no limit was named; empty for no 429."""
    retry_after: float = -1.0
    """The `retry-after` of the 429, in seconds."""
    tokens: int = 0
    """The estimated tokens of the request that got the 429."""
    outage: bool = False
    """The upstream is failing: go back to slow start."""


def process_of(member: str) -> str:
    """Return the process in which a member waits."""
    return member.partition(":")[0]
