"""Word among the processes that something happened to a background response; what happened is in PostgreSQL.

News can be lost, and while Redis is away all of it is: whoever waits for some also looks for himself now and then.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from tidegate.core.errors import RedisUnavailable
from tidegate.storage.pubsub import Channel
from tidegate.storage.redis import RedisLink

_SAID = b"said:"
_CHANGED = b"changed:"
_WORK = b"work"
_MOST_TELLING = 1000


class News:
    """Use it between `start` and `close`."""

    def __init__(self, link: RedisLink, *, prefix: str) -> None:
        self._link = link
        self._channel = Channel(link, f"{{{prefix}}}:background")
        self._bells: dict[bytes, set[asyncio.Event]] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._changed: Callable[[str], None] = lambda _: None
        self._work: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"<News: {len(self._bells)} responses listened for, {len(self._telling)} on their way>"

    async def start(self) -> None:
        """Begin to hear the other processes."""
        await self._channel.start(self._hear, self._ring_all)

    async def close(self) -> None:
        """Stop hearing, and drop what is not told."""
        await self._channel.close()
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    def hear(self, *, changed: Callable[[str], None], work: Callable[[], None]) -> None:
        """Have `changed` called with the id of a job that was cancelled or deleted, `work` when a job was added."""
        self._changed, self._work = changed, work

    @contextlib.contextmanager
    def listening(self, response_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news of this response."""
        name, bell = response_id.encode(), asyncio.Event()
        self._bells.setdefault(name, set()).add(bell)
        try:
            yield bell
        finally:
            bells = self._bells[name]
            bells.discard(bell)
            if not bells:
                del self._bells[name]

    def said(self, response_id: str) -> None:
        """Events can be read."""
        self._tell(_SAID + response_id.encode())

    def changed(self, response_id: str) -> None:
        """The job was ended by another than its worker."""
        self._tell(_CHANGED + response_id.encode())

    def work(self) -> None:
        """There is a job to take."""
        self._tell(_WORK)

    def _tell(self, message: bytes) -> None:
        self._hear(message)  # ourselves at once, with or without Redis
        if len(self._telling) >= _MOST_TELLING:
            return
        task = asyncio.create_task(self._publish(message), name="background-news")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _publish(self, message: bytes) -> None:
        with contextlib.suppress(RedisUnavailable):  # the others look for themselves
            await self._link.command("PUBLISH", self._channel.name, message)

    def _hear(self, message: bytes) -> None:
        if message == _WORK:
            self._work()
        elif message.startswith(_CHANGED):
            name = message.removeprefix(_CHANGED)
            self._ring(name)
            self._changed(name.decode())
        else:
            self._ring(message.removeprefix(_SAID))

    def _ring(self, name: bytes) -> None:
        for bell in self._bells.get(name, ()):
            bell.set()

    def _ring_all(self) -> None:
        for name in self._bells:
            self._ring(name)
        self._work()
