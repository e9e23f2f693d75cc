"""The processes of stores, which work in their data's folder."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

_REDIS = ("redis", "valkey")
"""How the programs begin that serve as Redis."""


def store_processes(folder: Path) -> Iterator[psutil.Process]:
    """Yield the processes that work in `folder` or below it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder.resolve()):
                yield process


class StoresCpu:
    """The CPU time of the stores in one folder."""

    def __init__(self, folder: Path) -> None:
        """Find their processes now: those that start later are not counted."""
        found = [(process, _name(process)) for process in store_processes(folder)]
        self._redis = [process for process, name in found if name.startswith(_REDIS)]
        self._others = [process for process, name in found if not name.startswith(_REDIS)]

    def seconds(self) -> tuple[float, float]:
        """Return the user and system time so far, of Redis and of all others."""
        return _spent(self._redis), _spent(self._others)


def _name(process: psutil.Process) -> str:
    """Return a process's name, empty where it has ended: PostgreSQL starts and ends workers by itself."""
    with contextlib.suppress(psutil.Error):
        return str(process.name())
    return ""


def _spent(processes: Iterable[psutil.Process]) -> float:
    spent = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            spent += sum(process.cpu_times()[:2])
    return spent
