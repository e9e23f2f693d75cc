"""Bounds what the messages of one WebSocket connection take in memory, from their first byte to their answer's end.

A server's protocol reports the bytes that have arrived. While the key has no memory for more, nothing is read. Used by
protocol.py, which receives, and connection.py, which handles messages.
"""

import asyncio
from collections.abc import Callable

from tidegate.core.config import MESSAGE_COPIES
from tidegate.core.errors import MemoryShareExceeded
from tidegate.core.process.call_memory import MemoryHold

EXTENSION = "tidegate.inbound"
"""The name in the ASGI scope's `extensions` under which the endpoint finds this."""
_FREE_BYTES = 64 * 1024
"""What may arrive before the handshake is over, as nothing is known of the client yet."""


class InboundMessages:
    """The messages of one connection that have arrived, in parts or whole, and are not handled yet."""

    def __init__(self, *, pause: Callable[[], None], resume: Callable[[], None], refuse: Callable[[], None]) -> None:
        """`pause` and `resume` reading; `refuse` ends the connection, as its message found no memory in time."""
        self._pause = pause
        self._resume = resume
        self._refuse = refuse
        self._hold: MemoryHold | None = None
        self._arriving = 0
        """Bytes of the message that is not complete."""
        self._unhandled = 0
        """Bytes of messages that are complete."""
        self._waiting: asyncio.Task[None] | None = None
        self.is_paused = False
        """Whether reading is paused until there is memory."""
        self.is_refused = False
        """Whether there was none in time."""

    def attach(self, hold: MemoryHold) -> None:
        """Use the memory of the client's key."""
        self._hold = hold
        self._update()

    def note_complete(self, size: int) -> None:
        """Note that a message of this size is complete."""
        self._unhandled += size

    def note_arriving(self, size: int) -> None:
        """Note that this much has arrived of a message that is not complete."""
        self._arriving = size
        self._update()

    def note_handled(self, size: int) -> None:
        """Note that a complete message is not needed any more."""
        self._unhandled -= size
        if self._waiting is not None and not self.is_refused:  # less is needed now, so it may fit
            self._waiting.cancel()
            self._waiting = None
        self._update()

    async def wait_for_memory(self) -> None:
        """Wait until there is memory for all that has arrived, or there was none in time, or the connection is over."""
        while self._waiting is not None and not self._waiting.done():
            await asyncio.wait({self._waiting})

    def close(self) -> None:
        """Give all memory back: the connection is over."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._hold is not None:
            self._hold.release()
        self._hold = None
        self._arriving = self._unhandled = 0

    @property
    def key_id(self) -> str:
        """The key of the connection; empty before it is known, and once the connection is over."""
        return "" if self._hold is None else self._hold.key_id

    @property
    def _missing(self) -> int:
        held = 0 if self._hold is None else self._hold.held_bytes
        return MESSAGE_COPIES * (self._arriving + self._unhandled) - held

    def _update(self) -> None:
        if self._hold is None:
            if self._arriving > _FREE_BYTES:
                self._set_paused(is_paused=True)
        elif self._waiting is None:
            if self._missing < 0:
                self._hold.shrink(-self._missing)
            is_paused = self._missing > 0 and not self._hold.try_grow(self._missing)
            self._set_paused(is_paused=is_paused)
            if is_paused:
                self._waiting = asyncio.create_task(self._wait(self._hold), name="socket-memory")

    async def _wait(self, hold: MemoryHold) -> None:
        try:
            while self._missing > 0:  # it may change meanwhile
                await hold.grow(self._missing)
        except MemoryShareExceeded:
            self.is_refused = True
            self._refuse()
        else:
            self._waiting = None
            self._set_paused(is_paused=False)
        finally:  # what it was given although it had been cancelled, or need no more, is given back
            if self._hold is None:
                hold.release()
            else:
                self._update()

    def _set_paused(self, *, is_paused: bool) -> None:
        if is_paused != self.is_paused:
            self.is_paused = is_paused
            (self._pause if is_paused else self._resume)()
