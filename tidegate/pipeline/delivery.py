"""An answer on its way to one caller, in the form this caller asked for, with this caller's own words in it."""

import asyncio
from typing import Protocol

import msgspec

from tidegate.core.endpoints import Endpoint
from tidegate.core.errors import ClientDisconnected, TidegateError
from tidegate.core.values import AnswerHead
from tidegate.limits.decision import RemainingLimits
from tidegate.wire import answer_form
from tidegate.wire.stream_observer import is_extra_chunk, is_terminal


class JoinEntry(Protocol):
    """The ledger entry of a call that joined another caller's flight."""

    async def write(self, error: TidegateError | None, saved_nanos: int) -> None:
        """Write how the call ended, and what it saved in nano-dollars."""
        ...


class AnswerSource(Protocol):
    """What brings an answer: a flight, or a stored answer."""

    @property
    def cost_nanos(self) -> int:
        """What the answer cost to get, once it is over."""
        ...

    def subscribe(self) -> None:
        """Count one who waits."""
        ...

    def unsubscribe(self) -> None:
        """Count one less."""
        ...

    async def head(self) -> AnswerHead:
        """Wait for the answer to begin."""
        ...

    async def event(self, index: int) -> bytes | None:
        """Wait for one of its events."""
        ...


class RequestedForm(msgspec.Struct, frozen=True, kw_only=True):
    """The form in which a caller wants its answer."""

    endpoint: Endpoint
    stream: bool
    usage_chunk: bool
    """Whether a chat stream may carry its usage chunk."""
    echo: str
    """The caller's own words that a Response repeats."""


class ResponseStream(Protocol):
    """What whoever serves a caller reads the answer from, and must `leave` in the end."""

    requested_form: RequestedForm

    @property
    def cache(self) -> str:
        """What the cache did."""
        ...

    @property
    def age(self) -> float | None:
        """Seconds since a stored answer was stored."""
        ...

    @property
    def remaining_limits(self) -> RemainingLimits:
        """What is left of the caller's limits."""
        ...

    @property
    def cost_nanos(self) -> int:
        """What this caller's call cost, in nano-dollars; known once the answer is complete."""
        ...

    async def head(self) -> AnswerHead:
        """Wait for the answer to begin. Raises TidegateError."""
        ...

    async def next(self) -> bytes | None:
        """The next event of the stream, None at its end. Raises TidegateError."""
        ...

    async def body(self) -> bytes:
        """The answer in one piece. Raises TidegateError."""
        ...

    async def close(self) -> None:
        """The caller is served, or gone."""
        ...


class ClientResponse:
    """One caller's passage. Whoever is given one must `leave` it in the end.

    `opened` and `next` may be cancelled and called again without loss, so that the waiting can be interrupted
    by heartbeats.
    """

    def __init__(
        self,
        source: AnswerSource,
        requested_form: RequestedForm,
        *,
        cache: str,
        remaining_limits: RemainingLimits | None = None,
        age: float | None = None,
        join_entry: JoinEntry | None = None,
    ) -> None:
        """`cache` is the value of `x-tidegate-cache`, and `age` of `Age`; this response writes the `join_entry`."""
        self.requested_form = requested_form
        self.cache = cache
        self.age = age
        self.remaining_limits = remaining_limits or RemainingLimits()
        self._source = source
        self._join_entry = join_entry
        self._usage_chunk = requested_form.usage_chunk
        self._index = 0
        self._is_stream: bool | None = None
        """Whether the answer comes as events; None until that is known."""
        self._converted_events: list[bytes] | None = None
        self._caller_echo: answer_form.CallerEcho | None = None
        self._ledger_task: asyncio.Future[None] | None = None
        source.subscribe()

    @property
    def cost_nanos(self) -> int:
        """What this caller's call cost, in nano-dollars; known once the answer is complete."""
        return self._source.cost_nanos if self.cache in ("miss", "off") else 0

    def include_usage_chunk(self) -> None:
        """Leave nothing out that came, the usage chunk neither: whoever reads on chooses."""
        self._usage_chunk = True

    async def head(self) -> AnswerHead:
        """Wait for the answer to begin. Raises TidegateError."""
        try:
            head = await self._source.head()
        except TidegateError as error:
            await self._record_join(error)
            raise
        if head.echo != self.requested_form.echo and self._caller_echo is None:
            self._caller_echo = answer_form.CallerEcho(self.requested_form.echo)
        return head

    async def next(self) -> bytes | None:
        """The next event of the stream, None at its end. Raises TidegateError."""
        try:
            while (event := await self._next_event()) is not None:
                if is_terminal(self.requested_form.endpoint, event):
                    await self._record_join(None)
                self._index += 1
                if self._usage_chunk or not is_extra_chunk(event):
                    return self._caller_echo.replace_in_event(event) if self._caller_echo else event
            await self._record_join(None)
        except TidegateError as error:
            await self._record_join(error)
            raise
        else:
            return None

    async def body(self) -> bytes:
        """The answer in one piece. Raises TidegateError."""
        head = await self.head()
        try:
            events = await self._all_events()
            body = answer_form.to_body(self.requested_form.endpoint, events) if head.stream else b"".join(events)
            body = self._caller_echo.replace_in_body(body) if self._caller_echo else body
        except TidegateError as error:
            await self._record_join(error)
            raise
        await self._record_join(None)
        return body

    async def close(self) -> None:
        """The caller is served, or gone."""
        self._source.unsubscribe()  # first: it must not depend on the ledger, nor wait for it
        if self._join_entry is not None:
            await self._record_join(ClientDisconnected())

    async def _next_event(self) -> bytes | None:
        if self._is_stream is None:
            self._is_stream = (await self._source.head()).stream
        if not self._is_stream and self._converted_events is None:
            body = b"".join(await self._all_events())
            self._converted_events = answer_form.to_stream(self.requested_form.endpoint, body)
        if self._converted_events is None:
            return await self._source.event(self._index)
        return self._converted_events[self._index] if self._index < len(self._converted_events) else None

    async def _all_events(self) -> list[bytes]:
        events: list[bytes] = []
        while (event := await self._source.event(len(events))) is not None:
            events.append(event)
        return events

    async def _record_join(self, error: TidegateError | None) -> None:
        if self._join_entry is not None and self._ledger_task is None:
            self._ledger_task = asyncio.ensure_future(self._join_entry.write(error, self._source.cost_nanos))
        if self._ledger_task is not None:
            await asyncio.shield(self._ledger_task)
