"""An answer over HTTP and server-sent events, read for the caller: the part that all such providers share.

A provider's package derives its exchange from `HttpExchange` and adds how its errors and rate limits are written.
"""

from typing import Any

from tidegate.core.clock import Clock
from tidegate.core.errors import AnswerTooLarge, HtmlFromProxy, TidegateError, TruncatedAnswer, UpstreamError
from tidegate.core.rate_limits import ReportedLimits
from tidegate.providers.base import AnswerTranslator, ProviderRefusal, ProviderRequest
from tidegate.providers.transport import Exchange
from tidegate.wire import sse


class HttpExchange:
    """Implements `tidegate.providers.base.ProviderExchange`, except for errors and rate limits."""

    def __init__(self, exchange: Exchange, request: ProviderRequest, clock: Clock, *, max_answer_bytes: int) -> None:
        """Prepare to read what `exchange` answers to `request`."""
        self._exchange = exchange
        self._request = request
        self._clock = clock
        self._max_answer_bytes = max_answer_bytes
        self._size = 0
        self._error: TidegateError | None = None
        """Raised by the next read: the events before it are returned first."""
        headers = exchange.headers
        self.is_success = 200 <= exchange.status < 300
        self.is_stream = headers.get("content-type", "").lower().startswith("text/event-stream")
        self.request_id: str | None = headers.get("x-request-id")
        self._translator: AnswerTranslator | None = None if request.new_translator is None else request.new_translator()
        if self.is_stream:
            self._splitter = sse.EventSplitter()

    def reported_limits(self) -> ReportedLimits:
        """Return the rate limits that the upstream reports beside its answer; none unless overridden."""
        return ReportedLimits()

    async def read_refusal(self) -> ProviderRefusal:
        """Read what an answer that is no success means. Raises UpstreamError where it cannot be read."""
        raise NotImplementedError

    def error_in_answer(self, error: Any) -> UpstreamError:
        """Return the typed error of an error object that stands inside an answer, in the caller's format."""
        raise NotImplementedError

    async def read_events(self) -> list[bytes] | None:
        """Return the events of the next bytes, which may be none yet; None at the end of the stream.

        Raises UpstreamError: AnswerTooLarge and TruncatedAnswer besides those of the transport and the translator.
        """
        if self._error is not None:
            raise self._error
        data = await self._exchange.read_some()
        if not data:
            return self._end()
        self._size += len(data)
        if self._size > self._max_answer_bytes:
            raise AnswerTooLarge
        events = self._splitter.feed(data)
        return events if self._translator is None else self._translated(self._translator, events)

    async def read_body(self) -> bytes:
        """Read the answer whole. Raises UpstreamError: HtmlFromProxy where a web page came instead of an answer."""
        body = await self._exchange.read_all()
        self._exchange.close()
        if self._exchange.headers.get("content-type", "").startswith("text/html"):
            raise HtmlFromProxy
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
        if self._translator is None:
            return None
        translator, self._translator = self._translator, None
        return translator.end() or None
