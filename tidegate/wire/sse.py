"""Server-sent events (WHATWG HTML, section 9.2), as OpenAI's SDKs read them.

An event is the bytes of its lines, including the blank line at its end, so that the upstream's events can be forwarded
unchanged. `id:` and `retry:` are never sent: they break the Python SDK.
"""

from tidegate.core.errors import AnswerTooLarge

PING = b": ping\n"
"""A comment line; every SDK ignores it, and it needs no blank line after it."""

DONE = b"data: [DONE]\n\n"
"""The end of a chat stream."""


class EventSplitter:
    """Splits a byte stream into complete events, however the network split it."""

    def __init__(self, max_event_bytes: int = 16 * 1024 * 1024) -> None:
        """An event longer than `max_event_bytes` raises AnswerTooLarge."""
        self._max = max_event_bytes
        self._parts: list[bytes] = []
        """The parts of the incomplete event; joined once, at its end, so that long events stay cheap."""
        self._size = 0
        self._after_cr = False
        """Whether the last byte was a CR: it ended its line, and an LF after it belongs to it."""

    @property
    def incomplete_event(self) -> bytes:
        """The bytes of the incomplete event so far."""
        return b"".join(self._parts)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the events that `data` completes, each with its blank line; CR and CRLF become LF."""
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
        self._append(data)
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
        self._append(rest)
        return [event.lstrip(b"\n") + b"\n\n" for event in events if event.strip()]

    def _append(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._size += len(data)
        if self._size > self._max:
            raise AnswerTooLarge


def data_of(event: bytes) -> bytes | None:
    """Return the event's data, its lines joined by LF; None without a `data:` line (as for a comment)."""
    if event.startswith(b":") and event.find(b"\n") == len(event) - 2:
        return None
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2:
        return event[6:-2]
    lines = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def is_done(event: bytes) -> bool:
    """Whether this is `[DONE]`, in any spelling of the event."""
    return b"[DONE]" in event and (data_of(event) or b"").strip() == b"[DONE]"


def strip_extra_fields(event: bytes) -> bytes:
    """Return the event with its name and its data only: `id:` and `retry:` break the Python SDK."""
    lines = event.count(b"\n")
    if (lines == 2 and event.startswith(b"data:")) or (
        lines == 3 and event.startswith(b"event:") and b"\ndata:" in event
    ):
        return event  # like nearly all events
    return b"\n".join(line for line in event.split(b"\n") if line.startswith((b"data:", b"event:"))) + b"\n\n"


def encode(data: bytes, name: str | None = None) -> bytes:
    """Return one event; `data` must not contain a line break (encoded JSON never does)."""
    prefix = f"event: {name}\n".encode() if name else b""
    return prefix + b"data: " + data + b"\n\n"
