"""Keeps several worker processes running: a worker that is to go is replaced before it goes.

A worker says `READY` when it serves, and `WORN_OUT` when it has answered enough requests. A worn-out worker serves on
until its successor is ready, and is then told to end. A worker that dies is started again, after a pause that grows
while workers die before they are ready. One whose event loop hangs is killed and started again: it is asked again and
again whether it lives, and `answer_supervisor` answers. SIGTERM and SIGINT end all workers; a second one ends their
grace, by SIGQUIT. SIGHUP replaces all workers, one by one.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

import structlog

Message = Any
"""What a worker and its supervisor send each other: the words below, and what others have them pass on."""

READY = "ready"
WORN_OUT = "worn out"
_ALIVE = "alive?"
_MAX_UNANSWERED = 6
_MAX_UNANSWERED_AT_START = 60
"""It answers when it serves; until then it imports modules and connects to the stores."""
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0

_log = structlog.get_logger("supervisor")


class WorkerProcess:
    """One worker process."""

    def __init__(self, process: BaseProcess, connection: Connection) -> None:
        """`process` is started, and `connection` is this side of its pipe."""
        self.process = process
        self.connection = connection
        self.is_ready = False
        self.is_leaving = False
        """Whether it was told to end."""
        self.successor: WorkerProcess | None = None
        self._unanswered = 0
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Send it something; it may have just ended. Any thread may call this."""
        with self._lock, contextlib.suppress(OSError):
            self.connection.send(message)

    def ask(self) -> bool:
        """Ask whether it lives; return whether it left too many questions unanswered."""
        if self.connection.closed:
            return False
        if self._unanswered >= (_MAX_UNANSWERED if self.is_ready else _MAX_UNANSWERED_AT_START):
            return True
        self._unanswered += 1
        self.send(_ALIVE)
        return False

    def note_answer(self) -> None:
        """It lives."""
        self._unanswered = 0

    def tell_to_end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        self.is_leaving = True
        if self.process.is_alive() and self.process.pid is not None:
            signal_process(self.process.pid, number)


