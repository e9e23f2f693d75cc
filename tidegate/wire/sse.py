"""Server-sent events (WHATWG HTML, section 9.2), as OpenAI's SDKs read them.

An event is handled as the bytes of its lines with the blank line that ends it, so that what the upstream
sent can be forwarded untouched. Never emitted here: `id:` and `retry:`, which break the Python SDK.
"""

from tidegate.core.errors import AnswerTooLarge

PING = b": ping\n"
"""A comment line; every SDK ignores it, and it needs no blank line."""

DONE = b"data: [DONE]\n\n"
"""Ends a chat stream."""


class EventSplitter:
    """Cuts a byte stream into whole events, wherever the network cut it."""

    def __init__(self, max_event_bytes: int = 16 * 1024 * 1024) -> None:
        """An event longer than `max_event_bytes` raises AnswerTooLarge."""
        self._max = max_event_bytes
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """What has come in of the event that is not complete yet."""
        return self._rest

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes, each with its closing blank line; CRLF becomes LF."""
        data = self._rest + data
        if b"\r" in data:
            return self._feed_with_carriage_returns(data)
        return self._split(data)

    def _feed_with_carriage_returns(self, data: bytes) -> list[bytes]:
        # a CR at the very end may be the first half of a CRLF: it waits for what follows
        half = b"\r" if data.endswith(b"\r") else b""
        events = self._split(data.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
        self._rest += half
        return events

    def _split(self, data: bytes) -> list[bytes]:
        if data.endswith(b"\n\n") and data.count(b"\n\n") == 1:  # the usual case: one whole event
            self._rest = b""
            return [data] if data.strip() else []
        *events, self._rest = data.split(b"\n\n")
        if len(self._rest) > self._max:
            raise AnswerTooLarge
        return [event.lstrip(b"\n") + b"\n\n" for event in events if event.strip()]


def data_of(event: bytes) -> bytes | None:
    """The event's data, its lines joined by LF; None when it has no `data:` line (a comment, say)."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def encode(data: bytes, name: str | None = None) -> bytes:
    """One event; `data` must hold no line break (JSON never does)."""
    prefix = f"event: {name}\n".encode() if name else b""
    return prefix + b"data: " + data + b"\n\n"
