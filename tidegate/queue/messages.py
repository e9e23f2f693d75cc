"""What calls ask of a lane, what they are told, and what their answers report."""

import msgspec


class LaneLimits(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the configuration says of a lane; 0 leaves a limit to be learnt."""

    rpm: int = 0
    tpm: int = 0
    max_waiting: int = 10_000
    """Calls that may wait."""


class QueuePosition(msgspec.Struct, frozen=True, gc=False):
    """A call's place among those of its flow: by arrival."""

    seq: int


class QueueEntry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a call asks of a lane."""

    member: str
    """`process:request`."""
    tokens: int
    """The estimate of what the call will use."""
    flow: str
    """Whom fairness is between: the project."""
    weight: int
    """Of its priority; each weight of a project is a flow of its own."""
    deadline: float
    """Unix seconds."""
    position: QueuePosition | None = None
    """Its earlier place, where it comes again after a refusal."""

    @property
    def flow_id(self) -> str:
        """Calls with the same are served first come first served."""
        return f"{self.flow}/{self.weight}"


class Granted(msgspec.Struct, frozen=True, gc=False):
    """Go."""

    position: QueuePosition


class Queued(msgspec.Struct, frozen=True, gc=False):
    """Wait for a grant."""

    position: QueuePosition
    eta: float
    """Seconds, estimated."""
    ahead: int


class QueueRejected(msgspec.Struct, frozen=True, gc=False):
    """There is no use in waiting."""

    eta: float
    full: bool
    """The queue is at its longest; else the estimate exceeds the deadline."""


QueueVerdict = Granted | Queued | QueueRejected


_REPORT_WIRE = {
    "rpm_remaining": "rpm_left",
    "tpm_remaining": "tpm_left",
    "closed_window": "shut",
    "closed_for": "shut_for",
    "rejection_kind": "refused",
    "retry_after": "wait",
}


class CapacityReport(msgspec.Struct, frozen=True, gc=False, kw_only=True, rename=_REPORT_WIRE):
    """What the answers to a process's calls said. -1 stands for what was not said."""

    answered: int = 0
    """Calls that are unanswered no more, refused ones included."""
    succeeded: int = 0
    rpm: int = -1
    rpm_remaining: int = -1
    tpm: int = -1
    tpm_remaining: int = -1
    age: float = 0.0
    """Seconds since the call was sent that said it."""
    closed_window: str = ""
    """Which limit's window is shut: `requests` or `tokens`."""
    closed_for: float = -1.0
    """Seconds until it opens, as of when the upstream took the call."""
    rejection_kind: str = ""
    """A 429's kind: `requests`, `tokens`, or another word where no limit was named; empty where there was none."""
    retry_after: float = -1.0
    """Seconds that the refusal told to wait."""
    tokens: int = 0
    """The refused call's estimate."""
    outage: bool = False
    """The upstream is failing: come back slowly."""


def process_of(member: str) -> str:
    """The process in which a member waits."""
    return member.partition(":")[0]
