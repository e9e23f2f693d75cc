"""The answer of a call that passes through, on its way to the caller; it is settled before its last byte is given."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from tidegate.core.errors import AnswerTooLarge, ClientDisconnected, TidegateError
from tidegate.limits.decision import RemainingLimits
from tidegate.pipeline.passthrough.sending import SentOperation
from tidegate.wire import sse

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


class AnswerStated(msgspec.Struct, frozen=True, gc=False):
    """What an answer, or an event of it, says of its cost."""

    usage: msgspec.Raw = msgspec.Raw()
    model: str | None = None


_stated_decoder = msgspec.json.Decoder(AnswerStated)


def stated_in(text: bytes) -> AnswerStated:
    """Return what a JSON text says of its cost; nothing where it is no such object."""
    try:
        return _stated_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return AnswerStated()


def usage_of(stated: AnswerStated) -> bytes | None:
    """Return the usage object as bytes; None where there is none."""
    raw = bytes(stated.usage)
    return raw if raw.startswith(b"{") else None


Settle = Callable[[TidegateError | None, bytes | None, str | None], Awaitable[int]]
"""Settles a call that ended with this error, usage object and model; returns its cost in nano-dollars."""


class PassthroughResponse:
    """The answer to one caller. It must be closed in the end."""

    def __init__(
        self,
        sent: SentOperation,
        settle: Settle,
        *,
        body: bytes | None,
        max_bytes: int,
        remaining_limits: RemainingLimits,
        cost_nanos: int | None = None,
    ) -> None:
        """With `body`, the answer is whole and settled; else its bytes are read from the provider as they come."""
        headers = _JSON if sent.exchange is None else sent.exchange.headers
        self._sent = sent
        self._settle = settle
        self._max_bytes = max_bytes
        self._size = 0
        self._is_settled = body is not None
        self._last = b""
        """What was read and is given out once it is known that something follows, or that the call is settled."""
        self._is_over = False
        self._usage = _UsageInEvents() if headers.get("content-type", "").startswith(_EVENTS) else None
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
        text = self._all_headers.get("content-length", "")
        is_packed = self._all_headers.get("content-encoding", "identity") != "identity"
        return int(text) if text.isascii() and text.isdigit() and not is_packed else None

    @property
    def is_stream(self) -> bool:
        """Whether the answer is a stream of events."""
        return self._usage is not None

    async def next(self) -> bytes:
        """Return the next bytes; empty at the end, before which the call is settled. Raises TidegateError."""
        while not self._is_over:
            assert self._sent.exchange is not None  # noqa: S101  # it is whole otherwise
            data = await self._sent.exchange.read_some()
            if not data:
                self._is_over = True
                await self._settle_once(None)
                break
            self._size += len(data)
            if self._size > self._max_bytes:
                raise AnswerTooLarge
            if self._usage is not None:
                self._usage.feed(data)
            given, self._last = self._last, data
            if given:
                return given
        given, self._last = self._last, b""
        return given

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
        found = self._usage
        usage, model = (None, None) if found is None else (found.usage, found.model)
        self.cost_nanos = await self._settle(error, usage, model)


class _UsageInEvents:
    """Finds the last usage object in a stream of events."""

    def __init__(self) -> None:
        self.usage: bytes | None = None
        self.model: str | None = None
        self._splitter = sse.EventSplitter()

    def feed(self, data: bytes) -> None:
        """Look through the next bytes."""
        for event in self._splitter.feed(data):
            if b'"usage"' not in event:
                continue
            stated = stated_in(sse.data_of(event) or b"")
            self.usage = usage_of(stated) or self.usage
            self.model = stated.model or self.model


def _forwarded(headers: Mapping[str, str]) -> Headers:
    return [
        (name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items() if name in _FORWARDED
    ]
