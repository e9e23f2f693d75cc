"""Ledger entries on disk, for when Redis cannot take them: one line of JSON each.

The drainer replays them into PostgreSQL. A process that writes or replays a file holds a lock on it. The system
releases the lock when the process dies. So every unlocked file was closed or belonged to a dead process, and any
process may replay it. Entries survive `kill -9` and a crash of the process at any moment, because a line is one write
to a file opened for appending. A power cut loses what was written since the last `sync`, about 50 ms.
"""

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import structlog

from tidegate.core.errors import StoreError
from tidegate.core.ids import new_id

MAX_BYTES = 1024**3
"""The most bytes of all files together (two million entries), so that a long outage does not fill the disk."""

_SUFFIX = ".jsonl"
_log = structlog.get_logger("spool")
_flush_to_disk = getattr(os, "fdatasync", os.fsync)  # macOS has only fsync


class SpoolFailed(StoreError):
    """A ledger entry could not be written to disk. Check the free space and the permissions of `metering.spool_dir`."""

    name = "spool_failed"
    code = "spool_failed"


class Spool:
    """One process's file in the spool folder, and access to the files that wait to be replayed."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        """The folder is created with the first line. Other processes may use the same folder."""
        self._folder = folder
        self._max_bytes = max_bytes
        self._file: int | None = None
        self._size = 0
        self._other_files_size = 0
        self._unsynced = False

    @property
    def has_unsynced_lines(self) -> bool:
        """Return whether lines were written since the last `sync`."""
        return self._unsynced

    def warn_if_unwritable(self) -> None:
        """Try to write a file, and warn if that fails: while Redis is away, calls would then be refused."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as file:
                file.write(b"\n")
        except OSError as error:
            _log.error(
                "the ledger has no disk: while redis is away, its entries wait in memory and are lost with the process",
                folder=str(self._folder),
                reason=error.strerror,
                remedy="mount a folder that this user may write to, and set data_dir to it",
            )

    def write(self, line: bytes) -> None:
        """Append one line; `line` holds no line break. Raises SpoolFailed."""
        data = line + b"\n"
        try:
            file = self._open_file()
            if self._other_files_size + self._size + len(data) > self._max_bytes:
                raise SpoolFailed(f"The spool in {self._folder} holds its {self._max_bytes} bytes already.")
            written_bytes = os.write(file, data)
            if written_bytes < len(data):  # the disk is full: a partial line would corrupt the next one
                os.ftruncate(file, self._size)
                raise SpoolFailed(f"The disk of {self._folder} is full.")
        except OSError as error:
            raise SpoolFailed(f"The spool in {self._folder} cannot be written: {error.strerror}.") from error
        self._size += written_bytes
        self._unsynced = True

    async def sync(self) -> None:
        """Flush the file to disk, in a thread, because it may take long."""
        if self._file is None:
            return
        self._unsynced = False
        file = os.dup(self._file)  # the original descriptor may be closed meanwhile
        try:
            await asyncio.to_thread(_flush_to_disk, file)
        except OSError as error:
            _log.error("spool not synced", folder=str(self._folder), error=error.strerror)
        finally:
            os.close(file)

    def close_file(self) -> None:
        """Close the file so that it can be replayed. The next line opens a new file."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # closing alone does not unlock it while `sync` has a copy
            os.close(self._file)
            self._file = None

    def has_files(self) -> bool:
        """Return whether any file exists, of this process or of others."""
        return any(True for _ in self._paths())

    def size(self) -> int:
        """Return the bytes in all files, of this process and of others."""
        return sum(_size(path) for path in self._paths())

    def claim_files(self) -> Iterator["SpoolFile"]:
        """Yield each file that is not locked, and lock it. Close it before asking for the next."""
        for path in self._paths():
            file = SpoolFile.claim(path)
            if file is not None:
                yield file

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{_SUFFIX}"))

    def _open_file(self) -> int:
        if self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._other_files_size = sum(_size(path) for path in self._paths())
            self._file, self._size = self._create(), 0
        return self._file

    def _create(self) -> int:
        while True:
            path = self._folder / new_id("")
            file = os.open(path.with_suffix(_SUFFIX), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            # before the lock is taken, another process may take the new file for an abandoned one, and remove it
            if _lock(file) and os.fstat(file).st_nlink:
                return file
            os.close(file)


class SpoolFile:
    """A file to replay, locked until closed. Use it as a context manager."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        """Use `claim` to make one."""
        self.path = path
        self._file = file

    @classmethod
    def claim(cls, path: Path) -> Self | None:
        """Return the file at `path`, or None if it is locked or was just removed."""
        with contextlib.suppress(FileNotFoundError):
            file = path.open("rb")
            if _lock(file.fileno()) and os.fstat(file.fileno()).st_nlink:
                return cls(path, file)
            file.close()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def batches(self, size: int) -> Iterator[list[bytes]]:
        """Yield the lines, `size` at a time. A last line that a crash cut off is logged and skipped."""
        lines = self._whole_lines()
        while batch := list(islice(lines, size)):
            yield batch

    def remove(self) -> None:
        """Remove the file, whose lines are all stored elsewhere."""
        self.path.unlink(missing_ok=True)

    def _whole_lines(self) -> Iterator[bytes]:
        for line in self._file:
            if line.endswith(b"\n"):
                yield line[:-1]
            else:
                _log.error("spool line torn by a crash", file=self.path.name, line=line.decode(errors="replace"))


def count_lines(folder: Path) -> int:
    """Return the number of lines in all files of `folder`."""
    total = 0
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            total += sum(1 for _ in file)
    return total


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
