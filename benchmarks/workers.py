"""Two workers beside one, on the same core: what more processes add to the CPU of a call.

`python -m benchmarks.workers [--rounds 5] [--seconds 2]`. Both gateways run at once, on stores of their own, and take
turns. Each round has a third turn, of the gateway with one worker once more: the null. Both run on one core, so the
rates say nothing of two. Exits 1 where a call with two workers takes more than 1.1 of the CPU that it takes with one.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from benchmarks import contestants, null_range, processes, turns
from benchmarks.contestants import Ports
from benchmarks.cores import Cores
from benchmarks.null_range import Round
from benchmarks.processes import BenchmarkError
from benchmarks.turns import Case, Contestant
from tidegate.storage import embedded

MAX_RATIO = 1.1
NAMES = ("old", "again", "new")
"""One worker, the same gateway once more, and two workers."""


def main() -> int:
    """Run in turns and tell; 1 where two workers cost too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each turn (default 2)")
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 64])
    processes.add_deadline(parser, 900)
    parser.add_argument("--port", type=int, default=4610, help="the first of five ports (default 4610)")
    options = parser.parse_args()
    try:
        with processes.ending_within(options.deadline), _gateways(options.port) as gateways:
            return _compare(gateways, options)
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


@contextlib.contextmanager
def _gateways(port: int) -> Iterator[dict[str, Contestant]]:
    cores = Cores.here()
    print(cores.described(), flush=True)
    processes.stay_on(cores.load)
    ports = Ports.above(port)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contestants.upstream(ports.upstream, core=cores.upstream))
        found = {}
        for workers in (1, 2):
            stores = stack.enter_context(
                embedded.running(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-workers-"))))
            )
            own = msgspec.structs.replace(ports, gateway=ports.gateway + 2 * (workers - 1))
            settings = {"TIDEGATE_SERVER__WORKERS": str(workers)}
            running = stack.enter_context(contestants.tidegate(own, stores, settings=settings, core=cores.gateway))
            found[workers] = Contestant(name=f"{workers} workers", running=running, kinds=["miss", "hit"], streams=0)
            turns.warm(found[workers])
        yield {"old": found[1], "again": found[1], "new": found[2]}


def _compare(gateways: Mapping[str, Contestant], options: argparse.Namespace) -> int:
    figures: dict[str, Sequence[Round]] = {}
    for case in [Case(kind, count) for kind in ("miss", "hit") for count in options.connections]:
        figures[case.described] = [_round(gateways, case, options.seconds, number) for number in range(options.rounds)]
    print('"old" has one worker, "new" has two.\n')
    print(null_range.table("Gateway CPU, µs each", figures, best="least"))
    ratio = statistics.median(null_range.judge(rounds).ratio for rounds in figures.values())
    print(f"\nA call with two workers takes {ratio:.2f} of the CPU that it takes with one (at most {MAX_RATIO:g}).")
    return int(ratio > MAX_RATIO)


def _round(gateways: Mapping[str, Contestant], case: Case, seconds: float, number: int) -> Round:
    first = number % len(NAMES)
    order = NAMES[first:] + NAMES[:first]
    return {name: turns.turn(gateways[name], case, seconds, f"{name} {number}").microseconds for name in order}


if __name__ == "__main__":
    sys.exit(main())
