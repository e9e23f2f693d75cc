"""Tells all processes through Redis that a background response changed; the change itself is in PostgreSQL.

Notifications can be lost, for example while Redis is away, so every listener also polls. Used by the submitter, the
worker, the event reader and the supervisor.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.names import RedisNames
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import RedisLink

_EVENTS_WRITTEN = b"said:"
_JOB_ENDED = b"changed:"
_JOB_ADDED = b"work"
_MAX_PUBLISH_TASKS = 1000


class JobNotifications:
    """Send and receive notifications, between `start` and `close`."""

    def __init__(self, link: RedisLink, *, prefix: str) -> None:
        self._link = link
        self._channel = Channel(link, RedisNames(prefix).of("background"))
        self._listeners: dict[bytes, set[asyncio.Event]] = {}
        self._publish_tasks: set[asyncio.Task[None]] = set()
        self._on_job_ended: Callable[[str], None] = lambda _: None
        self._on_job_added: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        watched, published = len(self._listeners), len(self._publish_tasks)
        return f"<JobNotifications: {watched} responses watched, {published} being published>"

    async def start(self) -> None:
        """Subscribe to the other processes' notifications."""
        await self._channel.start(self._dispatch, self._wake_all)

    async def close(self) -> None:
        """Unsubscribe, and drop unpublished notifications."""
        await self._channel.close()
        for task in self._publish_tasks:
            task.cancel()
        await asyncio.gather(*self._publish_tasks, return_exceptions=True)

    def set_handlers(self, *, on_job_ended: Callable[[str], None], on_job_added: Callable[[], None]) -> None:
        """Call `on_job_ended` with the id of a cancelled or deleted job, and `on_job_added` for each new job."""
        self._on_job_ended, self._on_job_added = on_job_ended, on_job_added

    @contextlib.contextmanager
    def listen(self, response_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set at each notification about this response."""
        name, bell = response_id.encode(), asyncio.Event()
        self._listeners.setdefault(name, set()).add(bell)
        try:
            yield bell
        finally:
            bells = self._listeners[name]
            bells.discard(bell)
            if not bells:
                del self._listeners[name]

    def events_written(self, response_id: str) -> None:
        """Announce that events were written."""
        self._announce(_EVENTS_WRITTEN + response_id.encode())

    def job_ended(self, response_id: str) -> None:
        """Announce that a job was ended, for example cancelled."""
        self._announce(_JOB_ENDED + response_id.encode())

    def job_added(self) -> None:
        """Announce that a job was added."""
        self._announce(_JOB_ADDED)

    def _announce(self, message: bytes) -> None:
        self._dispatch(message)  # this process at once, with or without Redis
        if len(self._publish_tasks) >= _MAX_PUBLISH_TASKS:
            return
        task = asyncio.create_task(self._publish(message), name="background-news")
        self._publish_tasks.add(task)
        task.add_done_callback(self._publish_tasks.discard)

    async def _publish(self, message: bytes) -> None:
        with contextlib.suppress(RedisUnavailable):  # the other processes poll
            await self._link.command("PUBLISH", self._channel.name, message)

    def _dispatch(self, message: bytes) -> None:
        if message == _JOB_ADDED:
            self._on_job_added()
        elif message.startswith(_JOB_ENDED):
            name = message.removeprefix(_JOB_ENDED)
            self._wake(name)
            self._on_job_ended(name.decode())
        else:
            self._wake(message.removeprefix(_EVENTS_WRITTEN))

    def _wake(self, name: bytes) -> None:
        for bell in self._listeners.get(name, ()):
            bell.set()

    def _wake_all(self) -> None:
        for name in self._listeners:
            self._wake(name)
        self._on_job_added()
