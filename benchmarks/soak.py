"""100,000 mixed calls: memory stays, and nothing is left open.

`python -m benchmarks.soak [--calls 100000]`; exits 1 when a limit is passed.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import sys
from collections import Counter
from collections.abc import Iterator

import aiohttp
import msgspec
import uvloop

from benchmarks import contestants, gateway, processes
from benchmarks.callers import Answer, Callers
from benchmarks.contestants import FOLDER, Ports, Running
from benchmarks.processes import Program
from tidegate.storage import embedded

CALLERS = 32
REPEATED_QUESTIONS = 50
WARM_UP = 10_000
MOST_GROWTH_BYTES = 10_000_000
QUIET_SECONDS = 130.0
"""Twice as long as pooled connections are kept: the pool looks for old ones that seldom."""
FAULTS = ("rate_limited", "server_error", "overloaded", "invalid_key", "html_from_proxy", "connection", "truncated")
SETTINGS = {"TIDEGATE_UPSTREAM__FORWARD_HEADERS": '["x-simulate-*"]'}
"""So that single calls can ask the simulator for a fault, or for slowness."""
KINDS = {"hit": 40, "miss": 30, "stream": 15, "fail": 5, "hang up": 10}
"""How often each kind of call is made, in percent."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway's process holds at one moment."""

    resident_bytes: int
    files: int
    connections: int
    threads: int

    @classmethod
    def of(cls, program: Program) -> "Reading":
        """Read it from the system."""
        tree = program.tree()
        return cls(
            resident_bytes=program.resident_bytes(),
            files=sum(process.num_fds() for process in tree),
            connections=sum(
                connection.status == "ESTABLISHED" for process in tree for connection in process.net_connections("tcp")
            ),
            threads=sum(process.num_threads() for process in tree),
        )

    def __str__(self) -> str:
        size = f"{self.resident_bytes / 1e6:.1f} MB"
        return f"{size}, {self.files} files, {self.connections} TCP connections, {self.threads} threads"


class Soak:
    """One run: the calls, and what became of them."""

    def __init__(self, running: Running, calls: int) -> None:
        """`calls` is the total."""
        self._running = running
        self._calls = calls
        self._numbers = iter(range(calls))
        self._dice = random.Random(1)
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> tuple[Reading, Reading]:
        """Make all calls; the readings after the warm-up and, when it is quiet again, at the end."""
        connector = aiohttp.TCPConnector(limit=CALLERS)
        async with aiohttp.ClientSession(connector=connector) as session:
            callers = Callers(session, self._running.target.url, self._running.target.key)
            await self._make(callers, WARM_UP)
            warm = Reading.of(self._running.program)
            print(f"after {WARM_UP:,} calls: {warm}", flush=True)
            await self._make(callers, self._calls - WARM_UP)
        return warm, await self._quiet()

    async def _make(self, callers: Callers, count: int) -> None:
        numbers = itertools.islice(self._numbers, count)
        await asyncio.gather(*(self._work(callers, numbers) for _ in range(CALLERS)))

    async def _work(self, callers: Callers, numbers: Iterator[int]) -> None:
        for number in numbers:
            kind = self._dice.choices(list(KINDS), list(KINDS.values()))[0]
            try:
                answer = await self._call(callers, kind, number)
            except (aiohttp.ClientError, TimeoutError) as error:
                self.outcomes[f"{kind}: {type(error).__name__}"] += 1
            else:
                self.outcomes[f"{kind}: {answer.status}"] += 1

    async def _call(self, callers: Callers, kind: str, number: int) -> Answer:
        match kind:
            case "hit":
                return await callers.whole(f"repeated {number % REPEATED_QUESTIONS}")
            case "miss":
                return await callers.whole(f"unique {number}")
            case "stream":
                return await callers.stream(f"streamed {number}")
            case "fail":
                return await callers.fail(f"failing {number}", FAULTS[number % len(FAULTS)])
            case _:
                return await callers.hang_up(f"left {number}")

    async def _quiet(self) -> Reading:
        deadline = asyncio.get_running_loop().time() + QUIET_SECONDS
        while True:
            reading = Reading.of(self._running.program)
            if not reading.connections or asyncio.get_running_loop().time() > deadline:
                return reading
            await asyncio.sleep(1)


def main() -> int:
    """Run it and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    processes.add_deadline(parser, 7200)
    parser.add_argument("--port", type=int, default=4570, help="the first of five ports (default 4570)")
    options = parser.parse_args()
    try:
        with processes.ending_within(options.deadline):
            return _soak(Ports.above(options.port), max(options.calls, 2 * WARM_UP))
    except (processes.BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _soak(ports: Ports, calls: int) -> int:
    simulate = gateway.command("simulate", "--port", str(ports.upstream))
    with contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.running(FOLDER / "stores"))
        stack.enter_context(processes.running("simulator", simulate, core=processes.OTHER_CORE, folder=FOLDER))
        running = stack.enter_context(contestants.tidegate(ports, stores, settings=SETTINGS))
        soak = Soak(running, calls)
        warm, end = uvloop.run(soak.run())
        code = running.program.stop()
    print(f"at the end: {end}")
    for outcome, count in sorted(soak.outcomes.items()):
        print(f"  {outcome}: {count:,}")
    complaints = [*_complaints(warm, end, code), *_surprises(soak.outcomes)]
    print("\n".join(complaints) or f"{calls:,} calls, RSS grew by {_growth(warm, end) / 1e6:.1f} MB, nothing left over")
    return 1 if complaints else 0


def _growth(warm: Reading, end: Reading) -> int:
    return end.resident_bytes - warm.resident_bytes


def _complaints(warm: Reading, end: Reading, code: int) -> Iterator[str]:
    if _growth(warm, end) > MOST_GROWTH_BYTES:
        yield f"RSS grew by {_growth(warm, end) / 1e6:.1f} MB"
    if end.connections:
        yield f"{end.connections} TCP connections are still open"
    if end.files > warm.files:
        yield f"{end.files - warm.files} files more are open than under load"
    if code:
        yield f"the gateway ended with {code}"


def _surprises(outcomes: Counter[str]) -> Iterator[str]:
    for outcome in outcomes:
        kind, _, ending = outcome.partition(": ")
        expected = not ending.startswith("2") if kind == "fail" else ending == "200"
        if not expected:
            yield f"unexpected: {outcome}"


if __name__ == "__main__":
    sys.exit(main())
