"""This checkout against another one, in turns on the same core: what a change costs a miss, a hit and a chunk.

`python -m benchmarks.paired --old FOLDER [--rounds 5] [--seconds 3] [--connections 1 8 64] [--streams 200]`

FOLDER is a checkout, for example `git worktree add ../old COMMIT`. It runs with the interpreter in its `.venv`, or
with this one where it has none. Three gateways take turns: the old commit, the old commit again, and the new one. How
far the two old ones differ is the null: a difference within its range shows nothing. Each gateway's CPU is taken until
it has done what it does after its answers. Then the function calls of a miss, a hit and a chunk are counted; they are
much the same however busy the machine is (`--only counted` leaves the rest out).

`--old-env NAME=VALUE` and `--new-env NAME=VALUE` give a setting to one side; a configuration file too:
`--new-env TIDEGATE_CONFIG=/etc/tidegate.toml`. `--smoke` is the shortest run; its figures say nothing.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from benchmarks import checkouts, closed_loop, contestants, counting, null_range, processes, streams
from benchmarks.checkouts import Checkout, Side
from benchmarks.instant import CHUNKS_PER_SECOND
from benchmarks.null_range import Round
from benchmarks.processes import OTHER_CORE, BenchmarkError
from tidegate.storage import embedded

NAMES = ("old", "again", "new")
_SLOWEST_PACE = 0.9 * CHUNKS_PER_SECOND
_WARM_CALLS_SECONDS = 2.0
_START_SECONDS = 120.0

Half = Mapping[str, float]
"""The figures of one side in one round, by their names."""
FIGURES = {
    "cpu": ("Gateway CPU, µs each", "least"),
    "redis": ("Redis CPU, µs each", "least"),
    "rate": ("Each second", "most"),
}


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int
    seconds: float
    connections: Sequence[int]
    streams: int
    counted: int
    deadline: float


SMOKE = Plan(rounds=1, seconds=0.3, connections=[4], streams=4, counted=10, deadline=90.0)


def main() -> int:
    """Run in turns and tell."""
    options = _options()
    plan = _plan(options)
    try:
        with processes.ending_within(plan.deadline):
            _measure(options, plan)
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", "--before", type=Path, required=True, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each turn (default 3)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--streams", type=int, default=200, help="streams open at once (default 200)")
    parser.add_argument("--counted", type=int, default=50, help="calls of each kind that are counted (default 50)")
    parser.add_argument("--only", choices=["timed", "counted"], help="leave the other one out")
    parser.add_argument("--old-env", metavar="NAME=VALUE", action="append", default=[], help="for the old side alone")
    parser.add_argument("--new-env", metavar="NAME=VALUE", action="append", default=[], help="for the new side alone")
    processes.add_deadline(parser)
    parser.add_argument("--smoke", action="store_true", help="the shortest run, to see that everything works")
    parser.add_argument("--port", type=int, default=4560, help="the first of four ports (default 4560)")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    if options.smoke:
        return msgspec.structs.replace(SMOKE, deadline=options.deadline or SMOKE.deadline)
    turns = len(NAMES) * options.rounds * (2 * len(options.connections) + 1)
    enough = 2 * (_START_SECONDS + turns * (options.seconds + 2) + options.counted)
    return Plan(
        rounds=options.rounds,
        seconds=options.seconds,
        connections=options.connections,
        streams=options.streams,
        counted=options.counted,
        deadline=options.deadline or enough,
    )


def _measure(options: argparse.Namespace, plan: Plan) -> None:
    sides = _sides(options)
    processes.stay_on(OTHER_CORE)
    print(f"{sides['old'].described()}; {sides['new'].described()}\n", flush=True)
    chunks = int(CHUNKS_PER_SECOND * max(plan.seconds + 10, plan.counted / 10 + 5))
    with (
        contestants.upstream(options.port, "--chunks", str(chunks)),
        checkouts.serving(list(sides.values()), f"http://127.0.0.1:{options.port}/v1", options.port + 1) as running,
    ):
        gateways = dict(zip(sides, running, strict=True))
        if options.only != "counted":
            _timed(gateways, plan)
        if options.only != "timed":
            found = {name: _counted(gateways[name], plan.counted) for name in ("old", "new")}
            print(null_range.counts(found["old"], found["new"]) + "\n", flush=True)
        _tell_of_warnings(gateways)


def _tell_of_warnings(gateways: Mapping[str, Side]) -> None:
    for name, side in gateways.items():
        log = side.program.log
        if warnings := log.read_text(errors="replace").count("\n"):
            print(
                f"The gateway {name!r} logged {warnings} warnings ({log}): something disturbed its figures.", flush=True
            )


def _sides(options: argparse.Namespace) -> dict[str, Checkout]:
    old, new = options.old.resolve(), Path.cwd()
    for_old, for_new = _settings(options.old_env), _settings(options.new_env)
    sides = {
        "old": Checkout(name="old", folder=old, settings=for_old),
        "again": Checkout(name="again", folder=old, settings=for_old),
        "new": Checkout(name="new", folder=new, settings=for_new),
    }
    if options.only == "counted":
        del sides["again"]
    return sides


def _settings(given: Sequence[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    return {name: value for name, _, value in pairs}


def _timed(gateways: Mapping[str, Side], plan: Plan) -> None:
    for number, side in enumerate(gateways.values()):
        _calls(side, "miss", 8, min(plan.seconds, _WARM_CALLS_SECONDS), f"warm {number}")
    timed = {}
    try:
        for kind, turn in _turns(plan):
            timed[kind] = _rounds(gateways, plan.rounds, turn)
    finally:  # a turn that fails at the end takes nothing from those before it
        if timed:
            _tell(timed)


def _turns(plan: Plan) -> Iterator[tuple[str, Callable[[Side, str], Half]]]:
    for kind in ("miss", "hit"):
        for connections in plan.connections:
            turn = partial(_turn_of_calls, kind=kind, connections=connections, seconds=plan.seconds)
            yield f"{kind}, {connections} connections", turn
    yield f"chunk, {plan.streams} streams", partial(_turn_of_chunks, count=plan.streams, seconds=plan.seconds)


def _turn_of_calls(side: Side, name: str, *, kind: str, connections: int, seconds: float) -> Half:
    return _calls(side, kind, connections, seconds, f"{kind} {connections} {name}")


def _calls(side: Side, kind: str, connections: int, seconds: float, name: str) -> Half:
    cpu, redis = side.program.cpu_seconds(), side.redis_seconds()
    found = closed_loop.run(
        side.target, connections=connections, seconds=seconds, kind=kind, name=f"{name} {os.getpid()}"
    )
    side.program.until_quiet()
    cpu, redis = side.program.cpu_seconds() - cpu, side.redis_seconds() - redis
    return {"cpu": cpu / found.requests * 1e6, "redis": redis / found.requests * 1e6, "rate": found.rate}


def _turn_of_chunks(side: Side, _: str, *, count: int, seconds: float) -> Half:
    found = streams.measure(side.program, side.target, streams=count, seconds=seconds)
    side.program.until_quiet()
    if found.pace < _SLOWEST_PACE:
        print(f"(a stream had {found.pace:.1f} chunks a second instead of {CHUNKS_PER_SECOND:g}: void)", flush=True)
    return {"cpu": found.microseconds_each}


def _rounds(gateways: Mapping[str, Side], rounds: int, turn: Callable[[Side, str], Half]) -> list[dict[str, Half]]:
    """Take turns; another side begins each round."""
    taken = []
    for number in range(rounds):
        first = number % len(NAMES)
        order = NAMES[first:] + NAMES[:first]
        taken.append({name: turn(gateways[name], str(number)) for name in order})
    return taken


def _tell(timed: Mapping[str, Sequence[Mapping[str, Half]]]) -> None:
    for figure, (title, best) in FIGURES.items():
        found: dict[str, Sequence[Round]] = {
            kind: [{name: half[figure] for name, half in each.items()} for each in rounds]
            for kind, rounds in timed.items()
            if all(figure in half for half in rounds[0].values())
        }
        print(null_range.table(title, found, best=best) + "\n", flush=True)


def _counted(side: Side, calls: int) -> dict[str, counting.Count]:
    return counting.count(side.program, side.target, side.counts, calls)


if __name__ == "__main__":
    sys.exit(main())
