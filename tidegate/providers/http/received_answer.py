"""One call's answer on Tidegate's own client: what has come of its body, and who waits for more."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from tidegate.core.errors import TidegateError, TruncatedAnswer
from tidegate.providers.http.content_decoder import ContentDecoder, UnreadableContent, decoder_for
from tidegate.providers.http.deadlines import Deadlines

_MOST_UNREAD_BYTES = 256 * 1024
"""Of one answer; beyond it nothing more is received until the answer is read."""
_RELEASE_SECONDS = 1.0
"""How long an answer's connection may take to end after its terminal event."""


class AnswerConnection(Protocol):
    """What an answer needs of its connection."""

    def watch_deadline(self, deadline: float) -> None:
        """Call the answer's `check_deadline` at this time of the event loop."""

    def hold_reading(self, *, hold: bool) -> None:
        """Receive nothing more for now, or go on."""

    def end_sending(self) -> bool:
        """Close this side's half; return whether it was open."""

    def cut(self) -> None:
        """Cut the connection."""


class ReceivedAnswer:
    """Implements `HttpAnswer`, the events of `AnswerReader`, and `SendingSide`."""

    __slots__ = (
        "_connection", "_deadlines", "_decoder", "_has_head", "_is_complete", "_is_held",
        "_make_error", "_pieces", "_release_at", "_unread", "_waiter", "headers", "status",
    )  # fmt: skip

    def __init__(self, connection: AnswerConnection, deadlines: Deadlines) -> None:
        """An answer that is awaited on `connection`."""
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self._connection: AnswerConnection | None = connection
        self._deadlines = deadlines
        self._pieces: deque[bytes] | None = None
        """None where none wait: thousands of streams have none, and an empty deque takes 760 bytes."""
        self._unread = 0
        self._decoder: ContentDecoder | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._make_error: Callable[[], TidegateError] | None = None
        """Makes what the next read raises: a kept exception would keep the call alive by its traceback."""
        self._has_head = False
        self._is_complete = False
        self._is_held = False
        self._release_at: float | None = None
        """When an answer that is read no more must have ended."""

    @property
    def at_end(self) -> bool:
        """Whether the whole body has come, and was read."""
        return self._is_complete and not self._pieces and (self._decoder is None or self._decoder.is_complete())

    async def wait_for_head(self) -> None:
        """Wait for the status and the headers. Raises ConnectionFailed or, after a deadline, its error."""
        while not self._has_head:
            if self._make_error is not None:
                raise self._make_error()
            await self.arrival()

    def read_nowait(self, limit: int) -> bytes:
        """Return at most `limit` bytes of those that have come; empty where there are none, or at the end."""
        data = self._next_piece(limit) if self._decoder is None else self._unpack(self._decoder, limit)
        if self._is_held and self._unread * 2 < _MOST_UNREAD_BYTES:
            self._hold(hold=False)
        if not data and self._make_error is not None:
            raise self._make_error()
        return data

    def arrival(self) -> Awaitable[None]:
        """Return what is done once more has come, or the end; one reader waits at a time."""
        if self._connection is None:  # closed by us meanwhile
            raise _cut_by_us()
        self._waiter = self._deadlines.loop.create_future()
        self._connection.watch_deadline(self._deadlines.next_deadline)
        return self._waiter

    def pause_deadlines(self) -> None:
        """Do nothing: deadlines pass only while a reader waits."""

    def close(self) -> None:
        """Cut the connection, unless the body has come to its end."""
        if (connection := self._connection) is not None:
            self._connection = None
            self._pieces = None
            self.fail(_cut_by_us)
            connection.cut()

    def release(self) -> None:
        """Give the connection back to the pool at the body's end: wait a moment for it, or cut."""
        if self._connection is not None:
            self._release_at = self._deadlines.loop.time() + _RELEASE_SECONDS
            self._pieces = None
            self._hold(hold=False)
            self._connection.watch_deadline(self._release_at)

    def end_sending(self) -> bool:
        """Close the half of the connection by which the request was sent; return whether it was open."""
        return self._connection is not None and self._connection.end_sending()

    # what comes from the connection

    def on_head(self, status: int, headers: dict[str, str]) -> None:
        """The status and the headers have come."""
        self.status, self.headers = status, headers
        self._has_head = True
        try:
            self._decoder = decoder_for(headers)
        except UnreadableContent as problem:
            self._break_off(str(problem))
        self._wake()

    def on_data(self, data: bytes) -> None:
        """The next bytes of the body have come."""
        if self._release_at is not None:
            return
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.append(data)
        self._unread += len(data)
        if self._unread > _MOST_UNREAD_BYTES and not self._is_held:
            self._hold(hold=True)
        self._wake()

    def on_end(self) -> None:
        """The body is complete."""
        self._is_complete = True
        self._connection = None
        self._wake()

    def fail(self, make_error: Callable[[], TidegateError]) -> None:
        """Have the next read raise this, after all that came before."""
        self._connection = None
        if self._make_error is None and not self._is_complete:
            self._make_error = make_error
        self._wake()

    @property
    def has_head(self) -> bool:
        """Whether the status and the headers have come."""
        return self._has_head

    @property
    def deadline(self) -> float | None:
        """When the wait for more, or for the end, is over; None where no reader waits."""
        return self._deadlines.next_deadline if self._is_awaited() else self._release_at

    def check_deadline(self) -> None:
        """Close the connection where the wait for more, or for the end, has lasted too long."""
        if self._is_awaited() and self._deadlines.are_over():
            connection, self._connection = self._connection, None
            self.fail(self._deadlines.timeout_error)
            if connection is not None:
                connection.cut()
        elif self._release_at is not None and self._deadlines.loop.time() >= self._release_at:
            self.close()

    # its own

    def _next_piece(self, limit: int) -> bytes:
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces.popleft()
        if len(data) > limit:
            pieces.appendleft(data[limit:])
            data = data[:limit]
        elif pieces and len(data) + len(pieces[0]) <= limit:
            data = _join(data, pieces, limit)
        if not pieces:
            self._pieces = None
        self._unread -= len(data)
        return data

    def _unpack(self, decoder: ContentDecoder, limit: int) -> bytes:
        try:
            data = decoder.decode(limit)
            while not data and (packed := self._next_piece(limit)):
                decoder.feed(packed)
                data = decoder.decode(limit)
        except UnreadableContent as problem:
            self._break_off(str(problem))
            return b""
        if not data and self._is_complete and not decoder.is_complete():
            self._break_off("its compressed body ends early")
        return data

    def _break_off(self, problem: str) -> None:
        connection, self._connection = self._connection, None
        self._is_complete = False
        self.fail(lambda: TruncatedAnswer(f"The upstream's answer broke off: {problem}."))
        if connection is not None:
            connection.cut()

    def _hold(self, *, hold: bool) -> None:
        self._is_held = hold
        if self._connection is not None:
            self._connection.hold_reading(hold=hold)

    def _is_awaited(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _cut_by_us() -> TidegateError:
    return TruncatedAnswer("The upstream's answer broke off: this side closed the connection.")


def _join(data: bytes, pieces: deque[bytes], limit: int) -> bytes:
    parts, size = [data], len(data)
    while pieces and size + len(pieces[0]) <= limit:
        parts.append(pieces.popleft())
        size += len(parts[-1])
    return b"".join(parts)
