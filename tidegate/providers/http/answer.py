"""What both clients return: an answer whose head has come, and the connection of a call that may hang up."""

from collections.abc import Awaitable, Mapping
from typing import Protocol

import msgspec

from tidegate.providers.request_body import RequestBody


class HttpAnswer(Protocol):
    """An answer that is still coming."""

    status: int
    """0 until the head has come."""
    headers: Mapping[str, str]
    """By their names in lower case; of equal names the first counts."""

    async def wait_for_head(self) -> None:
        """Wait for the status and the headers; may be cancelled and called again.

        Raises ConnectionFailed or, after a deadline, its error.
        """

    @property
    def at_end(self) -> bool:
        """Whether the whole body has come, and was read."""

    def read_nowait(self, limit: int) -> bytes:
        """Return at most `limit` bytes of those that have come; empty where there are none, or at the end.

        Raises TruncatedAnswer where the body broke off, after all that came before.
        """

    def arrival(self) -> Awaitable[None]:
        """Return what is done once more bytes have come, or the end. Await it at once, and only one at a time.

        May be cancelled without loss. Raises TruncatedAnswer and, after a deadline, its error.
        """

    def pause_deadlines(self) -> None:
        """Let no deadline pass until the next read."""

    def close(self) -> None:
        """Cut the connection, unless the body has come to its end."""

    def release(self) -> None:
        """Give the connection back to the pool at the body's end: wait a moment for it, or cut."""


class UpstreamRequest(msgspec.Struct, frozen=True, gc=False):
    """A request to send; `headers` are all that it has but `host` and `content-length`."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: RequestBody | None


class SendingSide(Protocol):
    """The half of a connection by which a request is sent."""

    def end_sending(self) -> bool:
        """Close this half and leave the other one readable; return whether it was open, and this call's own."""


class CallConnection:
    """The connection that one call has: none before it is sent, and none once its answer was read."""

    def __init__(self) -> None:
        """No connection yet."""
        self._side: SendingSide | None = None

    def note_connected(self, side: SendingSide) -> None:
        """Note the connection on which the request is sent; the last one counts."""
        self._side = side

    def end_sending(self) -> bool:
        """Tell the upstream that the client has left, and leave the answer readable; return whether it was told."""
        return self._side is not None and self._side.end_sending()
