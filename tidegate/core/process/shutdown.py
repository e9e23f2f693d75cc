"""Notice when this process has to end: a signal arrived, also before the server handles it, or the parent is gone."""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def exit_with_parent() -> None:
    """Send SIGTERM to this process once the process that started it by `multiprocessing` is gone.

    Otherwise workers whose supervisor was killed would run on, and no client could reach them.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_terminate_after, args=(parent.join,), name="parent-watch", daemon=True).start()


def _terminate_after(wait: Callable[[], None]) -> None:
    wait()
    os.kill(os.getpid(), signal.SIGTERM)


class Shutdown:
    """Reports signals between `start` and `close`; earlier signal handlers still run."""

    def __init__(self, on_signal: Callable[[], None]) -> None:
        """`on_signal` is called in the event loop, at most once for each signal."""
        self._on_signal = on_signal
        self._loop: asyncio.AbstractEventLoop | None = None
        self._previous_handlers: dict[signal.Signals, Any] = {}

    async def start(self) -> None:
        """Install the handlers; outside the main thread there are no signals to handle."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._loop = asyncio.get_running_loop()
        self._previous_handlers = {number: signal.signal(number, self._handle) for number in _SIGNALS}

    async def close(self) -> None:
        """Restore the earlier handlers, unless other code has replaced ours meanwhile: it may call us still."""
        self._loop = None
        for number, previous in self._previous_handlers.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, previous)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._on_signal)
        previous = self._previous_handlers.get(signal.Signals(number))
        if callable(previous):
            previous(number, frame)
        elif previous is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
