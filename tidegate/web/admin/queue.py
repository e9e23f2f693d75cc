"""`/admin/v1/queue` and `/jobs`: waiting requests, background responses. Registered by routes.py; `tidegate queue`."""

from typing import Annotated, Literal, Self

from fastapi import Query
from msgspec.structs import asdict
from pydantic import Field

from tidegate.background.job_store import JobStore, OpenJob
from tidegate.core.clock import Clock
from tidegate.queue.report import LaneStatus, QueueReport, WaitingCall
from tidegate.web.admin.schemas import MAX_LISTED, Name, PriorityName, Schema, UnixTime


class QueueQuery(Schema):
    """How many waiting requests to list."""

    limit: Annotated[
        int, Field(ge=1, le=MAX_LISTED, strict=False, description="Waiting requests to list of each queue.")
    ] = 100


class JobsQuery(Schema):
    """Which background responses to list."""

    project: Name | None = Field(default=None, description="Only this project.")


class WaiterView(Schema):
    """A waiting request."""

    request_id: str
    project: str
    priority: PriorityName
    estimated_tokens: int
    waited_seconds: float
    estimated_wait_seconds: float | None = Field(description="Remaining wait; null while no rate limit is known.")
    seconds_to_deadline: float

    @classmethod
    def of(cls, waiter: WaitingCall) -> Self:
        """Return the waiting request."""
        return cls.model_validate(
            {
                "request_id": waiter.request,
                "project": waiter.project,
                "priority": waiter.priority.label,
                "estimated_tokens": waiter.tokens,
                "waited_seconds": waiter.waited,
                "estimated_wait_seconds": waiter.estimate,
                "seconds_to_deadline": waiter.left,
            }
        )


class LaneView(Schema):
    """The queue of one credential and model."""

    name: str
    rpm: int | None = Field(description="The upstream's requests per minute; null while unknown.")
    tpm: int | None = Field(description="The upstream's tokens per minute; null while unknown.")
    in_flight: int = Field(description="Requests in progress.")
    paused_seconds: float = Field(description="Seconds for which the upstream asked to send nothing.")
    waiting: int = Field(description="Number of waiting requests.")
    waiters: list[WaiterView] = Field(description="The first waiting requests, in the order of service.")

    @classmethod
    def of(cls, lane: LaneStatus) -> Self:
        """Return the queue."""
        return cls(
            name=lane.name,
            rpm=lane.rpm,
            tpm=lane.tpm,
            in_flight=lane.unanswered,
            paused_seconds=lane.held_for,
            waiting=lane.waiting,
            waiters=[WaiterView.of(waiter) for waiter in lane.waiters],
        )


class QueueView(Schema):
    """All queues, by name."""

    object: Literal["list"] = "list"
    data: list[LaneView]


class JobView(Schema):
    """A background response that is queued or in progress."""

    response_id: str
    project: str
    key_id: str
    status: str = Field(description="`queued` or `in_progress`.")
    attempt: int
    deaths: int = Field(description="Processes that died while they worked on it.")
    worker: str | None = Field(description="The process that works on it.")
    created_at: UnixTime
    started_at: UnixTime | None
    deadline: UnixTime = Field(description="Unix seconds; the response fails then.")

    @classmethod
    def of(cls, job: OpenJob) -> Self:
        """Return the job."""
        return cls.model_validate(asdict(job))


class JobPage(Schema):
    """Background responses, oldest first, at most 1,000."""

    data: list[JobView]


class QueueHandlers:
    """Lists waiting requests and background responses."""

    def __init__(self, queue: QueueReport, jobs: JobStore, clock: Clock) -> None:
        self._queue = queue
        self._jobs = jobs
        self._clock = clock

    async def list(self, query: Annotated[QueueQuery, Query()]) -> QueueView:
        """List the queues, their rate limits and their waiting requests."""
        lanes = await self._queue.read(self._clock.now(), limit=query.limit)
        return QueueView(data=[LaneView.of(lane) for lane in lanes])

    async def jobs(self, query: Annotated[JobsQuery, Query()]) -> JobPage:
        """List the background responses that are queued or in progress, oldest first."""
        return JobPage(data=[JobView.of(job) for job in await self._jobs.open_jobs(query.project)])
