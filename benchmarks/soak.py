"""100,000 mixed calls: memory stays, and nothing is left open.

`python -m benchmarks.soak [--calls 100000]`; exits 1 when a limit is passed.

A million calls can go in pieces, through one gateway that is kept between them: `--hold 7200 &` starts it and ends it
after so many seconds, and each `--piece 100000` makes so many calls, compared with the reading after the first 10,000.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator

import aiohttp
import msgspec
import uvloop

from benchmarks import contestants, gateway, processes
from benchmarks.callers import Answer, Callers
from benchmarks.contestants import FOLDER, Ports
from benchmarks.peers.peer import Running
from benchmarks.target import Target
from tidegate.storage import embedded

CALLERS = 32
REPEATED_QUESTIONS = 50
WARM_UP = 10_000
MOST_GROWTH_BYTES = 10_000_000
QUIET_SECONDS = 130.0
"""Twice as long as pooled connections are kept: the pool looks for old ones that seldom."""
FAULTS = ("rate_limited", "server_error", "overloaded", "html_from_proxy", "connection", "truncated")
"""Not those of the account: the gateway would stop asking with its only credential."""
SETTINGS = {
    "TIDEGATE_UPSTREAM__FORWARD_HEADERS": '["x-simulate-*"]',
    "TIDEGATE_BREAKER__FAILURE_THRESHOLD": "1000000",
    "TIDEGATE_BREAKER__MIN_CALLS": "1000000",
}
"""Single calls can ask the simulator for a fault, or for slowness, and do not close the target for the others."""
STATE = FOLDER / "soak.json"
"""Tells pieces of the gateway that is kept."""
KINDS = {"hit": 40, "miss": 30, "stream": 15, "fail": 5, "hang up": 10}
"""How often each kind of call is made, in percent."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the gateway's process holds at one moment."""

    resident_bytes: int
    files: int
    connections: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Reading":
        """Read it from the system; children count."""
        tree = processes.tree_of(pid)
        return cls(
            resident_bytes=sum(process.memory_info().rss for process in tree),
            files=sum(process.num_fds() for process in tree),
            connections=sum(
                connection.status == "ESTABLISHED" for process in tree for connection in process.net_connections("tcp")
            ),
            threads=sum(process.num_threads() for process in tree),
        )

    def __str__(self) -> str:
        size = f"{self.resident_bytes / 1e6:.1f} MB"
        return f"{size}, {self.files} files, {self.connections} TCP connections, {self.threads} threads"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that runs: who it is, and the calls that it has answered."""

    pid: int
    target: Target
    calls: int = 0
    warm: Reading | None = None
    """After its first WARM_UP calls."""


class Soak:
    """Calls on one gateway, and what became of them."""

    def __init__(self, held: Held, calls: int) -> None:
        """`calls` are made now; the numbers of earlier ones are not used again."""
        self._held = held
        self.made = calls
        self._numbers = iter(range(held.calls, held.calls + calls))
        self._dice = random.Random(1 + held.calls)
        self.outcomes: Counter[str] = Counter()

    async def run(self) -> tuple[Reading, Reading]:
        """Make all calls; the readings after the warm-up and, when it is quiet again, at the end."""
        connector = aiohttp.TCPConnector(limit=CALLERS)
        async with aiohttp.ClientSession(connector=connector) as session:
            callers = Callers(session, self._held.target.url, self._held.target.key)
            warm, left = self._held.warm, self.made
            if warm is None:
                await self._make(callers, WARM_UP)
                warm, left = Reading.of(self._held.pid), left - WARM_UP
                print(f"after {WARM_UP:,} calls: {warm}", flush=True)
            await self._make(callers, left)
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
                self.outcomes[f"{kind}: {answer.status} {answer.error}".rstrip()] += 1

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
            reading = Reading.of(self._held.pid)
            if not reading.connections or asyncio.get_running_loop().time() > deadline:
                return reading
            await asyncio.sleep(1)


def main() -> int:
    """Run it and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--hold", type=float, metavar="SECONDS", help="keep a gateway for pieces, and make no call")
    parser.add_argument("--piece", type=int, metavar="CALLS", help="make so many calls on the gateway that is kept")
    processes.add_deadline(parser, 7200)
    parser.add_argument("--port", type=int, default=4570, help="the first of five ports (default 4570)")
    options = parser.parse_args()
    try:
        with processes.ending_within(options.deadline):
            if options.piece is not None:
                return make_piece(options.piece)
            with _gateway(Ports.above(options.port)) as running:
                return _whole(running, options.calls) if options.hold is None else _hold(running, options.hold)
    except (processes.BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


@contextlib.contextmanager
def _gateway(ports: Ports) -> Iterator[Running]:
    simulate = gateway.command("simulate", "--port", str(ports.upstream))
    with (
        embedded.running(FOLDER / "stores") as stores,
        processes.running("simulator", simulate, core=processes.OTHER_CORE, folder=FOLDER),
        contestants.tidegate(ports, stores, settings=SETTINGS) as running,
    ):
        yield running


def _whole(running: Running, calls: int) -> int:
    held = Held(pid=running.program.process.pid, target=running.target)
    soak = Soak(held, max(calls, 2 * WARM_UP))
    warm, end = uvloop.run(soak.run())
    return _tell(soak, calls, warm, end, running.program.stop())


def _hold(running: Running, seconds: float) -> int:
    held = Held(pid=running.program.process.pid, target=running.target)
    write_state(held)
    print(f"The gateway is kept for {seconds:g} s. Make calls with --piece.", flush=True)
    try:
        time.sleep(seconds)
    finally:
        STATE.unlink(missing_ok=True)
    return running.program.stop()


def write_state(held: Held) -> None:
    """Tell the next piece of the gateway that is kept."""
    STATE.write_bytes(msgspec.json.encode(held))


def read_state() -> Held:
    """Return the gateway that is kept. Raises BenchmarkError where there is none."""
    if not STATE.exists():
        raise processes.BenchmarkError("No gateway is kept, so no call was made. Start one with --hold first.")
    return msgspec.json.decode(STATE.read_bytes(), type=Held)


def make_piece(calls: int) -> int:
    """Make one piece of the calls. Raises BenchmarkError where no gateway is kept."""
    held = read_state()
    soak = Soak(held, max(calls, 2 * WARM_UP if held.warm is None else 1))
    warm, end = uvloop.run(soak.run())
    total = held.calls + soak.made
    write_state(msgspec.structs.replace(held, calls=total, warm=warm))
    return _tell(soak, total, warm, end, 0)


def _tell(soak: Soak, calls: int, warm: Reading, end: Reading, code: int) -> int:
    """Print what was found; `code` is the gateway's exit code."""
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
