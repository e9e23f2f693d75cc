"""A background response as a job: what is known of it, and what may be done with it now."""

from collections.abc import Mapping

import msgspec

from tidegate.core.errors import BackgroundTimeout, GatewayRestarted, TidegateError

MAX_WORKER_DEATHS = 3
"""Workers that may die over one job; a job that ends every process which takes it up is not given to a fourth."""


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker will need to do it. Times in Unix seconds."""

    response_id: str
    project: str
    key_id: str
    request_id: str
    created_at: float
    deadline: float
    weight: int
    """Of its caller's priority."""
    headers: Mapping[str, str]
    """Those of the request that shape its answer."""
    body: bytes


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A job as the database has it."""

    response_id: str
    project: str
    key_id: str
    request_id: str
    status: str
    """`queued`, `in_progress` or `finished`."""
    attempt: int
    deaths: int
    """Workers that died over it."""
    next_event: int
    content_from: int | None
    """The number of its first event that says something of the answer; None while there is none."""
    shown: bool
    """Somebody was given such an event."""
    created_at: float
    deadline: float


class StartAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Ask, from the beginning."""

    previous_worker_died: bool
    """The worker that had it is gone."""
    discard_from: int | None
    """The number of the first event that was said and not seen, and is taken back; None for none."""


class GiveUp(msgspec.Struct, frozen=True):
    """Nothing more can be done for it."""

    error: TidegateError


class AlreadyFinished(msgspec.Struct, frozen=True):
    """It is over already."""


JobDecision = StartAttempt | GiveUp | AlreadyFinished


class JobAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is this worker's now."""

    job: JobStatus
    number: int
    """The fence: who holds an older one writes nothing."""
    next_event: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def call_id(self) -> str:
        """The attempt's line in the ledger: the request's own, and others beside it for those that follow."""
        return self.job.request_id if self.number == 1 else f"{self.job.request_id}-{self.number}"


class JobDone(msgspec.Struct, frozen=True):
    """The job is done; it leaves the queue."""


class Requeue(msgspec.Struct, frozen=True):
    """The job goes back into the queue; whoever has room may take it after so many seconds."""

    delay_seconds: float = 0.0


class TakenOver(msgspec.Struct, frozen=True):
    """The job is another worker's meanwhile, and what is in the queue is not ours to touch."""


QueueOutcome = JobDone | Requeue | TakenOver
"""What becomes of a job in the queue once a worker let go of it."""


def decide(job: JobStatus, *, now: float) -> JobDecision:
    """What a worker does that takes the job up.

    - over: nothing
    - its time is up, or it was the death of too many workers: it fails
    - nothing was said of the answer: it is asked anew, and nobody can tell
    - something was said and nobody saw it: the same, and what was said is taken back
    - something was said and seen: another answer might contradict it, so it fails, and keeps what was said
    """
    if job.status == "finished":
        return AlreadyFinished()
    if now >= job.deadline:
        return GiveUp(BackgroundTimeout())
    died = job.status == "in_progress"
    if job.deaths + died > MAX_WORKER_DEATHS:
        return GiveUp(GatewayRestarted(f"{job.deaths + died} processes ended while they worked on this response."))
    if job.content_from is not None and job.shown:
        return GiveUp(GatewayRestarted())
    return StartAttempt(previous_worker_died=died, discard_from=job.content_from)
