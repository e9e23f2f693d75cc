"""When a process has to end: it is asked to, which is heard before its server begins to; or its parent is gone."""

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
    """Be told to end, by SIGTERM, once the process that started this one by `multiprocessing` is gone, however it went.

    Else workers whose supervisor was killed would serve on, with nobody to reach them by.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent.join,), name="parent-watch", daemon=True).start()


def _end_after(wait: Callable[[], None]) -> None:
    wait()
    os.kill(os.getpid(), signal.SIGTERM)


class Shutdown:
    """Use it between `start` and `close`. Whoever handled the signals before handles them as before."""

    def __init__(self, on_signal: Callable[[], None]) -> None:
        """`tell` is called in the event loop, at most once for each signal."""
        self._tell = on_signal
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: dict[signal.Signals, Any] = {}

    async def start(self) -> None:
        """Begin to hear; where the event loop is not in the main thread there is nothing to hear."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._loop = asyncio.get_running_loop()
        self._before = {number: signal.signal(number, self._heard) for number in _SIGNALS}

    async def close(self) -> None:
        """Leave the signals to those who had them; where somebody took them since, they are handed on."""
        self._loop = None
        for number, before in self._before.items():
            if signal.getsignal(number) == self._heard:
                signal.signal(number, before)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._tell)
        before = self._before.get(signal.Signals(number))
        if callable(before):
            before(number, frame)
        elif before is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
