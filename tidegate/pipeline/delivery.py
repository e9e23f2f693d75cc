"""Gives an answer to one caller, in the form it requested and with its own values in the echoed fields."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from tidegate.core.buffered_answer import BufferedAnswer
from tidegate.core.endpoints import Endpoint, Format
from tidegate.core.errors import ClientDisconnected, TidegateError, UnfinishedAnswer
from tidegate.core.process.heavy_turns import with_pauses
from tidegate.core.values import AnswerHead
from tidegate.limits.decision import RemainingLimits
from tidegate.pipeline.call_record import CallRecord
from tidegate.wire import answer_form
from tidegate.wire.call import Call
from tidegate.wire.stream_observer import is_extra_chunk, is_terminal, states_end

_STEP_EVENTS = 1000
"""Events that are taken in one step, in less than a millisecond."""


class JoinEntry(Protocol):
    """The ledger entry of a call that joined another caller's flight."""

    async def write(self, error: TidegateError | None, saved_nanos: int, served_by: str) -> None:
        """Write how the call ended, what it saved in nano-dollars, and who answered; empty for an error."""
        ...


class AnswerSource(Protocol):
    """Where a response reads its answer: a flight, a buffered answer, or the events of a background response."""

    @property
    def cost_nanos(self) -> int:
        """What the answer cost in nano-dollars, once it is complete."""
        ...

    def subscribe(self) -> None:
        """Add a reader."""
        ...

    def unsubscribe(self, error: TidegateError | None = None) -> None:
        """Remove a reader; `error` is why it stops, if not because its client disconnected."""
        ...

    async def head(self) -> AnswerHead:
        """Return the head when the answer begins."""
        ...

    async def event(self, index: int) -> bytes | None:
        """Return event number `index` when it is there; None past the end."""
        ...


class RequestedForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form in which a caller requested its answer."""

    endpoint: Endpoint
    stream: bool
    usage_chunk: bool
    """Whether a chat stream may carry its usage chunk."""
    echo: str
    """The caller's own values that a Response repeats."""


def requested_form(call: Call, echo: str) -> RequestedForm:
    """Return the form in which a call wants its answer; `echo` are the values that a Response repeats."""
    usage_chunk = call.wants_usage or call.endpoint.format is not Format.CHAT
    return RequestedForm(endpoint=call.endpoint, stream=call.stream, usage_chunk=usage_chunk, echo=echo)


class ResponseStream(Protocol):
    """What the web layer reads an answer from. It must be closed in the end."""

    requested_form: RequestedForm

    @property
    def cache(self) -> str:
        """What the cache did: `hit`, `joined`, `semantic`, `miss` or `off`."""
        ...

    @property
    def semantic(self) -> Sequence[tuple[bytes, bytes]]:
        """The response headers in which the semantic tier tells what it did; none where it is off."""
        ...

    @property
    def age(self) -> float | None:
        """Seconds since the answer was stored, if it was."""
        ...

    @property
    def remaining_limits(self) -> RemainingLimits:
        """What remains of the caller's limits."""
        ...

    @property
    def cost_nanos(self) -> int:
        """What the call cost its caller in nano-dollars, once the answer is complete."""
        ...

    async def head(self) -> AnswerHead:
        """Return the head when the answer begins. Raises TidegateError."""
        ...

    async def next(self) -> bytes | None:
        """Return the next event of the stream; None at its end. Raises TidegateError."""
        ...

    async def body(self) -> bytes:
        """Return the answer as one body. Raises TidegateError."""
        ...

    async def close(self, error: TidegateError | None = None) -> None:
        """Stop reading: the caller has its answer, has disconnected, or gets this error instead."""
        ...


