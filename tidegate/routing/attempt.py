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
    RateLimited,
    SlowDown,
    TidegateError,
    TotalTimeout,
    TruncatedStream,
    UpstreamError,
)
from tidegate.core.rate_limits import Said
from tidegate.providers.base import Credential, Fitted, Provider
from tidegate.providers.encrypted_reasoning import mended
from tidegate.providers.errors import classify, classify_in_stream
from tidegate.providers.rate_limit_headers import said_limits
from tidegate.providers.responses_over_chat import Interpreter
from tidegate.providers.transport import Exchange
from tidegate.wire import sse
from tidegate.wire.stream_observer import Sight, watch_for


class Turn(Protocol):
    """When a call may go to the upstream, and what is learnt from how it is received."""

    waited: float
    """Seconds spent waiting so far."""

    async def come(self) -> None:
        """Wait for the turn. Raises TidegateError; cancelled, it is passed on."""
        ...

    def answered(self, said: Said, *, ok: bool) -> None:
        """The upstream answered."""
        ...

    def failed(self) -> None:
        """The upstream gave no answer."""
        ...

    def refused(self, said: Said, error: RateLimited | SlowDown) -> None:
        """The upstream refused the call for its rate."""
        ...

    async def again(self) -> bool:
        """After a refusal: wait for another turn; False where there is no time."""
        ...

    def over(self) -> None:
        """The call is no longer at the upstream."""
        ...

    def decline(self) -> None:
        """The turn is not taken at all."""
        ...


