"""One attempt: a call sent to one target with one credential, and its answer watched as it comes.

An attempt has begun to answer when content has come: what comes before it (a role, a Response that was created) is held
back, so that a failure until then is seen by nobody but the ladder.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Protocol

from tidegate.core.clock import Clock
from tidegate.core.endpoints import Format
from tidegate.core.errors import (
    AnswerTooLarge,
    HtmlFromProxy,
    SlowDown,
    TidegateError,
    TotalTimeout,
    TruncatedAnswer,
    UpstreamError,
    UpstreamRateLimited,
)
from tidegate.core.rate_limits import ReportedLimits
from tidegate.providers.base import Credential, Provider, ProviderRequest
from tidegate.providers.encrypted_reasoning import without_encrypted_reasoning
from tidegate.providers.errors import classify, classify_in_stream
from tidegate.providers.rate_limit_headers import reported_limits
from tidegate.providers.responses_over_chat import Translator
from tidegate.providers.transport import Exchange
from tidegate.wire import sse
from tidegate.wire.stream_observer import EventKind, observer_for


class UpstreamSlot(Protocol):
    """When a call may go to the upstream, and what is learnt from how it is received."""

    waited_seconds: float
    """Seconds spent waiting so far."""

    async def wait(self) -> None:
        """Wait for the turn. Raises TidegateError; cancelled, it is passed on."""
        ...

    def report_answer(self, limits: ReportedLimits, *, ok: bool) -> None:
        """The upstream answered."""
        ...

    def report_failure(self) -> None:
        """The upstream gave no answer."""
        ...

    def report_rate_limit(self, limits: ReportedLimits, error: UpstreamRateLimited | SlowDown) -> None:
        """The upstream refused the call for its rate."""
        ...

    async def wait_again(self) -> bool:
        """After a refusal: wait for another turn; False where there is no time."""
        ...

    def release(self) -> None:
        """The call is no longer at the upstream."""
        ...

    def decline(self) -> None:
        """The turn is not taken at all."""
        ...


class Attempt:
    """Sends a call, which has had its turn, and reads its answer. `close` or `finish` it at the end."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        request: ProviderRequest,
        credential: Credential,
        *,
        provider: Provider,
        headers: Mapping[str, str],
        slot: UpstreamSlot,
        clock: Clock,
        translator: Translator | None = None,
    ) -> None:
        """`interpreter` where the target speaks another dialect than the caller."""
        self.request = request
        self.credential = credential
        self.slot = slot
        self._provider = provider
        self._headers = headers
        self._clock = clock
        self._translator = translator
        self._route = request.endpoint if translator is None else translator.endpoint
        self.observer = observer_for(self._route)
        self._exchange: Exchange | None = None
        self._splitter = sse.EventSplitter()
        self._buffered: list[bytes] = []
        """Passing events that were not handed on yet."""
        self._failure: TidegateError | None = None
        """Found behind events that are still to be handed on."""
        self._size = 0
        self._timed_out = False
        self.stream = False
        self.was_sent = False
        self.events: list[bytes] = []
        """The answer as far as it came."""
        self.last_events: list[bytes] = []
        """The terminal event, or the whole body: to be handed on once the call is settled."""
        self.first_byte_seconds: float | None = None
        self._sent_at = self._read_at = clock.monotonic()

    def __repr__(self) -> str:
        return f"<Attempt at {self.request.target.name} with {self.credential.name}: {len(self.events)} events>"

    @property
    def is_complete(self) -> bool:
        """The answer came to its end; `last` is what is left to hand on."""
        return bool(self.last_events)

    @property
    def reported_error(self) -> TidegateError | None:
        """The failure that the answer itself reports, if it does."""
        return (
            None if self.observer.error is None else classify_in_stream(self.observer.error, request_id=self.request_id)
        )

    @property
    def request_id(self) -> str | None:
        """The upstream's name for the call."""
        return self._exchange.headers.get("x-request-id") if self._exchange is not None else None

    def elapsed_seconds(self) -> tuple[float, float]:
        """Seconds since the call was sent, and since the last byte of its answer was read."""
        now = self._clock.monotonic()
        return now - self._sent_at, now - max(self._sent_at, self._read_at)

    def renewed(self) -> "Attempt":
        """The same once more, with the same turn."""
        return Attempt(
            self.request,
            self.credential,
            provider=self._provider,
            headers=self._headers,
            slot=self.slot,
            clock=self._clock,
            translator=self._translator and self._translator.renewed(),
        )

    async def open(self) -> None:
        """Send the call and wait until its answer has begun; one in one piece is read to its end.

        Raises UpstreamError, also for what the answer reports before it has begun. A Response that says itself that
        it failed has then `ended`, and can still be handed on.
        """
        self._sent_at = self._clock.monotonic()
        exchange = await self._send()
        self.first_byte_seconds = self._clock.monotonic() - self._sent_at
        if not 200 <= exchange.status < 300:
            exchange = await self._handle_refusal(exchange)
        self.slot.report_answer(reported_limits(exchange.headers), ok=True)
        self.stream = exchange.headers.get("content-type", "").lower().startswith("text/event-stream")
        if not self.stream:
            await self._read_body(exchange)
            return
        while not self.observer.has_content and not self.is_complete and self._failure is None:
            await self._read_on(exchange)
        if self.observer.has_content:
            return
        if self._failure is not None:
            raise self._failure
        if self.reported_error is not None:
            raise self.reported_error

    async def next_events(self) -> list[bytes]:
        """The next events to hand on; none once it has `ended`. May be cancelled. Raises UpstreamError."""
        assert self._exchange is not None  # noqa: S101  # it is open
        while not self._buffered and not self.is_complete and self._failure is None:
            await self._read_on(self._exchange)
        if not self._buffered and self._failure is not None:
            raise self._failure
        held, self._buffered = self._buffered, []
        return held

    async def drain(self, seconds: float) -> None:
        """Read on for a moment: what the upstream has written already tells what it charges."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.stream and self._exchange is not None and not self.is_complete and self._failure is None:
                    await self._read_on(self._exchange)

    def close(self) -> None:
        """Cut the connection."""
        if self._exchange is not None:
            self._exchange.close()
        self.slot.release()

    def release(self) -> None:
        """The call is settled: the connection may serve another."""
        if self._exchange is not None:
            self._exchange.release()
        self.slot.release()

    def time_out(self) -> None:
        """The call as a whole has had its time: what is still awaited fails."""
        self._timed_out = True
        if self._exchange is not None:
            self._exchange.close()

    async def _send(self) -> Exchange:
        self.was_sent = True
        try:
            self._exchange = await self._provider.send(self.request, self.credential, self._headers)
        except UpstreamError:
            self.slot.report_failure()
            raise
        return self._exchange

    async def _handle_refusal(self, exchange: Exchange) -> Exchange:
        """Raises what an exchange was refused for; another one where only sealed reasoning was in its way."""
        body = await exchange.read_all()
        exchange.close()
        error = classify(exchange.status, exchange.headers, body, now=self._clock.now())
        if (passing := without_encrypted_reasoning(self.request, error)) is not None:
            self.request = passing
            exchange = await self._send()
            return exchange if 200 <= exchange.status < 300 else await self._handle_refusal(exchange)
        said = reported_limits(exchange.headers, error.message)
        if isinstance(error, UpstreamRateLimited | SlowDown):
            self.slot.report_rate_limit(said, error)
        elif error.retryable:
            self.slot.report_failure()
        else:
            self.slot.report_answer(said, ok=False)
        raise error

    async def _read_body(self, exchange: Exchange) -> None:
        body = await exchange.read_all()
        exchange.close()
        if exchange.headers.get("content-type", "").startswith("text/html"):
            raise HtmlFromProxy
        if self._translator is not None:
            body = self._translator.translate_body(body)
        if self.observer.observe_body(body) is EventKind.ERROR:
            raise classify_in_stream(self.observer.error, request_id=self.request_id)
        self.events = self.last_events = [body]
        if self.reported_error is not None:
            raise self.reported_error

    async def _read_on(self, exchange: Exchange) -> None:
        """Take in what came; a failure is kept until what came before it is handed on."""
        try:
            data = await exchange.read_some()
            self._read_at = self._clock.monotonic()
            if data:
                self._take_data(data)
            else:
                self._end_without_terminal()
        except TidegateError as error:
            self._failure = TotalTimeout() if self._timed_out else error

    def _take_data(self, data: bytes) -> None:
        """Put the events in `data` where they belong. Raises UpstreamError for one that reports or is a failure."""
        self._size += len(data)
        if self._size > self._provider.max_answer_bytes:
            raise AnswerTooLarge
        for event in self._splitter.feed(data):
            for said in [event] if self._translator is None else self._translator.translate_event(event):
                if self._take_event(said):
                    return

    def _take_event(self, event: bytes) -> bool:
        """One event; whether it ends the answer."""
        sight = self.observer.observe(event)
        if sight is EventKind.ERROR:
            raise classify_in_stream(self.observer.error, request_id=self.request_id)
        event = (
            sse.DONE
            if self._route.format is Format.CHAT and sight is EventKind.TERMINAL
            else sse.strip_extra_fields(event)
        )
        if sight is EventKind.ORDINARY:
            self._buffered.append(event)
            self.events.append(event)
        elif sight is EventKind.TERMINAL:
            self.last_events = [event]
            self.events.append(event)
        return sight is EventKind.TERMINAL

    def _end_without_terminal(self) -> None:
        """Some servers leave `[DONE]` out, or its blank line; whose every choice is finished is complete without."""
        rest = self._splitter.incomplete_event.strip()
        if rest and not sse.is_done(rest + b"\n\n"):
            raise TruncatedAnswer
        if self._translator is not None:
            if not any(self._take_event(one) for one in self._translator.end()):
                raise TruncatedAnswer
        elif self._route.format is not Format.CHAT or not self.observer.may_end():
            raise TruncatedAnswer
        else:
            self._take_event(sse.DONE)
