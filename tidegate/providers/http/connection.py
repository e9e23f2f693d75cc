"""One connection of Tidegate's own client: it sends a request, and gives what comes to the call's answer."""

import asyncio
import copy
import os
import select
import socket
from collections.abc import Callable
from typing import Protocol, cast

from tidegate.core.errors import ConnectionFailed, TidegateError, TruncatedAnswer
from tidegate.providers.http.answer_reader import AnswerReader, NotHttp
from tidegate.providers.http.deadlines import Deadlines
from tidegate.providers.http.received_answer import ReceivedAnswer
from tidegate.providers.request_body import RequestBody, StreamedBody, framed_pieces_of, is_long

KEEPALIVE_SECONDS = 55.0
"""Shorter than the 60 s after which common load balancers drop an idle connection."""


class ConnectionOwner(Protocol):
    """The pool of a connection."""

    def note_idle(self, connection: "UpstreamConnection") -> None:
        """Take a connection that may serve another call."""

    def note_half_closed(self) -> None:
        """Note that a connection will serve no other call: this side's half is closed."""

    def note_lost(self, connection: "UpstreamConnection") -> None:
        """Forget a connection that is closed."""


class UpstreamConnection(asyncio.Protocol):
    """A connection that serves one call after another."""

    __slots__ = (
        "_answer", "_can_send", "_is_half_closed", "_is_held", "_is_lost", "_loop", "_owner", "_reader", "_sending",
        "_socket", "_timer", "_timer_due", "_transport", "idle_until",
    )  # fmt: skip

    def __init__(self, owner: ConnectionOwner, loop: asyncio.AbstractEventLoop) -> None:
        """A connection that `owner` opens."""
        self._owner = owner
        self._loop = loop
        self._reader = AnswerReader()
        self._answer: ReceivedAnswer | None = None
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._can_send: asyncio.Future[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._is_half_closed = False
        self._is_held = False
        self._is_lost = False
        self.idle_until = 0.0
        """Of an idle connection, in the event loop's time: it serves no call afterwards."""

    def send(self, head: bytes, body: RequestBody | None, deadlines: Deadlines) -> ReceivedAnswer:
        """Send a request, whose answer is returned before it has come."""
        answer = ReceivedAnswer(self, deadlines)
        transport = self._transport
        if transport is None:  # the server hung up in this very moment
            answer.fail(_lost(answer, None))
            return answer
        self._answer = answer
        self._reader.expect(answer)
        if body is None:
            transport.write(head)
        elif is_long(body):
            transport.write(head)
            self._sending = self._loop.create_task(self._send_pieces(transport, body, deadlines))
        else:
            transport.write(head + cast("bytes", body))
        return answer

    @property
    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return self._transport is None

    def is_usable(self) -> bool:
        """Return whether it may serve another call: it is open, not too old, and nothing came unasked for."""
        if self._is_lost or self._socket is None or self._loop.time() >= self.idle_until:
            return False
        return not has_unread_bytes(self._socket)

    def rest(self) -> None:
        """Wait for another call."""
        self.idle_until = self._loop.time() + KEEPALIVE_SECONDS
        if self._timer is None:
            self.watch_deadline(self.idle_until)
        self._owner.note_idle(self)

    def cut(self) -> None:
        """Close at once. What was not sent is dropped."""
        self._is_lost = True
        if self._transport is not None:
            self._transport.abort()

    def end_sending(self) -> bool:
        """Close this side's half; return whether it was open."""
        if self._is_lost or self._socket is None:
            return False
        try:
            with socket.socket(fileno=os.dup(self._socket.fileno())) as own:  # uvloop's object offers no shutdown
                own.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        if not self._is_half_closed:
            self._is_half_closed = True
            self._owner.note_half_closed()
        return True

    def hold_reading(self, *, hold: bool) -> None:
        """Receive nothing more for now, or go on."""
        if self._transport is not None and not self._is_lost and hold != self._is_held:
            self._is_held = hold
            (self._transport.pause_reading if hold else self._transport.resume_reading)()

    def watch_deadline(self, deadline: float) -> None:
        """Look at this time of the event loop whether the answer has waited too long.

        One timer serves all calls of the connection: it goes off early at times, and is then set again.
        """
        if self._timer is not None:
            if self._timer_due <= deadline:
                return
            self._timer.cancel()
        self._timer_due = deadline
        self._timer = self._loop.call_at(deadline, self._on_timer)

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = transport.get_extra_info("socket")

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        answer = self._answer
        if answer is None:  # they answer no request, and must not be taken for the next call's answer
            self.cut()
            return
        try:
            self._reader.feed(data)
        except NotHttp as problem:
            self._fail(_broken(answer, str(problem)))
            self.cut()
            return
        if self._reader.is_over():
            self._finish()

    def eof_received(self) -> bool:
        """Close this side too: the server sends nothing more."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is closed."""
        self._is_lost = True
        self._transport = self._socket = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.resume_writing()
        if (answer := self._answer) is not None:
            if error is None and self._reader.ends_with_connection():
                answer.on_end()
                self._answer = None
            else:
                self._fail(_lost(answer, error))
        self._reader.close()
        self._owner.note_lost(self)

    def pause_writing(self) -> None:
        """The server reads more slowly than the request is sent."""
        self._can_send = self._loop.create_future()

    def resume_writing(self) -> None:
        """The server has read what was sent."""
        if self._can_send is not None and not self._can_send.done():
            self._can_send.set_result(None)
        self._can_send = None

    # its own

    async def _send_pieces(self, transport: asyncio.Transport, body: RequestBody, deadlines: Deadlines) -> None:
        streams = isinstance(body, StreamedBody)
        try:
            async for piece in framed_pieces_of(body):
                if self._can_send is not None:
                    await self._can_send
                if self._is_lost:
                    return
                transport.write(piece)
                if streams:
                    deadlines.note_sent()
        except TidegateError as error:  # the body broke off, so the request must not be completed
            self._sending, broken_off = None, copy.copy(error)
            self._fail(lambda: copy.copy(broken_off))  # one that was raised keeps the call alive by its traceback
            self.cut()
        self._sending = None

    def _finish(self) -> None:
        self._answer = None
        if self._sending is not None:  # answered before it was asked completely
            self._sending.cancel()
            self._sending = None
            self.cut()
        elif self._is_lost or self._is_half_closed or not self._reader.keeps_alive():
            self.cut()
        else:
            self.hold_reading(hold=False)
            self.rest()

    def _fail(self, make_error: Callable[[], TidegateError]) -> None:
        answer, self._answer = self._answer, None
        if self._sending is not None:
            self._sending.cancel()
            self._sending = None
        if answer is not None:
            answer.fail(make_error)

    def _on_timer(self) -> None:
        self._timer = None
        if self._answer is not None:
            self._answer.check_deadline()
            deadline = self._answer.deadline if self._answer is not None else None
            if deadline is not None and not self._is_lost:
                self.watch_deadline(deadline)
        elif self._loop.time() >= self.idle_until:
            self.cut()
        else:
            self.watch_deadline(self.idle_until)


def has_unread_bytes(connection: socket.socket) -> bool:
    """Return whether bytes, or an end, have arrived while this process was busy elsewhere, and are not read yet."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _broken(answer: ReceivedAnswer, problem: str) -> Callable[[], TidegateError]:
    if answer.has_head:
        return lambda: TruncatedAnswer(f"The upstream's answer broke off: {problem}.")
    return lambda: ConnectionFailed(f"What the upstream answered is not HTTP: {problem}.")


def _lost(answer: ReceivedAnswer, error: Exception | None) -> Callable[[], TidegateError]:
    reason = (error.strerror if isinstance(error, OSError) else None) or "the connection was closed"
    if answer.has_head:
        return lambda: TruncatedAnswer(f"The upstream's answer broke off: {reason}.")
    return lambda: ConnectionFailed(f"The upstream could not be reached, or hung up before answering: {reason}.")
