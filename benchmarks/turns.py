"""One turn of one contestant: calls or streams for a few seconds, and the CPU that they took."""

import os
from collections.abc import Sequence

import msgspec

from benchmarks import closed_loop, streams
from benchmarks.instant import CHUNKS_PER_SECOND
from benchmarks.peers.peer import Running
from benchmarks.processes import BenchmarkError
from benchmarks.store_processes import StoresCpu

SLOWEST_PACE = 0.9 * CHUNKS_PER_SECOND
_WARM_SECONDS = 1.0


class Case(msgspec.Struct, frozen=True):
    """What is measured: `kind` is `miss`, `hit` or `chunk`, `count` the connections or streams."""

    kind: str
    count: int

    @property
    def described(self) -> str:
        """Return it in words."""
        return f"{self.count} streams" if self.kind == "chunk" else f"{self.kind} at {self.count} connections"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn showed; microseconds are of CPU and for each call or chunk."""

    microseconds: float
    redis: float | None = None
    """Microseconds of its Redis for each call, if it has one."""
    postgres: float | None = None
    rate: float
    """Answers a second; of streams, the chunks a second of each."""
    p50: float = 0.0
    p99: float = 0.0


class Contestant(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway that runs, and what is measured of it."""

    name: str
    running: Running
    kinds: Sequence[str]
    streams: int

    def takes(self, case: Case) -> bool:
        """Return whether it has a turn in this case."""
        return self.streams > 0 if case.kind == "chunk" else case.kind in self.kinds


def warm(contestant: Contestant) -> None:
    """Make calls of each kind that are not measured. Raises BenchmarkError when one fails."""
    for kind in contestant.kinds:
        closed_loop.run(
            contestant.running.target, connections=8, seconds=_WARM_SECONDS, kind=kind, name=f"warm {os.getpid()}"
        )


def turn(contestant: Contestant, case: Case, seconds: float, name: str) -> Turn:
    """Let it have its turn; `name` sets its questions apart. Raises BenchmarkError when a call fails."""
    return _chunks(contestant, seconds) if case.kind == "chunk" else _calls(contestant, case, seconds, name)


def _calls(contestant: Contestant, case: Case, seconds: float, name: str) -> Turn:
    running = contestant.running
    stores = StoresCpu(running.stores) if running.stores else None
    cpu, before = running.program.cpu_seconds(), stores.seconds() if stores else None
    # every hit of a contestant asks the same, which its warm calls have stored
    words = f"warm {os.getpid()}" if case.kind == "hit" else f"{case.count} {name} {os.getpid()}"
    found = closed_loop.run(running.target, connections=case.count, seconds=seconds, kind=case.kind, name=words)
    running.program.until_quiet()
    each = 1e6 / found.requests
    redis = postgres = None
    if stores and before:
        redis, postgres = ((now - then) * each for now, then in zip(stores.seconds(), before, strict=True))
    return Turn(
        microseconds=(running.program.cpu_seconds() - cpu) * each,
        redis=redis,
        postgres=postgres or None,
        rate=found.rate,
        p50=found.p50,
        p99=found.p99,
    )


def _chunks(contestant: Contestant, seconds: float) -> Turn:
    running = contestant.running
    found = streams.measure(running.program, running.target, streams=contestant.streams, seconds=seconds)
    running.program.until_quiet()
    if not found.chunks:
        raise BenchmarkError(f"{contestant.name} sent no chunk within {seconds:g} s")
    return Turn(microseconds=found.microseconds_each, rate=found.pace)
