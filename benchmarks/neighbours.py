"""Two projects share a gateway and an upstream of 200 ms; one of them is hostile, and the other one is measured.

`python -m benchmarks.neighbours [--seconds 60] [--only WAY]`; the ways are those of `benchmarks/hostile.py`. First the
capacity is measured. Then the quiet project makes a quarter of it in calls a second, alone and beside the hostile one,
which makes another quarter where its harm lies in the number of calls. Exits 1 where a call of the quiet project
failed, or where the gateway added 20 ms more at p95 than alone. What it adds is the difference to calls that are made
straight at the upstream in the same seconds: the upstream and the callers get slower beside hostile calls, too.
"""

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import msgspec
import uvloop

from benchmarks import closed_loop, gateway, processes
from benchmarks.callers import Callers
from benchmarks.contestants import FOLDER, MODEL, WARM
from benchmarks.hostile import WAYS
from benchmarks.processes import MEASURED_CORE, OTHER_CORE, BenchmarkError, Program
from benchmarks.steady import Call, steady_calls
from benchmarks.target import Target
from tidegate.storage import embedded

UPSTREAM_SECONDS = 0.2
MOST_ADDED = 0.020
"""Seconds by which p95 may grow."""
CONNECTIONS = 200
"""Calls at once while the capacity is measured."""
STRAIGHT_SHARE = 0.2
"""Calls straight at the upstream, for each call by way of the gateway."""
ALONE_SHARE = 0.25
"""The quiet project calls alone for this share of the time, before each way."""
LEAST_SECONDS = 3.0
START_SECONDS = 200.0
"""The most that a start or an end takes, on a busy machine."""
SETTINGS = {"TIDEGATE_UPSTREAM__FORWARD_HEADERS": '["openai-*", "x-simulate-*"]'}
GENEROUS = ("--rpm", "1000000", "--tpm", "1000000000", "--budget-day", "1000000")
"""Limits that are never reached: their scripts run."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """A running gateway and its upstream, with the keys of both projects."""

    upstream: str
    root: str
    quiet: str
    hostile: str
    program: Program

    @property
    def target(self) -> Target:
        """What the quiet project calls."""
        return Target(url=f"{self.root}/v1/chat/completions", key=self.quiet, model=MODEL)


class Phase(msgspec.Struct, frozen=True):
    """Calls of the quiet project by way of the gateway, and some straight at the upstream in the same seconds."""

    calls: list[Call]
    straight: list[Call]

    def added(self, figure: Callable[[list[Call]], float]) -> float:
        """Return the seconds that the gateway added."""
        return figure(self.calls) - figure(self.straight)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What the quiet project noticed of one way."""

    way: str
    alone: "Phase"
    beside: "Phase"
    met: str
    """What the hostile calls met."""
    resident_bytes: int
    busy: float
    """The share of the time beside the hostile project in which the gateway computed."""

    @property
    def calls(self) -> list[Call]:
        """All calls of the quiet project; those alone show what an earlier way left behind."""
        return [*self.alone.calls, *self.beside.calls]

    @property
    def errors(self) -> int:
        """The number of calls that were not answered whole."""
        return sum(not call.is_good for call in self.calls)

    @property
    def growth(self) -> float:
        """Seconds that the gateway added at p95 beside the hostile project, more than alone."""
        return self.beside.added(p95) - self.alone.added(p95)


