"""Tidegate, a bare pass-through and LiteLLM: one core each, the same instant upstream, in one run.

`python -m benchmarks.side_by_side [--seconds 5] [--only tidegate floor] [--skip-litellm]`
"""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import contestants, figures, litellm, load, processes, streams
from benchmarks.contestants import FOLDER, Ports, Running
from benchmarks.figures import Figures
from tidegate.storage import embedded

RESULTS = Path(__file__).with_name("RESULTS.md")
CONNECTIONS = (1, 8, 64)
STREAMS = 200
SLOW_STREAMS = 20
"""LiteLLM cannot keep the pace of 200."""
EVERYONE = ("tidegate", "floor", "litellm", "litellm-cached")

_INTRODUCTION = """# Side by side

{date}, 2 shared cores. The contestant runs alone on one core; load (`wrk`), upstream and stores run on the other. Read
the ratios: the absolute figures depend on the machine.

- **tidegate**: one process, with keys, cache and metering.
- **floor**: bare ASGI and aiohttp; it only forwards.
- **litellm**: one key, no database.
- **litellm-cached**: answers from Redis.

Each miss has a different body, all hits the same. The upstream paces the streams at 50 chunks a second.

Versions: {versions}.

Repeat it with `make bench`.

"""


def main() -> int:
    """Measure, print, and write RESULTS.md."""
    options = _options()
    try:
        load.require_wrk()
        processes.stay_on(processes.OTHER_CORE)
        with processes.ending_within(options.deadline):
            measured = {entry.name: entry for entry in _measure_all(options)}
    except (processes.BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1
    told = figures.table(measured)
    print("\n" + told)
    if not options.only:
        _, following, others = RESULTS.read_text().partition("\n# ")  # what other benchmarks found stays
        RESULTS.write_text(_introduction(with_litellm=not options.skip_litellm) + told + "\n" + following + others)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="length of each run (default 5, at most 60)")
    parser.add_argument("--only", nargs="+", choices=EVERYONE, default=[], help="do not write RESULTS.md")
    parser.add_argument("--skip-litellm", action="store_true")
    processes.add_deadline(parser, 7200)
    parser.add_argument("--port", type=int, default=4550, help="the first of five ports (default 4550)")
    options = parser.parse_args()
    options.seconds = min(max(options.seconds, 1), 60)
    return options


def _measure_all(options: argparse.Namespace) -> Iterator[Figures]:
    chosen = [name for name in options.only or EVERYONE if not (options.skip_litellm and name.startswith("litellm"))]
    ports = Ports.above(options.port)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contestants.upstream(ports.upstream))
        for name in chosen:
            print(f"{name} ...", flush=True)
            with contextlib.ExitStack() as own:
                yield _measure(name, _start(name, ports, own), options.seconds)


def _start(name: str, ports: Ports, stack: contextlib.ExitStack) -> Running:
    if name == "tidegate":
        stores = stack.enter_context(embedded.running(FOLDER / "stores"))
        return stack.enter_context(contestants.tidegate(ports, stores))
    if name == "floor":
        return stack.enter_context(contestants.floor(ports))
    return stack.enter_context(contestants.peer(ports, cached=name == "litellm-cached"))


def _measure(name: str, running: Running, seconds: int) -> Figures:
    entry = Figures(name=name, start_seconds=running.start_seconds, idle_bytes=running.idle_bytes)
    this_run = f"{name} {datetime.now(UTC).isoformat()}"
    kinds = {"litellm": ["miss"], "litellm-cached": ["hit"], "floor": ["miss"]}.get(name, ["miss", "hit"])
    for kind in kinds:
        load.run(running.target, connections=8, seconds=1, kind=kind, name=f"warm {this_run}")
        loads = entry.misses if kind == "miss" else entry.hits
        for connections in CONNECTIONS:
            its_name = this_run if kind == "hit" else f"{connections} {this_run}"
            loads[connections] = load.run(
                running.target, connections=connections, seconds=seconds, kind=kind, name=its_name
            )
    if name != "litellm-cached":
        count = SLOW_STREAMS if name == "litellm" else STREAMS
        entry.chunks = streams.measure(running.program, running.target, streams=count, seconds=min(seconds, 6))
    entry.loaded_bytes = running.program.resident_bytes()
    return entry


def _introduction(*, with_litellm: bool) -> str:
    versions = {name: version(name) for name in ("tidegate", "uvicorn", "aiohttp", "uvloop", "redis", "asyncpg")}
    if with_litellm:
        versions["litellm"] = litellm.version(FOLDER / "litellm")
    told = ", ".join([f"Python {sys.version.split()[0]}", *(f"{name} {number}" for name, number in versions.items())])
    return _INTRODUCTION.format(date=datetime.now(UTC).date(), versions=told)


if __name__ == "__main__":
    sys.exit(main())
