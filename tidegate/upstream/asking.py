"""One call upstream, as the source of an answer: sent, watched as it goes by, settled before its last byte."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from tidegate.core.clock import Clock
from tidegate.core.errors import (
    AnswerTooLarge,
    ClientGone,
    RateLimited,
    SlowDown,
    TidegateError,
    TruncatedStream,
    UpstreamError,
)
from tidegate.core.said import Said
from tidegate.core.values import AnswerHead, Outcome, Route
from tidegate.upstream.classify import classify, classify_in_stream
from tidegate.upstream.openai import PROVIDER, OpenAI
from tidegate.upstream.plan import Target
from tidegate.upstream.said_limits import said_limits
from tidegate.upstream.transport import Exchange
from tidegate.wire import sse
from tidegate.wire.call import Call
from tidegate.wire.watch import Sight, watch_for

Settle = Callable[[Outcome], Awaitable[int]]
"""Accounts for an outcome and returns what it cost, in nano-dollars."""


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

    async def again(self, said: Said, error: RateLimited | SlowDown) -> bool:
        """The upstream refused for its rate: wait for another turn; False where there is no time."""
        ...

    def over(self) -> None:
        """The call is no longer at the upstream."""
        ...


class Asking:
    """Asks the upstream, when its turn comes. Implements `tidegate.cache.flight.Source`.

    `settle` is awaited before the last event, the whole body or the error is handed on. It may be called twice
    with the same outcome if it is cancelled half-way, so it must be idempotent.
    """

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        call: Call,
        *,
        upstream: OpenAI,
        headers: Mapping[str, str],
        echo: str,
        turn: Turn,
        settle: Settle,
        clock: Clock,
    ) -> None:
        self._call = call
        self._upstream = upstream
        self._headers = headers
        self._echo = echo
        self._turn = turn
        self._settle = settle
        self._clock = clock
        self._watch = watch_for(call.route)
        self._exchange: Exchange | None = None
        self._splitter = sse.EventSplitter()
        self._events: list[bytes] = []
        self._size = 0
        self._stream = False
        self._first_byte: float | None = None
        self._last: list[bytes] = []
        """What is held back until the call is settled."""
        self._outcome: Outcome | None = None
        """How it ended, once it has."""
        self._settled = False
        self._sent = False
        self.cost_nanos = 0
        """What the call cost, once settled."""

    async def open(self) -> AnswerHead:
        """Send the call; an answer in one piece is read to its end. Raises UpstreamError."""
        try:
            return await self._open()
        except TidegateError as error:
            await self._conclude(error)
            raise

    async def more(self) -> list[bytes]:
        """The next events. Raises UpstreamError."""
        if self._outcome is None:
            try:
                if events := await self._read():
                    return events
            except TidegateError as error:
                self._outcome = self._ended(error)
        await self._conclude(None)
        if self._outcome is not None and self._outcome.error is not None:
            raise self._outcome.error
        last, self._last = self._last, []
        return last

    async def abandon(self) -> None:
        """Cut the call upstream, and account for what was used."""
        if self._exchange is not None:
            self._exchange.close()
        await self._conclude(ClientGone())

    async def _open(self) -> AnswerHead:
        started = self._clock.monotonic()
        exchange = await self._received()
        self._first_byte = self._clock.monotonic() - started
        self._stream = exchange.headers.get("content-type", "").startswith("text/event-stream")
        if not self._stream:
            await self._take_whole(exchange)
        model = self._watch.model or self._call.model
        return AnswerHead(
            stream=self._stream,
            served_by=f"{PROVIDER}/{model}",
            echo=self._echo,
            queued_ms=round(self._turn.waited * 1000),
        )

    async def _received(self) -> Exchange:
        """The exchange that brings an answer, after as many turns as the upstream's rate limit makes it take."""
        await self._turn.come()
        while True:
            exchange = await self._send()
            if 200 <= exchange.status < 300:
                self._turn.answered(said_limits(exchange.headers), ok=True)
                return exchange
            body = await exchange.whole()
            exchange.close()
            error = classify(exchange.status, exchange.headers, body, now=self._clock.now())
            said = said_limits(exchange.headers, error.message)
            if isinstance(error, RateLimited | SlowDown):
                if await self._turn.again(said, error):
                    continue
            elif error.retryable:
                self._turn.failed()
            else:
                self._turn.answered(said, ok=False)
            raise error

    async def _send(self) -> Exchange:
        call = self._call
        self._sent = True
        try:
            fitted = self._upstream.fit(call, Target(PROVIDER, call.model))
            self._exchange = await self._upstream.ask(fitted, self._upstream.credentials[0], self._headers)
        except UpstreamError:
            self._turn.failed()
            raise
        return self._exchange

    async def _take_whole(self, exchange: Exchange) -> None:
        body = await exchange.whole()
        exchange.close()
        if self._watch.see_whole(body) is Sight.ERROR:
            raise classify_in_stream(self._watch.error, request_id=self._request_id)
        self._events = self._last = [body]
        await self._conclude(None)

    async def _read(self) -> list[bytes]:
        """Events to hand on now; none once the answer has ended."""
        assert self._exchange is not None  # noqa: S101  # it is open
        passing: list[bytes] = []
        while not passing and self._outcome is None:
            data = await self._exchange.some()
            if not data:
                self._end_without_terminal()
                break
            try:
                self._sort(data, passing)
            except TidegateError as error:
                self._outcome = self._ended(error)  # raised once what came before it is handed on
        return passing

    def _sort(self, data: bytes, passing: list[bytes]) -> None:
        """Put the events in `data` where they belong. Raises UpstreamError for one that reports or is a failure."""
        self._size += len(data)
        if self._size > self._upstream.max_answer_bytes:
            raise AnswerTooLarge
        for event in self._splitter.feed(data):
            sight = self._watch.see(event)
            if sight is Sight.ERROR:
                raise classify_in_stream(self._watch.error, request_id=self._request_id)
            if sight is Sight.PASS:
                passing.append(event)
                self._events.append(event)
            elif sight is Sight.END:
                self._end(event)
                return

    def _end(self, terminal: bytes) -> None:
        self._last = [terminal]
        self._events.append(terminal)
        self._outcome = self._ended(None)

    def _end_without_terminal(self) -> None:
        # some servers leave `[DONE]` out; an answer whose every choice is finished is complete without
        if self._call.route is not Route.CHAT or not self._watch.ended() or self._splitter.rest.strip():
            raise TruncatedStream
        self._end(sse.DONE)

    async def _conclude(self, error: TidegateError | None) -> None:
        if self._outcome is None:
            self._outcome = self._ended(error)
        self._turn.over()
        if not self._settled:
            self.cost_nanos = await self._settle(self._outcome)
            self._settled = True
            if self._exchange is not None:
                self._exchange.finish()

    def _ended(self, error: TidegateError | None) -> Outcome:
        watch = self._watch
        reported = None if watch.error is None else classify_in_stream(watch.error, request_id=self._request_id)
        return Outcome(
            error=error,
            reported=error or reported,
            stream=self._stream,
            events=tuple(self._events),
            usage=watch.usage,
            model=watch.model,
            tier=watch.tier,
            storable=error is None and watch.complete and watch.storable,
            sent=self._sent,
            first_byte_seconds=self._first_byte,
            upstream_request_id=self._request_id,
        )

    @property
    def _request_id(self) -> str | None:
        return self._exchange.headers.get("x-request-id") if self._exchange is not None else None
