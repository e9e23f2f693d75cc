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
        self._parts: list[bytes] = []
        """Of the event that is not complete yet; joined once, at its end, so that a long one costs no more."""
        self._size = 0
        self._after_cr = False
        """The last byte was a CR: it ended its line, and an LF that follows belongs to it."""

    @property
    def incomplete_event(self) -> bytes:
        """What has come in of the event that is not complete yet."""
        return b"".join(self._parts)

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes, each with its closing blank line; CR and CRLF become LF."""
        if not data:
            return []
        if self._after_cr or b"\r" in data:
            data = self._with_lf(data)
        if not self._parts:
            return self._split(data)
        if b"\n\n" in data or (data.startswith(b"\n") and self._parts[-1].endswith(b"\n")):
            data = b"".join([*self._parts, data])
            self._parts, self._size = [], 0
            return self._split(data)
        self._keep(data)
        return []

    def _with_lf(self, data: bytes) -> bytes:
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _split(self, data: bytes) -> list[bytes]:
        if data.endswith(b"\n\n") and data.count(b"\n\n") == 1:  # the usual case: one whole event
            return [data] if data.strip() else []
        *events, rest = data.split(b"\n\n")
        self._keep(rest)
        return [event.lstrip(b"\n") + b"\n\n" for event in events if event.strip()]

    def _keep(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._size += len(data)
        if self._size > self._max:
            raise AnswerTooLarge


def data_of(event: bytes) -> bytes | None:
    """The event's data, its lines joined by LF; None when it has no `data:` line (a comment, say)."""
    if event.startswith(b":") and event.find(b"\n") == len(event) - 2:
        return None
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def is_done(event: bytes) -> bool:
    """Whether this is `[DONE]`, however it is written."""
    return b"[DONE]" in event and (data_of(event) or b"").strip() == b"[DONE]"


def strip_extra_fields(event: bytes) -> bytes:
    """An event with nothing beside its name and its data: `id:` and `retry:` break the Python SDK."""
    lines = event.count(b"\n")
    if (lines == 2 and event.startswith(b"data:")) or (
        lines == 3 and event.startswith(b"event:") and b"\ndata:" in event
    ):
        return event  # as nearly all are
    return b"\n".join(line for line in event.split(b"\n") if line.startswith((b"data:", b"event:"))) + b"\n\n"


def encode(data: bytes, name: str | None = None) -> bytes:
    """One event; `data` must hold no line break (JSON never does)."""
    prefix = f"event: {name}\n".encode() if name else b""
    return prefix + b"data: " + data + b"\n\n"
