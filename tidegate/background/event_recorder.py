"""Numbers the events of one attempt and writes them to PostgreSQL in batches. Used by the worker."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from tidegate.core.errors import PostgresUnavailable
from tidegate.wire import sse

MAX_ROW_BYTES = 256 * 1024
"""Bytes in one row; more events are written as several rows."""
MAX_PENDING_BYTES = 4 * 1024 * 1024
"""Bytes waiting to be written; above this, reading from the upstream pauses."""
_WRITE_INTERVAL_SECONDS = 0.05
"""A reader gets up to twenty updates per second, and PostgreSQL twenty transactions."""
_RETRY_SECONDS = 0.5

_SUBMISSION_EVENTS = ("response.created", "response.queued")
"""Already written when the job was submitted."""
_PREAMBLE = (*_SUBMISSION_EVENTS, "response.in_progress")
"""Events without any content of the answer."""

AppendEvents = Callable[[int, list[bytes], bool], Awaitable[bool]]
"""Write events: number of the first, events, has content. Return False if the attempt is no longer valid."""

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw])
_kind = msgspec.json.Decoder(str)


class AttemptLost(Exception):
    """The attempt is no longer valid: the job was cancelled or deleted, or another worker has it."""


class EventRecorder:
    """Buffer events passed to `add`; `run` writes them."""

    def __init__(self, append: AppendEvents, *, next_event: int, on_written: Callable[[], None]) -> None:
        """`on_written` is called after events were written."""
        self._append = append
        self._on_written = on_written
        self._next_number = next_event
        self._is_started = next_event > len(_SUBMISSION_EVENTS)
        self._pending: list[tuple[bytes, bool]] = []
        self._pending_bytes = 0
        self._has_pending = asyncio.Event()
        self._has_space = asyncio.Event()
        self._has_space.set()
        self._closed = False
        self.has_content = False
        """Whether any content of the answer was added."""

    def __repr__(self) -> str:
        return f"<EventRecorder: {len(self._pending)} events pending, next is {self._next_number}>"

    async def add(self, event: bytes) -> None:
        """Add an event, unless it is written already; wait while too much is buffered."""
        kind, data = _read(event)
        if kind in _SUBMISSION_EVENTS or (kind in _PREAMBLE and self._is_started):
            return
        self._is_started = True
        content = kind not in _PREAMBLE
        self.has_content = self.has_content or content
        self._pending.append((_with_number(kind, data, self._next_number), content))
        self._next_number += 1
        self._pending_bytes += len(event)
        self._has_pending.set()
        if self._pending_bytes > MAX_PENDING_BYTES:
            self._has_space.clear()
            await self._has_space.wait()

    def close(self) -> None:
        """Make `run` return after the buffered events are written."""
        self._closed = True
        self._has_pending.set()

    async def run(self) -> None:
        """Write until closed. Raises AttemptLost."""
        while True:
            await self._has_pending.wait()
            while self._pending:
                await self._write_one_row()
            self._has_pending.clear()
            if self._closed:
                return
            await asyncio.sleep(_WRITE_INTERVAL_SECONDS)
            if self._pending or self._closed:
                self._has_pending.set()

    async def _write_one_row(self) -> None:
        count, content = _next_row(self._pending)
        events = [event for event, _ in self._pending[:count]]
        first = self._next_number - len(self._pending)
        while True:
            try:
                if not await self._append(first, events, content):
                    raise AttemptLost
                break
            except PostgresUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)  # ends at the job's deadline at the latest
        del self._pending[:count]
        self._pending_bytes = sum(len(event) for event, _ in self._pending)
        self._has_space.set()
        self._on_written()


def renumber(event: bytes, number: int) -> bytes:
    """Return the event with another sequence number."""
    kind, data = _read(event)
    return _with_number(kind, data, number)


def _read(event: bytes) -> tuple[str, dict[str, msgspec.Raw]]:
    data = _decode.decode(sse.data_of(event) or b"{}")
    return (_kind.decode(data["type"]) if "type" in data else ""), data


def _with_number(kind: str, data: dict[str, msgspec.Raw], number: int) -> bytes:
    return sse.encode(msgspec.json.encode({**data, "sequence_number": number}), kind or None)


def _next_row(waiting: list[tuple[bytes, bool]]) -> tuple[int, bool]:
    """Return how many events the next row takes, and whether they are content.

    A row never mixes both, because content can be discarded later.
    """
    content = waiting[0][1]
    size = 0
    for place, (event, kind) in enumerate(waiting):
        size += len(event)
        if kind != content or (place and size > MAX_ROW_BYTES):
            return place, content
    return len(waiting), content
