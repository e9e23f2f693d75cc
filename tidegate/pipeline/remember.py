"""An answer on its way to one caller whose words are kept: committed before its end is told."""

import asyncio
import contextlib
from collections.abc import Awaitable

from tidegate.conversations.recorder import Memory
from tidegate.core.errors import ClientGone, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.limits.decision import Allowance
from tidegate.pipeline.delivery import Delivery
from tidegate.wire.stream_observer import is_extra_chunk, is_terminal


class Remembering:
    """A delivery that passes through a memory; used in the same way."""

    def __init__(self, delivery: Delivery, memory: Memory) -> None:
        self.wanted = delivery.wanted
        self._delivery = delivery
        self.memory = memory
        self._saving: asyncio.Future[None] | None = None
        self._last: bytes | None = None
        """The terminal event, held until the answer is committed."""
        delivery.give_all()

    @property
    def cache(self) -> str:
        """What the cache did."""
        return self._delivery.cache

    @property
    def age(self) -> float | None:
        """Seconds since a stored answer was stored."""
        return self._delivery.age

    @property
    def allowance(self) -> Allowance:
        """What is left of the caller's limits."""
        return self._delivery.allowance

    @property
    def cost_nanos(self) -> int:
        """What this caller's call cost, in nano-dollars; known once the answer is complete."""
        return self._delivery.cost_nanos

    async def opened(self) -> AnswerHead:
        """Wait for the answer to begin. Raises TidegateError."""
        return await self._delivery.opened()

    async def next(self) -> bytes | None:
        """The next event of the stream, None at its end. Raises TidegateError."""
        while self._last is None:
            event = await self._next()
            if event is None:
                return None
            ours = self.memory.event(event)
            if is_terminal(self.wanted.route, event):
                self._last = ours
            elif self.wanted.usage_chunk or not is_extra_chunk(event):
                return ours
        await self._kept()
        last, self._last = self._last, None
        return last

    async def whole(self) -> bytes:
        """The answer in one piece. Raises TidegateError."""
        if self._last is None:
            self._last = self.memory.whole(await self._delivery.whole())
        await self._kept()
        return self._last

    async def leave(self) -> None:
        """The caller is served, or gone."""
        try:
            await self._delivery.leave()
        finally:
            await self.memory.leave()

    async def _next(self) -> bytes | None:
        try:
            return await self._delivery.next()
        except ClientGone:
            raise
        except TidegateError as error:
            with contextlib.suppress(TidegateError):  # what broke it off is told; what could not be kept is not there
                await self._once(self.memory.keep_broken(error))
            raise

    async def _kept(self) -> None:
        await (self._once(self.memory.keep()) if self._saving is None else asyncio.shield(self._saving))

    async def _once(self, saving: Awaitable[None]) -> None:
        # a client that is gone in this very moment cancels our waiting, not the commit
        self._saving = asyncio.ensure_future(saving)
        self._saving.add_done_callback(_retrieve)
        await asyncio.shield(self._saving)


def _retrieve(saving: "asyncio.Future[None]") -> None:
    # an error nobody waited for is no error of the program
    if not saving.cancelled():
        saving.exception()