def main() -> int:
    """Measure the capacity, then each way; print all, and judge."""
    options = _options()
    processes.stay_on(OTHER_CORE)
    try:
        with processes.ending_within(options.deadline or _needed(options)), running(options.port) as setup:
            rate = capacity(setup, options.seconds) / 4
            rows = [measured(setup, way, rate, options.seconds) for way in options.only]
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return int(any(row.errors or row.growth > MOST_ADDED for row in rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="for each way (default 60)")
    parser.add_argument("--only", choices=list(WAYS), nargs="+", default=list(WAYS), help="these ways, in this order")
    processes.add_deadline(parser)
    parser.add_argument("--port", type=int, default=4740, help="the first of two ports (default 4740)")
    return parser.parse_args()


def _needed(options: argparse.Namespace) -> float:
    return START_SECONDS + len(options.only) * (3 * float(options.seconds) + START_SECONDS)


@contextlib.contextmanager
def running(port: int) -> Iterator[Setup]:
    """Start the stores, the upstream and the gateway, and make the keys."""
    upstream, root = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
    with tempfile.TemporaryDirectory(prefix="tidegate-neighbours-") as folder, contextlib.ExitStack() as stack:
        stores = stack.enter_context(embedded.running(Path(folder)))
        simulate = gateway.command("simulate", "--port", str(port), "--latency", str(UPSTREAM_SECONDS))
        _start(stack, "neighbours-upstream", simulate, OTHER_CORE, {}, f"{upstream}/v1/models")
        env = gateway.environment(f"{upstream}/v1", stores) | SETTINGS
        env["TIDEGATE_METERING__SPOOL_DIR"] = str(Path(folder) / "spool")
        gateway.run(["migrate"], env)
        quiet, hostile = _key("quiet", env), _key("hostile", env)
        serve = gateway.command("serve", "--port", str(port + 1))
        program = _start(stack, "neighbours", serve, MEASURED_CORE, env, f"{root}/readyz")
        yield Setup(upstream=upstream, root=root, quiet=quiet, hostile=hostile, program=program)


def _start(  # what to start, where, and how to see that it runs
    stack: contextlib.ExitStack, name: str, command: list[str], core: int, env: dict[str, str], url: str
) -> Program:
    program = stack.enter_context(processes.running(name, command, core=core, folder=FOLDER, env=env))
    processes.until_up(program, url)
    return program


def _key(project: str, env: dict[str, str]) -> str:
    made = gateway.run(["keys", "create", "--project", project, "--name", project, "--json", *GENEROUS], env)
    return str(msgspec.json.decode(made)["key"])


def capacity(setup: Setup, seconds: float) -> float:
    """Return the answers a second, with as many calls at once as there are connections."""
    processes.until_first_answer(setup.program, setup.target.url, WARM, setup.quiet)
    took = min(10.0, max(LEAST_SECONDS, seconds))
    for name in ("warm", "capacity"):  # the lane grows while it is warmed
        own = f"{name} {time.time_ns()}"
        calls = closed_loop.run(setup.target, connections=CONNECTIONS, seconds=took, kind="miss", name=own)
    print(f"capacity: {calls.rate:.0f} calls/s; each project makes {calls.rate / 4:.0f} calls/s\n")
    figures = ("ms added, median", "at p95", "at p95 alone", "upstream's p95", "CPU", "MB")
    print(f"| way | calls | errors | {' | '.join(figures)} | hostile calls met |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|", flush=True)
    return calls.rate


def measured(setup: Setup, way: str, rate: float, seconds: float) -> Row:
    """Measure one way, and print its row."""
    row = uvloop.run(_measured(setup, way, rate, seconds))
    failed = Counter(_failure(call) for call in row.calls if not call.is_good)
    worse = f" ({', '.join(f'{count} x {what}' for what, count in failed.most_common(3))})" if failed else ""
    figures = (row.beside.added(median), row.beside.added(p95), row.alone.added(p95), p95(row.beside.straight))
    told = " | ".join(f"{1000 * figure:.1f}" for figure in figures)
    size = f"{row.resident_bytes / 1e6:.0f}"
    print(
        f"| {way} | {len(row.calls)} | {row.errors}{worse} | {told} | {row.busy:.0%} | {size} | {row.met} |", flush=True
    )
    return row


async def _measured(setup: Setup, way: str, rate: float, seconds: float) -> Row:
    numbers = itertools.count(time.time_ns())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        callers = Callers(session, setup.target.url, setup.quiet)
        straight = Callers(session, f"{setup.upstream}/v1/chat/completions", "sk-any")

        async def phase(for_seconds: float) -> Phase:
            both = (callers, rate), (straight, STRAIGHT_SHARE * rate)
            made = await asyncio.gather(*(steady_calls(who, numbers, often, for_seconds) for who, often in both))
            return Phase(*made)

        await phase(1.0)  # the connections are opened
        alone = await phase(max(LEAST_SECONDS, ALONE_SHARE * seconds))
        hostile = await asyncio.create_subprocess_exec(
            *("nice", "-n", "10", *processes.on(OTHER_CORE), sys.executable, "-m", "benchmarks.hostile"),
            *("--way", way, "--root", setup.root, "--key", setup.hostile),
            *("--rate", f"{rate:.1f}", "--seconds", f"{seconds:g}"),
            stdout=asyncio.subprocess.PIPE,
        )
        began, computed = time.monotonic(), setup.program.cpu_seconds()
        beside = await phase(seconds)
        busy = (setup.program.cpu_seconds() - computed) / (time.monotonic() - began)
        resident = setup.program.resident_bytes()
        met, _ = await hostile.communicate()
    told = met.decode().strip()
    return Row(way=way, alone=alone, beside=beside, met=told, resident_bytes=resident, busy=busy)


def _failure(call: Call) -> str:
    if call.answer is None:
        return "no answer"
    return call.answer.error or f"{call.answer.status}, incomplete"


def p95(calls: list[Call]) -> float:
    """Return the seconds within which 95 of 100 calls ended."""
    return sorted(call.seconds for call in calls)[int(0.95 * (len(calls) - 1))]


def median(calls: list[Call]) -> float:
    """Return the median of the calls' seconds."""
    return statistics.median(call.seconds for call in calls)


if __name__ == "__main__":
    sys.exit(main())
