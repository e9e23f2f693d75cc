"""A transport that keeps what is written, and a connection for tests of one exchange."""

import asyncio
from typing import Any

from tidegate.web.envelope import Headers
from tidegate.web.exchange import ClientExchange
from tidegate.web.request_head import RequestTarget


class RecordingTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.waiting_bytes = 0
        """What the client has not taken."""
        self.reads = True
        self.is_aborted = False
        self._is_closing = False

    def write(self, data: Any) -> None:
        assert not self._is_closing, "nothing is written behind the end"
        self.written += data
        self.writes += 1

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = self.is_aborted = True

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  # asyncio's signature
        return default


class FakeConnection:
    """What an exchange needs of its connection. Implements `ServerConnection`."""

    def __init__(self, *, ends: bool = False) -> None:
        """`ends` tells whether the process is about to end, so that each response closes its connection."""
        self.loop = asyncio.get_running_loop()
        self.recording = RecordingTransport()
        self.transport: asyncio.Transport = self.recording
        self.is_full = False
        self.complete: list[ClientExchange] = []
        self.read_bytes = 0
        self._ends = ends

    def default_lines(self) -> tuple[bytes, bool]:
        return b"date: today\r\n" + (b"connection: close\r\n" if self._ends else b""), self._ends

    def note_read(self, size: int) -> None:
        self.read_bytes += size

    def note_complete(self, exchange: ClientExchange) -> None:
        self.complete.append(exchange)


def exchange_on(
    connection: FakeConnection,
    *,
    method: str = "POST",
    path: str = "/",
    headers: Headers | None = None,
    version: str = "1.1",
    keep_alive: bool = True,
) -> ClientExchange:
    """Return an exchange whose body has not arrived."""
    target = RequestTarget(path, path.encode(), b"")
    return ClientExchange(connection, method, target, headers or [], version, keep_alive)