class Supervisor:
    """Run workers until a signal comes."""

    def __init__(
        self,
        start: Callable[[], WorkerProcess],
        *,
        count: int,
        end_seconds: float,
        ask_seconds: float = 5.0,
        on_end: Callable[[], None] = lambda: None,
        on_message: Callable[[WorkerProcess, Message], None] = lambda _, __: None,
    ) -> None:
        """`start` starts a worker; one that has not ended `end_seconds` after it was told to is killed.

        So is one that leaves six questions unanswered, one every `ask_seconds`, or 60 while it starts. `on_end` is
        called when the workers are told to end, and `on_message` with what else a worker sends, READY included.
        """
        self._on_message = on_message
        self._on_end = on_end
        self._start_worker = start
        self._count = count
        self._end_seconds = end_seconds
        self._ask_seconds = ask_seconds
        self._ask_after = 0.0
        self._workers: list[WorkerProcess] = []
        self._replacements: list[WorkerProcess] = []
        """The workers to replace, in this order, one at a time."""
        self._pause = 0.0
        self._start_after = 0.0
        self._received, self._wakeup = socket.socketpair()

    def run(self) -> int:
        """Run until all workers have ended; return the exit code."""
        restore = self._take_signals()
        try:
            self._workers = [self._start_worker() for _ in range(self._count)]
            code: int | None = None
            while code is None:
                code = self._turn()
            return code
        finally:
            restore()

    def _turn(self) -> int | None:
        """Handle what has happened; return the exit code once it is time to end."""
        for source in wait(self._sources(), timeout=self._timeout()):
            if source is self._received:
                for number in self._received.recv(64):
                    if number in (signal.SIGTERM, signal.SIGINT):
                        return self._end(number)
                    if number == signal.SIGHUP:
                        self._replacements = [worker for worker in self._workers if not worker.is_leaving]
            else:
                self._read(source)
        self._ask_all()
        for worker in [worker for worker in self._workers if not worker.process.is_alive()]:
            if self._note_end(worker):
                return self._end(signal.SIGTERM, code=1)
        self._start_missing()
        return None

    def _sources(self) -> list[Any]:
        connections = [worker.connection for worker in self._workers if not worker.connection.closed]
        return [self._received, *connections, *(worker.process.sentinel for worker in self._workers)]

    def _timeout(self) -> float:
        until = min(self._start_after, self._ask_after) if self._is_short() else self._ask_after
        return max(0.0, until - time.monotonic())

    def _ask_all(self) -> None:
        """Ask each worker whether it lives, and kill those that hang.

        Questions are counted, not seconds: while this process was stopped, it asked no questions.
        """
        if (now := time.monotonic()) < self._ask_after:
            return
        self._ask_after = now + self._ask_seconds
        for worker in [worker for worker in self._workers if worker.ask()]:
            _log.error("a worker hangs and is killed", pid=worker.process.pid)
            worker.process.kill()
            worker.process.join()

    def _read(self, source: object) -> None:
        worker = next((worker for worker in self._workers if worker.connection is source), None)
        if worker is None:
            return
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.connection.close()  # it has ended
            return
        if message == READY:
            self._pause = 0.0
            worker.is_ready = True
            worker.note_answer()
            for earlier in self._workers:
                if earlier.successor is worker:
                    earlier.tell_to_end()
        elif message == WORN_OUT and worker not in self._replacements:
            self._replacements.append(worker)
        elif message == _ALIVE:
            worker.note_answer()
            return
        self._on_message(worker, message)

    def tell_all(self, message: Message) -> None:
        """Send every worker something. Any thread may call this."""
        for worker in list(self._workers):
            worker.send(message)

    def _note_end(self, worker: WorkerProcess) -> bool:
        """Note the end of a worker; return whether none can be started at all."""
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        self._replacements = [other for other in self._replacements if other is not worker]
        for earlier in self._workers:
            if earlier.successor is worker:
                earlier.successor = None
                if not earlier.is_leaving:
                    self._replacements.insert(0, earlier)
        if worker.is_leaving:
            return False
        if not worker.is_ready and not any(other.is_ready for other in self._workers):
            return True
        _log.error("a worker ended and is started again", pid=worker.process.pid, code=worker.process.exitcode)
        self._pause = min(_LONGEST_PAUSE_SECONDS, 2 * self._pause) or _FIRST_PAUSE_SECONDS
        self._start_after = time.monotonic() + (0.0 if worker.is_ready else self._pause)
        return False

    def _is_short(self) -> bool:
        return len(self._staying()) < self._count or bool(self._replacements)

    def _staying(self) -> list[WorkerProcess]:
        successors = [worker.successor for worker in self._workers if worker.successor and not worker.is_leaving]
        return [worker for worker in self._workers if not worker.is_leaving and worker not in successors]

    def _start_missing(self) -> None:
        if not self._is_short() or time.monotonic() < self._start_after:
            return
        for _ in range(self._count - len(self._staying())):
            self._workers.append(self._start_worker())
        is_replacing = any(worker.successor is not None and not worker.is_leaving for worker in self._workers)
        if self._replacements and not is_replacing:
            worker = self._replacements.pop(0)
            worker.successor = self._start_worker()
            self._workers.append(worker.successor)

    def _end(self, number: int, *, code: int = 0) -> int:
        self._on_end()
        for worker in self._workers:
            worker.tell_to_end(number)
        until = time.monotonic() + self._end_seconds
        while self._workers and time.monotonic() < until:
            ready = wait([self._received, *(worker.process.sentinel for worker in self._workers)], timeout=1.0)
            if self._received in ready:
                self._received.recv(64)
                for worker in self._workers:
                    worker.tell_to_end(signal.SIGQUIT)  # not the same again: a terminal and systemd signal workers, too
            self._workers = [worker for worker in self._workers if worker.process.is_alive()]
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
        return code

    def _take_signals(self) -> Callable[[], None]:
        """Have signals wake the loop; return what restores the earlier handlers."""
        for end in (self._received, self._wakeup):
            end.settimeout(0)
        earlier_fd = signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        earlier = {number: signal.signal(number, _note_signal) for number in numbers}

        def restore() -> None:
            signal.set_wakeup_fd(earlier_fd)
            for number, handler in earlier.items():
                signal.signal(number, handler)
            self._received.close()
            self._wakeup.close()

        return restore


def answer_supervisor(connection: Connection, on_message: Callable[[Message], None] = lambda _: None) -> None:
    """Answer the supervisor's questions from now on, in the running event loop: it hangs if it does not answer.

    `on_message` gets what else it sends.
    """
    loop = asyncio.get_running_loop()

    def answer() -> None:
        try:
            message = connection.recv()
            if message == _ALIVE:
                connection.send(message)
            else:
                on_message(message)
        except (EOFError, OSError):
            loop.remove_reader(connection.fileno())  # the supervisor is gone; `exit_with_parent` ends this process

    loop.add_reader(connection.fileno(), answer)


def _note_signal(_: int, __: FrameType | None) -> None:
    """Do nothing: the byte in the socket wakes the loop."""


def signal_process(pid: int, number: int) -> None:
    """Send a signal to a process, which may have ended meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
