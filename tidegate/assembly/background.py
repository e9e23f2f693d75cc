"""The objects of `tidegate.background`: jobs and their worker."""

from tidegate.assembly.base import Base
from tidegate.background.completion import JobCompletion
from tidegate.background.event_log import EventLog
from tidegate.background.job_store import JobStore
from tidegate.background.notifications import JobNotifications
from tidegate.background.supervisor import WorkerSupervisor
from tidegate.background.worker import Worker
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.limits.request_count import RequestCount
from tidegate.pipeline.background import AnswerRequest, BackgroundSubmitter, JobExecutor, UnfinishedResponses
from tidegate.pipeline.call_record import CallReporter
from tidegate.providers.registry import HeaderForwarding

_POLL_SECONDS = 1.0
"""Seconds between polls for jobs whose notification was lost."""


class BackgroundParts:
    """The background jobs of one process."""

    def __init__(self, base: Base, responses: ResponseStore, visits: RequestCount) -> None:
        # imported here: each worker process needs it, but not the import of the application
        from tidegate.background.job_queue import JobQueue  # noqa: PLC0415

        settings, clock, postgres = base.settings, base.clock, base.postgres
        config = settings.background
        self._base = base
        self._grace = settings.server.grace
        self._responses = responses
        self._notifications = JobNotifications(base.redis, prefix=base.prefix)
        self._store = JobStore(postgres)
        self._log = EventLog(postgres)
        self._completion = JobCompletion(
            self._store, self._log, self._notifications, write_partial=UnfinishedResponses(responses).write_of
        )
        self._queue = JobQueue(
            postgres,
            concurrency=config.concurrency,
            lease_seconds=config.lease_seconds,
            poll_seconds=_POLL_SECONDS,
            clock=clock,
        )
        self.submitter = BackgroundSubmitter(
            request_count=visits,
            jobs=self._store,
            queue=self._queue,
            log=self._log,
            notifications=self._notifications,
            completion=self._completion,
            forwarding=HeaderForwarding(settings.upstream.forward_headers),
            config=config,
            clock=clock,
        )

    def worker_supervisor(self, answer: AnswerRequest, reporter: CallReporter | None) -> WorkerSupervisor:
        """Return the supervisor of the worker, which answers jobs by the pipeline."""
        base = self._base
        desk = JobExecutor(answer, self._responses, base.body_memory, reporter)
        tell = base.counters.count_event
        worker = Worker(
            self._store, self._completion, self._notifications, desk, name=base.process, clock=base.clock, emit=tell
        )
        help_text = "Background responses that this process works on."
        base.counters.add_gauge("background_responses", help_text, lambda: len(worker.active_jobs))
        return WorkerSupervisor(self._queue, self._store, self._notifications, worker, grace_seconds=self._grace)
