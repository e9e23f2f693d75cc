"""Tidegate, a bare pass-through and other gateways: the same instant upstream, in turns, CPU beside rates.

`python -m benchmarks.side_by_side [--rounds 5] [--seconds 2] [--only tidegate floor] [--peers FOLDER]`

All contestants run at once, and one of them works. Each round has a turn of each; figures are medians over the rounds.
CPU is that of all threads and children, until the contestant is quiet again. Tidegate has two turns in each round: how
far they differ is the noise. A peer that cannot be installed or started is left out, and the results say so.

Results are written only where the machine was quiet, before and between the turns. `--only` and `--smoke` write none.
`--install` only installs the peers, each by its name into a folder of its own under FOLDER.
"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks import contestants, figures, processes, report, results
from benchmarks.contestants import FOLDER, PEERS, Ports
from benchmarks.cores import Cores
from benchmarks.figures import AGAIN, OURS, Figures
from benchmarks.peers.installing import InstallError
from benchmarks.peers.peer import Peer, Site
from benchmarks.processes import BenchmarkError
from benchmarks.quiet_machine import QuietWatch, complaints
from benchmarks.turns import SLOWEST_PACE, Case, Contestant, turn, warm
from tidegate.storage import embedded

FLOOR = "floor"
EVERYONE = (OURS, AGAIN, FLOOR, *(peer.name for peer in PEERS))
_LOOK_BEFORE, _LOOK_BETWEEN = 3.0, 0.4


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int
    seconds: float
    connections: Sequence[int]
    streams: int

    @property
    def cases(self) -> list[Case]:
        """Return what is measured, in order."""
        calls = [Case(kind, count) for kind in ("miss", "hit") for count in self.connections]
        return [*calls, Case("chunk", self.streams)]


SMOKE = Plan(rounds=1, seconds=0.3, connections=[1, 4], streams=4)


def main() -> int:
    """Measure, print, and write the results where the machine was quiet."""
    options = _options()
    plan = SMOKE if options.smoke else _plan(options)
    try:
        if options.install:
            return _install(options.peers)
        with processes.ending_within(options.deadline):
            return _compare(options, plan)
    except (BenchmarkError, embedded.EmbeddedError) as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each turn (default 2)")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--streams", type=int, default=200, help="streams open at once (default 200)")
    parser.add_argument("--only", nargs="+", choices=EVERYONE, default=[], help="compare these, and write no results")
    parser.add_argument("--smoke", action="store_true", help="the shortest run; it writes no results")
    parser.add_argument("--peers", type=Path, default=FOLDER, help="where peers are installed (default .benchmarks)")
    parser.add_argument("--install", action="store_true", help="install the peers, and measure nothing")
    processes.add_deadline(parser, 1800)
    parser.add_argument("--port", type=int, default=4550, help="the first of thirteen ports (default 4550)")
    return parser.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        rounds=options.rounds, seconds=options.seconds, connections=options.connections, streams=options.streams
    )


def _install(folder: Path) -> int:
    missing = 0
    for peer in PEERS:
        try:
            peer.package.install(_home(folder, peer))
        except InstallError as error:
            print(f"{peer.name} is left out: {error}", flush=True)
            missing += 1
    return int(missing > 0)


def _home(folder: Path, peer: Peer) -> Path:
    return folder / peer.package.folder


def _compare(options: argparse.Namespace, plan: Plan) -> int:
    writes = not options.only and not options.smoke
    cores, watch = Cores.here(), QuietWatch()
    before = watch.look(_LOOK_BEFORE if writes else _LOOK_BETWEEN)
    if writes and (wrong := list(complaints([before], 0.0, None))):
        raise BenchmarkError(f"Nothing was measured: {wrong[0]}. Repeat it on a quiet machine, or name some: --only.")
    stage = Stage(options, plan.streams, cores)
    with contextlib.ExitStack() as stack:
        stage.start(stack)
        print(cores.described(), flush=True)
        everyone = _measured(stage, plan, watch)
    noise = figures.noise(everyone, plan.cases)
    quietness, told = report.quietness(watch, noise), figures.tables(everyone, plan.cases)
    print(f"\n{told}\n\n{quietness}")
    if not writes:
        return 0
    if wrong := list(complaints(watch.looks, watch.stolen(), noise)):
        print(f"The results were not written: {'; '.join(wrong)}.", file=sys.stderr)
        return 1
    document = report.document(cores, plan.rounds, plan.seconds, stage.notes(), quietness)
    blocks = {
        "README": figures.for_readme(everyone, plan.cases),
        "capacity": figures.for_capacity(everyone, plan.cases),
    }
    results.write(document + told + "\n", blocks)
    return 0


class Stage:
    """Everything that runs during the comparison."""

    def __init__(self, options: argparse.Namespace, streams: int, cores: Cores) -> None:
        """Nothing is started yet; each contestant is given up to so many `streams`."""
        self._options = options
        self._streams = streams
        self._cores = cores
        self._chosen = options.only or ([OURS, AGAIN, FLOOR] if options.smoke else EVERYONE)
        self._notes: list[str] = []
        self._failed: set[tuple[str, Case]] = set()
        self.contestants: list[Contestant] = []
        self.titles: dict[str, str] = {OURS: "Tidegate, everything on", AGAIN: AGAIN, FLOOR: "a bare pass-through"}

    def notes(self) -> str:
        """Return what readers must know of each contestant, as a Markdown list."""
        return "\n".join(f"- {note}" for note in self._notes)

    def start(self, stack: contextlib.ExitStack) -> None:
        """Start everyone who was chosen. Raises BenchmarkError where one of our own does not start."""
        ports, cores = Ports.above(self._options.port), self._cores
        FOLDER.mkdir(parents=True, exist_ok=True)
        processes.stay_on(cores.stores)
        stack.enter_context(contestants.upstream(ports.upstream, core=cores.upstream))
        if OURS in self._chosen:
            self._start_ours(stack, ports)
        if FLOOR in self._chosen:
            self._notes.append(f"**{FLOOR}**: bare ASGI and aiohttp on uvicorn; it only forwards.")
            running = stack.enter_context(contestants.floor(ports, core=cores.gateway))
            self._add(Contestant(name=FLOOR, running=running, kinds=["miss"], streams=self._streams))
        for number, peer in enumerate(PEERS):
            if peer.name in self._chosen:
                self._start_peer(stack, peer, ports, number)
        processes.stay_on(cores.load)

    def _start_ours(self, stack: contextlib.ExitStack, ports: Ports) -> None:
        folder = FOLDER / "stores"
        stores = stack.enter_context(embedded.running(folder))
        running = stack.enter_context(contestants.tidegate(ports, stores, core=self._cores.gateway))
        running = msgspec.structs.replace(running, stores=folder)
        self._notes.append(f"**{OURS}**: one process with keys, cache, single flight, limits, metering and call log.")
        names = [OURS] + ([AGAIN] if AGAIN in self._chosen else [])
        for name in names:
            self._add(Contestant(name=name, running=running, kinds=["miss", "hit"], streams=self._streams))
        if AGAIN in self._chosen:
            self._notes.append(f"**{AGAIN}**: the same process, with a second turn in each round.")

    def _start_peer(self, stack: contextlib.ExitStack, peer: Peer, ports: Ports, number: int) -> None:
        home = _home(self._options.peers, peer)
        site = Site(
            installed=home,
            folder=FOLDER.resolve(),
            cores=self._cores,
            upstream_port=ports.upstream,
            port=ports.peers + 2 * number,
            redis_port=ports.peers + 2 * number + 1,
        )
        print(f"{peer.name} ...", flush=True)
        try:
            peer.package.install(home)
            version = peer.package.installed_version(home)
            running = stack.enter_context(peer.serving(site))
        except BenchmarkError as error:
            self._leave_out(peer.name, error)
            return
        self._notes.append(f"**{peer.name}** {version}: {peer.settings}.")
        self.titles[peer.name] = f"{peer.name} {version}, {peer.settings}"
        streams = min(peer.streams, self._streams)
        self._add(Contestant(name=peer.name, running=running, kinds=peer.kinds, streams=streams))

    def _add(self, contestant: Contestant) -> None:
        try:
            warm(contestant)
        except BenchmarkError as error:
            self._leave_out(contestant.name, error)
        else:
            self.contestants.append(contestant)

    def _leave_out(self, name: str, error: BenchmarkError) -> None:
        if name in (OURS, AGAIN, FLOOR):
            raise error
        self._notes.append(f"**{name}** is left out: {str(error).splitlines()[0]}.")
        print(self._notes[-1], flush=True)

    def taking(self, case: Case) -> list[Contestant]:
        """Return who has a turn in this case."""
        return [one for one in self.contestants if one.takes(case) and (one.name, case) not in self._failed]

    def leave_case_out(self, name: str, case: Case, error: BenchmarkError) -> None:
        """Measure a peer's `case` no more, for it failed. Raises the error where it is one of our own."""
        if name in (OURS, AGAIN, FLOOR):
            raise error
        self._failed.add((name, case))
        self._notes.append(f"**{name}** has no figures of {case.described}: {str(error).splitlines()[0][:200]}.")
        print(self._notes[-1], flush=True)