class Attempt:
    """Sends a call, which has had its turn, and reads its answer. `close` or `finish` it at the end."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        fitted: Fitted,
        credential: Credential,
        *,
        provider: Provider,
        headers: Mapping[str, str],
        turn: Turn,
        clock: Clock,
        interpreter: Interpreter | None = None,
    ) -> None:
        """`interpreter` where the target speaks another dialect than the caller."""
        self.fitted = fitted
        self.credential = credential
        self.turn = turn
        self._provider = provider
        self._headers = headers
        self._clock = clock
        self._interpreter = interpreter
        self._route = fitted.route if interpreter is None else interpreter.route
        self.watch = watch_for(self._route)
        self._exchange: Exchange | None = None
        self._splitter = sse.EventSplitter()
        self._held: list[bytes] = []
        """Passing events that were not handed on yet."""
        self._failure: TidegateError | None = None
        """Found behind events that are still to be handed on."""
        self._size = 0
        self._out_of_time = False
        self.stream = False
        self.sent = False
        self.events: list[bytes] = []
        """The answer as far as it came."""
        self.last: list[bytes] = []
        """The terminal event, or the whole body: to be handed on once the call is settled."""
        self.first_byte_seconds: float | None = None
        self._sent_at = self._read_at = clock.monotonic()

    def __repr__(self) -> str:
        return f"<Attempt at {self.fitted.target.name} with {self.credential.name}: {len(self.events)} events>"

    @property
    def ended(self) -> bool:
        """The answer came to its end; `last` is what is left to hand on."""
        return bool(self.last)

    @property
    def reported(self) -> TidegateError | None:
        """The failure that the answer itself reports, if it does."""
        return None if self.watch.error is None else classify_in_stream(self.watch.error, request_id=self.request_id)

    @property
    def request_id(self) -> str | None:
        """The upstream's name for the call."""
        return self._exchange.headers.get("x-request-id") if self._exchange is not None else None

    def elapsed(self) -> tuple[float, float]:
        """Seconds since the call was sent, and since the last byte of its answer was read."""
        now = self._clock.monotonic()
        return now - self._sent_at, now - max(self._sent_at, self._read_at)

    def another(self) -> "Attempt":
        """The same once more, with the same turn."""
        return Attempt(
            self.fitted,
            self.credential,
            provider=self._provider,
            headers=self._headers,
            turn=self.turn,
            clock=self._clock,
            interpreter=self._interpreter and self._interpreter.again(),
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
            exchange = await self._refused(exchange)
        self.turn.answered(said_limits(exchange.headers), ok=True)
        self.stream = exchange.headers.get("content-type", "").lower().startswith("text/event-stream")
        if not self.stream:
            await self._take_whole(exchange)
            return
        while not self.watch.begun and not self.ended and self._failure is None:
            await self._read_on(exchange)
        if self.watch.begun:
            return
        if self._failure is not None:
            raise self._failure
        if self.reported is not None:
            raise self.reported

    async def more(self) -> list[bytes]:
        """The next events to hand on; none once it has `ended`. May be cancelled. Raises UpstreamError."""
        assert self._exchange is not None  # noqa: S101  # it is open
        while not self._held and not self.ended and self._failure is None:
            await self._read_on(self._exchange)
        if not self._held and self._failure is not None:
            raise self._failure
        held, self._held = self._held, []
        return held

    async def read_what_came(self, seconds: float) -> None:
        """Read on for a moment: what the upstream has written already tells what it charges."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.stream and self._exchange is not None and not self.ended and self._failure is None:
                    await self._read_on(self._exchange)

    def close(self) -> None:
        """Cut the connection."""
        if self._exchange is not None:
            self._exchange.close()
        self.turn.over()

    def finish(self) -> None:
        """The call is settled: the connection may serve another."""
        if self._exchange is not None:
            self._exchange.finish()
        self.turn.over()

    def time_is_up(self) -> None:
        """The call as a whole has had its time: what is still awaited fails."""
        self._out_of_time = True
        if self._exchange is not None:
            self._exchange.close()

    async def _send(self) -> Exchange:
        self.sent = True
        try:
            self._exchange = await self._provider.ask(self.fitted, self.credential, self._headers)
        except UpstreamError:
            self.turn.failed()
            raise
        return self._exchange

    async def _refused(self, exchange: Exchange) -> Exchange:
        """Raises what an exchange was refused for; another one where only sealed reasoning was in its way."""
        body = await exchange.whole()
        exchange.close()
        error = classify(exchange.status, exchange.headers, body, now=self._clock.now())
        if (passing := mended(self.fitted, error)) is not None:
            self.fitted = passing
            exchange = await self._send()
            return exchange if 200 <= exchange.status < 300 else await self._refused(exchange)
        said = said_limits(exchange.headers, error.message)
        if isinstance(error, RateLimited | SlowDown):
            self.turn.refused(said, error)
        elif error.retryable:
            self.turn.failed()
        else:
            self.turn.answered(said, ok=False)
        raise error

    async def _take_whole(self, exchange: Exchange) -> None:
        body = await exchange.whole()
        exchange.close()
        if exchange.headers.get("content-type", "").startswith("text/html"):
            raise HtmlFromProxy
        if self._interpreter is not None:
            body = self._interpreter.whole(body)
        if self.watch.see_whole(body) is Sight.ERROR:
            raise classify_in_stream(self.watch.error, request_id=self.request_id)
        self.events = self.last = [body]
        if self.reported is not None:
            raise self.reported

    async def _read_on(self, exchange: Exchange) -> None:
        """Take in what came; a failure is kept until what came before it is handed on."""
        try:
            data = await exchange.some()
            self._read_at = self._clock.monotonic()
            if data:
                self._sort(data)
            else:
                self._end_without_terminal()
        except TidegateError as error:
            self._failure = TotalTimeout() if self._out_of_time else error

    def _sort(self, data: bytes) -> None:
        """Put the events in `data` where they belong. Raises UpstreamError for one that reports or is a failure."""
        self._size += len(data)
        if self._size > self._provider.max_answer_bytes:
            raise AnswerTooLarge
        for event in self._splitter.feed(data):
            for said in [event] if self._interpreter is None else self._interpreter.events(event):
                if self._place(said):
                    return

    def _place(self, event: bytes) -> bool:
        """One event; whether it ends the answer."""
        sight = self.watch.see(event)
        if sight is Sight.ERROR:
            raise classify_in_stream(self.watch.error, request_id=self.request_id)
        event = sse.DONE if self._route.format is Format.CHAT and sight is Sight.END else sse.plain(event)
        if sight is Sight.PASS:
            self._held.append(event)
            self.events.append(event)
        elif sight is Sight.END:
            self.last = [event]
            self.events.append(event)
        return sight is Sight.END

    def _end_without_terminal(self) -> None:
        """Some servers leave `[DONE]` out, or its blank line; whose every choice is finished is complete without."""
        rest = self._splitter.rest.strip()
        if rest and not sse.is_done(rest + b"\n\n"):
            raise TruncatedStream
        if self._interpreter is not None:
            if not any(self._place(one) for one in self._interpreter.end()):
                raise TruncatedStream
        elif self._route.format is not Format.CHAT or not self.watch.ended():
            raise TruncatedStream
        else:
            self._place(sse.DONE)
