"""How many function calls a gateway makes for a miss, a hit and a chunk: much the same however busy the machine is.

One at a time: a share begins just before the call, or the chunk, and ends once the gateway is still again after it. A
background task falls into some of the shares and makes them larger, so the lower quartile is told. Work that the
gateway puts off (ledger lines on their way into PostgreSQL) is not in it.

Together: all that is called while many calls are made, with what was put off, less what an idle gateway calls in the
same time.
"""

import contextlib
import mmap
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Self

import httptools
import msgspec

from benchmarks import closed_loop, streams
from benchmarks.instant import CHUNKS_PER_SECOND
from benchmarks.processes import BenchmarkError, Program
from benchmarks.target import Target

SIZE = 16
"""Bytes of the file that counted_gateway.py counts into."""
CONNECTIONS, STREAMS = 8, 8
"""How many calls, and how many streams, are under way together."""

_STILL, _MOST_WAIT = 0.004, 0.1
_PUT_OFF_SECONDS = 0.08
_BEFORE_CHUNK_SECONDS = 0.5 / CHUNKS_PER_SECOND
_FLOWING_SECONDS = 0.5
_TIMEOUT, _POLL = 15.0, 0.0005
_WARM, _LEARNT_SECONDS = 80, 1.2  # so many answers teach a gateway that nothing limits it; it learns within a second


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of Python functions and of C functions."""

    python: float
    c: float

    def __sub__(self, other: "Count") -> "Count":
        return Count(python=self.python - other.python, c=self.c - other.c)

    def __mul__(self, factor: float) -> "Count":
        return Count(python=self.python * factor, c=self.c * factor)


class Counter:
    """Reads what a gateway counts."""

    def __init__(self, program: Program, path: Path) -> None:
        """Tell the gateway to count into `path`."""
        with path.open("r+b") as file:
            self._counts = memoryview(mmap.mmap(file.fileno(), SIZE)).cast("Q")
        self._program, self._functions = program, path.with_name(f"{path.name}.functions")
        program.process.send_signal(signal.SIGUSR1)

    def read(self) -> Count:
        """Return the calls so far."""
        return Count(python=self._counts[0], c=self._counts[1])

    def functions(self) -> list[tuple[str, str, int]]:
        """Return each function that ran since the last time: its file, name and calls. Raises BenchmarkError."""
        self._functions.unlink(missing_ok=True)
        self._program.process.send_signal(signal.SIGUSR2)
        until = time.monotonic() + _TIMEOUT
        while not self._functions.exists():
            if time.monotonic() > until:
                raise BenchmarkError(f"{self._program.name} does not tell its functions: SIGUSR2 did not reach it")
            time.sleep(_POLL)
        return msgspec.json.decode(self._functions.read_bytes(), type=list[tuple[str, str, int]])

    def still(self) -> Count:
        """Wait until nothing is called for a moment, not long; return the calls so far."""
        found, since = self.read(), time.monotonic()
        until = since + _MOST_WAIT
        while (now := time.monotonic()) < min(since + _STILL, until):
            time.sleep(_POLL)
            if (read := self.read()) != found:
                found, since = read, now
        return found


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """What one call passes."""

    functions: int
    """Calls of Python functions, those of libraries included."""
    modules: frozenset[str]
    """The modules of Tidegate, as paths, of which each call runs a function."""


def passed(program: Program, target: Target, path: Path, calls: int) -> dict[str, Passed]:
    """Have the gateway count `calls` misses and hits; return what one of each passes. Raises BenchmarkError.

    The least of all shares is told: what else the gateway does can only make a share larger.
    """
    counter = Counter(program, path)
    _calls(counter, target, "miss", 1)
    time.sleep(_LEARNT_SECONDS)
    found = {}
    for kind in ("miss", "hit"):
        counter.functions()  # what ran before belongs to none of these calls
        shares = _shares(counter, target, kind, calls)
        ran = [(file, number) for file, _, number in counter.functions() if "/tidegate/" in file]
        modules = frozenset(file.rpartition("/tidegate/")[2] for file, number in ran if number >= _WARM + calls)
        found[kind] = Passed(functions=int(min(share.python for share in shares)), modules=modules)
    return found


def count(program: Program, target: Target, path: Path, calls: int) -> dict[str, Count]:
    """Have the gateway count `calls` of each kind; return what one of each is. Raises BenchmarkError."""
    counter = Counter(program, path)
    found = {}
    _calls(counter, target, "miss", 1)
    time.sleep(_LEARNT_SECONDS)
    for kind in ("miss", "hit"):
        found[f"{kind}, one at a time"] = _calls(counter, target, kind, calls)
    if counter.read().python == 0:
        raise BenchmarkError(f"{program.name} does not count: SIGUSR1 did not reach it")
    found["chunk, one at a time"] = _chunks(counter, target, calls)
    return found | _together(counter, program, target, calls / 25)


def _calls(counter: Counter, target: Target, kind: str, calls: int) -> Count:
    return _lower_quartile(_shares(counter, target, kind, calls))


def _shares(counter: Counter, target: Target, kind: str, calls: int) -> list[Count]:
    made = closed_loop.bodies(target, kind, f"counted {time.time_ns()}")
    shares = []
    with _Connection(target) as connection:
        for _ in range(_WARM):
            connection.call(next(made))
        for _ in range(calls):
            time.sleep(_PUT_OFF_SECONDS)
            before = counter.read()
            connection.call(next(made))
            shares.append(counter.still() - before)
    return shares


def _chunks(counter: Counter, target: Target, calls: int) -> Count:
    shares = []
    with _Connection(target) as connection:
        connection.send(streams.body(target))
        for _ in range(5):
            connection.chunks()
        for _ in range(3 * calls):
            time.sleep(_BEFORE_CHUNK_SECONDS)
            before, late = counter.read(), connection.has_more()
            if connection.chunks() == 1 and not late:
                shares.append(counter.still() - before)
    if not shares:
        raise BenchmarkError("The machine is too busy to count: each chunk came before it was waited for.")
    return _lower_quartile(shares)


def _lower_quartile(shares: list[Count]) -> Count:
    python, c = sorted(share.python for share in shares), sorted(share.c for share in shares)
    return Count(python=python[len(shares) // 4], c=c[len(shares) // 4])


def _together(counter: Counter, program: Program, target: Target, seconds: float) -> dict[str, Count]:
    started, before = time.monotonic(), counter.read()
    time.sleep(seconds)
    idle = (counter.read() - before) * (1 / (time.monotonic() - started))
    found = {}
    for kind in ("miss", "hit"):
        act = partial(_many_calls, program, target, kind, seconds)
        found[f"{kind}, {CONNECTIONS} together"] = _each(counter, idle, act)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_Connection(target)) for _ in range(STREAMS)]
        for connection in opened:
            connection.send(streams.body(target))
        _many_chunks(opened, _FLOWING_SECONDS)
        found[f"chunk, {STREAMS} together"] = _each(counter, idle, partial(_many_chunks, opened, seconds))
    return found


def _each(counter: Counter, idle: Count, act: Callable[[], int]) -> Count:
    started, before = time.monotonic(), counter.read()
    number = act()
    return (counter.read() - before - idle * (time.monotonic() - started)) * (1 / number)


def _many_calls(program: Program, target: Target, kind: str, seconds: float) -> int:
    name = f"together {time.time_ns()}"
    made = closed_loop.run(target, connections=CONNECTIONS, seconds=seconds, kind=kind, name=name)
    program.until_quiet()
    return made.requests


def _many_chunks(opened: Sequence["_Connection"], seconds: float) -> int:
    until, came = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        came += sum(connection.chunks() for connection in opened)
    return came


class _Connection:
    """One connection to the gateway; calls on it are made in turn."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def __enter__(self) -> Self:
        self._socket = socket.create_connection(closed_loop.address(self._target), _TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, body: bytes) -> None:
        self._socket.sendall(closed_loop.request(self._target, body))

    def call(self, body: bytes) -> None:
        """Make one call and read its answer. Raises BenchmarkError unless that is a 200."""
        self.send(body)
        whole = _Whole()
        parser = httptools.HttpResponseParser(whole)
        while not whole.complete:
            parser.feed_data(self._read())
        if parser.get_status_code() != 200:
            raise BenchmarkError(f"A counted call was answered with status {parser.get_status_code()}")

    def has_more(self) -> bool:
        """Return whether something has come that was not read."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def chunks(self) -> int:
        """Read what came; return how many chunks that was."""
        return self._read().count(b"data: ")

    def _read(self) -> bytes:
        try:
            data = self._socket.recv(1 << 16)
        except TimeoutError as error:
            raise BenchmarkError(f"{self._target.url} sent nothing for {_TIMEOUT:g} s") from error
        if not data:
            raise BenchmarkError(f"{self._target.url} closed the connection of a counted call")
        return data


class _Whole:
    """Whether the answer is there."""

    complete = False

    def on_message_complete(self) -> None:
        self.complete = True
