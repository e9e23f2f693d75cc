"""This process's slots for upstream calls (`queue.max_in_flight`): no project can take all of them.

A tenth is left to the projects that hold less than a tenth. So the calls of one project that its upstream never answers
leave room for those of others. Used by `slot.py`.
"""

import asyncio
from collections import Counter, deque

import msgspec

RESERVED_SHARE = 10
"""One slot in so many is left to light projects."""


class _SlotWaiter(msgspec.Struct, eq=False):
    project: str
    granted: "asyncio.Future[None]"


class LocalSlots:
    """Slots that are taken and released; who finds none waits in the order of arrival."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._reserved = total // RESERVED_SHARE
        self._used = 0
        self._by_project: Counter[str] = Counter()
        self._waiting: deque[_SlotWaiter] = deque()

    def __repr__(self) -> str:
        return f"<LocalSlots: {self._used} of {self._total} used, {len(self._waiting)} wait>"

    def take_free(self, project: str) -> bool:
        """Take a slot if there is one for this project."""
        if not self._has_room(project):
            return False
        self._take(project)
        return True

    async def take(self, project: str) -> None:
        """Take a slot, or wait for one. A cancelled wait takes none."""
        if self.take_free(project):
            return
        waiter = _SlotWaiter(project, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self.release(project)  # it was granted in the same moment
            else:
                self._waiting.remove(waiter)
            raise

    def release(self, project: str) -> None:
        """Release a slot of this project, and grant it to who waits."""
        self._used -= 1
        self._by_project[project] -= 1
        if not self._by_project[project]:
            del self._by_project[project]
        if self._waiting:
            self._grant()

    def _has_room(self, project: str) -> bool:
        is_light = self._by_project[project] < self._reserved
        return self._used < (self._total if is_light else self._total - self._reserved)

    def _take(self, project: str) -> None:
        self._used += 1
        self._by_project[project] += 1

    def _grant(self) -> None:
        for waiter in self._waiting:
            # a cancelled wait is removed when its task runs next, which may be after this release
            if not waiter.granted.done() and self._has_room(waiter.project):
                self._waiting.remove(waiter)
                self._take(waiter.project)
                waiter.granted.set_result(None)
                return
