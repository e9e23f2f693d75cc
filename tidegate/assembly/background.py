"""The parts of background responses, made and put together: a piece of the composition root."""

from tidegate.assembly.base import Base
from tidegate.background.completion import Closing
from tidegate.background.event_log import EventLog
from tidegate.background.job_store import JobStore
from tidegate.background.notifications import News
from tidegate.background.supervisor import Runner
from tidegate.background.worker import Worker
from tidegate.conversations.storage.responses import ResponseStore
from tidegate.limits.request_count import Visits
from tidegate.pipeline.background import Answering, Deferral, JobDesk, broken_off
from tidegate.providers.registry import Forwarding

_LOOK_SECONDS = 1.0
"""Between looks for jobs of which nobody told."""


class BackgroundParts:
    """What one process has for them."""

    def __init__(self, base: Base, responses: ResponseStore, visits: Visits) -> None:
        # loaded here: each worker process needs it, and nobody who only imports the application
        from tidegate.background.job_queue import JobQueue  # noqa: PLC0415

        settings, clock, postgres = base.settings, base.clock, base.postgres
        config = settings.background
        self._base = base
        self._grace = settings.server.grace_seconds
        self._responses = responses
        self._news = News(base.redis, prefix=base.prefix)
        self._store = JobStore(postgres)
        self._log = EventLog(postgres)
        self._closing = Closing(self._store, self._log, self._news, kept=broken_off(responses))
        self._queue = JobQueue(
            postgres,
            concurrency=config.concurrency,
            lease_seconds=config.lease_seconds,
            poll_seconds=_LOOK_SECONDS,
            clock=clock,
        )
        self.deferral = Deferral(
            visits=visits,
            jobs=self._store,
            queue=self._queue,
            log=self._log,
            news=self._news,
            closing=self._closing,
            forwarded=Forwarding(settings.upstream.forward_headers).of,
            config=config,
            clock=clock,
        )

    def runner(self, answer: Answering) -> Runner:
        """What works on them, by the story."""
        base, desk = self._base, JobDesk(answer, self._responses)
        tell = base.counters.happened
        worker = Worker(self._store, self._closing, self._news, desk, name=base.process, clock=base.clock, tell=tell)
        told = "Background responses that this process works on."
        base.counters.watch("background_responses", told, lambda: len(worker.busy))
        return Runner(self._queue, self._store, self._news, worker, grace_seconds=self._grace)
