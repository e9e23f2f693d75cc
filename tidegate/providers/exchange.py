"""An answer over HTTP and server-sent events, read for the caller: the part that all such providers share.

A provider's package derives its exchange from `HttpExchange` and adds how its errors and rate limits are written.
"""

from typing import Any

from tidegate.core.clock import Clock
from tidegate.core.errors import AnswerTooLarge, HtmlFromProxy, TidegateError, TruncatedAnswer, UpstreamError
from tidegate.core.rate_limits import ReportedLimits
from tidegate.providers.answer_memory import AnswerMemory
from tidegate.providers.base import AnswerTranslator, ProviderRefusal, ProviderRequest
from tidegate.providers.fast_answers import TURN_BYTES
from tidegate.providers.transport import Exchange
from tidegate.wire import sse
from tidegate.wire.shapes.first_bytes import AnswerKind, kind_of, stated_kind, without_end_marker, without_leading_space


class HttpExchange:
    """Implements `tidegate.providers.base.ProviderExchange`, except for errors and rate limits."""

    def __init__(self, exchange: Exchange, request: ProviderRequest, clock: Clock, *, max_answer_bytes: int) -> None:
        """Prepare to read what `exchange` answers to `request`."""
        self._exchange = exchange
        self._request = request
        self._clock = clock
        self._max_answer_bytes = max_answer_bytes
        self._size = 0
        self._is_over = False
        self._error: TidegateError | None = None
        """Raised by the next read: the events before it are returned first."""
        self.is_success = self.is_stream = False
        self._content_type = ""
        self._has_begun = False
        self.request_id: str | None = None
        self._translator: AnswerTranslator | None = None if request.new_translator is None else request.new_translator()
        self._first = b""
        """The first bytes, until they tell the answer's form."""
        self._splitter = sse.EventSplitter()

    @property
    def end_reason(self) -> str | None:
        """Why the upstream's answer ended, in its own words; None where the answer as read says it."""
        return None if self._translator is None else self._translator.end_reason

    def reported_limits(self) -> ReportedLimits:
        """Return the rate limits that the upstream reports beside its answer; none unless overridden."""
        return ReportedLimits()

    async def read_refusal(self) -> ProviderRefusal:
        """Read what an answer that is no success means. Raises UpstreamError where it cannot be read."""
        raise NotImplementedError

    def error_in_answer(self, error: Any) -> UpstreamError:
        """Return the typed error of an error object that stands inside an answer, in the caller's format."""
        raise NotImplementedError

    def send_at_once(self) -> bool:
        """Send the request if a connection is free now; return whether it was sent. Raises ConnectionFailed."""
        return self._exchange.send_at_once()

    def end_sending(self) -> bool:
        """Tell the upstream that the client has left; return whether it was told."""
        return self._exchange.end_sending()

    async def wait_for_head(self) -> None:
        """Send the request if that was not done, and wait until its answer begins. Raises UpstreamError.

        May be cancelled and called again where it was sent at once.
        """
        await self._exchange.wait_for_head()
        headers = self._exchange.headers
        self.is_success = 200 <= self._exchange.status < 300
        self._content_type = headers.get("content-type", "")
        self.is_stream = stated_kind(self._content_type) is AnswerKind.STREAM
        self.request_id = headers.get("x-request-id")

    async def begin(self) -> None:
        """Read the first bytes: they tell whether the answer is a stream, whatever its content type says.

        May be cancelled and called again without loss. Raises UpstreamError.
        """
        if self._has_begun:
            return
        while (kind := kind_of(self._first, self._content_type)) is None:
            data = await self._exchange.read_some()
            if not data:
                kind = stated_kind(self._content_type)
                break
            self._size += len(data)
            if self._size > self._max_answer_bytes:
                raise AnswerTooLarge
            self._first = without_leading_space(self._first + data)
        self._exchange.put_back(self._first)
        self._size = 0
        self._has_begun = True
        self.is_stream = kind is AnswerKind.STREAM

    async def read_events(self, memory: AnswerMemory | None = None) -> list[bytes] | None:
        """Return the events of the next bytes, held by `memory`; None at the end of the stream.

        There may be none yet. Raises UpstreamError: AnswerTooLarge and TruncatedAnswer besides those of the transport
        and the translator.
        """
        if self._error is not None:
            raise self._error
        if memory is not None and self._size > memory.allowed_bytes:
            await self._exchange.hold_more(memory, self._size)
        data = await self._exchange.read_some(TURN_BYTES)
        if not data:
            return self._end()
        self._size += len(data)
        if self._size > self._max_answer_bytes:
            raise AnswerTooLarge
        events = self._splitter.feed(data)
        return events if self._translator is None else self._translated(self._translator, events)

    def begin_content(self) -> None:
        """Note that the stream's content has begun: its timeout for the first content ends."""
        self._exchange.begin_content()

    async def read_body(self, memory: AnswerMemory | None = None) -> bytes:
        """Read the answer whole, held by `memory`. Raises UpstreamError, and HtmlFromProxy for a web page."""
        body = await self._exchange.read_all(memory)
        self._exchange.close()
        if self._content_type.startswith("text/html") or body.startswith(b"<"):
            raise HtmlFromProxy
        body = without_end_marker(body)
        return body if self._translator is None else self._translator.translate_body(body)

    def close(self) -> None:
        """Cut the connection, unless the answer was read to its end."""
        self._exchange.close()

    def release(self) -> None:
        """Give the connection back to the pool."""
        self._exchange.release()

    def _translated(self, translator: AnswerTranslator, events: list[bytes]) -> list[bytes]:
        translated: list[bytes] = []
        try:
            for event in events:
                translated += translator.translate_event(event)
        except TidegateError as error:
            self._error = error
        return translated

    def _end(self) -> list[bytes] | None:
        """Return what the end of the stream itself says. Raises TruncatedAnswer where it ends inside an event."""
        rest = self._splitter.incomplete_event.strip()
        if rest and not sse.is_done(rest + b"\n\n"):
            raise TruncatedAnswer
        if self._translator is None or self._is_over:
            return None
        self._is_over = True
        return self._translator.end() or None
