"""An answer on its way to one caller whose words are kept: committed before its end is told."""

import asyncio
import contextlib
from collections.abc import Awaitable

from tidegate.conversations.recorder import ResponseRecorder
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.limits.decision import RemainingLimits
from tidegate.pipeline.delivery import ClientResponse
from tidegate.wire.stream_observer import is_extra_chunk, is_terminal


class RecordedResponse:
    """A delivery that passes through a memory; used in the same way."""

    def __init__(self, response: ClientResponse, recorder: ResponseRecorder) -> None:
        self.requested_form = response.requested_form
        self._response = response
        self.recorder = recorder
        self._commit_task: asyncio.Future[None] | None = None
        self._terminal_event: bytes | None = None
        """The terminal event, held until the answer is committed."""
        response.include_usage_chunk()

    @property
    def cache(self) -> str:
        """What the cache did."""
        return self._response.cache

    @property
    def age(self) -> float | None:
        """Seconds since a stored answer was stored."""
        return self._response.age

    @property
    def remaining_limits(self) -> RemainingLimits:
        """What is left of the caller's limits."""
        return self._response.remaining_limits

    @property
    def cost_nanos(self) -> int:
        """What this caller's call cost, in nano-dollars; known once the answer is complete."""
        return self._response.cost_nanos

    async def head(self) -> AnswerHead:
        """Wait for the answer to begin. Raises TidegateError."""
        return await self._response.head()

    async def next(self) -> bytes | None:
        """The next event of the stream, None at its end. Raises TidegateError."""
        while self._terminal_event is None:
            event = await self._next_event()
            if event is None:
                return None
            ours = self.recorder.rewrite_event(event)
            if is_terminal(self.requested_form.endpoint, event):
                self._terminal_event = ours
            elif self.requested_form.usage_chunk or not is_extra_chunk(event):
                return ours
        await self.commit()
        last, self._terminal_event = self._terminal_event, None
        return last

    async def body(self) -> bytes:
        """The answer in one piece. Raises TidegateError."""
        if self._terminal_event is None:
            self._terminal_event = self.recorder.rewrite_body(await self._response.body())
        await self.commit()
        return self._terminal_event

    async def close(self) -> None:
        """The caller is served, or gone."""
        try:
            await self._response.close()
        finally:
            await self.recorder.release()

    async def _next_event(self) -> bytes | None:
        try:
            return await self._response.next()
        except ClientDisconnected:
            raise
        except TidegateError as error:
            with contextlib.suppress(TidegateError):  # what broke it off is told; what could not be kept is not there
                await self._start_commit(self.recorder.save_failure(error))
            raise

    async def commit(self) -> None:
        """Wait until the answer is committed; the first call starts the commit. Raises TidegateError."""
        if self._commit_task is None:
            await self._start_commit(self.recorder.save())
        else:
            await asyncio.shield(self._commit_task)

    async def _start_commit(self, saving: Awaitable[None]) -> None:
        # a client that is gone in this very moment cancels our waiting, not the commit
        self._commit_task = asyncio.ensure_future(saving)
        self._commit_task.add_done_callback(_ignore_result)
        await asyncio.shield(self._commit_task)


def _ignore_result(saving: "asyncio.Future[None]") -> None:
    # an error nobody waited for is no error of the program
    if not saving.cancelled():
        saving.exception()
