"""Writes lines in a thread of its own, so that a reader that stops reading delays no call."""

import os
import threading
from collections import deque
from collections.abc import Callable

MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Bytes of lines that wait while the output takes none; further lines are dropped and counted."""
_CLOSE_SECONDS = 1.0
_GATHER_SECONDS = 0.02
"""How long the first line waits for others: to wake the thread for each call would hold up the event loop."""
_ATOMIC_BYTES = 4096
"""A pipe takes so many bytes at once (`PIPE_BUF`): the lines of several workers do not mix."""


def write_to_standard_output(data: bytes) -> None:
    """Write bytes to standard output. Raises OSError."""
    _write(1, data)


def write_to_standard_error(data: bytes) -> None:
    """Write bytes to standard error. Raises OSError."""
    _write(2, data)


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


class LineWriter:
    """Write lines in order, without delaying the caller."""

    def __init__(
        self,
        write: Callable[[bytes], None] = write_to_standard_output,
        *,
        gather_seconds: float = _GATHER_SECONDS,
        note: Callable[[int], bytes] | None = None,
    ) -> None:
        """`write` may block. A line waits for others for `gather_seconds`, or until the end.

        `note` returns a line that says how many were dropped; it is written once the output takes lines again.
        """
        self._write = write
        self._note = note
        self._noted = 0
        self._gather_seconds = gather_seconds
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._arrived = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self.dropped = 0
        """Lines that were not written, because too many waited or the output failed."""

    def start(self) -> None:
        """Start the thread. It is a daemon: output that blocks for ever does not keep the process."""
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is waiting, for a second at most; lines that come later are written at once."""
        with self._lock:
            self._closing.set()
        self._arrived.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    def add(self, line: bytes) -> None:
        """Add a line, or drop it if too many wait."""
        with self._lock:
            is_late = self._closing.is_set()
            if not is_late and self._waiting_bytes + len(line) > MAX_WAITING_BYTES:
                self.dropped += 1
                return
            if not is_late:
                self._waiting.append(line)
                self._waiting_bytes += len(line)
        if is_late:
            self._try_to_write([line])
        elif not self._arrived.is_set():
            self._arrived.set()

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            self._closing.wait(self._gather_seconds)
            self._arrived.clear()
            while lines := self._take():
                self._try_to_write(lines)
            if self._closing.is_set():
                return

    def _try_to_write(self, lines: list[bytes]) -> None:
        lost = self.dropped
        note = [self._note(lost - self._noted)] if self._note is not None and lost > self._noted else []
        try:
            self._write(b"".join([*note, *lines]))
            self._noted = lost
        except OSError:  # a full disk, a reader that left: calls continue, and the lines are counted
            self.dropped += len(lines)

    def _take(self) -> list[bytes]:
        lines: list[bytes] = []
        with self._lock:
            size = 0
            while self._waiting and (not lines or size + len(self._waiting[0]) <= _ATOMIC_BYTES):
                lines.append(self._waiting.popleft())
                size += len(lines[-1])
            self._waiting_bytes -= size
        return lines
