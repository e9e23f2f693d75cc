"""Gives an answer that is stored: it is committed before its terminal event, or its body, is given out."""

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence

from tidegate.conversations.recorder import ResponseRecorder
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.limits.decision import RemainingLimits
from tidegate.pipeline.delivery import ClientResponse
from tidegate.wire.stream_observer import is_extra_chunk, is_terminal


class RecordedResponse:
    """A response whose events pass through a recorder. Implements `ResponseStream`."""

    def __init__(self, response: ClientResponse, recorder: ResponseRecorder) -> None:
        self.requested_form = response.requested_form
        self._response = response
        self.recorder = recorder
        self._commit_task: asyncio.Future[None] | None = None
        self._terminal_event: bytes | None = None
        """The terminal event, or the body, which is held back until the answer is committed."""
        response.include_usage_chunk()

    @property
    def cache(self) -> str:
        """What the cache did: `hit`, `joined`, `semantic`, `miss` or `off`."""
        return self._response.cache

    @property
    def semantic(self) -> Sequence[tuple[bytes, bytes]]:
        """The response headers in which the semantic tier tells what it did; none where it is off."""
        return self._response.semantic

    @property
    def age(self) -> float | None:
        """Seconds since the answer was stored, if it was."""
        return self._response.age

    @property
    def remaining_limits(self) -> RemainingLimits:
        """What remains of the caller's limits."""
        return self._response.remaining_limits

    @property
    def cost_nanos(self) -> int:
        """What the call cost its caller in nano-dollars, once the answer is complete."""
        return self._response.cost_nanos

    async def head(self) -> AnswerHead:
        """Return the head when the answer begins. Raises TidegateError."""
        return await self._response.head()

    async def next(self) -> bytes | None:
        """Return the next event of the stream; None at its end. Raises TidegateError."""
        while self._terminal_event is None:
            event = await self._next_event()
            if event is None:
                return None
            rewritten_event = self.recorder.rewrite_event(event)
            if is_terminal(self.requested_form.endpoint, event):
                self._terminal_event = rewritten_event
            elif self.requested_form.usage_chunk or not is_extra_chunk(event):
                return rewritten_event
        await self.commit()
        terminal_event, self._terminal_event = self._terminal_event, None
        return terminal_event

    async def body(self) -> bytes:
        """Return the answer as one body. Raises TidegateError."""
        if self._terminal_event is None:
            self._terminal_event = self.recorder.rewrite_body(await self._response.body())
        await self.commit()
        return self._terminal_event

    async def close(self, error: TidegateError | None = None) -> None:
        """Stop reading: the caller has its answer, has disconnected, or gets this error instead."""
        try:
            await self._response.close(error)
        finally:
            await self.recorder.release()

    async def _next_event(self) -> bytes | None:
        try:
            return await self._response.next()
        except ClientDisconnected:
            raise
        except TidegateError as error:
            with contextlib.suppress(TidegateError):  # the caller receives the first error, not this one
                await self._start_commit(self.recorder.save_failure(error))
            raise

    async def commit(self) -> None:
        """Wait until the answer is committed; the first call starts the commit. Raises TidegateError."""
        if self._commit_task is None:
            await self._start_commit(self.recorder.save())
        else:
            await asyncio.shield(self._commit_task)

    async def _start_commit(self, save: Awaitable[None]) -> None:
        # if the client disconnects now, the waiting is cancelled, but not the commit
        self._commit_task = asyncio.ensure_future(save)
        self._commit_task.add_done_callback(_ignore_result)
        await asyncio.shield(self._commit_task)


def _ignore_result(commit_task: "asyncio.Future[None]") -> None:
    # without this, asyncio logs an error that no reader waited for
    if not commit_task.cancelled():
        commit_task.exception()
