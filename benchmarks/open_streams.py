"""Thousands of open streams in one process: memory of each, heartbeats, and hang-ups.

`python -m benchmarks.open_streams [--streams 9000] [--levels 5]`. The upstream writes a chunk every 20 s, so that a
stream mostly waits. At each level the gateway's memory is read, and each stream must get a heartbeat or a chunk in
time. At the end a third of the callers hang up, and as many streams of the upstream must end. Exits 1 when a
bound is passed.

The gateway has two sockets for each stream: with 20,000 open files (`ulimit -n`), 9,000 streams are all that it holds.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

import aiohttp
import msgspec
import uvloop

from benchmarks import contestants, processes, streams
from benchmarks.closed_loop import address, request
from benchmarks.contestants import Ports
from benchmarks.peers.peer import Running
from benchmarks.processes import BenchmarkError
from benchmarks.target import Target
from tidegate.storage import embedded
from tidegate.wire import sse

MAX_BYTES_EACH = 30_000
MAX_RESIDENT_BYTES = 370_000_000
CHUNK_SECONDS, PING_SECONDS = 20.0, 10.0
PATIENCE_SECONDS = 1.5 * PING_SECONDS
"""In which each stream must show that it lives."""
OTHER_FILES = 1_000
"""Files and sockets that a gateway has open besides its streams', at most."""
_AT_ONCE = 100
_MOST_OPENING_SECONDS = 120.0
_MOST_CLOSING_SECONDS = 60.0
_LOOK_SECONDS = 0.2
_ADDRESSES = 8
_SETTINGS = {
    "TIDEGATE_UPSTREAM__MAX_CONNECTIONS": "20000",
    "TIDEGATE_SERVER__PING_SECONDS": f"{PING_SECONDS:g}",
}


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway held with so many streams open, and how many of them showed no sign of life in time."""

    streams: int
    resident_bytes: int
    silent: int


class OpenStream(asyncio.Protocol):
    """One caller: it counts the chunks and heartbeats that it gets."""

    def __init__(self, sent: bytes) -> None:
        """`sent` is its request."""
        self._sent = sent
        self.flows = asyncio.get_running_loop().create_future()
        self.beats = 0
        self.heard = 0.0
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        """Note that the stream lives."""
        self.heard = time.monotonic()
        self.beats += data.count(sse.PING)
        if self.flows.done():
            return
        if b" 200 " not in data[:15]:
            self.flows.set_exception(BenchmarkError(f"A stream was refused: {data[:300]!r}"))
        else:
            self.flows.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        """Note that it is over."""
        self.is_lost = True
        if not self.flows.done():
            self.flows.set_exception(BenchmarkError("The gateway closed a stream before its first byte"))


class Crowd:
    """All callers."""

    def __init__(self, target: Target) -> None:
        """Nobody calls yet."""
        self._target = target
        self.callers: list[OpenStream] = []

    async def grow(self, count: int) -> None:
        """Open streams until `count` are open. Raises BenchmarkError when one is refused."""
        while (missing := count - len(self.callers)) > 0:
            await asyncio.gather(*(self._open(len(self.callers) + number) for number in range(min(missing, _AT_ONCE))))

    async def _open(self, number: int) -> None:
        body = request(self._target, streams.body(self._target))
        here = (f"127.0.0.{2 + number % _ADDRESSES}", 0)
        loop = asyncio.get_running_loop()
        _, caller = await loop.create_connection(partial(OpenStream, body), *address(self._target), local_addr=here)
        self.callers.append(caller)
        async with asyncio.timeout(_MOST_OPENING_SECONDS):
            await caller.flows

    async def silent(self) -> int:
        """Return how many have shown no sign of life for PATIENCE_SECONDS from now on, or are over."""
        began = time.monotonic()
        await asyncio.sleep(PATIENCE_SECONDS)
        return sum(caller.heard < began or caller.is_lost for caller in self.callers)

    def leave(self, count: int) -> None:
        """Let `count` callers hang up without a word."""
        for caller in self.callers[:count]:
            caller.transport.abort()
        del self.callers[:count]


def main() -> int:
    """Run it and tell; 1 where a bound was passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=9000, help="open at the end (default 9000)")
    parser.add_argument("--first", type=int, default=1000, help="open at the first level (default 1000)")
    parser.add_argument("--levels", type=int, default=5, help="at which the memory is read (default 5)")
    processes.add_deadline(parser, 900)
    parser.add_argument("--port", type=int, default=4580, help="the first of three ports (default 4580)")
    options = parser.parse_args()
    try:
        _raise_limit(options.streams)
        with processes.ending_within(options.deadline):
            return _run(options)
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _raise_limit(count: int) -> None:
    """Let this process, and those that it starts, open as many files as the machine allows. Raises BenchmarkError."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(f"This machine allows {most:,} open files: about {(most - OTHER_FILES) // 2:,} streams in a gateway.")
    if 2 * count + OTHER_FILES > most:
        raise BenchmarkError(f"{count:,} streams need {2 * count + OTHER_FILES:,} open files. None was opened.")


def _run(options: argparse.Namespace) -> int:
    ports = Ports.above(options.port)
    pace = ["--chunks-per-second", str(1 / CHUNK_SECONDS), "--chunks", "1000"]
    with (
        tempfile.TemporaryDirectory(prefix="tidegate-streams-") as folder,
        contestants.upstream(ports.upstream, *pace),
        embedded.running(Path(folder)) as stores,
        contestants.tidegate(ports, stores, settings=_SETTINGS) as running,
    ):
        return uvloop.run(_open(options, running, f"http://127.0.0.1:{ports.upstream}/v1/streams"))


async def _open(options: argparse.Namespace, running: Running, upstream: str) -> int:
    crowd = Crowd(running.target)
    step = (options.streams - options.first) / max(1, options.levels - 1)
    levels = []
    for number in range(options.levels):
        count = round(options.first + number * step)
        await crowd.grow(count)
        silent = await crowd.silent()
        levels.append(Level(streams=count, resident_bytes=running.program.resident_bytes(), silent=silent))
        print(
            f"{count:,} streams: {levels[-1].resident_bytes / 1e6:.1f} MB, {silent} without a sign of life", flush=True
        )
    beats = sum(caller.beats for caller in crowd.callers)
    print(f"{beats:,} heartbeats arrived; {_bytes_each(levels):,.0f} bytes a stream from the first level to the last")
    leaving = options.streams // 3
    left_open = await _hang_up(crowd, leaving, upstream)
    print(f"{leaving:,} callers hung up: {left_open} of their upstream calls went on after {_MOST_CLOSING_SECONDS:g} s")
    wrong = complaints(levels, beats, left_open)
    print("\n".join(wrong) or "all bounds kept")
    return int(bool(wrong))


async def _hang_up(crowd: Crowd, count: int, upstream: str) -> int:
    """Return how many upstream calls of callers that left have not ended in time."""
    crowd.leave(count)
    until = time.monotonic() + _MOST_CLOSING_SECONDS
    async with aiohttp.ClientSession() as http:
        while True:
            async with http.get(upstream) as answer:
                left_open = int((await answer.json())["open"]) - len(crowd.callers)
            if left_open <= 0 or time.monotonic() > until:
                return max(0, left_open)
            await asyncio.sleep(_LOOK_SECONDS)


def _bytes_each(levels: Sequence[Level]) -> float:
    first, last = levels[0], levels[-1]
    return (last.resident_bytes - first.resident_bytes) / max(1, last.streams - first.streams)


def complaints(levels: Sequence[Level], beats: int, left_open: int) -> list[str]:
    """Return which bounds were passed."""
    wrong = []
    if (each := _bytes_each(levels)) > MAX_BYTES_EACH:
        wrong.append(f"a stream takes {each:,.0f} bytes, at most {MAX_BYTES_EACH:,} are allowed")
    if (resident := levels[-1].resident_bytes) > MAX_RESIDENT_BYTES:
        wrong.append(f"the gateway takes {resident / 1e6:.0f} MB, at most {MAX_RESIDENT_BYTES / 1e6:.0f} are allowed")
    if silent := sum(level.silent for level in levels):
        wrong.append(f"{silent} streams gave no sign of life within {PATIENCE_SECONDS:g} s")
    if not beats:
        wrong.append("no heartbeat arrived")
    if left_open:
        wrong.append(f"{left_open} upstream calls went on after their callers had left")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
