"""One attempt's events on their way into PostgreSQL: numbered on from what was said before, some at a time."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from tidegate.core.errors import PostgresUnavailable
from tidegate.wire import sse

MAX_ROW_BYTES = 256 * 1024
"""Bytes; where more wait, they are written as several rows."""
MAX_PENDING_BYTES = 4 * 1024 * 1024
"""Bytes; where more wait, the upstream's answer is not read on."""
_WRITE_INTERVAL_SECONDS = 0.05
"""Seconds; a reader sees twenty steps a second, and PostgreSQL twenty transactions."""
_RETRY_SECONDS = 0.5

_SUBMISSION_EVENTS = ("response.created", "response.queued")
"""By the one who took the call in."""
_PREAMBLE = (*_SUBMISSION_EVENTS, "response.in_progress")
"""Events that say nothing of the answer itself."""

AppendEvents = Callable[[int, list[bytes], bool], Awaitable[bool]]
"""Writes events, the first of which has this number, content or not; False where they are not wanted any more."""

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw])
_kind = msgspec.json.Decoder(str)


class AttemptLost(Exception):
    """The attempt is no longer valid: the job was cancelled, deleted, or is another worker's."""


class EventRecorder:
    """Takes events in by `add` while `run` writes them out."""

    def __init__(self, append: AppendEvents, *, next_event: int, on_written: Callable[[], None]) -> None:
        """`told` is called when events can be read."""
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
        """Something of the answer was taken in."""

    def __repr__(self) -> str:
        return f"<Recorder: {len(self._pending)} events wait, next is {self._next_number}>"

    async def add(self, event: bytes) -> None:
        """Take an event in, unless it was said before; waits where too many are to be written."""
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
        """No more will come: `run` returns when everything is written."""
        self._closed = True
        self._has_pending.set()

    async def run(self) -> None:
        """Write until closed. Raises NotOurs."""
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
                await asyncio.sleep(_RETRY_SECONDS)  # the job's deadline ends it, if nothing else does
        del self._pending[:count]
        self._pending_bytes = sum(len(event) for event, _ in self._pending)
        self._has_space.set()
        self._on_written()


def renumber(event: bytes, number: int) -> bytes:
    """An event with another number."""
    kind, data = _read(event)
    return _with_number(kind, data, number)


def _read(event: bytes) -> tuple[str, dict[str, msgspec.Raw]]:
    data = _decode.decode(sse.data_of(event) or b"{}")
    return (_kind.decode(data["type"]) if "type" in data else ""), data


def _with_number(kind: str, data: dict[str, msgspec.Raw], number: int) -> bytes:
    return sse.encode(msgspec.json.encode({**data, "sequence_number": number}), kind or None)


def _next_row(waiting: list[tuple[bytes, bool]]) -> tuple[int, bool]:
    """How many events make the next row: of one kind, because content may be taken back, and not too many bytes."""
    content = waiting[0][1]
    size = 0
    for place, (event, kind) in enumerate(waiting):
        size += len(event)
        if kind != content or (place and size > MAX_ROW_BYTES):
            return place, content
    return len(waiting), content
