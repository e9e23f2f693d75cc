"""What both clients return: an answer whose head has come, and the connection of a call that may hang up."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tidegate.providers.request_body import RequestBody


class HttpAnswer(Protocol):
    """An answer whose status and headers are here, and whose body is still coming."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case; of equal names the first counts."""

    @property
    def at_end(self) -> bool:
        """Whether the whole body has come, and was read."""

    def read_nowait(self, limit: int) -> bytes:
        """Return at most `limit` bytes of those that have come; empty where there are none, or at the end.

        Raises TruncatedAnswer where the body broke off, after all that came before.
        """

    async def read(self, limit: int) -> bytes:
        """Wait for the next bytes, and return at most `limit` of them; empty at the end.

        Raises TruncatedAnswer and, after a deadline, its error. May be cancelled and called again without loss.
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
