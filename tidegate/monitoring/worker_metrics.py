"""Shares figures between the processes of one gateway, so that any of them can answer a scrape for all.

Each process has a file in a shared folder, and writes its figures there every second. The file belongs to the process
that holds its lock, which the system releases when the process dies. A process that takes the file of a dead one
continues its counters, so that they keep growing while processes are replaced.
"""

import asyncio
import contextlib
import fcntl
import itertools
import os
from pathlib import Path

import msgspec
import structlog

from tidegate.core.periodic import PeriodicTask
from tidegate.monitoring.counters import Counters, Counts

WRITE_SECONDS = 1.0

_log = structlog.get_logger("watch")
_decode = msgspec.json.Decoder(Counts).decode


class WorkerMetrics:
    """One process's file among those of all workers.

    Use it between `start` and `close`; without a folder there is one worker.
    """

    def __init__(self, counters: Counters, folder: Path | None) -> None:
        self._counters = counters
        self._folder = folder
        self._name = ""
        self._lock: int | None = None
        self._writer = PeriodicTask("worker-metrics", self._write_own, every=WRITE_SECONDS)

    async def start(self) -> None:
        """Claim a file. If the folder cannot be used, this process shows only its own figures."""
        if self._folder is None:
            return
        try:
            self._claim_file(self._folder)
        except OSError as error:
            _log.warning("metrics are of one worker at a time", folder=str(self._folder), error=error.strerror)
            return
        if (before := _read_file(self._folder, self._name)) is not None:
            self._counters.add(before)
        await self._writer.start()

    async def close(self) -> None:
        """Write the last figures, and release the file."""
        await self._writer.close()
        if self._folder is not None and self._lock is not None:
            _write(self._folder, self._name, self.read_own())
            os.close(self._lock)

    def read_own(self) -> Counts:
        """Return this process's figures."""
        return self._counters.read()

    async def read_all(self) -> dict[str, Counts]:
        """Return the figures of every process, at most a second old; of dead processes only the counters."""
        if self._folder is None or self._lock is None:
            return {"": self.read_own()}
        counts_by_worker = await asyncio.to_thread(_read_others, self._folder, self._name)
        counts_by_worker[self._name] = self.read_own()
        return dict(sorted(counts_by_worker.items(), key=lambda one: int(one[0])))

    def _claim_file(self, folder: Path) -> None:
        for number in itertools.count():
            lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            if _locked(lock):
                self._name, self._lock = str(number), lock
                return
            os.close(lock)

    async def _write_own(self) -> None:
        if self._folder is not None:
            await asyncio.to_thread(_write, self._folder, self._name, self.read_own())


def _write(folder: Path, name: str, counts: Counts) -> None:
    """Write the file atomically: a reader never sees half of it."""
    new = folder / f"{name}.new"
    with contextlib.suppress(OSError):  # the disk is full: the next round tries again
        new.write_bytes(msgspec.json.encode(counts))
        new.replace(folder / f"{name}.json")


def _read_file(folder: Path, name: str) -> Counts | None:
    with contextlib.suppress(OSError, msgspec.DecodeError):
        return _decode((folder / f"{name}.json").read_bytes())
    return None


def _read_others(folder: Path, own_name: str) -> dict[str, Counts]:
    counts_by_worker = {}
    for path in folder.glob("*.lock"):
        if path.stem != own_name and (counts := _read_file(folder, path.stem)) is not None:
            counts_by_worker[path.stem] = counts if _is_held(path) else msgspec.structs.replace(counts, gauges=())
    return counts_by_worker


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_held(path: Path) -> bool:
    file = os.open(path, os.O_RDWR)
    try:
        return not _locked(file)
    finally:
        os.close(file)
