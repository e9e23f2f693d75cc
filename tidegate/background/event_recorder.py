"""One attempt's events on their way into PostgreSQL: numbered on from what was said before, some at a time."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from tidegate.core.errors import PostgresUnavailable
from tidegate.wire import sse

MOST_IN_A_ROW = 256 * 1024
"""Bytes; where more wait, they are written as several rows."""
MOST_WAITING = 4 * 1024 * 1024
"""Bytes; where more wait, the upstream's answer is not read on."""
_BETWEEN_WRITES = 0.05
"""Seconds; a reader sees twenty steps a second, and PostgreSQL twenty transactions."""
_RETRY_SECONDS = 0.5

_SAID_ALREADY = ("response.created", "response.queued")
"""By the one who took the call in."""
_PREAMBLE = (*_SAID_ALREADY, "response.in_progress")
"""Events that say nothing of the answer itself."""

Append = Callable[[int, list[bytes], bool], Awaitable[bool]]
"""Writes events, the first of which has this number, content or not; False where they are not wanted any more."""

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw])
_kind = msgspec.json.Decoder(str)


class NotOurs(Exception):
    """The attempt is no longer valid: the job was cancelled, deleted, or is another worker's."""


class Recorder:
    """Takes events in by `add` while `run` writes them out."""

    def __init__(self, append: Append, *, next_event: int, told: Callable[[], None]) -> None:
        """`told` is called when events can be read."""
        self._append = append
        self._told = told
        self._next = next_event
        self._begun = next_event > len(_SAID_ALREADY)
        self._waiting: list[tuple[bytes, bool]] = []
        self._bytes = 0
        self._more = asyncio.Event()
        self._less = asyncio.Event()
        self._less.set()
        self._closed = False
        self.content = False
        """Something of the answer was taken in."""

    def __repr__(self) -> str:
        return f"<Recorder: {len(self._waiting)} events wait, next is {self._next}>"

    async def add(self, event: bytes) -> None:
        """Take an event in, unless it was said before; waits where too many are to be written."""
        kind, data = _read(event)
        if kind in _SAID_ALREADY or (kind in _PREAMBLE and self._begun):
            return
        self._begun = True
        content = kind not in _PREAMBLE
        self.content = self.content or content
        self._waiting.append((_numbered(kind, data, self._next), content))
        self._next += 1
        self._bytes += len(event)
        self._more.set()
        if self._bytes > MOST_WAITING:
            self._less.clear()
            await self._less.wait()

    def close(self) -> None:
        """No more will come: `run` returns when everything is written."""
        self._closed = True
        self._more.set()

    async def run(self) -> None:
        """Write until closed. Raises NotOurs."""
        while True:
            await self._more.wait()
            while self._waiting:
                await self._write_one_row()
            self._more.clear()
            if self._closed:
                return
            await asyncio.sleep(_BETWEEN_WRITES)
            if self._waiting or self._closed:
                self._more.set()

    async def _write_one_row(self) -> None:
        count, content = _row(self._waiting)
        events = [event for event, _ in self._waiting[:count]]
        first = self._next - len(self._waiting)
        while True:
            try:
                if not await self._append(first, events, content):
                    raise NotOurs
                break
            except PostgresUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)  # the job's deadline ends it, if nothing else does
        del self._waiting[:count]
        self._bytes = sum(len(event) for event, _ in self._waiting)
        self._less.set()
        self._told()


def numbered(event: bytes, number: int) -> bytes:
    """An event with another number."""
    kind, data = _read(event)
    return _numbered(kind, data, number)


def _read(event: bytes) -> tuple[str, dict[str, msgspec.Raw]]:
    data = _decode.decode(sse.data_of(event) or b"{}")
    return (_kind.decode(data["type"]) if "type" in data else ""), data


def _numbered(kind: str, data: dict[str, msgspec.Raw], number: int) -> bytes:
    return sse.encode(msgspec.json.encode({**data, "sequence_number": number}), kind or None)


def _row(waiting: list[tuple[bytes, bool]]) -> tuple[int, bool]:
    """How many events make the next row: of one kind, because content may be taken back, and not too many bytes."""
    content = waiting[0][1]
    size = 0
    for place, (event, kind) in enumerate(waiting):
        size += len(event)
        if kind != content or (place and size > MOST_IN_A_ROW):
            return place, content
    return len(waiting), content