class ClientResponse:
    """The response to one caller. Implements `ResponseStream`.

    `head` and `next` may be cancelled and called again without losing an event, so that heartbeats can interrupt them.
    """

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        source: AnswerSource,
        requested_form: RequestedForm,
        *,
        cache: str,
        remaining_limits: RemainingLimits | None = None,
        age: float | None = None,
        join_entry: JoinEntry | None = None,
        record: CallRecord | None = None,
    ) -> None:
        """`cache` is the value of `x-tidegate-cache`, and `age` of `Age`; this response writes the `join_entry`.

        `record` is that of its call, where calls are observed.
        """
        self._record = record
        self.requested_form = requested_form
        self.semantic: Sequence[tuple[bytes, bytes]] = ()
        """The response headers of the semantic tier."""
        self.cache = cache
        self.age = age
        self.remaining_limits = remaining_limits or RemainingLimits()
        self._source = source
        self._join_entry = join_entry
        self._usage_chunk = requested_form.usage_chunk
        self._index = 0
        self._stream: AnswerSource | None = None
        """Where the events come from; None until the answer begins."""
        self._caller_echo: answer_form.CallerEcho | None = None
        self._served_by = ""
        self.before_giving: Callable[[bytes], Awaitable[None]] | None = None
        """Called with each event, or the body, before it is given out, where something has to be noted first."""
        self._ledger_task: asyncio.Future[None] | None = None
        self._states_end = join_entry is None
        """Whether the answer has said why it ended; only a joined call looks."""
        source.subscribe()

    @property
    def cost_nanos(self) -> int:
        """What the call cost its caller in nano-dollars, once the answer is complete."""
        return self._source.cost_nanos if self.cache in ("miss", "off") else 0

    def include_usage_chunk(self) -> None:
        """Give the usage chunk, too: the reader of this response decides whether its caller receives it."""
        self._usage_chunk = True

    async def head(self) -> AnswerHead:
        """Return the head when the answer begins. Raises TidegateError."""
        try:
            head = await self._source.head()
        except TidegateError as error:
            await self._record_join(error)
            raise
        self._served_by = head.served_by
        if self._record is not None:
            self._record.note_head(head)
        if head.echo != self.requested_form.echo and self._caller_echo is None:
            self._caller_echo = answer_form.CallerEcho(self.requested_form.echo)
        return head

    async def next(self) -> bytes | None:
        """Return the next event of the stream; None at its end. Raises TidegateError."""
        try:
            stream = self._stream or await self._begin_stream()
            while (event := await stream.event(self._index)) is not None:
                if self._join_entry is not None:
                    await self._note_joined(event)
                self._index += 1
                if self.before_giving is not None:
                    await self.before_giving(event)
                if self._usage_chunk or not is_extra_chunk(event):
                    return self._caller_echo.replace_in_event(event) if self._caller_echo else event
            await self._record_join(self._end_mark())
        except TidegateError as error:
            await self._record_join(error)
            raise
        else:
            return None

    async def body(self) -> bytes:
        """Return the answer as one body. Raises TidegateError."""
        head = await self.head()
        try:
            events = await self._all_events()
            if head.stream:
                body = await self._joined(events)
            else:
                for event in events:
                    self._note_end(event)
                body = b"".join(events)
            body = self._caller_echo.replace_in_body(body) if self._caller_echo else body
            if self.before_giving is not None:
                await self.before_giving(body)
        except TidegateError as error:
            await self._record_join(error)
            raise
        await self._record_join(self._end_mark())
        return body

    async def close(self, error: TidegateError | None = None) -> None:
        """Stop reading: the caller has its answer, has disconnected, or gets this error instead."""
        self._source.unsubscribe(error)  # first: it must neither depend on the ledger nor wait for it
        if self._join_entry is not None:
            await self._record_join(error or ClientDisconnected())

    async def _joined(self, events: list[bytes]) -> bytes:
        """Return the events of a stream as one body; many of them are joined in steps."""
        for number, event in enumerate(reversed(events), 1):
            self._note_end(event)
            if self._states_end:
                break
            if not number % _STEP_EVENTS:
                await asyncio.sleep(0)
        return await with_pauses(answer_form.to_body_in_steps(self.requested_form.endpoint, events))

    async def _begin_stream(self) -> AnswerSource:
        """Return where the events come from: the source, or its body as the events of a stream."""
        head, stream = await self._source.head(), self._source
        if not head.stream:
            events = answer_form.to_stream(self.requested_form.endpoint, b"".join(await self._all_events()))
            stream = BufferedAnswer(head, events)
        self._stream = stream
        return stream

    async def _all_events(self) -> list[bytes]:
        events: list[bytes] = []
        while (event := await self._source.event(len(events))) is not None:
            events.append(event)
            if not len(events) % _STEP_EVENTS:  # a stored answer is never waited for
                await asyncio.sleep(0)
        return events

    async def _note_joined(self, event: bytes) -> None:
        """Write the ledger entry of a joined call before its last event."""
        self._note_end(event)
        if is_terminal(self.requested_form.endpoint, event):
            await self._record_join(self._end_mark())

    def _note_end(self, event: bytes) -> None:
        if not self._states_end:
            self._states_end = states_end(self.requested_form.endpoint, event)

    def _end_mark(self) -> TidegateError | None:
        """Return what the ledger says of a joined answer that ended: nothing, or that it does not say why."""
        return None if self._states_end else UnfinishedAnswer()

    async def _record_join(self, error: TidegateError | None) -> None:
        if self._join_entry is not None and self._ledger_task is None:
            self._ledger_task = asyncio.ensure_future(
                self._join_entry.write(error, self._source.cost_nanos, self._served_by)
            )
        if self._ledger_task is not None:
            await asyncio.shield(self._ledger_task)
