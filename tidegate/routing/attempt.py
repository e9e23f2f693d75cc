"""One attempt: send a call to one target with one credential, and observe its answer as it arrives.

`UpstreamCall` makes an attempt for each step of the fallback chain, and `AttemptRunner` opens it. The provider
translates in both directions, so everything here is in the format of the caller's endpoint.

Holding back: an answer counts as begun when its first content arrives. The events before it stay in the attempt, for
example a chunk with only a role, or a Response that was created. If the upstream fails before the first content, the
caller has seen nothing, and the fallback chain can try another target. So it does where the upstream is alive, with
comments or such events, and sends no content within `first_byte_seconds`. After the first content no other target can
answer: a failure is then reported inside the stream.
"""

import contextlib
from collections.abc import Mapping
from typing import Protocol

from tidegate.core.clock import Clock
from tidegate.core.endpoints import Format
from tidegate.core.errors import (
    InvalidUpstreamKey,
    SlowDown,
    TidegateError,
    TotalTimeout,
    TruncatedAnswer,
    UpstreamError,
    UpstreamRateLimited,
)
from tidegate.core.process.call_memory import MemoryHold
from tidegate.core.rate_limits import ReportedLimits
from tidegate.providers.answer_memory import AnswerMemory
from tidegate.providers.base import Credential, Provider, ProviderExchange, ProviderRequest
from tidegate.wire import sse
from tidegate.wire.stream_observer import EventKind, observer_for


class UpstreamSlot(Protocol):
    """A call's place in the queue for one lane, and what its lane learns from the answer.

    `tidegate.queue.slot.QueueSlot` implements this.
    """

    waited_seconds: float
    """Seconds spent waiting so far."""
    is_isolated_refusal: bool
    """Whether the latest rate limit concerns this call or its project only."""

    def take_at_once(self) -> bool:
        """Take the place if it is free now; return whether. `wait` then returns at once."""
        ...

    async def wait(self) -> None:
        """Wait until the call may be sent. Raises TidegateError; if cancelled, the place goes to the next call."""
        ...

    def report_answer(self, limits: ReportedLimits, *, ok: bool) -> None:
        """Report that the upstream answered, with the rate limits beside its answer."""
        ...

    def report_failure(self) -> None:
        """Report that the upstream gave no answer."""
        ...

    def report_rate_limit(self, limits: ReportedLimits, error: UpstreamRateLimited | SlowDown) -> None:
        """Report that the upstream rejected the call for its rate."""
        ...

    async def wait_again(self) -> bool:
        """Wait for another place after a rate limit; return False where the time does not allow it."""
        ...

    def release(self) -> None:
        """Report that the call is no longer at the upstream."""
        ...

    def decline(self) -> None:
        """Give the place up unused."""
        ...


