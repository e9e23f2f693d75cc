"""Keeps the embedded stores' folders private: no other user may replace what is in them, or reach a socket.

Nothing is changed that is not Tidegate's own: a folder that others may write to is refused, with the remedy.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MAX_SOCKET_PATH = 100
"""Bytes; the system's own limit is 104 (macOS) or 108 (Linux)."""
USERS_LOCK = "users.lock"

_POLL_SECONDS = 0.02
_INHERITED_VARIABLES = ("PATH", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "LC_COLLATE", "TMPDIR", "SystemRoot")


class EmbeddedError(Exception):
    """The embedded stores cannot be used; the message has the reason and the remedy."""


class EmbeddedMissing(EmbeddedError):
    """A server that Tidegate should run is not installed."""


def claim_data_folder(folder: Path) -> None:
    """Make the data folder, for this user alone; of an existing one, check that others cannot replace its contents."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if os.geteuid() != 0 and status.st_uid not in (os.geteuid(), 0):
        raise EmbeddedError(f"The data folder {folder} belongs to another user. Name one of your own as `data_dir`.")
    if status.st_mode & stat.S_IWOTH:
        raise EmbeddedError(
            f"All users may write to the data folder {folder}, and so replace its data. Nothing was started. "
            "Name another folder as `data_dir`, or, if this one is Tidegate's alone, run: chmod go-w " + str(folder)
        )
    if status.st_mode & stat.S_IWGRP and status.st_uid == os.geteuid() and _is_tidegates(folder):
        folder.chmod(stat.S_IMODE(status.st_mode) & ~stat.S_IWGRP)  # an earlier release, or a lax umask, made it


def claim_store_folder(folder: Path) -> None:
    """Make a store's folder below the data folder, for this user alone, or close it to others."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat()
    if status.st_uid == os.geteuid():
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    elif os.geteuid() != 0:
        raise EmbeddedError(f"The folder {folder} belongs to another user. Name another `data_dir`, or remove it.")


def short_enough(path: Path) -> Path:
    """Return `path`, or if it is too long for a unix socket, one in a private folder named after it."""
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"tidegate-{os.getuid()}-{name}" / path.name


def link(short: Path, path: Path) -> None:
    """Have the `short` path of a socket, if it is not the socket's own, lead to it."""
    if short == path:
        return
    private_folder(short.parent, 0o700)
    if not short.is_symlink() or short.readlink() != path:
        short.unlink(missing_ok=True)
        short.symlink_to(path)


def private_folder(folder: Path, mode: int) -> None:
    """Make a folder in a place where all users may write. One that another user put there is refused."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(mode)  # whatever the umask
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o777 & ~mode:
        raise EmbeddedError(
            f"{folder} belongs to another user, or is open to others. Nothing was started. "
            "Remove it, or name a folder of your own in TMPDIR."
        )


def replace_file(path: Path, text: str, *, owner: tuple[int, int]) -> None:
    """Write a file that its owner alone may read; a link at its place is replaced, not followed."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(file, "w") as written:
        if os.geteuid() == 0:
            os.fchown(file, *owner)
        written.write(text)
    new.replace(path)


def server_environment() -> dict[str, str]:
    """Return the variables that a server gets: none that could hold a key."""
    return {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Return whether it was done in time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _is_tidegates(folder: Path) -> bool:
    return (folder / USERS_LOCK).exists() or not any(folder.iterdir())
