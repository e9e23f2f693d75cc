"""The answer of a call that passes through, on its way to the caller; it is settled before its last byte is given."""

import re
from collections.abc import Awaitable, Callable, Mapping

from tidegate.core.errors import AnswerTooLarge, ClientDisconnected, TidegateError
from tidegate.limits.decision import RemainingLimits
from tidegate.pipeline.passthrough.sending import SentOperation
from tidegate.wire import sse
from tidegate.wire.operations.stated import NOTHING_STATED, StatedAnswer, stated_in

Headers = list[tuple[bytes, bytes]]

_FORWARDED = frozenset(
    {
        "accept-ranges", "cache-control", "content-disposition", "content-range", "content-type", "etag",
        "last-modified", "openai-processing-ms", "openai-version",
    }
)  # fmt: skip
"""Headers of an answer that its caller gets: those that describe the body, and OpenAI's own."""
_EVENTS = "text/event-stream"
_JSON = {"content-type": "application/json"}
_OK = 200
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')


Settle = Callable[[TidegateError | None, StatedAnswer], Awaitable[int]]
"""Settles a call that ended with this error, and whose answer said this; returns its cost in nano-dollars."""


class PassthroughResponse:
    """The answer to one caller. It must be closed in the end."""

    def __init__(  # noqa: PLR0913  # a parameter for each part
        self,
        sent: SentOperation,
        settle: Settle,
        *,
        body: bytes | None,
        drops_usage: bool = False,
        max_bytes: int,
        remaining_limits: RemainingLimits,
        cost_nanos: int | None = None,
    ) -> None:
        """With `body`, the answer is whole and settled; else its bytes are read from the provider as they come.

        With `drops_usage`, the event of a stream that has the usage alone is left out.
        """
        headers = _JSON if sent.exchange is None else sent.exchange.headers
        self._sent = sent
        self._settle = settle
        self._max_bytes = max_bytes
        self._size = 0
        self._is_settled = body is not None
        self._last = b""
        """What was read and not given out."""
        self._is_over = False
        self._events = (
            _StatedInEvents(drops_usage=drops_usage) if headers.get("content-type", "").startswith(_EVENTS) else None
        )
        self.body = body
        self.remaining_limits = remaining_limits
        self.cost_nanos = cost_nanos
        """What the call cost; None while that is not known."""
        self.status = _OK if sent.exchange is None else sent.exchange.status
        self._all_headers = headers
        self.headers = _forwarded(headers)

    @property
    def size(self) -> int | None:
        """The size of the answer in bytes, where it is known before its end."""
        if self.body is not None:
            return len(self.body)
        if self._events is not None:
            return None  # an event may be left out, or one with an error follow
        text = self._all_headers.get("content-length", "")
        is_packed = self._all_headers.get("content-encoding", "identity") != "identity"
        return int(text) if text.isascii() and text.isdigit() and not is_packed else None

    @property
    def is_stream(self) -> bool:
        """Whether the answer is a stream of events."""
        return self._events is not None

    async def next(self) -> bytes:
        """Return the next bytes; empty at the end, before which the call is settled. Raises TidegateError."""
        while not self._is_over:
            assert self._sent.exchange is not None  # noqa: S101  # it is whole otherwise
            data = await self._sent.exchange.read_some()
            if not data:
                self._is_over = True
                await self._settle_once(None)
                self._last += b"" if self._events is None else self._events.rest()
                break
            self._size += len(data)
            if self._size > self._max_bytes:
                raise AnswerTooLarge
            if self._events is not None:
                data = self._events.feed(data)
            self._last += data
            if self._last and not self._may_be_last():
                break
        given, self._last = self._last, b""
        return given

    def _may_be_last(self) -> bool:
        """Return whether the answer may be complete: what was read is then given out once the call is settled.

        Of an answer in chunks that is the end of the last one, unless it is a stream whose usage has come.
        """
        if self._events is not None:
            return self._events.stated is not NOTHING_STATED
        return self.size is not None and self._size >= self.size

    async def end_early(self) -> None:
        """Settle a call whose caller wants the head of the answer only."""
        await self._settle_once(None)

    async def close(self, error: TidegateError | None = None) -> None:
        """End the call: its caller has the answer, gets this error, or is gone; settle it if that was not done."""
        try:
            await self._settle_once(error or ClientDisconnected())
        finally:
            self._sent.close()

    async def _settle_once(self, error: TidegateError | None) -> None:
        if self._is_settled:
            return
        self._is_settled = True
        stated = NOTHING_STATED if self._events is None else self._events.stated
        self.cost_nanos = await self._settle(error, stated)


class _StatedInEvents:
    """Finds what a stream of events says of its cost."""

    def __init__(self, *, drops_usage: bool) -> None:
        """With `drops_usage`, the event that has the usage alone is not given on."""
        self.stated = NOTHING_STATED
        self._drops_usage = drops_usage
        self._splitter = sse.EventSplitter()

    def feed(self, data: bytes) -> bytes:
        """Look through the next bytes; return what is given on."""
        given: list[bytes] = []
        for event in self._splitter.feed(data):
            if b'"usage"' in event and (stated := stated_in(sse.data_of(event) or b"")).usage_object is not None:
                self.stated = stated
                if _NO_CHOICES.search(event):
                    continue
            given.append(event)
        return b"".join(given) if self._drops_usage else data

    def rest(self) -> bytes:
        """Return what was kept back of an event that never ended."""
        return self._splitter.incomplete_event if self._drops_usage else b""


def _forwarded(headers: Mapping[str, str]) -> Headers:
    return [
        (name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items() if name in _FORWARDED
    ]