class Attempt:
    """Sends a call that has its slot, and reads the answer. Call `close` or `release` at the end."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        request: ProviderRequest,
        credential: Credential,
        *,
        provider: Provider,
        headers: Mapping[str, str],
        slot: UpstreamSlot,
        clock: Clock,
        hold: MemoryHold | None = None,
    ) -> None:
        """Prepare the attempt; `headers` are the caller's that are forwarded, `hold` holds memory for the answer."""
        self._hold = hold
        self._memory = AnswerMemory(hold)
        self.request = request
        self.credential = credential
        self.slot = slot
        self._provider = provider
        self._headers = headers
        self._clock = clock
        self.observer = observer_for(request.endpoint, forces_tool=request.forces_tool)
        self._exchange: ProviderExchange | None = None
        self._buffered: list[bytes] = []
        """Events that were read and not passed on yet."""
        self._failure: TidegateError | None = None
        """Raised once the events before it were passed on."""
        self._interruption: TidegateError | None = None
        """Why the answer was cut off by this side."""
        self._has_new_key = False
        self.stream = False
        self.was_sent = False
        self.events: list[bytes] = []
        """The answer as far as it was read."""
        self.last_events: list[bytes] = []
        """The terminal event, or the whole body: passed on once the call is settled."""
        self.first_byte_seconds: float | None = None
        self._sent_at = self._read_at = clock.monotonic()
        self._content_at: float | None = None
        """When the stream's first content was read."""
        self._has_answer = self._has_begun = False
        """Whether the upstream has taken the call, and whether the answer has begun."""
        self.is_left = False
        """Whether the client has left, and the upstream was told so."""
        self.hang_up_was_seen = False
        """Whether the upstream has noticed that the client left: it hung up, too, or the answer was complete."""
        self.hang_up_delay = 0.0
        """Seconds by which that took longer than usual."""

    def __repr__(self) -> str:
        return f"<Attempt at {self.request.target.name} with {self.credential.name}: {len(self.events)} events>"

    @property
    def is_complete(self) -> bool:
        """Whether the answer was read to its end; `last_events` are still to be passed on."""
        return bool(self.last_events)

    @property
    def reported_error(self) -> TidegateError | None:
        """The failure that the answer itself reports, if it does."""
        return None if self.observer.error is None else self._error_in_answer()

    @property
    def request_id(self) -> str | None:
        """The upstream's own identifier of the call."""
        return None if self._exchange is None else self._exchange.request_id

    @property
    def is_worth_storing(self) -> bool:
        """Whether another caller can use the answer, which is complete."""
        return self.observer.is_worth_storing(
            self.events,
            wants_json=self.request.wants_json,
            is_limited=self.request.is_limited,
            end_reason=None if self._exchange is None else self._exchange.end_reason,
        )

    def elapsed_seconds(self) -> tuple[float, float, float]:
        """Return the seconds since the call was sent, since the last read, and from the first content to the last read.

        The last one is 0 for an answer that is no stream.
        """
        now = self._clock.monotonic()
        writing = 0.0 if self._content_at is None else self._read_at - self._content_at
        return now - self._sent_at, now - max(self._sent_at, self._read_at), writing

    def renewed(self) -> "Attempt":
        """Return a new attempt with the same request and the same slot."""
        return Attempt(
            self.request,
            self.credential,
            provider=self._provider,
            headers=self._headers,
            slot=self.slot,
            clock=self._clock,
            hold=self._hold,
        )

    def send_at_once(self) -> bool:
        """Send the call if its slot and a connection are free now; return whether it was sent."""
        if not self.slot.take_at_once():
            return False
        self._sent_at = self._clock.monotonic()
        with contextlib.suppress(TidegateError):  # `open` tries again, and tells
            self._exchange = self._provider.exchange(self.request, self.credential, self._headers)
            self.was_sent = self._exchange.send_at_once()
        return self.was_sent

    async def open(self) -> None:
        """Send the call and wait for the first content; an answer that is no stream is read whole.

        May be cancelled and called again, if the call was sent at once. Raises UpstreamError, also for a failure that
        the answer reports before its first content. A Response whose own status is `failed` is then complete, and can
        still be passed on.
        """
        if self._has_begun:
            return
        try:
            exchange = await self._answering_exchange()
            self.stream = exchange.is_stream  # until it is known for certain: what the client leaves now is drained
            await exchange.begin()
            self.stream = exchange.is_stream
            if not self.stream:
                await self._read_body(exchange)
            else:
                await self._find_content(exchange)
        except TidegateError as error:
            raise self._interruption or error from None
        self._has_begun = True

    async def wait_until_taken(self) -> bool:
        """Wait until the upstream answers a call that was sent; return whether it has taken it.

        `open` tells more of a refusal. May be cancelled and called again. Raises UpstreamError.
        """
        exchange = self._exchange
        assert exchange is not None  # noqa: S101  # the call was sent
        if self.first_byte_seconds is None:
            try:
                await exchange.wait_for_head()
            except UpstreamError as error:
                self.slot.report_failure()
                raise self._interruption or error from None
            self.first_byte_seconds = self._clock.monotonic() - self._sent_at
        return exchange.is_success

    async def _answering_exchange(self) -> ProviderExchange:
        """Return the exchange once the upstream has taken the call."""
        if self._exchange is not None and self._has_answer:
            return self._exchange
        if not self.was_sent:
            self._sent_at = self._clock.monotonic()
            await self._send()
        is_taken = await self.wait_until_taken()
        assert self._exchange is not None  # noqa: S101  # it was sent
        exchange = self._exchange if is_taken else await self._handle_refusal(self._exchange)
        self.slot.report_answer(exchange.reported_limits(), ok=True)
        self._has_answer = True
        return exchange

    async def _find_content(self, exchange: ProviderExchange) -> None:
        while not self.observer.has_content and not self.last_events and self._failure is None:
            await self._read_on(exchange)
        if self.observer.has_content:
            self._content_at = self._read_at
            exchange.begin_content()
            return
        if self._failure is not None:
            raise self._failure
        if self.reported_error is not None:
            raise self.reported_error

    async def next_events(self) -> list[bytes]:
        """Return the next events to pass on; none once the answer is complete. Raises UpstreamError.

        May be cancelled and called again without loss.
        """
        assert self._exchange is not None  # noqa: S101  # it is open
        while not self._buffered and not self.last_events and self._failure is None:
            await self._read_on(self._exchange)
        if not self._buffered and self._failure is not None:
            raise self._failure
        events, self._buffered = self._buffered, []
        return events

    def end_sending(self) -> bool:
        """Close this side of the connection, as the client has left; return whether the upstream was told by that."""
        self.is_left = True
        return self._exchange is not None and self._exchange.end_sending()

    async def read_to_end(self) -> None:
        """Read what still comes: the upstream charges for what it has written, so that is counted."""
        if not self.stream or self._exchange is None:
            return
        await self._exchange.begin()
        while not self.last_events and self._failure is None:
            await self._read_on(self._exchange)

    def close(self) -> None:
        """Cut the connection."""
        if self._exchange is not None:
            self._exchange.close()
        self.slot.release()

    def release(self) -> None:
        """Give the connection back to the pool, once the call is settled."""
        if self._exchange is not None:
            self._exchange.release()
        self.slot.release()

    def time_out(self) -> None:
        """End the attempt because the call's total time is over: the read in progress fails with TotalTimeout."""
        self.interrupt(TotalTimeout())

    def interrupt(self, error: TidegateError) -> None:
        """Cut the connection: the read in progress fails with this error."""
        self._interruption = error
        if self._exchange is not None:
            self._exchange.close()

    async def _send(self) -> ProviderExchange:
        self.was_sent = True
        try:
            self._exchange = self._provider.exchange(self.request, self.credential, self._headers)
            await self._exchange.wait_for_head()
        except UpstreamError:
            self.slot.report_failure()
            raise
        return self._exchange

    async def _handle_refusal(self, exchange: ProviderExchange) -> ProviderExchange:
        """Report a refusal to the slot and raise its error; where the provider knows a way round it, send that."""
        refusal = await exchange.read_refusal()
        if refusal.retry is not None:
            self.request = refusal.retry
            exchange = await self._send()
            return exchange if exchange.is_success else await self._handle_refusal(exchange)
        error = refusal.error
        if isinstance(error, InvalidUpstreamKey) and not self._has_new_key:
            self._has_new_key = True  # one more try for each call
            if await self._provider.renew_key(self.credential):
                exchange = await self._send()
                return exchange if exchange.is_success else await self._handle_refusal(exchange)
        if isinstance(error, UpstreamRateLimited | SlowDown):
            self.slot.report_rate_limit(refusal.limits, error)
        elif error.retryable:
            self.slot.report_failure()
        else:
            self.slot.report_answer(refusal.limits, ok=False)
        raise error

    async def _read_body(self, exchange: ProviderExchange) -> None:
        body = self.observer.mend_body(await exchange.read_body(self._memory))
        if self.observer.observe_body(body) is EventKind.ERROR:
            raise self._error_in_answer()
        self.events = self.last_events = [body]
        if self.reported_error is not None:
            raise self.reported_error

    async def _read_to_end(self) -> None:
        while self.stream and self._exchange is not None and not self.is_complete and self._failure is None:
            await self._read_on(self._exchange)

    async def _read_on(self, exchange: ProviderExchange) -> None:
        """Take the next events; a failure waits until the events before it were passed on."""
        try:
            events = await exchange.read_events(self._memory)
            self._read_at = self._clock.monotonic()
            if events is None:
                self._end_without_terminal()
                return
            for event in events:
                if self._take_event(event):
                    return
        except TidegateError as error:
            self._failure = self._interruption or error

    def _take_event(self, event: bytes) -> bool:
        """Take one event; return whether it ends the answer. Raises UpstreamError for one that reports a failure."""
        event = self.observer.mend(event, self.events)
        kind = self.observer.observe(event)
        if kind is EventKind.ERROR:
            raise self._error_in_answer()
        is_done = kind is EventKind.TERMINAL and self.request.endpoint.format is Format.CHAT
        event = sse.DONE if is_done else sse.strip_extra_fields(event)
        if kind is EventKind.ORDINARY:
            self._buffered.append(event)
            self.events.append(event)
        elif kind is EventKind.TERMINAL:
            self.last_events = [event]
            self.events.append(event)
        return kind is EventKind.TERMINAL

    def _end_without_terminal(self) -> None:
        """Complete a chat stream that leaves `[DONE]` out though each choice is finished. Raises TruncatedAnswer."""
        if self.request.endpoint.format is not Format.CHAT or not self.observer.may_end():
            raise TruncatedAnswer
        self._take_event(sse.DONE)

    def _error_in_answer(self) -> UpstreamError:
        assert self._exchange is not None  # noqa: S101  # its answer reported the error
        return self._exchange.error_in_answer(self.observer.error)