def _measured(stage: Stage, plan: Plan, watch: QuietWatch) -> dict[str, Figures]:
    everyone = {
        one.name: Figures(
            name=one.name,
            title=stage.titles[one.name],
            start_seconds=one.running.start_seconds,
            idle_bytes=one.running.idle_bytes,
            streams=one.streams,
        )
        for one in stage.contestants
    }
    for number in range(plan.rounds):
        print(f"round {number + 1} of {plan.rounds} ...", flush=True)
        for case in plan.cases:
            watch.look(_LOOK_BETWEEN)
            _round(stage, case, plan, number, everyone)
    for one in stage.contestants:
        everyone[one.name].loaded_bytes = one.running.program.resident_bytes()
    return everyone


def _round(stage: Stage, case: Case, plan: Plan, number: int, everyone: dict[str, Figures]) -> None:
    """Let each contestant have one turn; another one begins each round."""
    taking = stage.taking(case)
    first = number % max(1, len(taking))
    for one in taking[first:] + taking[:first]:
        try:
            found = turn(one, case, plan.seconds, f"{one.name} {number}")
        except BenchmarkError as error:
            stage.leave_case_out(one.name, case, error)
            everyone[one.name].turns.pop(case, None)
            continue
        everyone[one.name].turns.setdefault(case, []).append(found)
        if case.kind == "chunk" and found.rate < SLOWEST_PACE:
            print(f"({one.name} kept {found.rate:.1f} chunks a second of each stream)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
