"""Logs once that a store is lost, and once that it is back and how long it was away. One for each store and replica.

A failure among successes is no outage: a statement that took too long, a single connection that broke. The workers of a
replica share a folder: the one that creates the store's file there logs the loss, and the one that removes it the end.
"""

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path

import structlog

_CONFIRM_SECONDS = 1.0
"""For so long nothing but failures must be seen before the store counts as lost."""

_log = structlog.get_logger("stores")


class OutageLog:
    """Tell it of each failure, and of answers that follow one."""

    def __init__(
        self,
        store: str,
        now: Callable[[], float],
        *,
        confirm_seconds: float = _CONFIRM_SECONDS,
        shared_folder: Path | None = None,
    ) -> None:
        """`now` is a monotonic clock. With `confirm_seconds` 0 the first failure is an outage."""
        self._store = store
        self._now = now
        self._confirm_seconds = confirm_seconds
        self._mark = None if shared_folder is None else shared_folder / f"{store}.lost"
        self._since: float | None = None
        self._is_lost = self._mark is not None  # a worker that died may have left the mark

    def failed(self, error: BaseException) -> None:
        """Note a failure."""
        now = self._now()
        if self._since is None:
            self._since, self._is_lost = now, False
        if not self._is_lost and now - self._since >= self._confirm_seconds:
            self._is_lost = True
            if self._is_first_to_lose():
                _log.warning("a store is lost", store=self._store, error=type(error).__name__, detail=str(error))

    def answered(self) -> None:
        """Note an answer."""
        if self._is_lost:
            seconds = self._seconds_lost()
            if seconds is not None:
                _log.warning("a store is back", store=self._store, seconds=round(seconds, 1))
        self._since, self._is_lost = None, False

    def _is_first_to_lose(self) -> bool:
        if self._mark is None:
            return True
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError:  # without the folder each worker logs for itself
            return True
        return True

    def _seconds_lost(self) -> float | None:
        """Return for how long the store was away; None if another worker has logged its return."""
        if self._mark is None:
            return None if self._since is None else self._now() - self._since
        with contextlib.suppress(OSError):
            begun = self._mark.stat().st_mtime
            self._mark.unlink()
            return time.time() - begun if self._since is None else self._now() - self._since
        return None


def silent() -> OutageLog:
    """Return one that logs nothing, for commands: they print their own errors."""
    return OutageLog("none", time.monotonic, confirm_seconds=math.inf)
