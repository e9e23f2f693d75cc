"""Programs under measurement: started on one core, watched, and stopped again."""

import argparse
import contextlib
import http.client
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, MappingProxyType

import psutil

MEASURED_CORE = 0
"""Where the program under measurement runs, alone."""
OTHER_CORE = 1
"""Where the load, the upstream and the stores run."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_LOOK_SECONDS, _QUIET_SHARE, _GRACE_SECONDS = 0.05, 0.05, 60.0


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why and what to do."""


def stay_on(core: int) -> None:
    """Keep this process, and what it starts from now on, on one core."""
    os.sched_setaffinity(0, {core})


class OverdueError(SystemExit):
    """The benchmark did not end in time, or was told to end. No event loop and no broad `except` holds it up."""


def add_deadline(parser: argparse.ArgumentParser, seconds: float | None = None) -> None:
    """Add `--deadline`, after which the benchmark is ended; `seconds` if it is not given, None: what the run needs."""
    told = "what the run needs" if seconds is None else f"{seconds:g}"
    parser.add_argument(
        "--deadline", type=float, default=seconds, help=f"seconds after which the run is ended (default: {told})"
    )


@contextlib.contextmanager
def ending_within(seconds: float) -> Iterator[None]:
    """Raise OverdueError here after `seconds`, and at SIGTERM, so that all that was started is ended.

    Kill it, and this process, after _GRACE_SECONDS more, should the end itself not come to an end.
    """
    overdue = False

    def end(number: int, _: FrameType | None) -> None:
        nonlocal overdue
        if overdue and number == signal.SIGALRM:
            _kill_everything()
        overdue = True
        why = f"was not done within {seconds:g} s" if number == signal.SIGALRM else "was told to end"
        signal.setitimer(signal.ITIMER_REAL, _GRACE_SECONDS)
        raise OverdueError(f"The benchmark {why}; what it had started was ended.")

    before = [(number, signal.signal(number, end)) for number in (signal.SIGALRM, signal.SIGTERM)]
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before:
            signal.signal(number, handler)


def _kill_everything() -> None:
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    os._exit(1)


def _cpu_clock(pid: int) -> int:
    # Linux's number for the CPU clock of a process, ended threads included: nanoseconds, where /proc has 10 ms
    return (~pid << 3) | 2


def tree_of(pid: int) -> list[psutil.Process]:
    """Return a process and its children. Raises psutil.NoSuchProcess."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


class Program:
    """A started program and its children."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, started: float) -> None:
        """`started` is the monotonic reading just before the start."""
        self.name = name
        self.process = process
        self.log = log
        self.started = started

    def tree(self) -> list[psutil.Process]:
        """The program and its children."""
        return tree_of(self.process.pid)

    def resident_bytes(self) -> int:
        """RSS of the program and its children."""
        return sum(process.memory_info().rss for process in self.tree())

    def cpu_seconds(self) -> float:
        """User and system time of the program and its children so far. Raises BenchmarkError when it has ended."""
        try:
            return sum(time.clock_gettime(_cpu_clock(process.pid)) for process in self.tree())
        except (OSError, psutil.NoSuchProcess) as error:
            raise BenchmarkError(f"{self.name} ended before its CPU was measured; its log is {self.log}") from error

    def until_quiet(self, seconds: float = 2.0) -> None:
        """Wait until it has done the work that is left over, `seconds` at most."""
        until, before = time.monotonic() + seconds, self.cpu_seconds()
        while time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
            if (now := self.cpu_seconds()) - before < _QUIET_SHARE * _LOOK_SECONDS:
                return
            before = now

    def stay_on(self, core: int) -> None:
        """Keep all its threads, and those it starts from now on, on one core."""
        for thread in psutil.Process(self.process.pid).threads():
            os.sched_setaffinity(thread.id, {core})

    def stop(self, seconds: float = 15.0) -> int:
        """End it with SIGTERM, then SIGKILL; its exit code."""
        children = self.tree()[1:] if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        return code


@contextlib.contextmanager
def running(
    name: str,
    command: list[str],
    *,
    core: int | None,
    folder: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Program]:
    """Start `command` on `core` (None: on both), in `cwd`, its output in `folder`; stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*on(core), *command], stdout=output, stderr=output, env={**os.environ, **(env or {})}, cwd=cwd
        )
    program = Program(name, process, log, started)
    try:
        yield program
    finally:
        program.stop()


def on(core: int | None) -> list[str]:
    """Return the beginning of a command line that runs on `core`, or on both."""
    return ["taskset", "-c", f"{MEASURED_CORE},{OTHER_CORE}" if core is None else str(core)]


def post(url: str, body: bytes, key: str, *, headers: Mapping[str, str] = _NO_HEADERS, seconds: float = 10.0) -> bytes:
    """One call; the answer's body. Raises OSError."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}", **headers}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310  # loopback, always http
    with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310  # the same
        content: bytes = answer.read()
        return content


def until_first_answer(
    program: Program,
    url: str,
    body: bytes,
    key: str,
    *,
    headers: Mapping[str, str] = _NO_HEADERS,
    seconds: float = 90.0,
) -> float:
    """Call until it answers; the seconds since the program's start. Raises BenchmarkError with the log's end."""
    while time.monotonic() - program.started < seconds:
        try:
            post(url, body, key, headers=headers)
        except (OSError, http.client.HTTPException):  # a port that is not open yet may be connected to itself
            if program.process.poll() is not None:
                break
            time.sleep(0.02)
        else:
            return time.monotonic() - program.started
    end = program.log.read_text(errors="replace")[-2000:]
    raise BenchmarkError(f"{program.name} gave no answer within {seconds:g} s; its log ends:\n{end}")


def until_up(program: Program, url: str, seconds: float = 90.0) -> None:
    """Read `url` until it answers. Raises BenchmarkError with the log's end."""
    while time.monotonic() - program.started < seconds and program.process.poll() is None:
        request = urllib.request.Request(url, headers={"authorization": "Bearer any"})  # noqa: S310  # loopback, http
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310  # the same
                return
        except (OSError, http.client.HTTPException):  # a port that is not open yet may be connected to itself
            time.sleep(0.05)
    end = program.log.read_text(errors="replace")[-2000:]
    raise BenchmarkError(f"{program.name} did not come up; its log ends:\n{end}")
