"""Memory that calls in progress hold in this process: bounded jointly, and shared between keys.

A key may take more as long as it then holds no more than what is left free. So a key alone can hold a half, two keys a
third each, and a key that holds nothing always finds room. What does not fit waits: its socket is not read meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tidegate.core.errors import MemoryShareExceeded
from tidegate.core.process.interrupt import Interruption

SMALL_BYTES = 256 * 1024
"""What is smaller does not queue behind larger requests of its key."""
MAX_WAITING = 256
"""Calls that may wait. A key may have as many of these places as it leaves free."""
_STALL_SECONDS = 1.0
"""Without any release, after which a call that holds a part of what it needs is let through."""
_RETRY_AFTER_SECONDS = 2.0


class MemoryHold:
    """What one call holds. It must be released at the call's end, whatever that is."""

    __slots__ = ("_memory", "held_bytes", "key_id")

    def __init__(self, memory: "CallMemory", key_id: str = "") -> None:
        """Hold nothing yet; `key_id` may be set later, but before it grows."""
        self._memory = memory
        self.key_id = key_id
        self.held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    @property
    def max_bytes(self) -> int:
        """The most that one call can ever hold."""
        return self._memory.max_bytes // 2

    async def grow(self, count: int) -> None:
        """Hold `count` bytes more; wait while they do not fit. Raises MemoryShareExceeded."""
        if count and not self._memory.take(self, count):
            await self._memory.wait(self, count)

    def try_grow(self, count: int) -> bool:
        """Hold `count` bytes more if they fit now; return whether."""
        return self._memory.take(self, count)

    def shrink(self, count: int) -> None:
        """Hold `count` bytes less."""
        self._memory.give_back(self, count)

    def release(self) -> None:
        """Hold nothing any more."""
        if self.held_bytes:
            self._memory.give_back(self, self.held_bytes)


class _Waiter:
    """A call that waits for memory."""

    __slots__ = ("count", "granted", "hold")

    def __init__(self, hold: MemoryHold, count: int) -> None:
        self.hold = hold
        self.count = count
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class CallMemory:
    """The account of one kind of memory, such as that of request bodies."""

    def __init__(
        self,
        max_bytes: int,
        *,
        wait_seconds: float,
        stall_seconds: float = _STALL_SECONDS,
        make_error: Callable[..., MemoryShareExceeded] = MemoryShareExceeded,
    ) -> None:
        """`wait_seconds` is how long a call may wait; then `make_error` makes its error."""
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self.waiting = 0
        self._wait_seconds = wait_seconds
        self._stall_seconds = stall_seconds
        self._make_error = make_error
        self._held_by_key: dict[str, int] = {}
        self._waiters_by_key: dict[str, deque[_Waiter]] = {}
        """The key that was served last stands last."""
        self._let_through: MemoryHold | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"<CallMemory: {self.used_bytes} of {self.max_bytes} bytes, {self.waiting} waiting>"

    def hold(self, key_id: str = "") -> MemoryHold:
        """Return a hold of nothing yet; `key_id` may be set later, but before it grows."""
        return MemoryHold(self, key_id)

    def take(self, hold: MemoryHold, count: int) -> bool:
        """Give `hold` more memory; return False, and do nothing, where it does not fit or others were first."""
        is_behind = count > SMALL_BYTES and hold.key_id in self._waiters_by_key and not hold.held_bytes
        # `_fits` and `_add` written out: every call comes by here
        held = self._held_by_key.get(hold.key_id, 0)
        fits = held + count <= self.max_bytes - self.used_bytes - count or hold is self._let_through
        if is_behind or not fits:
            return False
        self._held_by_key[hold.key_id] = held + count
        hold.held_bytes += count
        self.used_bytes += count
        return True

    async def wait(self, hold: MemoryHold, count: int) -> None:
        """Wait until `hold` has been given more memory. Raises MemoryShareExceeded."""
        waiters = self._waiters_by_key.get(hold.key_id, ())
        if len(waiters) >= MAX_WAITING - self.waiting:
            raise self._error()
        waiter = _Waiter(hold, count)
        self._enqueue(waiter)
        try:
            with Interruption(self._wait_seconds, self._error):
                await waiter.granted
        finally:
            self._dequeue(waiter)

    def give_back(self, hold: MemoryHold, count: int) -> None:
        """Take memory from `hold`, and give it to those that wait."""
        left = self._held_by_key[hold.key_id] - count
        if left:
            self._held_by_key[hold.key_id] = left
        else:
            del self._held_by_key[hold.key_id]
        hold.held_bytes -= count
        self.used_bytes -= count
        if hold is self._let_through and not hold.held_bytes:
            self._let_through = None
        if self._waiters_by_key:
            self._serve_waiters()

    def _fits(self, hold: MemoryHold, count: int) -> bool:
        if hold is self._let_through:
            return True
        return self._held_by_key.get(hold.key_id, 0) + count <= self.max_bytes - self.used_bytes - count

    def _add(self, hold: MemoryHold, count: int) -> None:
        self._held_by_key[hold.key_id] = self._held_by_key.get(hold.key_id, 0) + count
        hold.held_bytes += count
        self.used_bytes += count

    def _enqueue(self, waiter: _Waiter) -> None:
        waiters = self._waiters_by_key.setdefault(waiter.hold.key_id, deque())
        if waiter.hold.held_bytes:  # what it holds is of use to none before it has the rest
            waiters.appendleft(waiter)
        else:
            waiters.append(waiter)
        self.waiting += 1
        self._watch_for_stall()

    def _dequeue(self, waiter: _Waiter) -> None:
        waiters = self._waiters_by_key.get(waiter.hold.key_id, deque())
        if waiter not in waiters:  # it was served
            return
        waiters.remove(waiter)
        self._forget(waiter)
        self._serve_waiters()  # those behind it may fit

    def _forget(self, waiter: _Waiter) -> None:
        self.waiting -= 1
        if not self._waiters_by_key[waiter.hold.key_id]:
            del self._waiters_by_key[waiter.hold.key_id]
        if not self.waiting and self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    def _serve_waiters(self) -> None:
        """Serve the first waiter of each key in turn, until none fits."""
        is_served = True
        while is_served:
            is_served = False
            for key_id in list(self._waiters_by_key):
                waiters = self._waiters_by_key[key_id]
                if waiters and self._fits(waiters[0].hold, waiters[0].count):
                    del self._waiters_by_key[key_id]
                    self._waiters_by_key[key_id] = waiters
                    self._serve(waiters.popleft())
                    is_served = True

    def _serve(self, waiter: _Waiter) -> None:
        self._add(waiter.hold, waiter.count)
        self._forget(waiter)
        if not waiter.granted.done():
            waiter.granted.set_result(None)
        self._watch_for_stall()

    def _watch_for_stall(self) -> None:
        """Start the clock again: something has moved."""
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        if self.waiting:
            loop = asyncio.get_running_loop()
            self._stall_timer = loop.call_later(self._stall_seconds, self._on_stall)

    def _on_stall(self) -> None:
        # Calls that each hold a part and wait for the rest would wait for one another. One of them at a time is let
        # through, beyond its share and the bound, and its end makes room for the next.
        self._stall_timer = None
        first = [waiters[0].hold for waiters in self._waiters_by_key.values() if waiters and waiters[0].hold.held_bytes]
        if first and self._let_through is None:
            self._let_through = first[0]
            self._serve_waiters()
        self._watch_for_stall()

    def _error(self) -> MemoryShareExceeded:
        return self._make_error(retry_after=_RETRY_AFTER_SECONDS)
