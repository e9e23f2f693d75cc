"""This checkout against another one, in turns on the same core: what a change costs a call that asks the upstream.

`python -m benchmarks.paired --before FOLDER [--rounds 5] [--seconds 3] [--connections 1 8 64]`

FOLDER is a checkout with an environment in `.venv`, for example `git worktree add ../before COMMIT`. Each round runs
one after the other; the ratios are those of a round's two halves, and the median of them is told. The CPU a call takes
is steadier than the rate where other work runs on the machine, and the best half of each side is the one it disturbed
least.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import redis

from benchmarks import contestants, gateway, load, processes
from benchmarks.contestants import FOLDER, MODEL, WARM
from benchmarks.load import Target
from benchmarks.processes import MEASURED_CORE, OTHER_CORE, BenchmarkError, Program
from tidegate.storage import embedded


class Half(msgspec.Struct, frozen=True, kw_only=True):
    """One half of a round."""

    rate: float
    """Answers a second."""
    cpu: float
    """Microseconds of the gateway's process for each."""
    redis: float
    """Microseconds of Redis's process for each."""


class Side:
    """A checkout's gateway that runs, on stores of its own."""

    def __init__(self, program: Program, target: Target, redis_url: str) -> None:
        self._program = program
        self._target = target
        self._redis = redis.Redis.from_url(redis_url)

    def run(self, *, connections: int, seconds: int, name: str) -> Half:
        """Call for so long. Raises BenchmarkError."""
        before, stored = self._program.cpu_seconds(), self._redis_seconds()
        found = load.run(self._target, connections=connections, seconds=seconds, kind="miss", name=name)
        cpu, storing = self._program.cpu_seconds() - before, self._redis_seconds() - stored
        return Half(rate=found.rate, cpu=cpu / found.requests * 1e6, redis=storing / found.requests * 1e6)

    def _redis_seconds(self) -> float:
        told = self._redis.info("cpu")
        return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


def main() -> int:
    """Run in turns and tell."""
    options = _options()
    try:
        load.require_wrk()
        processes.stay_on(OTHER_CORE)
        with contextlib.ExitStack() as stack:
            stack.enter_context(contestants.upstream(options.port))
            before = stack.enter_context(_side("before", options.before, options.port, 1))
            after = stack.enter_context(_side("after", Path.cwd(), options.port, 2))
            _warm(before, after)
            for connections in options.connections:
                _tell(connections, _rounds(before, after, connections, options))
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="length of each half")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--port", type=int, default=4560, help="the first of three ports (default 4560)")
    return parser.parse_args()


@contextlib.contextmanager
def _side(name: str, folder: Path, port: int, number: int) -> Iterator[Side]:
    python = str(folder / ".venv" / "bin" / "python")
    with embedded.running(FOLDER / f"paired-{name}") as stores:
        env = gateway.environment(f"http://127.0.0.1:{port}/v1", stores)
        _tidegate(python, ["migrate"], env)
        made = _tidegate(python, ["keys", "create", "--project", "bench", "--name", "bench", "--json"], env)
        target = Target(url=f"http://127.0.0.1:{port + number}/v1/chat/completions", key=json.loads(made)["key"],
                        model=MODEL)  # fmt: skip
        command = [python, "-P", "-m", "tidegate", "serve", "--port", str(port + number)]
        with processes.running(name, command, core=MEASURED_CORE, folder=FOLDER, env=env) as program:
            processes.until_first_answer(program, target.url, WARM, target.key)
            yield Side(program, target, stores.redis_url)


def _tidegate(python: str, arguments: list[str], env: dict[str, str]) -> str:
    # -P: the folder this runs in holds another tidegate
    command = [python, "-P", "-m", "tidegate", *arguments]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _warm(*sides: Side) -> None:
    for number, side in enumerate(sides):
        side.run(connections=8, seconds=2, name=f"warm {number} {os.getpid()}")


def _rounds(before: Side, after: Side, connections: int, options: argparse.Namespace) -> list[tuple[Half, Half]]:
    rounds = []
    for number in range(options.rounds):
        name = f"{connections} {number} {os.getpid()}"
        halves = {}
        for side in (before, after) if number % 2 == 0 else (after, before):
            halves[side] = side.run(connections=connections, seconds=options.seconds, name=name)
        rounds.append((halves[before], halves[after]))
    return rounds


def _tell(connections: int, rounds: list[tuple[Half, Half]]) -> None:
    print(f"{connections} connections, {len(rounds)} rounds: medians of before, of after, of the ratios; best halves")
    for what, unit in (("rate", "answers/s"), ("cpu", "µs of the gateway's CPU"), ("redis", "µs of Redis's CPU")):
        pairs = [(getattr(one, what), getattr(other, what)) for one, other in rounds]
        ratios = sorted(other / one for one, other in pairs)
        before, after = (statistics.median(each) for each in zip(*pairs, strict=True))
        spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        best = [(max if what == "rate" else min)(each) for each in zip(*pairs, strict=True)]
        told = f"{best[0]:,.1f} and {best[1]:,.1f}, {best[1] / best[0]:.2f} x"
        middle = statistics.median(ratios)
        print(f"  {unit:<24} {before:8,.1f} {after:8,.1f}   {middle:.2f} x {spread}; {told}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
