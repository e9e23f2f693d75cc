"""Background jobs as values, and the decision what a worker does with one. Used by the job store and the worker."""

from collections.abc import Mapping

import msgspec

from tidegate.core.errors import BackgroundTimeout, GatewayRestarted, TidegateError

MAX_WORKER_DEATHS = 3
"""A job during which this many processes died fails, as it may be what ends them."""


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to submit, with all a worker needs to run it. Times in Unix seconds."""

    response_id: str
    project: str
    key_id: str
    request_id: str
    created_at: float
    deadline: float
    weight: int
    """The scheduling weight of the caller's priority."""
    headers: Mapping[str, str]
    """The request headers that affect the answer."""
    body: bytes


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A job's row in the database."""

    response_id: str
    project: str
    key_id: str
    request_id: str
    status: str
    """`queued`, `in_progress` or `finished`."""
    attempt: int
    deaths: int
    """Processes that died while they worked on it."""
    next_event: int
    content_from: int | None
    """The number of the first event with content; None while there is none."""
    shown: bool
    """Whether a client has read an event with content."""
    created_at: float
    deadline: float


class StartAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Start a new attempt from the beginning."""

    previous_worker_died: bool
    """Whether the previous worker died."""
    discard_from: int | None
    """Discard unread events from this number on; None to discard nothing."""


class GiveUp(msgspec.Struct, frozen=True):
    """Fail the job with this error."""

    error: TidegateError


class AlreadyFinished(msgspec.Struct, frozen=True):
    """The job is finished: do nothing."""


JobDecision = StartAttempt | GiveUp | AlreadyFinished


class JobAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """A started attempt at a job, owned by this worker."""

    job: JobStatus
    number: int
    """The fencing token: writes of an older attempt are rejected."""
    next_event: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def call_id(self) -> str:
        """The id of the attempt's ledger entry: the request's own for the first attempt, then with a suffix."""
        return self.job.request_id if self.number == 1 else f"{self.job.request_id}-{self.number}"


class JobDone(msgspec.Struct, frozen=True):
    """The job is done: remove it from the queue."""


class Requeue(msgspec.Struct, frozen=True):
    """Put the job back into the queue, to be taken after a delay."""

    delay_seconds: float = 0.0


class TakenOver(msgspec.Struct, frozen=True):
    """Another worker has the job: leave its queue row alone."""


QueueOutcome = JobDone | Requeue | TakenOver
"""What happens to a job's queue row after a worker stopped working on it."""


def decide(job: JobStatus, *, now: float) -> JobDecision:
    """Decide what a worker that takes the job does.

    - finished: nothing
    - past its deadline, or too many workers died: fail
    - no content yet: start a new attempt
    - content that no client has read: discard it and start a new attempt
    - content that a client has read: fail and keep it, as a new answer could contradict it
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
